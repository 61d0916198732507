//! One of Envoy's statistics, under `wasmcustom.`.

use super::metrics::{Kind, Metric};
use proxy_wasm::hostcalls;
use proxy_wasm::types::MetricType;

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
        if let Some(id) = self.0 {
            let _ = hostcalls::increment_metric(id, amount);
        }
    }

    fn set(&self, value: u64) {
        if let Some(id) = self.0 {
            let _ = hostcalls::record_metric(id, value);
        }
    }
}
