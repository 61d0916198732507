//! A user pool that is asked about tokens, with all that it may answer.

use std::collections::HashMap;
use std::io::Write as _;
use std::net::TcpStream;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::serving::{Held, Serving, receive};

/// What a question about a token is answered with.
#[derive(Clone)]
pub(crate) enum Says {
    /// 200, with a person's attributes.
    Confirmed,
    /// This status, with this type in the header.
    Header(u16, &'static str),
    /// This status, with this body and nothing in the header.
    Body(u16, String),
    /// 302 to where every token is confirmed.
    Redirect,
    /// Bytes that are no HTTP.
    Garbage,
    /// The connection ends.
    Nothing,
}

/// A question that was asked.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
    pub(crate) at: Instant,
}

/// What a confirmation has in its body, that nobody but the pool should read.
pub(crate) const ATTRIBUTES: &str = r#"{"Username":"wilhelmina","UserAttributes":[{"Name":"email","Value":"wilhelmina.secret@example.org"}]}"#;

#[derive(Default)]
struct State {
    says: HashMap<String, Says>,
    otherwise: Option<Says>,
    delay: Duration,
    questions: Vec<Question>,
}

/// A server of the user pools API, which knows `GetUser` alone and confirms whatever token it is not
/// told about.
pub(crate) struct PoolServer {
    serving: Serving,
    state: Arc<Mutex<State>>,
    held: Arc<Held>,
}

impl PoolServer {
    /// Listens on a free port of the loopback.
    pub(crate) fn start() -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let held = Arc::new(Held::default());
        let (shared, holding) = (Arc::clone(&state), Arc::clone(&held));
        Self {
            serving: Serving::start(move |stream| serve(stream, &shared, &holding)),
            state,
            held,
        }
    }

    /// The port to put into a cluster.
    pub(crate) fn port(&self) -> u16 {
        self.serving.port()
    }

    /// What is said about this token from now on.
    pub(crate) fn says(&self, token: &str, says: Says) {
        lock(&self.state).says.insert(token.to_owned(), says);
    }

    /// What is said from now on about every token that nothing else is said about.
    #[allow(dead_code)]
    pub(crate) fn says_of_all_others(&self, says: Says) {
        lock(&self.state).otherwise = Some(says);
    }

    /// Lets every answer take this long.
    pub(crate) fn delay(&self, delay: Duration) {
        lock(&self.state).delay = delay;
    }

    /// Keeps every answer back until [`PoolServer::release`].
    #[allow(dead_code)]
    pub(crate) fn hold(&self) {
        self.held.hold();
    }

    /// Gives the answers that wait, and later ones at once.
    #[allow(dead_code)]
    pub(crate) fn release(&self) {
        self.held.release();
    }

    /// The questions so far.
    pub(crate) fn questions(&self) -> Vec<Question> {
        lock(&self.state).questions.clone()
    }

    /// How often this token was asked about.
    pub(crate) fn asked(&self, token: &str) -> usize {
        let about = |question: &&Question| token_of(&question.body) == token;
        self.questions().iter().filter(about).count()
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().expect("no thread panics with the lock")
}

fn token_of(body: &str) -> String {
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    body["AccessToken"].as_str().unwrap_or_default().to_owned()
}

/// Serves one question; `None` once the connection is of no more use.
fn serve(mut stream: &TcpStream, state: &Mutex<State>, held: &Held) -> Option<()> {
    let question = read(stream)?;
    let (says, delay) = {
        let mut state = lock(state);
        let says = state.says.get(&token_of(&question.body));
        let says = says.or(state.otherwise.as_ref()).cloned();
        state.questions.push(question);
        (says.unwrap_or(Says::Confirmed), state.delay)
    };
    held.wait();
    thread::sleep(delay);
    let reply = |status: u16, header: &str, body: &str| {
        let length = body.len();
        format!(
            "HTTP/1.1 {status} Status\r\n{header}content-type: application/x-amz-json-1.1\r\ncontent-length: {length}\r\n\r\n{body}"
        )
    };
    let bytes = match says {
        Says::Confirmed => reply(200, "", ATTRIBUTES),
        Says::Header(status, name) => reply(status, &format!("x-amzn-errortype: {name}\r\n"), "{}"),
        Says::Body(status, body) => reply(status, "", &body),
        Says::Redirect => reply(302, "location: /\r\n", ATTRIBUTES),
        Says::Garbage => "good morning\r\n\r\n".to_owned(),
        Says::Nothing => return None,
    };
    stream.write_all(bytes.as_bytes()).ok()
}

fn read(stream: &TcpStream) -> Option<Question> {
    let received = receive(stream)?;
    Some(Question {
        line: received.line,
        headers: received.headers,
        body: String::from_utf8(received.body).expect("text"),
        at: Instant::now(),
    })
}
