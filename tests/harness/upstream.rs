//! The service behind Envoy: it records what reached it, byte by byte, and when.
//!
//! It is written by hand because an HTTP library would merge repeated header lines and refuse bytes
//! that the tests must be able to see.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use crate::harness::client::CASE;

/// The body of every answer of the upstream.
pub(crate) const GREETING: &str = "from the upstream";

/// What lies under this is elsewhere: `/moved/x/y` is redirected to `/y`.
pub(crate) const MOVED: &str = "/moved/";
/// What no path may contain, in the place of a redirect.
pub(crate) const SLASH: &str = "SLASH";
/// What is here has to be asked for three times.
pub(crate) const BUSY: &str = "/busy";

/// What ends so sends an event twenty times a second, and does not end.
pub(crate) const EVENTS: &str = "/events";

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// The method of the request line.
    pub(crate) method: String,
    /// The path of the request line, with its query.
    pub(crate) path: String,
    /// Every header line in its order; names in lower case, values raw.
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    /// The body without its framing.
    pub(crate) body: Vec<u8>,
    /// The trailers of a chunked body.
    pub(crate) trailers: Vec<(String, Vec<u8>)>,
    /// Whether the request arrived to its end.
    pub(crate) complete: bool,
}

impl Seen {
    /// The values of every line of the header `name`, as text.
    pub(crate) fn values(&self, name: &str) -> Vec<String> {
        self.headers
            .iter()
            .filter(|(header, _)| header == name)
            .map(|(_, value)| String::from_utf8_lossy(value).into_owned())
            .collect()
    }

    /// The only value of the header `name`; `None` if the header is absent.
    #[track_caller]
    pub(crate) fn value(&self, name: &str) -> Option<String> {
        let mut values = self.values(name);
        assert!(
            values.len() <= 1,
            "{name} came {} times: {values:?}",
            values.len()
        );
        values.pop()
    }
}

type Records = Arc<Mutex<Vec<Seen>>>;

/// An upstream that answers 200 to whatever reaches it, 101 to an upgrade, [`MOVED`] elsewhere,
/// [`EVENTS`] without end, and [`BUSY`] with 503 until it is asked for the third time.
pub(crate) struct Upstream {
    address: SocketAddr,
    records: Records,
    stopped: Arc<Mutex<bool>>,
}

impl Upstream {
    /// Listens on a free port of the loopback.
    pub(crate) fn start() -> Self {
        Self::with_memory(true)
    }

    /// The same for long tests: it counts requests, and forgets what was in them.
    pub(crate) fn forgetful() -> Self {
        Self::with_memory(false)
    }

    fn with_memory(remembers: bool) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let records = Records::default();
        let stopped = Arc::new(Mutex::new(false));
        let (recording, stopping) = (Arc::clone(&records), Arc::clone(&stopped));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if *stopping.lock().expect("no thread panics") {
                    return;
                }
                let records = Arc::clone(&recording);
                thread::spawn(move || {
                    let mut reader = BufReader::new(stream);
                    while serve(&mut reader, &records, remembers).is_some() {}
                });
            }
        });
        Self {
            address,
            records,
            stopped,
        }
    }

    /// The port to put into a cluster.
    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// How many requests have arrived.
    pub(crate) fn total(&self) -> usize {
        lock(&self.records).len()
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// All that has arrived.
    pub(crate) fn everything(&self) -> Vec<Seen> {
        lock(&self.records).clone()
    }

    /// What has arrived of the requests with this case id.
    pub(crate) fn seen(&self, case: &str) -> Vec<Seen> {
        let is_case = |seen: &&Seen| {
            let mut headers = seen.headers.iter();
            headers.any(|(name, value)| name == CASE && value == case.as_bytes())
        };
        lock(&self.records)
            .iter()
            .filter(is_case)
            .cloned()
            .collect()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        *self.stopped.lock().expect("no thread panics") = true;
        // Wakes the thread that accepts.
        drop(TcpStream::connect(self.address));
    }
}

fn lock(records: &Records) -> MutexGuard<'_, Vec<Seen>> {
    records.lock().expect("no thread panics with the lock")
}

/// Serves one request; `None` when the connection is over.
fn serve(reader: &mut BufReader<TcpStream>, records: &Records, remembers: bool) -> Option<()> {
    let line = read_line(reader)?;
    let line = String::from_utf8_lossy(&line).into_owned();
    let mut words = line.split(' ');
    let method = words.next()?.to_owned();
    let seen = Seen {
        path: words.next()?.to_owned(),
        headers: read_headers(reader)?,
        body: Vec::new(),
        trailers: Vec::new(),
        complete: false,
        method,
    };
    let upgrade = seen.value("upgrade").is_some();
    let length = seen
        .value("content-length")
        .and_then(|length| length.parse().ok());
    let chunked = seen.value("transfer-encoding").is_some();
    let is_head = seen.method == "HEAD";
    let path = seen.path.clone();
    let case = seen.value(CASE);
    // Recorded as soon as the head is there: a held request must not get even so far.
    let index = {
        let mut records = lock(records);
        records.push(seen);
        records.len() - 1
    };
    if upgrade {
        return echo(reader);
    }
    let (body, trailers) = match (chunked, length) {
        (true, _) => read_chunks(reader)?,
        (false, Some(length)) => {
            let mut body = vec![0; length];
            reader.read_exact(&mut body).ok()?;
            (body, Vec::new())
        }
        (false, None) => Default::default(),
    };
    {
        let mut records = lock(records);
        let seen = records.get_mut(index)?;
        seen.body = body;
        seen.trailers = trailers;
        seen.complete = true;
        if !remembers {
            seen.headers = Vec::new();
        }
    }
    if path.ends_with(EVENTS) {
        return events(reader);
    }
    let body = if is_head { "" } else { GREETING };
    let status = match path
        .strip_prefix(MOVED)
        .and_then(|rest| rest.split_once('/'))
    {
        Some((_, target)) => {
            let target = target.replace(SLASH, "%2F");
            format!("302 Found\r\nlocation: http://localhost/{target}")
        }
        None if path == BUSY => {
            let same = |seen: &&Seen| seen.path == BUSY && seen.value(CASE) == case;
            match lock(records).iter().filter(same).count() {
                0..3 => "503 Service Unavailable".to_owned(),
                _ => "200 OK".to_owned(),
            }
        }
        None => "200 OK".to_owned(),
    };
    let length = GREETING.len();
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n");
    let message = format!("{head}{body}");
    reader.get_mut().write_all(message.as_bytes()).ok()
}

/// Events, until the connection ends.
fn events(reader: &mut BufReader<TcpStream>) -> Option<()> {
    let stream = reader.get_mut();
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).ok()?;
    loop {
        stream.write_all(b"9\r\ndata: x\n\n\r\n").ok()?;
        thread::sleep(Duration::from_millis(50));
    }
}

/// After the upgrade, every byte comes back.
fn echo(reader: &mut BufReader<TcpStream>) -> Option<()> {
    let switch =
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    reader.get_mut().write_all(switch.as_bytes()).ok()?;
    let mut bytes = [0; 1024];
    loop {
        let count = reader.read(&mut bytes).ok().filter(|count| *count > 0)?;
        reader.get_mut().write_all(bytes.get(..count)?).ok()?;
    }
}

fn read_line(reader: &mut BufReader<TcpStream>) -> Option<Vec<u8>> {
    let mut line = Vec::new();
    reader.read_until(b'\n', &mut line).ok()?;
    line.strip_suffix(b"\r\n").map(<[u8]>::to_vec)
}

fn read_headers(reader: &mut BufReader<TcpStream>) -> Option<Vec<(String, Vec<u8>)>> {
    let mut headers = Vec::new();
    loop {
        let line = read_line(reader)?;
        if line.is_empty() {
            return Some(headers);
        }
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = line.split_at(colon);
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        headers.push((name, value.get(1..)?.trim_ascii().to_vec()));
    }
}

type Chunked = (Vec<u8>, Vec<(String, Vec<u8>)>);

fn read_chunks(reader: &mut BufReader<TcpStream>) -> Option<Chunked> {
    let mut body = Vec::new();
    loop {
        let size = read_line(reader)?;
        let size = usize::from_str_radix(std::str::from_utf8(&size).ok()?, 16).ok()?;
        if size == 0 {
            return Some((body, read_headers(reader)?));
        }
        let mut chunk = vec![0; size + 2];
        reader.read_exact(&mut chunk).ok()?;
        body.extend_from_slice(chunk.get(..size)?);
    }
}
