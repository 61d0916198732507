//! What Envoy offers, as far as the filter uses it.

use cognito_authorizer::host::metrics::Kind;
use cognito_authorizer::host::stream::{Hidden, Part};
use cognito_authorizer::remote::call::{Call, NotSent};
use cognito_authorizer::request::Attribute;
use std::fmt::{Arguments, Debug};
use std::sync::OnceLock;

/// A request in Envoy. Once it has ended, nothing can be read of it, and what is asked of it is not
/// done.
pub trait Stream: Debug {
    /// The first value of a header.
    ///
    /// # Errors
    /// The request has ended.
    fn header(&self, name: &str) -> Result<Option<Vec<u8>>, Hidden>;
    /// All lines.
    ///
    /// # Errors
    /// The request has ended.
    fn all(&self, part: Part) -> Result<Vec<(String, Vec<u8>)>, Hidden>;
    /// Writes one header in the place of all of its name.
    fn set_header(&self, name: &str, value: &[u8]);
    /// Writes one header of a name that none has.
    fn add_header(&self, name: &str, value: &[u8]);
    /// Takes off all lines of a name. Says whether there was any.
    fn remove(&self, part: Part, name: &str) -> bool;
    /// What Envoy knows of the connection.
    fn attribute(&self, attribute: Attribute) -> Option<Vec<u8>>;
    /// Answers the request here. The details are for access logs.
    fn send(&self, status: u16, headers: &[(&str, &[u8])], body: &[u8], details: &str);
    /// Lets a request go on that was stopped.
    fn go_on(&self);
    /// Cuts the request.
    fn reset(&self, details: &str);
    /// Sets filter state.
    fn publish(&self, name: &str, value: &[u8]);
    /// Sets a member of the filter's dynamic metadata.
    fn describe(&self, name: &str, value: &str);
    /// Adds to a list in it.
    fn describe_also(&self, name: &str, value: &str);
    /// Has the route chosen again.
    fn choose_route_anew(&self);
    /// Makes a call that ends with the request, and returns Envoy's number for it.
    ///
    /// # Errors
    /// It was not sent, and there will be no answer.
    fn call(&self, call: &Call) -> Result<u64, NotSent>;
    /// What wakes this request's thread, from any other.
    fn bell(&self) -> Option<Box<dyn Bell>>;
}

/// A configuration in Envoy, on the main thread.
pub trait Configuration: Debug {
    /// Defines a statistic; only while the configuration is being loaded.
    fn define(&self, kind: Kind, name: &str) -> Option<usize>;
    /// Adds to a counter.
    fn count(&self, id: usize, amount: u64);
    /// Adds to a gauge, or takes from it.
    fn shift(&self, id: usize, amount: i64);
    /// Sets a gauge.
    fn set(&self, id: usize, value: u64);
    /// Makes a call, and returns Envoy's number for it.
    ///
    /// # Errors
    /// It was not sent, and there will be no answer.
    fn call(&self, call: &Call) -> Result<u64, NotSent>;
    /// What wakes the main thread, from any other.
    fn bell(&self) -> Option<Box<dyn Bell>>;
}

/// The answer to a call, while Envoy holds it.
pub trait Response {
    /// The first value of a header.
    fn header(&self, name: &str) -> Option<&[u8]>;
    /// How long the body is.
    fn body_length(&self) -> usize;
    /// The body.
    fn body(&self) -> Vec<u8>;
}

/// Has a thread of Envoy's run something of ours.
pub trait Bell: Send + Debug {
    /// Rings it. What it belongs to may have ended: then nothing happens.
    fn ring(&self);
}

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// For those who look closely.
    Debug,
    /// All is well.
    Info,
    /// An operator is needed.
    Warning,
    /// Something is refused altogether.
    Error,
}

/// Envoy's log.
pub trait Log: Sync {
    /// Whether a line of this level would be written.
    fn is_written(&self, level: Level) -> bool;
    /// Writes a line.
    fn write(&self, level: Level, line: &str);
}

static LOG: OnceLock<&'static dyn Log> = OnceLock::new();

/// Where lines go from now on. The first one stays.
pub fn log_to(log: &'static dyn Log) {
    let _ = LOG.set(log);
}

/// Writes a line, if anybody reads it.
pub fn tell(level: Level, line: Arguments<'_>) {
    if let Some(log) = LOG.get().filter(|log| log.is_written(level)) {
        log.write(level, &line.to_string());
    }
}
