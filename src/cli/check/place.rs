//! A place in one of the files that are looked at together.

use super::finding::{Code, Finding};
use crate::document::Document;
use std::rc::Rc;

/// A part of a document of a file.
#[derive(Clone)]
pub(super) struct Place {
    /// The file's position among all.
    pub(super) file: usize,
    pub(super) document: Rc<Document>,
    pub(super) path: String,
}

impl Place {
    /// A finding about what stands here.
    pub(super) fn finding(&self, code: &'static Code, text: impl Into<String>) -> Finding {
        Finding {
            code,
            path: self.path.clone(),
            span: self.document.places.at(&self.path),
            text: text.into(),
            advice: code.help,
        }
    }
}
