//! What a function tells the upstream of the caller.

use super::event::Format;
use crate::header::is_header_value;
use crate::json::{self, Object};
use serde_json::Value;

/// The longest value that is sent, in bytes: many servers refuse a request with 16 KiB of headers
/// (Node.js) or 8 KiB in one line (nginx, Apache).
pub const MAX_SENT_BYTES: usize = 8 * 1024;

/// The `context` of an answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Context(Object);

impl Context {
    /// Reads the member; `None` if it has a shape that this format does not have.
    pub(super) fn read(value: Option<&Value>, format: Format) -> Option<Self> {
        let members = match value {
            None | Some(Value::Null) => return Some(Self::default()),
            Some(value) => value.as_object()?,
        };
        let mut context = Object::new();
        for (key, value) in members {
            let value = match (value, format) {
                // There is nothing to send.
                (Value::Null, _) => continue,
                (value, Format::Http2) => value.clone(),
                // API Gateway makes texts of them.
                (Value::String(text), _) => Value::String(text.clone()),
                (Value::Bool(_) | Value::Number(_), _) => Value::String(value.to_string()),
                (Value::Array(_) | Value::Object(_), _) => return None,
            };
            context.insert(key.clone(), value);
        }
        Some(Self(context))
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    /// How many bytes it has allocated, about.
    pub(super) fn bytes(&self) -> usize {
        let values = self.0.iter();
        values
            .map(|(key, value)| json::allocated(key.len()).saturating_add(json::bytes(value)))
            .fold(0, usize::saturating_add)
    }
}

/// Whether a value may be sent: not, where something in it would end a header, or be read as its end.
pub(super) fn may_be_sent(value: &Value) -> bool {
    match value {
        Value::String(text) => is_header_value(text),
        Value::Array(elements) => elements.iter().all(may_be_sent),
        Value::Object(members) => members
            .iter()
            .all(|(name, value)| is_header_value(name) && may_be_sent(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
    }
}
