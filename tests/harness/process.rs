//! Programs that a test starts, and stops by their id.

use std::cell::Cell;
use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::host::Host;

/// How long anything that must happen may take: a listener that drains takes ten seconds, a back-off as
/// many, and a busy machine its time.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// Envoys that run at once: each has some ten threads, and the machine few processors.
const AT_ONCE: usize = 4;

/// Calls `probe` until it finds something.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, probe: impl FnMut() -> Option<T>) -> T {
    eventually_within(PATIENCE, what, probe)
}

/// The same, for what may take longer than anything else.
#[track_caller]
pub(crate) fn eventually_within<T>(
    patience: Duration,
    what: &str,
    mut probe: impl FnMut() -> Option<T>,
) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// The value of a variable that `make test` sets; without it the test fails and says so.
#[track_caller]
pub(crate) fn provided(variable: &str) -> String {
    match std::env::var(variable) {
        Ok(path) if Path::new(&path).exists() => path,
        Ok(path) => panic!("{variable}={path}: there is no such file; `make test` sets it"),
        Err(_) => panic!("{variable} is not set; `make test` sets it"),
    }
}

/// The path of the module that is shipped.
#[track_caller]
pub(crate) fn module() -> String {
    built((
        "COGNITO_AUTHORIZER_WASM",
        "target/wasm32-wasip1/release/cognito_authorizer.wasm",
    ))
}

/// The path of a built module: what a variable says, or else where `make` puts it.
#[track_caller]
pub(crate) fn built((variable, place): (&str, &str)) -> String {
    if std::env::var_os(variable).is_some() {
        return provided(variable);
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(place);
    assert!(
        path.exists(),
        "{variable} is not set and {place} is not built; `make test` does both"
    );
    path.display().to_string()
}

/// Ports that are free now, and that stay so until somebody is told to listen there. Those that a system
/// gives to whoever asks for any, from 32768 on, may be another test's before that. Each is given once.
pub(crate) fn free_ports<const COUNT: usize>() -> [u16; COUNT] {
    const FIRST: u32 = 20_000;
    const ALL: u32 = 12_000;
    // More than a process of tests takes: those that run beside it begin elsewhere.
    const APART: u32 = 251;
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    let next = || {
        let number = TAKEN.fetch_add(1, Ordering::Relaxed);
        let place = std::process::id().wrapping_mul(APART).wrapping_add(number) % ALL;
        u16::try_from(FIRST + place).expect("a port")
    };
    let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    std::array::from_fn(|_| {
        let mut ports = std::iter::repeat_with(next).take(1000);
        ports.find(is_free).expect("a free port")
    })
}

/// A permission to run one more Envoy.
pub(crate) struct Slot;

static RUNNING: Mutex<usize> = Mutex::new(0);

static STOPPED: Condvar = Condvar::new();

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
}

impl Slot {
    /// Waits for one. A test that has one already gets the next at once: two tests that each wait
    /// for the other's would wait for ever, and meanwhile what the first Envoy holds runs out.
    pub(crate) fn take() -> Self {
        let mut running = RUNNING.lock().expect("no thread panics with the lock");
        while *running >= AT_ONCE && HELD.get() == 0 {
            running = STOPPED.wait(running).expect("no thread panics");
        }
        *running += 1;
        HELD.set(HELD.get() + 1);
        Self
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        HELD.set(HELD.get().saturating_sub(1));
        *RUNNING.lock().expect("no thread panics with the lock") -= 1;
        STOPPED.notify_one();
    }
}

/// What an Envoy is started with.
pub(crate) trait Bootstrap {
    /// The level of the module's log, as Envoy's command line has it.
    fn module_log(&self) -> &'static str;
    /// The number of workers.
    fn concurrency(&self) -> u32;
    /// Writes the files into `directory` and returns the one to start with.
    fn write(&self, directory: &Path, module: &str) -> PathBuf;
}

/// Starts an Envoy that looks for no predecessor: several run at once.
pub(crate) fn launch(setup: &impl Bootstrap) -> (Child, PathBuf) {
    launch_as(setup, &["--disable-hot-restart"])
}

/// Starts an Envoy with these arguments.
pub(crate) fn launch_as(setup: &impl Bootstrap, arguments: &[&str]) -> (Child, PathBuf) {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("envoy-{}-{number}", std::process::id());
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&directory).expect("a writable target directory");
    let bootstrap = setup.write(&directory, &module());
    let log = File::create(directory.join("log")).expect("a writable directory");
    let host = Host::of_tests();
    let process = Command::new(provided("ENVOY"))
        .envs(
            host.search_path()
                .map(|path| ("ENVOY_DYNAMIC_MODULES_SEARCH_PATH", path)),
        )
        .arg("--config-path")
        .arg(bootstrap)
        .arg("--admin-address-path")
        .arg(directory.join("admin"))
        .args(arguments)
        .args(["--concurrency", &setup.concurrency().to_string()])
        // Whoever is held when a listener is replaced keeps the connection meanwhile.
        .args(["--drain-time-s", "10"])
        .args(["--log-level", "info"])
        .args([
            "--component-log-level",
            &format!("{}:{}", host.log(), setup.module_log()),
        ])
        .args(["--file-flush-interval-msec", "20"])
        .stdout(log.try_clone().expect("a file"))
        .stderr(log)
        .spawn()
        .expect("ENVOY names a program");
    (process, directory)
}

pub(crate) fn wait(process: &mut Child, patience: Duration) -> Option<ExitStatus> {
    let deadline = Instant::now() + patience;
    while Instant::now() < deadline {
        if let Some(status) = process.try_wait().expect("a child") {
            return Some(status);
        }
        thread::sleep(Duration::from_millis(5));
    }
    None
}

/// Asks the process to stop, then stops it. Only ever this one, by its id.
pub(crate) fn stop(process: &mut Child) {
    if process.try_wait().expect("a child").is_some() {
        return;
    }
    let id = process.id().to_string();
    let _ = Command::new("kill").args(["-TERM", &id]).status();
    if wait(process, Duration::from_secs(5)).is_none() {
        let _ = process.kill();
        let _ = process.wait();
    }
}

/// What a process has taken of the machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// Its resident memory, in KiB.
    pub(crate) resident: u64,
    /// Its time on the processors; `None` where there is no `/proc`.
    pub(crate) cpu: Option<Duration>,
}

impl Usage {
    #[track_caller]
    pub(crate) fn of(id: u32) -> Self {
        Self {
            resident: resident(id).expect("the memory of a running process"),
            cpu: cpu(id),
        }
    }
}

fn resident(id: u32) -> Option<u64> {
    let text = match std::fs::read_to_string(format!("/proc/{id}/status")) {
        Ok(status) => {
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
            line?.to_owned()
        }
        Err(_) => {
            let asked = ["-o", "rss=", "-p", &id.to_string()];
            let output = Command::new("ps").args(asked).output().ok()?;
            String::from_utf8(output.stdout).ok()?
        }
    };
    text.split_whitespace().next()?.parse().ok()
}

/// The threads of a process by name, and the time of each on the processors, to the microsecond
/// (`/proc/PID/task/TID/schedstat`).
#[allow(dead_code)]
pub(crate) fn threads(id: u32) -> Vec<(String, Duration)> {
    let tasks = std::fs::read_dir(format!("/proc/{id}/task")).expect("/proc");
    let tasks = tasks.filter_map(|task| {
        let path = task.ok()?.path();
        let name = std::fs::read_to_string(path.join("comm")).ok()?;
        let spent = std::fs::read_to_string(path.join("schedstat")).ok()?;
        let spent = spent.split_whitespace().next()?.parse().ok()?;
        Some((name.trim().to_owned(), Duration::from_nanos(spent)))
    });
    tasks.collect()
}

/// User and system time, fields 14 and 15, in hundredths of a second (proc_pid_stat(5)). The name
/// in parentheses before them may hold spaces.
fn cpu(id: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let spent = fields.split_whitespace().skip(11).take(2);
    let ticks: u64 = spent.filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Some(Duration::from_millis(ticks * 10))
}

/// The lines that say why: warnings, errors, and what the module said.
pub(crate) fn excerpt(log: &str) -> String {
    let said = |line: &&str| {
        let loud = ["[warning]", "[error]", "[critical]", "[wasm]", "error"];
        loud.iter().any(|word| line.contains(word)) && !line.contains("server.cc:467")
    };
    let lines: Vec<_> = log.lines().filter(said).collect();
    let start = lines.len().saturating_sub(60);
    lines[start..].join("\n")
}

/// A file of an Envoy, as far as it is written.
pub(crate) fn read(directory: &Path, name: &str) -> String {
    let bytes = std::fs::read(directory.join(name)).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Removes the files of an Envoy that has done what it should.
pub(crate) fn discard(directory: &Path) {
    if std::env::var_os("E2E_KEEP").is_none() {
        let _ = std::fs::remove_dir_all(directory);
    }
}
