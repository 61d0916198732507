//! `init` on a terminal: somebody answers, or goes away.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::io::{FdFlags, fcntl_setfd};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use super::{IMAGE, POOL, folder, tool};

/// For a question to come: more than a busy machine takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a line begins with that says: nothing more comes.
const END_OF_INPUT: &str = "\u{4}";

/// The desk tool, and whoever sits before the terminal that it was started on.
struct Seat {
    child: Child,
    keyboard: File,
    screen: Receiver<Vec<u8>>,
    seen: String,
    /// How much of it has had its answer.
    answered: usize,
}

impl Seat {
    fn before(arguments: &[&str]) -> Self {
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&keyboard).expect("a terminal of this user");
        unlockpt(&keyboard).expect("a terminal to open");
        // Otherwise the tool itself would keep the terminal from going away.
        fcntl_setfd(&keyboard, FdFlags::CLOEXEC).expect("a descriptor");
        let name = ptsname(&keyboard, Vec::new()).expect("its name");
        let terminal = OpenOptions::new()
            .read(true)
            .write(true)
            .open(name.to_str().expect("a path"))
            .expect("the terminal");
        let side = || Stdio::from(terminal.try_clone().expect("a descriptor"));
        let child = Command::new(env!("CARGO_BIN_EXE_cognito-authorizer"))
            .args(arguments)
            .env("NO_COLOR", "1")
            .stdin(side())
            .stdout(side())
            .stderr(side())
            .spawn()
            .expect("the tool starts");
        let keyboard = File::from(keyboard);
        let mut reader = keyboard.try_clone().expect("a descriptor");
        let (sender, screen) = channel();
        // It ends with an error once nobody has the other side open any more.
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                if sender.send(bytes[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            keyboard,
            screen,
            seen: String::new(),
            answered: 0,
        }
    }

    /// Waits until this is what the screen ends with, and types an answer.
    #[track_caller]
    fn answer(&mut self, question: &str, answer: &str) {
        while !self.seen[self.answered..].ends_with(question) {
            let more = self.screen.recv_timeout(PATIENCE);
            let more = more.unwrap_or_else(|_| panic!("{question:?} after {:?}", self.seen));
            self.seen.push_str(&String::from_utf8_lossy(&more));
        }
        self.answered = self.seen.len();
        self.keyboard
            .write_all(answer.as_bytes())
            .expect("it reads");
    }

    /// The exit status, and all that was seen.
    fn leave(mut self) -> (Option<i32>, String) {
        while let Ok(more) = self.screen.recv_timeout(PATIENCE) {
            self.seen.push_str(&String::from_utf8_lossy(&more));
        }
        let status = self.child.wait().expect("it was started here");
        (status.code(), std::mem::take(&mut self.seen))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        // Of a test that failed; otherwise it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const POOL_ASKED: &str = "User pool, its id or ARN: ";
const CLIENT_ASKED: &str = "App client whose tokens are meant; several with commas: ";
const PROXY_ASKED: &str = "Proxy: envoy, istio or gateway [envoy]: ";
const UPSTREAM_ASKED: &str = "Where requests go, HOST:PORT [127.0.0.1:3000]: ";
const IMAGE_ASKED: &str =
    "Image of the module, HOST/NAME@sha256:DIGEST (`make image` prints the digest): ";
const ORIGIN_ASKED: &str =
    "Web application that calls it from another origin, such as https://app.example.com [none]: ";

/// Answers all that is asked; then the files are what options would have made.
#[track_caller]
fn answered(answers: &[(&str, &str)], options: &[&str]) {
    let folders = [folder(), folder()];
    let [asked, told] = folders
        .each_ref()
        .map(|folder| folder.display().to_string());
    let mut seat = Seat::before(&["init", "-o", &asked]);
    for (question, answer) in answers {
        seat.answer(question, &format!("{answer}\n"));
    }
    let (status, seen) = seat.leave();
    assert_eq!(status, Some(0), "{seen}");

    let output = tool(&[&["init", "-o", &told], options].concat(), "");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said = String::from_utf8(output.stdout).expect("UTF-8");
    let shown = said.replace(&told, &asked).replace('\n', "\r\n");
    assert!(
        seen.ends_with(&shown),
        "{seen}\nexpected at its end\n{shown}"
    );
    let mut names: Vec<_> = std::fs::read_dir(&folders[1])
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    names.sort();
    let mut check = vec!["check".to_owned(), "--deny-warnings".to_owned()];
    for name in names {
        let read = |folder: &Path| std::fs::read_to_string(folder.join(&name)).expect("a file");
        assert_eq!(read(&folders[0]), read(&folders[1]), "{name:?}");
        check.push(folders[0].join(&name).display().to_string());
    }
    let check: Vec<_> = check.iter().map(String::as_str).collect();
    let output = tool(&check, "");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said, "1 configuration: nothing to report\n");
    for folder in folders {
        std::fs::remove_dir_all(folder).expect("a folder");
    }
}

/// RETURN alone takes what stands in brackets.
#[test]
fn who_answers_gets_files() {
    answered(
        &[
            (POOL_ASKED, POOL),
            (CLIENT_ASKED, "abc, def"),
            (PROXY_ASKED, ""),
            (UPSTREAM_ASKED, ""),
            (ORIGIN_ASKED, ""),
        ],
        &[
            "--pool",
            POOL,
            "--client",
            "abc",
            "--client",
            "def",
            "--for",
            "envoy",
            "--upstream",
            "127.0.0.1:3000",
        ],
    );
    for proxy in ["istio", "gateway"] {
        answered(
            &[
                (POOL_ASKED, POOL),
                (CLIENT_ASKED, "abc"),
                (PROXY_ASKED, proxy),
                (IMAGE_ASKED, IMAGE),
                (ORIGIN_ASKED, "https://app.acme.io"),
            ],
            &[
                "--pool",
                POOL,
                "--client",
                "abc",
                "--for",
                proxy,
                "--image",
                IMAGE,
                "--origin",
                "https://app.acme.io",
            ],
        );
    }
}

/// An answer that will not do is asked for again, with what is wrong with it; nothing where there is
/// nothing to assume, likewise.
#[test]
fn a_wrong_answer_is_no_end() {
    let again = |problem: &str, question: &str| format!("  {problem}\r\n{question}");
    let pool = "found \"eu-west-1\"; expected a user pool id such as us-east-1_AbCdEf123";
    let proxy = "found \"nginx\"; expected envoy, istio or gateway";
    answered(
        &[
            (POOL_ASKED, ""),
            (POOL_ASKED, "eu-west-1"),
            (&again(pool, POOL_ASKED), POOL),
            (CLIENT_ASKED, "abc"),
            (PROXY_ASKED, "nginx"),
            (&again(proxy, PROXY_ASKED), "ENVOY"),
            (UPSTREAM_ASKED, "shop.acme.io:8080"),
            (ORIGIN_ASKED, "https://app.acme.io"),
        ],
        &[
            "--pool",
            POOL,
            "--client",
            "abc",
            "--for",
            "envoy",
            "--upstream",
            "shop.acme.io:8080",
            "--origin",
            "https://app.acme.io",
        ],
    );
}

/// At whichever question: nothing is written.
#[test]
fn who_goes_away_gets_nothing() {
    let answers = [
        (POOL_ASKED, POOL),
        (CLIENT_ASKED, "abc"),
        (PROXY_ASKED, "istio"),
        (IMAGE_ASKED, IMAGE),
        (ORIGIN_ASKED, "none"),
    ];
    for end in 0..answers.len() {
        let folder = folder();
        let mut seat = Seat::before(&["init", "-o", &folder.display().to_string()]);
        for (question, answer) in &answers[..end] {
            seat.answer(question, &format!("{answer}\n"));
        }
        seat.answer(answers[end].0, END_OF_INPUT);
        let (status, seen) = seat.leave();
        assert_eq!(status, Some(2), "{seen}");
        let said = "error: found the end of input; expected an answer\r\n";
        assert!(seen.ends_with(said), "{seen}");
        assert!(!folder.exists(), "{seen}");
    }
}

/// Whoever has said something is not asked for the rest, on a terminal either.
#[test]
fn who_has_said_something_is_not_asked() {
    let seat = Seat::before(&["init", "--pool", POOL]);
    let (status, seen) = seat.leave();
    assert_eq!(status, Some(2), "{seen}");
    assert!(!seen.contains(CLIENT_ASKED), "{seen}");
}
