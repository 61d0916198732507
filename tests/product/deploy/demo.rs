//! `make run`: what it says before it starts anything, and its page.

use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

use crate::deploy::files;
use crate::harness::client::Request;
use crate::harness::process::{provided, stop};

fn python() -> Command {
    let python = Path::new(&provided("MOTO_SERVER")).with_file_name("python");
    let mut command = Command::new(python);
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

fn demo() -> Command {
    let mut command = python();
    command.arg(files::envoy().join("demo/demo.py"));
    command.env_remove("PORT").env_remove("PAGE_PORT");
    command
}

/// The status and the errors of the demo, told to listen on this port.
#[track_caller]
fn run(variable: &str, port: &str) -> (Option<i32>, String) {
    let output = demo()
        .arg("run")
        .env(variable, port)
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
    let in_use = format!("demo: port {port} is in use (another `make run`?)");
    assert_eq!(run("PORT", &port), (Some(1), in_use.clone()));
    assert_eq!(run("PAGE_PORT", &port), (Some(1), in_use));
    for (variable, wrong) in [
        ("PORT", "0"),
        ("PORT", "65536"),
        ("PORT", "http"),
        ("PORT", "-1"),
        ("PAGE_PORT", "8080.0"),
    ] {
        let said = format!("demo: {variable}={wrong}: expected a number from 1 to 65535");
        assert_eq!(run(variable, wrong), (Some(1), said));
    }
}

/// A running `make run`.
struct Demo {
    process: Child,
    said: BufReader<ChildStdout>,
}

impl Demo {
    #[track_caller]
    fn start() -> Self {
        let mut process = demo()
            .arg("run")
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("the Python of the emulator");
        let said = BufReader::new(process.stdout.take().expect("a pipe"));
        Self { process, said }
    }

    /// The rest of the next line that has this.
    #[track_caller]
    fn line(&mut self, beginning: &str) -> String {
        let mut lines = (&mut self.said).lines().map(|line| line.expect("text"));
        let found = lines.find_map(|line| line.strip_prefix(beginning).map(str::to_owned));
        found.unwrap_or_else(|| panic!("the demo ended before it said {beginning:?}"))
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        stop(&mut self.process);
    }
}

/// Where an origin is.
#[track_caller]
fn address(origin: &str) -> SocketAddr {
    let authority = origin.strip_prefix("http://").expect("http");
    authority.parse().expect("an address")
}

/// Envoy serves the page and what the page needs, and lets it call. `make test-browser` clicks.
#[test]
fn the_page_is_served() {
    let mut demo = Demo::start();
    let origin = demo.line("open ");
    let origin = origin.strip_suffix('/').expect("the root");
    let page = address(origin);
    let get = |path: &str, host: &str| Request::get(path).host(host).send(page);
    let host = page.to_string();

    let settings: Value = serde_json::from_str(&get("/settings.json", &host).body).expect("JSON");
    let api = settings["api"].as_str().expect("an origin");
    let cognito = settings["cognito"].as_str().expect("an origin");
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' {api} {cognito}; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
    );
    for (path, file, kind) in [
        ("/", "index.html", "text/html; charset=utf-8"),
        ("/page.css", "page.css", "text/css; charset=utf-8"),
        ("/page.js", "page.js", "text/javascript; charset=utf-8"),
    ] {
        let answer = get(path, &host);
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("content-type"), Some(kind));
        assert_eq!(answer.header("content-security-policy"), Some(&*policy));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        let text = files::text(&format!("demo/page/{file}"));
        assert_eq!(answer.body, text, "{path}");
        // The twin: under a name that somebody else had resolve to here.
        assert_eq!(get(path, "rebound.example.com").status, 404, "{path}");
    }

    // From another origin than the one that is called, which only this machine's may.
    for (from, allowed) in [(origin, Some(origin)), ("https://example.com", None)] {
        let request = Request::get("/").header("origin", from);
        let answer = request.send(address(api));
        assert_eq!(answer.status, 401);
        assert_eq!(answer.header("x-cognito-reason"), Some("missing_token"));
        assert_eq!(answer.header("access-control-allow-origin"), allowed);
        let exposed = allowed.map(|_| "www-authenticate, retry-after, x-cognito-reason");
        assert_eq!(answer.header("access-control-expose-headers"), exposed);
    }
}

/// A page opens where somebody sits before it and wants it, and nowhere else.
#[test]
fn a_browser_is_opened_for_people_only() {
    let programs = Path::new(env!("CARGO_TARGET_TMPDIR")).join("browsers");
    std::fs::create_dir_all(&programs).expect("a directory");
    for name in ["open", "xdg-open"] {
        let program = programs.join(name);
        std::fs::write(&program, "#!/bin/sh\n").expect("a file");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&program, mode).expect("a program");
    }
    for (environment, platform, terminal, opener) in [
        ("DISPLAY=:0", "linux", "True", Some("xdg-open")),
        ("WAYLAND_DISPLAY=w", "linux", "True", Some("xdg-open")),
        ("", "darwin", "True", Some("open")),
        ("DISPLAY=:0", "linux", "False", None),
        ("", "linux", "True", None),
        ("DISPLAY=:0 CI=true", "linux", "True", None),
        ("DISPLAY=:0 BROWSER=none", "linux", "True", None),
        ("BROWSER=none", "darwin", "True", None),
        ("SSH_CONNECTION=x", "darwin", "True", None),
    ] {
        let words = format!(
            "import sys; sys.path.insert(0, {:?}); from demo import browser; \
             print(browser(dict(one.split('=') for one in {environment:?}.split()), {platform:?}, {terminal}))",
            files::envoy().join("demo"),
        );
        let output = python()
            .args(["-c", &words])
            .env("PATH", &programs)
            .output()
            .expect("Python");
        let found = opener.map_or("None".to_owned(), |name| {
            programs.join(name).display().to_string()
        });
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(
            said.trim(),
            found,
            "{environment} on {platform}: {terminal}"
        );
    }
}
