//! A program that a test starts, with a folder of its own: what it writes there says what went wrong.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::harness::process::{discard, provided, read, stop};

/// A running program.
pub(crate) struct Program {
    /// Nothing once it was handed on.
    process: Option<Child>,
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
        Self {
            process: Some(process),
            directory,
        }
    }

    /// Hands it on to somebody who stops it.
    pub(crate) fn hand_on(mut self) -> (Child, PathBuf) {
        let process = self.process.take().expect("a process");
        (process, self.directory.clone())
    }

    /// What it has said so far.
    pub(crate) fn log(&self) -> String {
        read(&self.directory, "log")
    }

    /// Fails if it has ended: what is waited for would never come.
    #[track_caller]
    pub(crate) fn assert_alive(&mut self) {
        let process = self.process.as_mut().expect("a process");
        if let Some(status) = process.try_wait().expect("a child") {
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
        let Some(process) = &mut self.process else {
            return;
        };
        stop(process);
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

/// What a server of the loopback answers to a question about itself; `None` as long as it says nothing.
pub(crate) fn status(port: u16, path: &str) -> Option<u16> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).ok()?;
    line.split(' ').nth(1)?.parse().ok()
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
