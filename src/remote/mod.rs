//! Documents that are fetched from elsewhere, and the calls that fetch them. No I/O, no clock.
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

pub mod call;
pub mod document;
pub mod failure;
pub mod record;
mod refresher;
pub mod report;
pub mod roll;
pub mod schedule;
pub mod space;
