//! The classes, by what they change.

pub(crate) mod carriage;
pub(crate) mod header;
pub(crate) mod identity;
pub(crate) mod json;
pub(crate) mod signature;
pub(crate) mod spelling;
pub(crate) mod times;
