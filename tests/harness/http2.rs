//! An HTTP/2 client with prior knowledge, over a connection of its own for each request.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;

use crate::harness::client::Response;

const PATIENCE: Duration = Duration::from_secs(20);

/// An answer over HTTP/2: a gRPC status may stand in the trailers.
pub(crate) struct Answer {
    /// The status, the headers and the body.
    pub(crate) response: Response,
    /// What came after the body.
    pub(crate) trailers: Vec<(String, String)>,
}

impl Answer {
    /// A header or a trailer: a refused gRPC request has its status in either.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let trailer = self.trailers.iter().find(|(trailer, _)| trailer == name);
        self.response
            .header(name)
            .or(trailer.map(|(_, value)| value.as_str()))
    }
}

/// Sends a request with these headers, body and trailers and waits for the answer.
#[track_caller]
pub(crate) fn send(
    to: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &[u8])],
    body: &[u8],
    trailers: &[(&str, &str)],
) -> Answer {
    let mut request = request(path, headers);
    *request.method_mut() = method.parse().expect("a method");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let exchange = exchange(to, request, body, trailers);
    runtime
        .block_on(async { tokio::time::timeout(PATIENCE, exchange).await })
        .expect("an answer in time")
        .expect("an answer")
}

/// A request without a body.
pub(crate) fn request(path: &str, headers: &[(&str, &[u8])]) -> http::Request<()> {
    let mut request = http::Request::builder().uri(format!("http://localhost{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).expect("a request that can be sent")
}

/// Sends requests one after the other over one connection. Their statuses.
#[track_caller]
pub(crate) fn send_all(to: SocketAddr, requests: &[http::Request<()>]) -> Vec<u16> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let exchange = async {
        let stream = tokio::net::TcpStream::connect(to)
            .await
            .expect("the listener takes connections");
        // Long headers are several frames, none of which is to wait until another is acknowledged.
        stream.set_nodelay(true).expect("a connection");
        let (client, connection) = h2::client::handshake(stream).await?;
        let driver = tokio::spawn(connection);
        let mut client = client.ready().await?;
        let mut statuses = Vec::new();
        for request in requests {
            let (response, _) = client.send_request(request.clone(), true)?;
            let (head, mut body) = response.await?.into_parts();
            while body.data().await.transpose()?.is_some() {}
            statuses.push(head.status.as_u16());
            client = client.ready().await?;
        }
        driver.abort();
        Ok::<_, h2::Error>(statuses)
    };
    runtime.block_on(exchange).expect("an answer to each")
}

/// Opens requests without a body over one connection, and reads until then. Which of them the other
/// side has ended.
#[track_caller]
pub(crate) fn ended_before(
    to: SocketAddr,
    requests: &[http::Request<()>],
    deadline: Duration,
) -> Vec<bool> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let exchange = async {
        let stream = tokio::net::TcpStream::connect(to)
            .await
            .expect("the listener takes connections");
        let (mut client, connection) = h2::client::handshake(stream).await?;
        let driver = tokio::spawn(connection);
        let mut reading = Vec::new();
        for request in requests {
            let (response, _) = client.send_request(request.clone(), true)?;
            let mut body = response.await?.into_body();
            reading.push(tokio::spawn(tokio::time::timeout(deadline, async move {
                while let Some(Ok(data)) = body.data().await {
                    let _ = body.flow_control().release_capacity(data.len());
                }
            })));
        }
        let mut ended = Vec::new();
        for one in reading {
            ended.push(one.await.expect("no task panics").is_ok());
        }
        driver.abort();
        Ok::<_, h2::Error>(ended)
    };
    runtime.block_on(exchange).expect("an answer to each")
}

async fn exchange(
    to: SocketAddr,
    request: http::Request<()>,
    body: &[u8],
    trailers: &[(&str, &str)],
) -> Result<Answer, h2::Error> {
    let stream = tokio::net::TcpStream::connect(to)
        .await
        .expect("the listener takes connections");
    let (mut client, connection) = h2::client::handshake(stream).await?;
    let driver = tokio::spawn(connection);
    let bodiless = body.is_empty() && trailers.is_empty();
    let (response, mut sender) = client.send_request(request, bodiless)?;
    if !bodiless {
        sender.send_data(Bytes::copy_from_slice(body), trailers.is_empty())?;
    }
    if !trailers.is_empty() {
        let mut map = http::HeaderMap::new();
        for (name, value) in trailers {
            let name = http::HeaderName::from_bytes(name.as_bytes()).expect("a name");
            map.insert(name, value.parse().expect("a value"));
        }
        sender.send_trailers(map)?;
    }
    let (head, mut stream) = response.await?.into_parts();
    let mut received = Vec::new();
    while let Some(data) = stream.data().await {
        received.extend_from_slice(&data?);
    }
    let trailers = stream.trailers().await?.unwrap_or_default();
    driver.abort();
    Ok(Answer {
        response: Response {
            status: head.status.as_u16(),
            headers: texts(&head.headers),
            body: String::from_utf8_lossy(&received).into_owned(),
        },
        trailers: texts(&trailers),
    })
}

fn texts(map: &http::HeaderMap) -> Vec<(String, String)> {
    map.iter()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes());
            (name.as_str().to_owned(), value.into_owned())
        })
        .collect()
}

/// The trailers of each request.
type Records = Arc<Mutex<Vec<Vec<(String, String)>>>>;

/// An upstream that speaks HTTP/2, answers 200, and keeps the trailers of what it got.
pub(crate) struct Trailers {
    address: SocketAddr,
    seen: Records,
    stopped: Arc<AtomicBool>,
}

impl Trailers {
    pub(crate) fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (seen, stopped) = (Records::default(), Arc::new(AtomicBool::new(false)));
        let (records, stopping) = (Arc::clone(&seen), Arc::clone(&stopped));
        std::thread::spawn(move || {
            runtime.block_on(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    if stopping.load(Ordering::Relaxed) {
                        return;
                    }
                    tokio::spawn(serve(stream, Arc::clone(&records)));
                }
            });
        });
        Self {
            address,
            seen,
            stopped,
        }
    }

    /// The port to put into a cluster.
    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// What has come so far.
    pub(crate) fn seen(&self) -> Vec<Vec<(String, String)>> {
        self.seen.lock().expect("no thread panics").clone()
    }
}

impl Drop for Trailers {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        // Wakes the task that accepts.
        drop(std::net::TcpStream::connect(self.address));
    }
}

async fn serve(stream: tokio::net::TcpStream, records: Records) -> Option<()> {
    let mut connection = h2::server::handshake(stream).await.ok()?;
    while let Some(Ok((request, mut reply))) = connection.accept().await {
        let records = Arc::clone(&records);
        tokio::spawn(async move {
            let mut body = request.into_body();
            while let Some(Ok(data)) = body.data().await {
                body.flow_control().release_capacity(data.len()).ok()?;
            }
            let trailers = body.trailers().await.ok()?.unwrap_or_default();
            records
                .lock()
                .expect("no thread panics")
                .push(texts(&trailers));
            reply
                .send_response(http::Response::new(()), true)
                .ok()
                .map(drop)
        });
    }
    Some(())
}
