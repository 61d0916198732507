//! A server of the loopback that reads whole requests, one after the other on each connection.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};

/// It listens until it is dropped.
pub(crate) struct Serving {
    address: SocketAddr,
    stopped: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

/// A request that was read.
pub(crate) struct Received {
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Serving {
    /// Listens on a free port of the loopback. `serve` reads and answers one request, and returns
    /// `None` once the connection is of no more use.
    pub(crate) fn start(serve: impl Fn(&TcpStream) -> Option<()> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let stopped = Arc::new(AtomicBool::new(false));
        let (shared, serve) = (Arc::clone(&stopped), Arc::new(serve));
        let accepting = thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if shared.load(Ordering::Relaxed) {
                    return;
                }
                let serve = Arc::clone(&serve);
                thread::spawn(move || while serve(&stream).is_some() {});
            }
        });
        Self {
            address,
            stopped,
            accepting: Some(accepting),
        }
    }

    /// The port to put into a cluster.
    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts.
        drop(TcpStream::connect(self.address));
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

/// The next request; `None` if there is no whole one.
pub(crate) fn receive(stream: &TcpStream) -> Option<Received> {
    let mut reader = BufReader::new(stream);
    let mut next = || {
        let mut line = String::new();
        let length = reader.read_line(&mut line).ok()?;
        (length > 0).then(|| line.trim_end().to_owned())
    };
    let line = next()?;
    let mut headers = Vec::new();
    loop {
        let header = next()?;
        let Some((name, value)) = header.split_once(':') else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.map_or(0, |(_, value)| value.parse().expect("a length"));
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Received {
        line,
        headers,
        body,
    })
}

/// What keeps answers back until a test lets them go.
#[derive(Default)]
pub(crate) struct Held {
    held: Mutex<bool>,
    changed: Condvar,
}

impl Held {
    /// Keeps every answer back until [`Held::release`].
    pub(crate) fn hold(&self) {
        *self.lock() = true;
    }

    /// Gives those that wait, and later ones at once.
    pub(crate) fn release(&self) {
        *self.lock() = false;
        self.changed.notify_all();
    }

    /// Waits for that.
    pub(crate) fn wait(&self) {
        let held = self.changed.wait_while(self.lock(), |held| *held);
        drop(held.expect("no thread panics"));
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.held.lock().expect("no thread panics with the lock")
    }
}
