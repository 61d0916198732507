//! A function behind Lambda's Invoke API, as far as an authorizer sees it: it gets events, and
//! answers what it is told to.

use std::collections::HashMap;
use std::io::Write as _;
use std::net::TcpStream;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use cognito_authorizer::remote::call::Answer;
use serde_json::{Value, json};

use crate::harness::serving::{Held, Serving, receive};

/// What a call is answered with.
#[derive(Clone, Debug)]
pub(crate) enum Says {
    /// 200 with this body: the function's own answer.
    Answer(Value),
    /// 200 with an error of the function's, whose message this is.
    Error(&'static str),
    /// This status, with this exception.
    Exception(u16, &'static str),
    /// 200 with these bytes.
    Bytes(Vec<u8>),
    /// This response.
    Response(Answer),
    /// 200, and a body that never ends.
    Endless,
    /// Bytes that are no HTTP.
    Garbage,
    /// The connection ends.
    Nothing,
}

/// A call that was made.
#[derive(Clone, Debug)]
pub(crate) struct Invocation {
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) event: Value,
}

#[derive(Default)]
struct State {
    says: HashMap<String, Says>,
    otherwise: Option<Says>,
    delay: Duration,
    invocations: Vec<Invocation>,
    /// Calls that are not answered yet, and the most that there were at one time.
    open: (usize, usize),
}

/// A server of the Invoke API with one function.
pub(crate) struct Function {
    serving: Serving,
    state: Arc<Mutex<State>>,
    held: Arc<Held>,
}

/// A policy with one statement.
pub(crate) fn policy(effect: &str, resource: &str, context: Value) -> Value {
    json!({
        "principalId": "partner",
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [{"Effect": effect, "Action": "execute-api:Invoke", "Resource": resource}],
        },
        "context": context,
    })
}

impl Function {
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

    /// What is answered from now on about this identity: the value that the event has for it.
    pub(crate) fn says(&self, identity: &str, says: Says) {
        lock(&self.state).says.insert(identity.to_owned(), says);
    }

    /// What is answered from now on about all others.
    pub(crate) fn says_of_all_others(&self, says: Says) {
        lock(&self.state).otherwise = Some(says);
    }

    /// Lets every answer take this long.
    pub(crate) fn delay(&self, delay: Duration) {
        lock(&self.state).delay = delay;
    }

    /// Keeps every answer back until [`Function::release`].
    pub(crate) fn hold(&self) {
        self.held.hold();
    }

    /// Gives the answers that wait, and later ones at once.
    pub(crate) fn release(&self) {
        self.held.release();
    }

    /// The calls so far.
    pub(crate) fn invocations(&self) -> Vec<Invocation> {
        lock(&self.state).invocations.clone()
    }

    /// How often there was a call about this identity.
    pub(crate) fn asked(&self, identity: &str) -> usize {
        let about = |call: &&Invocation| identity_of(&call.event) == identity;
        self.invocations().iter().filter(about).count()
    }

    /// The most calls that were under way at one time.
    pub(crate) fn most_at_once(&self) -> usize {
        lock(&self.state).open.1
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().expect("no thread panics with the lock")
}

/// Who calls, in any of the forms of an event.
fn identity_of(event: &Value) -> String {
    let found = [
        &event["authorizationToken"],
        &event["headers"]["Authorization"],
        &event["headers"]["authorization"],
    ];
    let found = found.into_iter().find_map(Value::as_str);
    found.unwrap_or_default().to_owned()
}

/// Serves one call; `None` once the connection is of no more use.
fn serve(mut stream: &TcpStream, state: &Mutex<State>, held: &Held) -> Option<()> {
    let invocation = read(stream)?;
    let (says, delay) = {
        let mut state = lock(state);
        let says = state.says.get(&identity_of(&invocation.event));
        let says = says.or(state.otherwise.as_ref()).cloned();
        state.invocations.push(invocation);
        state.open.0 += 1;
        state.open.1 = state.open.1.max(state.open.0);
        (says.expect("something to say"), state.delay)
    };
    held.wait();
    thread::sleep(delay);
    lock(state).open.0 -= 1;
    let reply = |status: u16, header: &str, body: &[u8]| {
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status} Status\r\n{header}content-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        );
        [head.as_bytes(), body].concat()
    };
    let bytes = match says {
        Says::Answer(answer) => reply(200, "", answer.to_string().as_bytes()),
        Says::Error(message) => reply(
            200,
            "x-amz-function-error: Unhandled\r\n",
            json!({"errorMessage": message, "errorType": "Error", "trace": []})
                .to_string()
                .as_bytes(),
        ),
        Says::Exception(status, name) => {
            reply(status, &format!("x-amzn-errortype: {name}\r\n"), b"{}")
        }
        Says::Bytes(bytes) => reply(200, "", &bytes),
        Says::Response(Answer::Response {
            status,
            headers,
            body,
        }) => {
            let lines = headers
                .iter()
                .map(|(name, value)| format!("{name}: {}\r\n", String::from_utf8_lossy(value)));
            let lines: String = lines.collect();
            reply(status, &lines, &body.unwrap_or_default())
        }
        Says::Response(other) => panic!("{other:?} is no response"),
        Says::Endless => {
            let head = "HTTP/1.1 200 Status\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
            stream.write_all(head.as_bytes()).ok()?;
            loop {
                stream.write_all(b"4\r\n    \r\n").ok()?;
                thread::sleep(Duration::from_millis(5));
            }
        }
        Says::Garbage => b"good morning\r\n\r\n".to_vec(),
        Says::Nothing => return None,
    };
    stream.write_all(&bytes).ok()
}

fn read(stream: &TcpStream) -> Option<Invocation> {
    let received = receive(stream)?;
    Some(Invocation {
        line: received.line,
        headers: received.headers,
        event: serde_json::from_slice(&received.body).expect("an event is JSON"),
    })
}
