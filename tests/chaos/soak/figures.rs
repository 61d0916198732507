//! What the load costs, measured at even intervals.

use std::fmt;
use std::time::{Duration, Instant};

use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::process::Usage;
use crate::tell;

/// Memory in the end may be this much above that in the beginning: allocators round up.
const MEMORY_PERCENT: u64 = 5;
/// CPU per request may be: other work on the machine empties this one's caches.
const CPU_PERCENT: u64 = 25;

/// One interval.
struct Sample {
    requests: u64,
    /// CPU time of the whole Envoy per request, in microseconds.
    micros: Option<u64>,
    /// Resident memory, in KiB.
    resident: u64,
}

/// All intervals so far.
pub(super) struct Figures {
    began: Instant,
    last: Instant,
    before: Counts,
    samples: Vec<Sample>,
}

/// What Envoy has counted.
struct Counts {
    requests: u64,
    held: u64,
    cancelled: u64,
    fetches: u64,
    usage: Usage,
}

impl Counts {
    fn of(envoy: &EnvoyUnderTest) -> Self {
        let metrics = envoy.metrics();
        let metric = |name: &str| metrics.get(name).copied().unwrap_or(0);
        Self {
            requests: envoy.statistic("http.ingress.downstream_rq_total"),
            held: metric("held"),
            cancelled: metric("cancelled"),
            fetches: metric("jwks_fetch.success") + metric("jwks_fetch.failure"),
            usage: envoy.usage(),
        }
    }
}

impl Figures {
    pub(super) fn new(envoy: &EnvoyUnderTest) -> Self {
        tell("      s  requests     /s  CPU us  RSS MiB   held  cancelled  fetches");
        Self {
            began: Instant::now(),
            last: Instant::now(),
            before: Counts::of(envoy),
            samples: Vec::new(),
        }
    }

    /// How long it is until the next sample.
    pub(super) fn due_in(&self, interval: Duration) -> Duration {
        interval.saturating_sub(self.last.elapsed())
    }

    /// Measures what has happened since the last time.
    pub(super) fn sample(&mut self, envoy: &EnvoyUnderTest) {
        let now = Counts::of(envoy);
        let before = &self.before;
        let requests = now.requests - before.requests;
        let cpu = now.usage.cpu.zip(before.usage.cpu);
        let micros = cpu.and_then(|(now, before)| {
            let micros = (now - before)
                .as_micros()
                .checked_div(u128::from(requests))?;
            u64::try_from(micros).ok()
        });
        let millis = u64::try_from(self.last.elapsed().as_millis()).expect("a short time");
        tell(&format!(
            "{:7} {requests:9} {:6} {:>7} {:8} {:6} {:10} {:8}",
            self.began.elapsed().as_secs(),
            requests * 1000 / millis.max(1),
            micros.map_or("-".to_owned(), |micros| micros.to_string()),
            now.usage.resident / 1024,
            now.held - before.held,
            now.cancelled - before.cancelled,
            now.fetches - before.fetches,
        ));
        self.samples.push(Sample {
            requests,
            micros,
            resident: now.usage.resident,
        });
        self.before = now;
        self.last = Instant::now();
    }

    /// The first and the last quarter of what follows the warm-up, which is the first fifth.
    pub(super) fn comparison(&self) -> Comparison {
        let warm = self
            .samples
            .get(self.samples.len() / 5..)
            .unwrap_or_default();
        let quarter = (warm.len() / 4).max(1).min(warm.len());
        let quarters = [&warm[..quarter], &warm[warm.len() - quarter..]];
        Comparison {
            requests: quarters.map(|samples| samples.iter().map(|sample| sample.requests).sum()),
            resident: quarters.map(|samples| {
                median(samples.iter().map(|sample| sample.resident)).unwrap_or_default()
            }),
            micros: quarters.map(|samples| median(samples.iter().filter_map(|s| s.micros))),
        }
    }
}

fn median(values: impl Iterator<Item = u64>) -> Option<u64> {
    let mut values: Vec<_> = values.collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}

/// The beginning and the end: medians of each.
#[derive(Debug)]
pub(super) struct Comparison {
    requests: [u64; 2],
    resident: [u64; 2],
    micros: [Option<u64>; 2],
}

impl Comparison {
    /// Asserts that the end is as the beginning.
    #[track_caller]
    pub(super) fn assert_steady(&self) {
        assert!(self.requests.iter().all(|count| *count > 0), "{self}");
        let [first, last] = self.resident;
        let most = first + first * MEMORY_PERCENT / 100;
        assert!(
            last <= most,
            "memory grew by more than {MEMORY_PERCENT} %: {self}"
        );
        let [Some(first), Some(last)] = self.micros else {
            panic!("no CPU time without /proc")
        };
        let most = first + first * CPU_PERCENT / 100;
        assert!(
            last <= most,
            "CPU per request grew by more than {CPU_PERCENT} %: {self}"
        );
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, last] = self.resident.map(|resident| resident / 1024);
        write!(formatter, "memory {first} MiB then {last} MiB")?;
        if let [Some(first), Some(last)] = self.micros {
            write!(formatter, ", CPU per request {first} us then {last} us")?;
        }
        Ok(())
    }
}
