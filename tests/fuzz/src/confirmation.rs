//! What a user pool answers about a token, and what other VMs say that it has answered.

use cognito_authorizer::confirmation::standing::Standing;
use cognito_authorizer::confirmation::{Says, TYPE_HEADER, read};
use cognito_authorizer::remote::call::Answer;
use cognito_authorizer::remote::rate::{MAX_PER_SECOND, recent};
use cognito_authorizer::remote::slots::{Changed, Key, RECORDS, Record, Slots, decode};
use cognito_authorizer::remote::space::{MemorySpace, SharedSpace as _, Version};
use cognito_authorizer::time::Monotonic;
use serde_json::Value;
use std::time::Duration;

/// The first byte chooses what the rest is: an answer's body, its header, or an entry of shared data.
pub fn confirmation(bytes: &[u8]) {
    let [choice, rest @ ..] = bytes else { return };
    match choice % 4 {
        0 => header(rest),
        1 => body(rest),
        2 => slot(rest),
        _ => rate(rest),
    }
}

const REFUSALS: [&str; 4] = [
    "NotAuthorizedException",
    "UserNotFoundException",
    "PasswordResetRequiredException",
    "UserNotConfirmedException",
];

/// The status, from two bytes, and what follows.
fn status(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let (status, rest) = bytes.split_first_chunk::<2>()?;
    Some((100 + u16::from_le_bytes(*status) % 500, rest))
}

/// As the documentation has it: after the last number sign of what stands before the first colon.
fn name(text: &str) -> &str {
    let before = text.split(':').next().unwrap();
    before.split('#').next_back().unwrap().trim()
}

fn header(bytes: &[u8]) {
    let Some((status, text)) = status(bytes) else {
        return;
    };
    let says = read(&Answer::Response {
        status,
        headers: vec![(TYPE_HEADER, text.to_vec())],
        // Never looked at, since there is a header.
        body: Some(br#"{"__type":"NotAuthorizedException"}"#.to_vec()),
    });
    let refused = std::str::from_utf8(text).is_ok_and(|text| REFUSALS.contains(&name(text)));
    holds(&says, status, refused);
}

fn body(bytes: &[u8]) {
    let Some((status, body)) = status(bytes) else {
        return;
    };
    let says = read(&Answer::Response {
        status,
        headers: Vec::new(),
        body: Some(body.to_vec()),
    });
    // A reader that is laxer: whatever the strict one takes for a refusal is one to it as well, or it
    // has a name twice.
    let lax = serde_json::from_slice::<Value>(body).unwrap_or_default();
    let lax = lax["__type"]
        .as_str()
        .is_some_and(|text| REFUSALS.contains(&name(text)));
    match says {
        Says::Refused => assert!(lax && (400..500).contains(&status)),
        Says::Confirmed => assert_eq!(status, 200),
        Says::Nothing(_) => assert_ne!(status, 200),
    }
}

fn holds(says: &Says, status: u16, refused: bool) {
    match status {
        200 => assert_eq!(*says, Says::Confirmed),
        400..500 if refused => assert_eq!(*says, Says::Refused),
        _ => assert!(matches!(says, Says::Nothing(_)), "{status} {says:?}"),
    }
}

/// Whatever lies in a slot, a record that is written into it comes back, and the slot stays bounded.
fn slot(bytes: &[u8]) {
    let records = decode(bytes);
    assert!(records.len() <= RECORDS);
    for record in &records {
        let standing = Standing::of(*record);
        assert_eq!(Standing::of(standing.record(record.key)), standing);
    }
    let (slots, space) = (Slots::new("fuzz"), MemorySpace::default());
    let now = Monotonic::new(Duration::from_secs(1000));
    let own = Record {
        key: Key::default(),
        keep: now,
        words: [1, 2],
    };
    let put = || slots.change(own.key, now, &space, &|_| Some(own));
    assert_eq!(put(), Changed::Written(own));
    let [name] = space.names().try_into().unwrap();
    space.write(&name, bytes, Version::Any).unwrap();
    match put() {
        Changed::Written(_) => assert_eq!(slots.read(own.key, &space), Some(own)),
        // Only if no record may leave.
        Changed::Full => {
            assert_eq!(records.len(), RECORDS);
            assert!(records.iter().all(|record| record.keep > now));
        }
        other => panic!("{other:?}"),
    }
    let (after, _) = space.read(&name);
    assert!(decode(&after.unwrap()).len() <= RECORDS);
}

/// No entry closes a rate for more than two seconds, or makes it count without end.
fn rate(bytes: &[u8]) {
    let now = Monotonic::new(Duration::from_secs(1000));
    assert!(recent(Some(bytes), now).len() <= MAX_PER_SECOND);
    let later = now.after(Duration::from_secs(2));
    let both = recent(Some(bytes), now);
    let still: Vec<_> = recent(Some(bytes), later);
    assert!(both.iter().all(|moment| !still.contains(moment)));
}
