//! Envoy's log.

use crate::raw::{self, Buffer};
use cognito_authorizer_native::envoy::{Level, Log};

/// The log under the name `dynamic_modules`.
pub(crate) struct EnvoyLog;

const fn number(level: Level) -> u32 {
    match level {
        Level::Debug => raw::DEBUG,
        Level::Info => raw::INFO,
        Level::Warning => raw::WARNING,
        Level::Error => raw::ERROR,
    }
}

impl Log for EnvoyLog {
    fn is_written(&self, level: Level) -> bool {
        // SAFETY: takes a number, on any thread.
        unsafe { raw::envoy_dynamic_module_callback_log_enabled(number(level)) }
    }

    fn write(&self, level: Level, line: &str) {
        let line = Buffer::of(line.as_bytes());
        // SAFETY: the buffer is a string's, which lives until the call returns.
        unsafe { raw::envoy_dynamic_module_callback_log(number(level), line) }
    }
}
