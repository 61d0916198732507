//! A client that sends exactly the bytes that a test wants sent.

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

/// The header that tells one request of a test run from all others, at the upstream and in logs.
pub(crate) const CASE: &str = "x-case";

/// Longer than any request of the tests is held, and than an Envoy compiles its module on a busy machine:
/// until then its admin interface answers nobody.
const PATIENCE: Duration = Duration::from_secs(60);

/// A request under construction. A clone is the same request: it has the same case id.
#[derive(Clone)]
pub(crate) struct Request {
    method: String,
    target: Vec<u8>,
    headers: Vec<(Vec<u8>, Vec<u8>)>,
    body: Vec<u8>,
    case: String,
}

impl Request {
    /// A GET of `target`.
    pub(crate) fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// A request without a body, with a case id of its own and the host `localhost`.
    pub(crate) fn new(method: &str, target: impl AsRef<[u8]>) -> Self {
        static CASES: AtomicUsize = AtomicUsize::new(0);
        let case = format!("case-{}", CASES.fetch_add(1, Ordering::Relaxed));
        Self {
            method: method.to_owned(),
            target: target.as_ref().to_vec(),
            headers: Vec::new(),
            body: Vec::new(),
            case: case.clone(),
        }
        .header("host", "localhost")
        .header(CASE, case)
    }

    /// Adds a header line; lines with one name stay separate.
    pub(crate) fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.headers
            .push((name.as_ref().to_vec(), value.as_ref().to_vec()));
        self
    }

    /// Replaces the host.
    pub(crate) fn host(mut self, host: &str) -> Self {
        self.headers.retain(|(name, _)| name != b"host");
        self.header("host", host)
    }

    /// Adds `authorization: Bearer <token>`.
    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    /// Gives the request a body of known length.
    pub(crate) fn body(mut self, body: &[u8]) -> Self {
        self = self.header("content-length", body.len().to_string());
        self.body = body.to_vec();
        self
    }

    /// Gives the request a chunked body, and trailers.
    pub(crate) fn chunked(mut self, chunks: &[&str], trailers: &[(&str, &str)]) -> Self {
        self = self.header("transfer-encoding", "chunked");
        for chunk in chunks {
            self.body
                .extend_from_slice(format!("{:x}\r\n{chunk}\r\n", chunk.len()).as_bytes());
        }
        self.body.extend_from_slice(b"0\r\n");
        for (name, value) in trailers {
            self.body
                .extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        self.body.extend_from_slice(b"\r\n");
        self
    }

    /// The id under which the upstream and the access log know this request.
    pub(crate) fn case(&self) -> &str {
        &self.case
    }

    /// Whether the answer has no body, whatever its length says.
    pub(crate) fn is_head(&self) -> bool {
        self.method == "HEAD"
    }

    /// The bytes before the body.
    pub(crate) fn head_bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{} ", self.method).into_bytes();
        bytes.extend_from_slice(&self.target);
        bytes.extend_from_slice(b" HTTP/1.1\r\n");
        for (name, value) in &self.headers {
            bytes.extend_from_slice(name);
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        bytes
    }

    /// Sends the request on a connection of its own and reads the answer.
    #[track_caller]
    pub(crate) fn send(&self, to: SocketAddr) -> Response {
        self.open(to).response()
    }

    /// Sends the request and leaves the answer for later.
    #[track_caller]
    pub(crate) fn open(&self, to: SocketAddr) -> Pending {
        let mut pending = self.open_head(to);
        pending.write(&self.body);
        pending
    }

    /// Sends the head alone: the body follows when the test says so.
    #[track_caller]
    pub(crate) fn open_head(&self, to: SocketAddr) -> Pending {
        let mut pending = Pending::connect(to);
        pending.bodiless = self.is_head();
        pending.case.clone_from(&self.case);
        pending.write(&self.head_bytes());
        pending
    }
}

/// A request on its way. Dropping it closes the connection: the client has left.
pub(crate) struct Pending {
    reader: BufReader<TcpStream>,
    bodiless: bool,
    case: String,
}

impl Pending {
    /// A connection on which nothing is sent yet.
    #[track_caller]
    pub(crate) fn connect(to: SocketAddr) -> Self {
        let stream = TcpStream::connect(to).expect("the listener takes connections");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        stream.set_nodelay(true).expect("a socket");
        Self {
            reader: BufReader::new(stream),
            bodiless: false,
            case: String::new(),
        }
    }

    /// Says that nothing more will be sent, or read.
    pub(crate) fn shut_down(&self, half: Shutdown) {
        let _ = self.reader.get_ref().shutdown(half);
    }

    /// Sends more bytes.
    #[track_caller]
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        // A refused request may be answered, and its connection closed, before its body is sent.
        let _ = self.reader.get_mut().write_all(bytes);
    }

    /// Reads `count` bytes: what follows an upgrade.
    #[track_caller]
    pub(crate) fn read(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.reader.read_exact(&mut bytes).expect("bytes in time");
        bytes
    }

    /// Whether the other side ends the connection until then, whatever it sends before.
    #[track_caller]
    pub(crate) fn is_cut_before(&mut self, deadline: SystemTime) -> bool {
        loop {
            let left = deadline.duration_since(SystemTime::now());
            let Ok(left) = left.map(|left| left.max(Duration::from_millis(1))) else {
                return false;
            };
            let stream = self.reader.get_ref();
            stream.set_read_timeout(Some(left)).expect("a socket");
            match self.reader.fill_buf() {
                Ok([]) => return true,
                Ok(bytes) => {
                    let count = bytes.len();
                    self.reader.consume(count);
                }
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return true,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                Err(error) => panic!("{}: {error}", self.case),
            }
        }
    }

    /// Waits for the answer.
    #[track_caller]
    pub(crate) fn response(mut self) -> Response {
        self.next_response()
    }

    /// Waits for the head of an answer: what follows is no body, but a tunnel.
    #[track_caller]
    pub(crate) fn head(&mut self) -> Response {
        self.bodiless = true;
        let response = self.next_response();
        self.bodiless = false;
        response
    }

    /// Waits for the answer and keeps the connection; `None` if that ended before any answer.
    #[track_caller]
    pub(crate) fn answer_if_open(&mut self) -> Option<Response> {
        match self.reader.fill_buf() {
            Ok([]) => None,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => None,
            _ => Some(self.next_response()),
        }
    }

    /// Waits for the answer and keeps the connection.
    #[track_caller]
    pub(crate) fn next_response(&mut self) -> Response {
        let line = self.line();
        let status = line
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        let Some(status) = status else {
            panic!("{}: expected an answer, found {line:?}", self.case)
        };
        let mut headers = Vec::new();
        loop {
            let line = self.line();
            let Some((name, value)) = line.split_once(':') else {
                break;
            };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut response = Response {
            status,
            headers,
            body: String::new(),
        };
        if !self.bodiless && status >= 200 {
            let bytes = self.body_of(&response);
            response.body = String::from_utf8_lossy(&bytes).into_owned();
        }
        response
    }

    #[track_caller]
    fn body_of(&mut self, response: &Response) -> Vec<u8> {
        if let Some(length) = response.header("content-length") {
            return self.read(length.parse().expect("a length"));
        }
        let mut body = Vec::new();
        if response.header("transfer-encoding").is_some() {
            loop {
                let size = usize::from_str_radix(&self.line(), 16).expect("the size of a chunk");
                body.extend(self.read(size));
                self.line();
                if size == 0 {
                    return body;
                }
            }
        }
        body
    }

    #[track_caller]
    fn line(&mut self) -> String {
        let mut line = Vec::new();
        if let Err(error) = self.reader.read_until(b'\n', &mut line) {
            panic!("{}: no answer: {error}", self.case)
        }
        String::from_utf8_lossy(&line).trim_end().to_owned()
    }
}

/// An answer as the client got it.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    /// The status code.
    pub(crate) status: u16,
    /// Every header line; names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// The body without its framing.
    pub(crate) body: String,
}

impl Response {
    /// The first value of the header `name`.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(header, _)| header == name)
            .map(|(_, value)| value.as_str())
    }
}
