//! A client that speaks HTTP/2: many requests at once on one connection, some of them reset.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use h2::client::{ResponseFuture, SendRequest};
use tokio::task::JoinSet;

use super::clients::{Errand, Stage, next_turn};
use super::record::Record;
use crate::harness::client::Response;
use crate::harness::seed::Seed;

const PAUSE: Duration = Duration::from_millis(6);
/// Requests on one connection: Envoy takes it for an attack if half of more than 500 are reset.
const PER_CONNECTION: usize = 400;
/// One request of so many is reset, if it is of a kind that may be.
const RESET: usize = 5;
const AT_ONCE: usize = 60;

type Answered = (Errand, Instant, Response);

pub(super) fn asks(stage: &Stage, to: SocketAddr, seed: Seed) -> Record {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(talk(stage, to, seed)).expect("an answer")
}

async fn talk(stage: &Stage, to: SocketAddr, mut seed: Seed) -> Result<Record, h2::Error> {
    let mut record = Record::default();
    let mut due = Instant::now();
    while !stage.is_over() {
        let stream = tokio::net::TcpStream::connect(to).await;
        let (mut client, connection) = h2::client::handshake(stream.expect("a listener")).await?;
        let driver = tokio::spawn(connection);
        let mut answers = JoinSet::new();
        for _ in 0..PER_CONNECTION {
            if stage.is_over() {
                break;
            }
            let (wait, next) = next_turn(due, PAUSE);
            due = next;
            tokio::time::sleep(wait).await;
            let errand = stage.errand(&mut seed, |_| true);
            client = client.ready().await?;
            let response = send(&mut client, &errand)?;
            if errand.kind.is_left() && seed.below(RESET) == 0 {
                // So that it is sent before it is taken back.
                tokio::time::sleep(Duration::from_millis(2)).await;
                drop(response);
                record.left += 1;
                continue;
            }
            answers.spawn(receive(errand, response));
            while answers.len() > AT_ONCE {
                take(&mut record, stage, answers.join_next().await);
            }
            while let Some(done) = answers.try_join_next() {
                take(&mut record, stage, Some(done));
            }
        }
        while let Some(done) = answers.join_next().await {
            take(&mut record, stage, Some(done));
        }
        drop(client);
        driver.abort();
    }
    Ok(record)
}

fn take(
    record: &mut Record,
    stage: &Stage,
    done: Option<Result<Result<Answered, h2::Error>, tokio::task::JoinError>>,
) {
    let done = done.expect("a request under way").expect("no task panics");
    let (errand, sent, response) = done.expect("an answer over HTTP/2");
    record.note(&errand, &response, stage.is_failing(sent));
}

fn send(
    client: &mut SendRequest<bytes::Bytes>,
    errand: &Errand,
) -> Result<ResponseFuture, h2::Error> {
    let uri = format!("http://localhost{}", errand.kind.path);
    let mut request = http::Request::builder().uri(uri);
    for token in &errand.tokens {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let request = request.body(()).expect("a request that can be sent");
    Ok(client.send_request(request, true)?.0)
}

async fn receive(errand: Errand, response: ResponseFuture) -> Result<Answered, h2::Error> {
    let sent = Instant::now();
    let (head, mut stream) = response.await?.into_parts();
    let mut body = Vec::new();
    while let Some(data) = stream.data().await {
        body.extend_from_slice(&data?);
    }
    let headers = head.headers.iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.as_str().to_owned(), value)
    });
    let response = Response {
        status: head.status.as_u16(),
        headers: headers.collect(),
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    Ok((errand, sent, response))
}
