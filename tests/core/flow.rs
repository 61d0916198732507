//! Keys in scripted time: tables of second, event, and all that happened up to then.

mod accounts;
mod authorizers;
mod boundaries;
mod change;
mod confirmation;
mod deny_list;
mod follow;
mod hold_limits;
mod many_issuers;
mod open_requests;
mod outage;
mod pools;
mod random;
mod reads;
mod reporting;
mod script;
mod search;
mod sharing;
mod start;
mod telling;
mod world;
