//! Documents that are fetched from elsewhere, questions that others answer, and the calls for both.
//! No I/O, no clock.
//!
//! The VMs of a process keep one copy of each document in a [`space::SharedSpace`], and make one
//! fetch for all of them, whatever the number of workers. Each VM runs the same code at every tick:
//! it reads the [`record::Record`] of the document, and if a fetch is due and no lease is held, it
//! takes the lease by compare-and-swap and makes the [`call::Call`]. The other VMs see the record
//! change at their next tick. No VM is special: that of the main thread, which serves no request,
//! may fetch as well.
//!
//! ```text
//!             due, no lease                   answered, usable
//!   idle ───────────────────────▶ fetching ───────────────────────▶ idle, the new content for all
//!    ▲                               │ failed: the old content serves on, back-off
//!    └───────────────────────────────┘ lease expired: any VM may take over
//! ```
//!
//! [`document::Document`] is the whole of it for one document. What it holds is the business of its
//! [`document::Content`]; nothing here knows what a key is.
//!
//! [`enquiry::Enquiries`] are the questions of one VM about single requests. Where the whole process
//! is to ask once, [`slots::Slots`] say what others have asked and learnt, [`rate::Rate`] how much
//! they ask in a second, and [`outage::Outage`] what they have told of failures;
//! [`reminder::Reminder`] is a line that one of them tells again and again.

pub mod call;
pub mod document;
pub mod enquiry;
pub mod exception;
pub mod failure;
pub mod outage;
pub mod rate;
pub mod record;
mod refresher;
pub mod reminder;
pub mod report;
pub mod roll;
pub mod schedule;
pub mod slots;
pub mod space;
