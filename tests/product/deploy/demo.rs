//! What `make run` says before it starts anything.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use crate::deploy::files;
use crate::harness::process::provided;

/// The status and the errors of the demo, told to listen on this port.
#[track_caller]
fn run(port: &str) -> (Option<i32>, String) {
    let emulator = provided("MOTO_SERVER");
    let python = Path::new(&emulator).with_file_name("python");
    let output = Command::new(python)
        .arg(files::envoy().join("demo/demo.py"))
        .arg("run")
        .env("PORT", port)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .expect("the Python of the emulator");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), errors.trim().to_owned())
}

/// Two Envoys would share the port in silence, and answer in turn.
#[test]
fn a_port_in_use_is_refused() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let said = format!("demo: port {port} is in use (another `make run`?)");
    assert_eq!(run(&port), (Some(1), said));
    for wrong in ["0", "65536", "http", "-1", "8080.0"] {
        let said = format!("demo: PORT={wrong}: expected a number from 1 to 65535");
        assert_eq!(run(wrong), (Some(1), said));
    }
}
