//! Rapid reset (CVE-2023-44487): streams that are opened and reset in one breath, by the thousand, and
//! streams that are reset while they wait, or just as they get their verdict.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::harness::bootstrap::{Listener, MAIN, Setup};
use crate::harness::client::Request;
use crate::harness::document::patient;
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::issuer::{TestKey, Token};
use crate::harness::keyserver::KeyServer;
use crate::harness::process::eventually;
use crate::harness::upstream::Upstream;
use crate::{alone, is_full, tell};

const KNOWN: &str = "us-east-1_Resets0001";
/// Streams on one connection: Envoy closes one when more than half of 500 were reset too soon.
const STREAMS: usize = 400;
/// Streams that wait at once.
const WAITING: usize = 90;
/// What memory may be above that after half of the rounds, in per cent.
const GROWTH: u64 = 10;

/// A connection with prior knowledge, written frame by frame: a client that behaves would not do
/// what is done here.
struct Frames {
    stream: TcpStream,
    out: Vec<u8>,
    next: u32,
    draining: JoinHandle<()>,
}

impl Frames {
    fn connect(to: SocketAddr) -> Self {
        let stream = TcpStream::connect(to).expect("the listener takes connections");
        stream.set_nodelay(true).expect("a socket");
        let mut answers = stream.try_clone().expect("a socket");
        // Answers are of no interest, but unread they would hold up the connection.
        let draining = thread::spawn(move || {
            let mut bytes = [0; 4096];
            while answers.read(&mut bytes).is_ok_and(|count| count > 0) {}
        });
        let mut frames = Self {
            stream,
            out: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
            next: 1,
            draining,
        };
        frames.frame(4, 0, 0, &[]);
        frames
    }

    /// One frame (RFC 9113, section 4.1).
    fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len())
            .expect("a short frame")
            .to_be_bytes();
        self.out.extend_from_slice(&length[1..]);
        self.out.extend_from_slice(&[kind, flags]);
        self.out.extend_from_slice(&stream.to_be_bytes());
        self.out.extend_from_slice(payload);
    }

    /// Opens a stream with a GET. Returns its number.
    fn open(&mut self, token: Option<&str>) -> u32 {
        const END_STREAM_AND_HEADERS: u8 = 0x05;
        let stream = self.next;
        self.next += 2;
        // `GET` and `http` of the static table, then literals that are not indexed (RFC 7541).
        let mut block = vec![0x82, 0x86];
        literal(&mut block, &[0x04], "/guarded");
        literal(&mut block, &[0x01], "localhost");
        if let Some(token) = token {
            literal(&mut block, &[0x0f, 0x08], &format!("Bearer {token}"));
        }
        self.frame(1, END_STREAM_AND_HEADERS, stream, &block);
        stream
    }

    /// Takes a stream back: CANCEL.
    fn reset(&mut self, stream: u32) {
        self.frame(3, 0, stream, &8_u32.to_be_bytes());
    }

    /// Sends what was written so far, in one piece.
    fn flush(&mut self) {
        // Envoy may have closed the connection.
        let _ = self.stream.write_all(&std::mem::take(&mut self.out));
    }

    fn close(self) {
        // Envoy counts a stream whose headers end with the connection, and tells no filter of it: it
        // has to read all that was written.
        let _ = self.stream.shutdown(std::net::Shutdown::Write);
        self.draining.join().expect("no thread panics");
    }
}

/// A field with its name given, and its value as it is (RFC 7541, section 5).
fn literal(block: &mut Vec<u8>, name: &[u8], value: &str) {
    const PREFIX: usize = 127;
    block.extend_from_slice(name);
    match value.len().checked_sub(PREFIX) {
        None => block.push(u8::try_from(value.len()).expect("a short value")),
        Some(mut rest) => {
            block.push(0x7f);
            while rest >= 128 {
                block.push(u8::try_from(rest % 128).expect("seven bits") | 0x80);
                rest /= 128;
            }
            block.push(u8::try_from(rest).expect("seven bits"));
        }
    }
    block.extend_from_slice(value.as_bytes());
}

/// All at once: tokens that are known, tokens that have to wait, and none.
fn rapid(to: SocketAddr, tokens: &[Option<&str>; 3]) {
    let mut frames = Frames::connect(to);
    for number in 0..STREAMS {
        let stream = frames.open(tokens[number % tokens.len()]);
        frames.reset(stream);
    }
    frames.flush();
    frames.close();
}

/// They wait, then go; or go while the keys come.
fn while_held(envoy: &EnvoyUnderTest, keys: &KeyServer, id: &str, token: &str) {
    let mut frames = Frames::connect(envoy.main());
    for _ in 0..2 {
        let streams: Vec<_> = (0..WAITING).map(|_| frames.open(Some(token))).collect();
        frames.flush();
        let all = u64::try_from(WAITING).expect("a small number");
        envoy.await_metric("held_now", all);
        streams.into_iter().for_each(|stream| frames.reset(stream));
        frames.flush();
        envoy.await_metric("held_now", 0);
    }
    let streams: Vec<_> = (0..WAITING).map(|_| frames.open(Some(token))).collect();
    frames.flush();
    envoy.await_metric("held_now", u64::try_from(WAITING).expect("a small number"));
    let (first, second) = streams.split_at(WAITING / 2);
    first.iter().for_each(|stream| frames.reset(*stream));
    keys.release(id);
    frames.flush();
    for stream in second {
        frames.reset(*stream);
        frames.flush();
        // One by one, so that the keys come in the middle of it.
        thread::sleep(Duration::from_micros(100));
    }
    envoy.await_metric("held_now", 0);
    frames.close();
}

/// Resets cost no VM, no memory and no place, and every stream is counted once.
#[test]
fn streams_that_are_reset_leave_nothing_behind() {
    let _alone = alone();
    let (rounds, connections) = if is_full() { (40, 10) } else { (4, 3) };
    let (keys, upstream) = (KeyServer::start(), Upstream::forgetful());
    let pools: Vec<_> = (0..rounds)
        .map(|round| format!("us-east-1_Resets1{round:03}"))
        .collect();
    let ids: Vec<_> = pools.iter().map(String::as_str).chain([KNOWN]).collect();
    for id in &ids {
        keys.publish(id, &[TestKey::first()]);
        keys.hold(id);
    }
    keys.release(KNOWN);
    let setup = Setup::new(&keys, &upstream);
    let envoy = EnvoyUnderTest::start(&setup.listener(Listener::new(MAIN, patient(&ids))));
    let known = Token::id(KNOWN).mint();
    let ask = || {
        Request::get("/guarded")
            .bearer(&known)
            .send(envoy.main())
            .status
    };
    assert_eq!(ask(), 200);
    let mut resident = Vec::new();
    for id in &pools {
        let slow = Token::id(id).mint();
        let tokens = [Some(known.as_str()), Some(slow.as_str()), None];
        thread::scope(|scope| {
            for _ in 0..connections {
                scope.spawn(|| rapid(envoy.main(), &tokens));
            }
        });
        envoy.await_metric("held_now", 0);
        while_held(&envoy, &keys, id, &slow);
        assert_eq!(ask(), 200, "everybody else is served");
        resident.push(envoy.usage().resident);
    }
    let seen = || envoy.statistic("http.ingress.downstream_rq_total");
    let decided = || envoy.decisions().values().sum::<u64>();
    eventually("every stream is decided", || {
        (decided() == seen()).then_some(())
    });
    let (opened, held) = (
        rounds * (connections * STREAMS + 3 * WAITING),
        envoy.metric("held"),
    );
    let reset = envoy.statistic("http.ingress.downstream_rq_rx_reset");
    let mib: Vec<_> = resident.iter().map(|resident| resident / 1024).collect();
    tell(&format!(
        "{opened} streams opened, {} seen, {reset} reset, {held} held, {} gone while held; memory \
         after each round, in MiB: {mib:?}",
        seen(),
        envoy.metric("cancelled"),
    ));
    let requests = usize::try_from(seen()).expect("a number of requests");
    assert!(requests > opened / 2, "{requests} of {opened} were seen");
    assert!(
        held > u64::try_from(opened / 6).expect("a small number"),
        "{held} held"
    );
    let (first, last) = (resident[rounds / 2], resident[rounds - 1]);
    assert!(
        last <= first + first * GROWTH / 100,
        "memory grew: {mib:?} MiB"
    );
    envoy.finish(requests);
}
