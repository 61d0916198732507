//! A program that a test starts, with a folder of its own: what it writes there says what went wrong.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::harness::process::{discard, provided, read, stop};

/// A running program.
pub(crate) struct Program {
    process: Child,
    directory: PathBuf,
}

impl Program {
    /// Starts `command` in `directory`, where its output becomes the file `log`.
    #[track_caller]
    pub(crate) fn start(mut command: Command, directory: PathBuf) -> Self {
        let log = File::create(directory.join("log")).expect("a writable directory");
        let process = command
            .current_dir(&directory)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file"))
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self { process, directory }
    }

    /// What it has said so far.
    pub(crate) fn log(&self) -> String {
        read(&self.directory, "log")
    }

    /// Fails if it has ended: what is waited for would never come.
    #[track_caller]
    pub(crate) fn assert_alive(&mut self) {
        if let Some(status) = self.process.try_wait().expect("a child") {
            panic!("ended with {status}:\n{}", self.log());
        }
    }

    /// Where its files are.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        stop(&mut self.process);
        if thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().collect();
            let end = lines[lines.len().saturating_sub(40)..].join("\n");
            eprintln!("{}\n{end}", self.directory.display());
        } else {
            discard(&self.directory);
        }
    }
}

/// A new folder for the files of one program.
#[track_caller]
pub(crate) fn folder(name: &str) -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("{name}-{}-{number}", std::process::id());
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&directory).expect("a writable target directory");
    directory
}

/// A program of the control plane under test.
#[track_caller]
pub(crate) fn control_plane(name: &str) -> Command {
    Command::new(Path::new(&provided("MESH_CONTROL_PLANE")).join(name))
}

/// A program that both halves use.
#[track_caller]
pub(crate) fn tool(name: &str) -> Command {
    Command::new(Path::new(&provided("MESH_TOOLS")).join(name))
}

/// Runs a program to its end, which must be a good one, and returns what it printed.
#[track_caller]
pub(crate) fn output(command: &mut Command) -> String {
    let output = command
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (said, errors) = (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{command:?}:\n{said}{errors}");
    said
}
