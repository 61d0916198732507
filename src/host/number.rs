//! One of Envoy's statistics, under `wasmcustom.`.

use super::metrics::{Kind, Metric};
use proxy_wasm::hostcalls;
use proxy_wasm::types::MetricType;
use std::cell::RefCell;
use std::time::Duration;

/// How long a count may wait until the host is told.
pub(super) const TOLD_WITHIN: Duration = Duration::from_millis(100);

thread_local! {
    /// What has been counted since. Two calls of the host's, for each remembered token, would be a
    /// twentieth of what it costs.
    static UNTOLD: RefCell<Vec<(u32, i64)>> = const { RefCell::new(Vec::new()) };
}

/// A statistic, unless the host has refused to keep it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Number(Option<u32>);

impl Number {
    pub(super) fn define(kind: Kind, name: &str) -> Self {
        let kind = match kind {
            Kind::Counter => MetricType::Counter,
            Kind::Gauge => MetricType::Gauge,
        };
        Self(hostcalls::define_metric(kind, name).ok())
    }
}

impl Metric for Number {
    fn add(&self, amount: i64) {
        let Some(id) = self.0 else { return };
        UNTOLD.with_borrow_mut(
            |untold| match untold.iter_mut().find(|(known, _)| *known == id) {
                Some((_, sum)) => *sum = sum.saturating_add(amount),
                None => untold.push((id, amount)),
            },
        );
    }

    fn set(&self, value: u64) {
        if let Some(id) = self.0 {
            let _ = hostcalls::record_metric(id, value);
        }
    }
}

/// Whether anything has been counted that the host is not told yet.
pub(super) fn is_untold() -> bool {
    UNTOLD.with_borrow(|untold| !untold.is_empty())
}

/// Tells the host what has been counted, by whatever plugin of this VM.
pub(super) fn tell() {
    for (id, amount) in UNTOLD.take() {
        let _ = hostcalls::increment_metric(id, amount);
    }
}
