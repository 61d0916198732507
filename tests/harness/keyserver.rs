//! The place where keys are fetched, with every fault that such a place can have.

use std::collections::HashMap;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::issuer::{TestKey, key_set, keys_path};
use crate::harness::process::eventually;

/// What a request for keys is answered with.
#[derive(Clone)]
pub(crate) enum Answer {
    /// 200 with this document.
    Document(Value),
    /// 200 with these bytes, whatever they are.
    Bytes(Vec<u8>),
    /// 200 with these bytes under this entity tag, or 304 to whoever has them.
    Tagged(Vec<u8>, &'static str),
    /// This status, with a body that would be a good key set.
    Status(u16, Value),
    /// 302 to this place.
    Redirect(String),
    /// A head that promises more than the body holds, then the end of the connection.
    Truncated(Value),
    /// The connection is reset in the middle of the head.
    Reset,
    /// Nothing, for as long as the client waits.
    Silence,
}

#[derive(Default)]
struct State {
    answers: HashMap<String, Answer>,
    delays: HashMap<String, Duration>,
    held: HashMap<String, bool>,
    fetches: HashMap<String, Vec<Instant>>,
    stopped: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread panics with the lock")
    }
}

/// A server of key sets, one path for each user pool.
pub(crate) struct KeyServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

impl KeyServer {
    /// Listens on a free port of the loopback.
    pub(crate) fn start() -> Self {
        Self::start_at(0)
    }

    /// Listens on this port, where another may have been and gone.
    pub(crate) fn start_at(port: u16) -> Self {
        // The port of another's call may be this one for a moment.
        let listener = eventually("a free port", || {
            TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()
        });
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared::default());
        let state = Arc::clone(&shared);
        let accepting = thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if state.lock().stopped {
                    return;
                }
                let shared = Arc::clone(&state);
                thread::spawn(move || serve(stream, &shared));
            }
        });
        Self {
            address,
            shared,
            accepting: Some(accepting),
        }
    }

    /// The port to put into a cluster.
    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Publishes `keys` for `pool`, from now on.
    pub(crate) fn publish(&self, pool: &str, keys: &[&TestKey]) {
        self.answer(pool, Answer::Document(key_set(keys)));
    }

    /// Answers this for `pool`, from now on.
    pub(crate) fn answer(&self, pool: &str, answer: Answer) {
        self.shared.lock().answers.insert(keys_path(pool), answer);
    }

    /// Answers this at `path`, from now on.
    #[allow(dead_code)]
    pub(crate) fn answer_at(&self, path: &str, answer: Answer) {
        self.shared.lock().answers.insert(path.to_owned(), answer);
    }

    /// When fetches of `path` began.
    #[allow(dead_code)]
    pub(crate) fn fetch_times_at(&self, path: &str) -> Vec<Instant> {
        let times = &self.shared.lock().fetches;
        times.get(path).cloned().unwrap_or_default()
    }

    /// Lets every fetch of `pool` take this long.
    pub(crate) fn delay(&self, pool: &str, delay: Duration) {
        self.shared.lock().delays.insert(keys_path(pool), delay);
    }

    /// Keeps every fetch of `pool` waiting until [`KeyServer::release`].
    pub(crate) fn hold(&self, pool: &str) {
        self.shared.lock().held.insert(keys_path(pool), true);
    }

    /// Answers the fetches of `pool` that wait, and later ones at once.
    pub(crate) fn release(&self, pool: &str) {
        self.shared.lock().held.remove(&keys_path(pool));
        self.shared.changed.notify_all();
    }

    /// How many fetches of `pool` have begun.
    pub(crate) fn fetches(&self, pool: &str) -> usize {
        self.fetch_times(pool).len()
    }

    /// When they began.
    pub(crate) fn fetch_times(&self, pool: &str) -> Vec<Instant> {
        let times = &self.shared.lock().fetches;
        times.get(&keys_path(pool)).cloned().unwrap_or_default()
    }
}

impl Drop for KeyServer {
    fn drop(&mut self) {
        self.shared.lock().stopped = true;
        self.shared.changed.notify_all();
        // Wakes the thread that accepts. Once it has ended, connections are refused.
        drop(TcpStream::connect(self.address));
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

fn serve(mut stream: TcpStream, shared: &Shared) {
    while let Some((path, known)) = read_request(&mut stream) {
        let Some((answer, delay)) = take_turn(shared, &path) else {
            return;
        };
        thread::sleep(delay);
        if !reply(&mut stream, shared, answer, &known) {
            return;
        }
    }
}

/// Counts the fetch and waits while the path is held; `None` once the server is stopped.
fn take_turn(shared: &Shared, path: &str) -> Option<(Answer, Duration)> {
    let mut state = shared.lock();
    let times = state.fetches.entry(path.to_owned()).or_default();
    times.push(Instant::now());
    while state.held.contains_key(path) && !state.stopped {
        state = shared.changed.wait(state).expect("no thread panics");
    }
    if state.stopped {
        return None;
    }
    let missing = Answer::Status(404, Value::Null);
    let answer = state.answers.get(path).cloned().unwrap_or(missing);
    let delay = state.delays.get(path).copied().unwrap_or_default();
    Some((answer, delay))
}

/// Whether the connection can serve another request.
fn reply(stream: &mut TcpStream, shared: &Shared, answer: Answer, known: &str) -> bool {
    let json = "content-type: application/json\r\n";
    match answer {
        Answer::Document(document) => {
            let body = document.to_string();
            send(stream, "200 OK", json, body.as_bytes(), body.len())
        }
        Answer::Bytes(body) => send(stream, "200 OK", json, &body, body.len()),
        Answer::Tagged(_, tag) if known == tag => send(stream, "304 Not Modified", "", b"", 0),
        Answer::Tagged(body, tag) => {
            let headers = format!("{json}etag: {tag}\r\n");
            send(stream, "200 OK", &headers, &body, body.len())
        }
        Answer::Status(status, document) => {
            let body = document.to_string();
            send(
                stream,
                &format!("{status} Fault"),
                json,
                body.as_bytes(),
                body.len(),
            )
        }
        Answer::Redirect(location) => send(
            stream,
            "302 Found",
            &format!("location: {location}\r\n"),
            b"",
            0,
        ),
        Answer::Truncated(document) => {
            let body = document.to_string();
            let half = body.len() / 2;
            send(stream, "200 OK", json, &body.as_bytes()[..half], body.len());
            false
        }
        Answer::Reset => {
            // The end of the connection in the middle of a header line.
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-ty");
            false
        }
        Answer::Silence => {
            let mut state = shared.lock();
            while !state.stopped {
                state = shared.changed.wait(state).expect("no thread panics");
            }
            false
        }
    }
}

fn send(stream: &mut TcpStream, status: &str, headers: &str, body: &[u8], length: usize) -> bool {
    let head = format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n");
    let mut message = head.into_bytes();
    message.extend_from_slice(body);
    stream.write_all(&message).is_ok()
}

/// Reads one request without a body and returns its path, and what its sender has already.
fn read_request(stream: &mut TcpStream) -> Option<(String, String)> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            _ => return None,
        }
    }
    let head = String::from_utf8_lossy(&head);
    let known = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("if-none-match")
            .then(|| value.trim().to_owned())
    });
    let path = head.split(' ').nth(1)?.to_owned();
    Some((path, known.unwrap_or_default()))
}
