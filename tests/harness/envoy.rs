//! A real Envoy with the built module in it, from its start to the proof that nothing broke in it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::{Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::bootstrap::{MAIN, Setup};
use crate::harness::client::Request;
use crate::harness::host::Host;
use crate::harness::process::{
    Bootstrap, PATIENCE, Slot, Usage, discard, eventually, excerpt, launch, launch_as, module,
    read, stop, wait,
};

const PREFIX: &str = "wasmcustom.cognito_authorizer.";

/// A running Envoy. Its end, by [`EnvoyUnderTest::finish`] or by going out of scope, is a test of its own.
pub(crate) struct EnvoyUnderTest {
    process: Child,
    directory: PathBuf,
    admin: SocketAddr,
    listeners: Mutex<BTreeMap<String, SocketAddr>>,
    traps: bool,
    leaves: bool,
    _slot: Slot,
}

impl EnvoyUnderTest {
    /// Starts an Envoy and waits until it serves.
    #[track_caller]
    pub(crate) fn start(setup: &impl Bootstrap) -> Self {
        let slot = Slot::take();
        Self::serving(launch(setup), slot)
    }

    /// Starts one with these arguments, which may make it the successor of another.
    #[track_caller]
    pub(crate) fn start_as(setup: &impl Bootstrap, arguments: &[&str]) -> Self {
        let slot = Slot::take();
        Self::serving(launch_as(setup, arguments), slot)
    }

    /// Takes over one that another program has started, by the files that it has in `directory`. That
    /// program stops when it does.
    #[track_caller]
    pub(crate) fn adopt(starter: Child, directory: PathBuf) -> Self {
        Self::serving((starter, directory), Slot::take())
    }

    #[track_caller]
    fn serving((mut process, directory): (Child, PathBuf), slot: Slot) -> Self {
        let admin = eventually("Envoy's admin address", || {
            if process.try_wait().expect("a child").is_some() {
                panic!(
                    "Envoy did not start:\n{}",
                    excerpt(&read(&directory, "log"))
                )
            }
            read(&directory, "admin").parse().ok()
        });
        let envoy = Self {
            process,
            directory,
            admin,
            listeners: Mutex::default(),
            traps: false,
            leaves: false,
            _slot: slot,
        };
        eventually("Envoy to be ready", || {
            (envoy.admin("/ready").trim() == "LIVE").then_some(())
        });
        envoy.find_listeners();
        envoy
    }

    fn listeners(&self) -> MutexGuard<'_, BTreeMap<String, SocketAddr>> {
        self.listeners.lock().expect("nobody panics beside it")
    }

    fn find_listeners(&self) {
        let listeners: Value = serde_json::from_str(&self.admin("/listeners?format=json"))
            .expect("JSON from the admin interface");
        for listener in listeners["listener_statuses"]
            .as_array()
            .into_iter()
            .flatten()
        {
            let name = listener["name"].as_str().expect("a name").to_owned();
            let address = &listener["local_address"]["socket_address"];
            let port: Option<u16> = address["port_value"]
                .as_u64()
                .and_then(|port| port.try_into().ok());
            // None, of a Unix domain socket.
            let Some(port) = port else { continue };
            let address = SocketAddr::from(([127, 0, 0, 1], port));
            self.listeners().insert(name, address);
        }
    }

    /// Starts an Envoy that must not serve, and returns what it logged before it gave up.
    #[track_caller]
    pub(crate) fn refused(setup: &impl Bootstrap) -> String {
        let _slot = Slot::take();
        let (mut process, directory) = launch(setup);
        let status = wait(&mut process, PATIENCE);
        stop(&mut process);
        let log = read(&directory, "log");
        let status = status.unwrap_or_else(|| panic!("Envoy serves:\n{}", excerpt(&log)));
        assert!(!status.success(), "Envoy stopped with {status}");
        assert!(
            !log.contains("panicked"),
            "the module panicked:\n{}",
            excerpt(&log)
        );
        discard(&directory);
        log
    }

    /// From now on its VMs fail because the test wants them to.
    pub(crate) fn expect_traps(&mut self) {
        self.traps = true;
    }

    /// Where the listener `name` listens.
    #[track_caller]
    pub(crate) fn at(&self, name: &str) -> SocketAddr {
        let known = || self.listeners().get(name).copied();
        // What a control plane sends may come after Envoy is ready.
        eventually(&format!("a listener {name}"), || {
            known().or_else(|| {
                self.find_listeners();
                known()
            })
        })
    }

    /// Where the listener of tests with only one listens.
    #[track_caller]
    pub(crate) fn main(&self) -> SocketAddr {
        self.at(MAIN)
    }

    /// What the admin interface answers at `path`.
    #[track_caller]
    pub(crate) fn admin(&self, path: &str) -> String {
        Request::get(path)
            .header("connection", "close")
            .send(self.admin)
            .body
    }

    /// What the admin interface answers to a POST, which changes something.
    #[track_caller]
    pub(crate) fn order(&self, path: &str) {
        let request = Request::new("POST", path).header("connection", "close");
        let response = request.body(b"").send(self.admin);
        assert_eq!(response.status, 200, "{path}: {}", response.body);
    }

    /// Waits until its successor has it leave.
    #[track_caller]
    pub(crate) fn leave(mut self) {
        self.leaves = true;
        let status = wait(&mut self.process, PATIENCE).expect("Envoy to make room");
        assert!(status.success(), "Envoy left with {status}");
    }

    /// Replaces the listeners of an Envoy whose setup is dynamic, and waits until they serve.
    #[track_caller]
    pub(crate) fn update(&self, setup: &Setup) {
        let updates = || self.statistic("listener_manager.lds.update_success");
        let in_place = || self.statistic("listener_manager.listener_in_place_updated");
        let (before, replaced) = (updates(), in_place() + self.modified());
        setup.republish(&self.directory, &module());
        eventually("Envoy to take the new listeners", || {
            (updates() > before).then_some(())
        });
        eventually("the new listeners to be warm", || {
            let done = in_place() + self.modified() > replaced;
            (done && self.statistic("listener_manager.total_listeners_warming") == 0).then_some(())
        });
    }

    fn modified(&self) -> u64 {
        self.statistic("listener_manager.listener_modified")
    }

    /// One of Envoy's own counters or gauges.
    #[track_caller]
    pub(crate) fn statistic(&self, name: &str) -> u64 {
        let all = self.statistics(name);
        all.get(name).copied().unwrap_or(0)
    }

    /// All of Envoy's own counters and gauges whose names begin with what the expression matches.
    pub(crate) fn statistics(&self, filter: &str) -> BTreeMap<String, u64> {
        let text = self.admin(&format!("/stats?filter=^{filter}"));
        let lines = text.lines().filter_map(|line| line.rsplit_once(": "));
        lines
            .filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)))
            .collect()
    }

    /// The filter's metrics, without their common prefix, once all that has happened is counted.
    #[track_caller]
    pub(crate) fn metrics(&self) -> BTreeMap<String, u64> {
        Host::of_tests().settle();
        self.metrics_so_far()
    }

    /// Those that it has been told by now.
    #[track_caller]
    pub(crate) fn metrics_so_far(&self) -> BTreeMap<String, u64> {
        let all = self.statistics(PREFIX);
        let own =
            |(name, value): (String, u64)| Some((name.strip_prefix(PREFIX)?.to_owned(), value));
        all.into_iter().filter_map(own).collect()
    }

    /// One of the filter's metrics; 0 before its first change.
    #[track_caller]
    pub(crate) fn metric(&self, name: &str) -> u64 {
        self.metrics().get(name).copied().unwrap_or(0)
    }

    /// What the filter's metrics have become more by since they were these.
    #[track_caller]
    pub(crate) fn more_than(&self, before: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
        let mut metrics = self.metrics();
        metrics.retain(|name, value| {
            *value = value.saturating_sub(before.get(name).copied().unwrap_or(0));
            *value > 0
        });
        metrics
    }

    /// Waits until a metric has this value.
    #[track_caller]
    pub(crate) fn await_metric(&self, name: &str, value: u64) {
        let mut last = 0;
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            last = self.metrics_so_far().get(name).copied().unwrap_or(0);
            if last == value {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("waited in vain for {name} to be {value}: it is {last}");
    }

    /// The metrics of decisions: each request adds one to exactly one of them.
    #[track_caller]
    pub(crate) fn decisions(&self) -> BTreeMap<String, u64> {
        Host::of_tests().settle();
        self.decisions_so_far()
    }

    /// Those that it has been told by now.
    #[track_caller]
    pub(crate) fn decisions_so_far(&self) -> BTreeMap<String, u64> {
        let mut metrics = self.metrics_so_far();
        metrics.retain(|name, value| {
            let plain = ["allowed", "anonymous", "cancelled"].contains(&name.as_str());
            *value > 0 && (plain || name.starts_with("denied."))
        });
        metrics
    }

    /// What did not hold of requests that went on.
    #[allow(dead_code)]
    pub(crate) fn despite(&self) -> BTreeMap<String, u64> {
        let mut metrics = self.metrics();
        metrics.retain(|name, value| {
            let kinds = ["reported.", "ignored."];
            *value > 0 && kinds.iter().any(|kind| name.starts_with(kind))
        });
        metrics
    }

    /// Where this Envoy's files are.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// What the process has taken of the machine so far.
    #[track_caller]
    pub(crate) fn usage(&self) -> Usage {
        Usage::of(self.process.id())
    }

    /// Its threads, and the time of each on the processors.
    #[allow(dead_code)]
    pub(crate) fn threads(&self) -> Vec<(String, Duration)> {
        crate::harness::process::threads(self.process.id())
    }

    /// The time of its workers on the processors, which is that of requests alone.
    #[allow(dead_code)]
    pub(crate) fn time_of_workers(&self) -> Duration {
        let threads = self.threads().into_iter();
        let workers = threads.filter(|(name, _)| name.starts_with("wrk:"));
        workers.map(|(_, spent)| spent).sum()
    }

    /// What Envoy has logged so far.
    pub(crate) fn log(&self) -> String {
        read(&self.directory, "log")
    }

    /// The line of the access log about the request `case`; Envoy writes it soon after the answer.
    #[track_caller]
    pub(crate) fn access_log(&self, case: &str) -> Value {
        eventually("a line in the access log", || {
            read(&self.directory, "access.log")
                .lines()
                .filter(|line| line.contains(case))
                .filter_map(|line| serde_json::from_str::<Value>(line).ok())
                .find(|line| line["case"].as_str() == Some(case))
        })
    }

    /// Stops Envoy and asserts that every one of `requests` was decided once.
    #[track_caller]
    pub(crate) fn finish(self, requests: usize) {
        let requests = u64::try_from(requests).expect("a number of requests");
        let decided = || self.decisions_so_far().values().sum::<u64>();
        let deadline = Instant::now() + PATIENCE;
        while decided() < requests && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(10));
        }
        let decisions = self.decisions();
        let sum: u64 = decisions.values().sum();
        assert_eq!(
            sum, requests,
            "decisions do not add up to requests: {decisions:?}"
        );
        assert_eq!(self.metric("held_now"), 0, "no request is held any more");
        drop(self);
    }
}

impl Drop for EnvoyUnderTest {
    fn drop(&mut self) {
        if thread::panicking() {
            stop(&mut self.process);
            eprintln!("{}\n{}", self.directory.display(), excerpt(&self.log()));
            return;
        }
        let alive = self.process.try_wait().expect("a child").is_none();
        // A reload is what follows when a VM trapped (failure_policy: FAIL_RELOAD).
        let reloads: Vec<_> = if alive && !self.traps {
            let reloads = self.statistics("wasm.*vm_reload").into_iter();
            reloads.filter(|(_, count)| *count > 0).collect()
        } else {
            Vec::new()
        };
        stop(&mut self.process);
        let log = self.log();
        let failures: Vec<_> = log.lines().filter(|line| is_failure(line)).collect();
        assert!(alive || self.leaves, "Envoy died:\n{}", excerpt(&log));
        assert!(
            reloads.is_empty(),
            "a VM failed: {reloads:?}\n{}",
            excerpt(&log)
        );
        let intact = failures.is_empty() || self.traps;
        assert!(intact, "a VM failed: {failures:#?}");
        discard(&self.directory);
    }
}

/// What Envoy logs when the module traps, and what the module logs when it panics.
fn is_failure(line: &str) -> bool {
    let trapped =
        line.contains("[wasm]") && line.contains("Function: ") && line.contains(" failed");
    // A configuration that is refused is the configuration's failure.
    let refused = line.contains("Failed to configure base Wasm plugin");
    trapped || line.contains("panicked at") || line.contains("Wasm VM failed") && !refused
}
