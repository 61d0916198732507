//! A configuration in Envoy.

use crate::call;
use crate::raw::{self, Buffer, ConfigurationPointer, SchedulerPointer};
use cognito_authorizer::host::metrics::Kind;
use cognito_authorizer::remote::call::{Call, NotSent};
use cognito_authorizer_native::envoy::{Bell, Configuration};
use std::ptr::null;

/// A configuration, within one of its hooks.
#[derive(Debug)]
pub(crate) struct Current(ConfigurationPointer);

impl Current {
    /// # Safety
    /// The configuration outlives the value, and this is its thread.
    pub(crate) const unsafe fn new(pointer: ConfigurationPointer) -> Self {
        Self(pointer)
    }
}

impl Configuration for Current {
    fn define(&self, kind: Kind, name: &str) -> Option<usize> {
        let define = match kind {
            Kind::Counter => raw::envoy_dynamic_module_callback_http_filter_config_define_counter,
            Kind::Gauge => raw::envoy_dynamic_module_callback_http_filter_config_define_gauge,
        };
        let mut id = 0;
        let name = Buffer::of(name.as_bytes());
        // SAFETY: the pointer holds by `Current::new`; name and number live until the call returns.
        let result = unsafe { define(self.0, name, null(), 0, &raw mut id) };
        (result == raw::METRIC_DONE).then_some(id)
    }

    fn count(&self, id: usize, amount: u64) {
        let count = raw::envoy_dynamic_module_callback_http_filter_config_increment_counter;
        // SAFETY: the pointer holds by `Current::new`. Nothing depends on a counter.
        let _ = unsafe { count(self.0, id, null(), 0, amount) };
    }

    fn shift(&self, id: usize, amount: i64) {
        let shift = match amount.is_negative() {
            false => raw::envoy_dynamic_module_callback_http_filter_config_increment_gauge,
            true => raw::envoy_dynamic_module_callback_http_filter_config_decrement_gauge,
        };
        // SAFETY: the pointer holds by `Current::new`.
        let _ = unsafe { shift(self.0, id, null(), 0, amount.unsigned_abs()) };
    }

    fn set(&self, id: usize, value: u64) {
        let set = raw::envoy_dynamic_module_callback_http_filter_config_set_gauge;
        // SAFETY: the pointer holds by `Current::new`.
        let _ = unsafe { set(self.0, id, null(), 0, value) };
    }

    fn call(&self, call: &Call) -> Result<u64, NotSent> {
        let make = raw::envoy_dynamic_module_callback_http_filter_config_http_callout;
        // SAFETY: the pointer holds by `Current::new`.
        unsafe { call::make(make, self.0, call) }
    }

    fn bell(&self) -> Option<Box<dyn Bell>> {
        // SAFETY: the pointer holds by `Current::new`.
        let scheduler =
            unsafe { raw::envoy_dynamic_module_callback_http_filter_config_scheduler_new(self.0) };
        if scheduler.is_null() {
            return None;
        }
        Some(Box::new(MainBell(scheduler)))
    }
}

/// Rings on the main thread.
#[derive(Debug)]
struct MainBell(SchedulerPointer);

// SAFETY: Envoy's scheduler may be used and deleted on any thread.
unsafe impl Send for MainBell {}

impl Bell for MainBell {
    fn ring(&self) {
        // SAFETY: it is deleted in `drop` only. A bell is hung where it is taken down before Envoy
        // ends the configuration, and with it before the event loop ends.
        unsafe {
            raw::envoy_dynamic_module_callback_http_filter_config_scheduler_commit(self.0, 0);
        }
    }
}

impl Drop for MainBell {
    fn drop(&mut self) {
        // SAFETY: made by `scheduler_new`, and not used any more.
        unsafe { raw::envoy_dynamic_module_callback_http_filter_config_scheduler_delete(self.0) };
    }
}
