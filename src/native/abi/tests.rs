//! The hooks, called as Envoy calls them.

use crate::fake::{Configuration, SCHEDULERS, Stream, fail};
use crate::raw::{HEADERS_CONTINUE, HEADERS_STOP_ALL, TRAILERS_CONTINUE};
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Schedulers and shared entries are counted for the whole process.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A pool whose keys are fetched from this cluster, with an open path. The library that verifies signatures
/// is not asked, and requests wait for longer than a slow interpreter takes, so that Miri can run all of this.
fn document(pool: &str, cluster: &str) -> String {
    format!(
        r#"{{"user_pools": [{{"user_pool_id": "us-east-1_{pool}", "client_ids": ["c"],
             "jwks": {{"cluster": "{cluster}", "timeout": "30s"}}}}],
            "token": {{"use": "any"}},
            "signature": "module",
            "claim_headers": [{{"claim": "sub", "header": "x-sub"}}],
            "rules": [{{"match": {{"path": "/open"}}, "allow": "anyone"}}],
            "default": "authenticated"}}"#
    )
}

fn get(path: &str, more: &[(&str, &[u8])]) -> Rc<Stream> {
    let mut headers: Vec<(&str, &[u8])> = vec![
        (":method", b"GET"),
        (":authority", b"api.example"),
        (":path", path.as_bytes()),
    ];
    headers.extend_from_slice(more);
    Stream::new(&headers)
}

/// A token of the pool, with a key that nobody has.
fn token(pool: &str) -> String {
    // {"alg":"RS256","kid":"k"}
    let header = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImsifQ";
    let issuer = format!("https://cognito-idp.us-east-1.amazonaws.com/us-east-1_{pool}");
    let payload = format!(
        r#"{{"iss":"{issuer}","exp":4000000000,"iat":1,"token_use":"access","client_id":"c","sub":"s"}}"#
    );
    format!("Bearer {header}.{}.AAAA", base64url(payload.as_bytes()))
}

fn base64url(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let mut bits = 0_usize;
        for index in 0..3 {
            bits = bits << 8 | usize::from(chunk.get(index).copied().unwrap_or_default());
        }
        let shifts = [18, 12, 6, 0]
            .into_iter()
            .take(chunk.len().saturating_add(1));
        text.extend(shifts.map(|shift| char::from(DIGITS[bits >> shift & 63])));
    }
    text
}

fn statuses(stream: &Stream) -> Vec<u32> {
    let replies = stream.replies.borrow();
    replies.iter().map(|(status, _, _)| *status).collect()
}

#[test]
fn a_configuration_is_taken_or_refused() {
    let _alone = alone();
    for document in ["", "{", "{}", r#"{"user_pools": []}"#, "\u{0}"] {
        assert!(Configuration::load(document).is_none(), "{document}");
    }
    let configuration = Configuration::load(&document("Taken", "keys")).unwrap();
    assert_eq!(SCHEDULERS.load(Ordering::SeqCst), 1);
    configuration.end();
    assert_eq!(SCHEDULERS.load(Ordering::SeqCst), 0);
}

#[test]
fn a_request_goes_on_or_is_answered() {
    let _alone = alone();
    let configuration = Configuration::load(&document("Answers", "keys")).unwrap();
    let open = get("/open", &[("x-sub", b"forged"), ("x-other", b"\xff\x00")]);
    assert_eq!(open.begin(&configuration), HEADERS_CONTINUE);
    let headers = open.headers.borrow().clone();
    assert!(
        headers.iter().all(|(name, _)| name != b"x-sub"),
        "{headers:?}"
    );
    assert!(headers.contains(&(b"x-other".to_vec(), b"\xff\x00".to_vec())));
    open.trailers
        .borrow_mut()
        .push((b"x-sub".to_vec(), b"forged".to_vec()));
    open.trailers
        .borrow_mut()
        .push((b"x-sum".to_vec(), Vec::new()));
    assert_eq!(open.show_trailers(), TRAILERS_CONTINUE);
    assert_eq!(*open.trailers.borrow(), [(b"x-sum".to_vec(), Vec::new())]);
    open.end();

    let closed = get("/closed", &[]);
    assert_eq!(closed.begin(&configuration), HEADERS_STOP_ALL);
    assert_eq!(statuses(&closed), [401]);
    let (_, body, details) = closed.replies.borrow()[0].clone();
    assert_eq!(body, br#"{"message":"Unauthorized"}"#);
    assert_eq!(details, b"cognito.missing_token");
    let reason = (b"wasm.cognito.reason".to_vec(), b"missing_token".to_vec());
    assert_eq!(*closed.state.borrow(), [reason]);
    closed.end();

    configuration.wake();
    assert_eq!(configuration.metric("cognito_authorizer.anonymous"), 1);
    assert_eq!(
        configuration.metric("cognito_authorizer.denied.missing_token"),
        1
    );
    configuration.end();
}

/// Envoy may end a request while it answers it.
#[test]
fn a_request_that_ends_within_its_reply_is_not_touched_again() {
    let _alone = alone();
    let configuration = Configuration::load(&document("Ends", "keys")).unwrap();
    let closed = get("/closed", &[]);
    closed.ends_at_once.set(true);
    assert_eq!(closed.begin(&configuration), HEADERS_STOP_ALL);
    assert_eq!(statuses(&closed), [401]);
    drop(closed);
    configuration.end();
}

#[test]
fn a_held_request_gets_its_verdict_when_keys_come() {
    let _alone = alone();
    let configuration = Configuration::load(&document("Held", "keys")).unwrap();
    let token = token("Held");
    let [first, gone, last] = [0; 3].map(|_| get("/", &[("authorization", token.as_bytes())]));
    for held in [&first, &gone, &last] {
        assert_eq!(held.begin(&configuration), HEADERS_STOP_ALL);
        assert!(statuses(held).is_empty());
    }
    assert_eq!(
        SCHEDULERS.load(Ordering::SeqCst),
        2,
        "one bell for each thread"
    );
    // The request whose bell it is goes away: another's takes its place.
    gone.end();
    first.end();
    assert_eq!(SCHEDULERS.load(Ordering::SeqCst), 2);
    last.ends_at_once.set(true);
    configuration.wake();
    assert_eq!(configuration.calls.borrow().len(), 1);
    let call = configuration.calls.borrow()[0].clone();
    assert!(call.starts_with("keys :method=GET"), "{call}");
    // An RSA modulus of 2048 bits.
    let modulus = base64url(&[0xc1; 256]);
    let keys = format!(r#"{{"keys":[{{"kty":"RSA","kid":"other","n":"{modulus}","e":"AQAB"}}]}}"#);
    let (one, two) = keys.as_bytes().split_at(20);
    let headers = [(":status", "200"), ("server", "test")];
    configuration.answer(1, 0, &headers, &[one, b"", two]);
    last.wake();
    // The key may be in a newer set: that is asked for once, at the next tick.
    last.wake();
    configuration.wake();
    assert_eq!(configuration.calls.borrow().len(), 2);
    configuration.answer(2, 0, &headers, &[keys.as_bytes()]);
    last.wake();
    assert_eq!(statuses(&last), [401]);
    let (_, _, details) = last.replies.borrow()[0].clone();
    assert_eq!(details, b"cognito.unknown_key");
    configuration.wake();
    assert_eq!(configuration.metric("cognito_authorizer.cancelled"), 2);
    assert_eq!(configuration.metric("cognito_authorizer.held_now"), 0);
    assert_eq!(configuration.metric("cognito_authorizer.jwks_keys"), 1);
    configuration.end();
    assert_eq!(SCHEDULERS.load(Ordering::SeqCst), 0);
}

#[test]
fn a_call_that_fails_is_told() {
    let _alone = alone();
    for (result, headers) in [(1, &[][..]), (2, &[]), (0, &[]), (0, &[(":status", "500")])] {
        let configuration = Configuration::load(&document("Fails", "keys")).unwrap();
        configuration.wake();
        let calls = configuration.calls.borrow().len();
        if calls == 1 {
            configuration.answer(1, result, headers, &[]);
            // One that nobody has made.
            configuration.answer(7, result, headers, &[]);
            configuration.wake();
            assert_eq!(
                configuration.metric("cognito_authorizer.jwks_fetch.failure"),
                1
            );
        }
        configuration.end();
    }
    let configuration = Configuration::load(&document("Unknown", "unknown")).unwrap();
    configuration.wake();
    assert_eq!(configuration.calls.borrow().len(), 0);
    configuration.end();
}

/// Two authorizers behind this cluster: one for all paths but `/other`.
fn asking(name: &str, cluster: &str) -> String {
    let authorizer = |name: &str| {
        format!(
            r#"{{"name": "{name}", "type": "token", "uri": "http://verdicts.test/verdict",
                 "cluster": "{cluster}", "timeout": "30s", "answer": "policy", "identity": [{{"header": "x-partner"}}],
                 "cache": {{"ttl": "5m"}},
                 "api": {{"region": "us-east-1", "account_id": "123456789012", "api_id": "a1b2c3d4e5", "stage": "prod"}}}}"#
        )
    };
    format!(
        r#"{{"authorizers": [{}, {}], "signature": "module",
            "context_headers": [{{"header": "x-principal", "key": "principalId"}}],
            "rules": [{{"match": {{"path": "/other"}}, "authorizer": "other"}}],
            "default": {{"authorizer": "{name}"}}}}"#,
        authorizer(name),
        authorizer("other")
    )
}

const ALLOW: &[u8] =
    br#"{"principalId":"acme","policyDocument":{"Version":"2012-10-17","Statement":
    [{"Effect":"Allow","Action":"execute-api:Invoke","Resource":"*"}]}}"#;

#[test]
fn an_authorizer_is_asked_in_the_name_of_a_request() {
    let _alone = alone();
    let configuration = Configuration::load(&asking("asked", "verdicts")).unwrap();
    let partner = || get("/", &[("x-partner", b"acme")]);
    let in_flight = || {
        configuration.wake();
        configuration.metric("cognito_authorizer.authorizer_in_flight")
    };
    let [first, second, third] = [partner(), partner(), partner()];
    for held in [&first, &second, &third] {
        assert_eq!(held.begin(&configuration), HEADERS_STOP_ALL);
    }
    let call = first.calls.borrow()[0].clone();
    assert!(call.starts_with("verdicts :method=POST"), "{call}");
    assert!(second.calls.borrow().is_empty() && third.calls.borrow().is_empty());
    assert_eq!(in_flight(), 1);
    // The call ends with its request, and is made again for those who wait: in nobody's name.
    first.end();
    assert_eq!(in_flight(), 1);
    assert_eq!(*configuration.calls.borrow(), [call]);
    assert!(second.calls.borrow().is_empty() && third.calls.borrow().is_empty());
    second.end();
    let (one, two) = ALLOW.split_at(40);
    configuration.answer(1, 0, &[(":status", "200")], &[one, two]);
    third.wake();
    assert!(third.went_on.get());
    let told = (b"x-principal".to_vec(), b"acme".to_vec());
    assert!(third.headers.borrow().contains(&told));
    assert_eq!(in_flight(), 0);
    third.end();
    let remembered = partner();
    assert_eq!(remembered.begin(&configuration), HEADERS_CONTINUE);
    assert!(remembered.calls.borrow().is_empty());
    remembered.end();
    configuration.end();
    assert_eq!(SCHEDULERS.load(Ordering::SeqCst), 0);
}

#[test]
fn an_authorizer_answers_the_request_itself() {
    let _alone = alone();
    let configuration = Configuration::load(&asking("answers", "verdicts")).unwrap();
    let [passing, failing] = [b"acme".as_slice(), b"globex"].map(|identity| {
        let request = get("/", &[("x-partner", identity)]);
        assert_eq!(request.begin(&configuration), HEADERS_STOP_ALL);
        request
    });
    // One that nobody has made.
    passing.answer(7, 0, &[(":status", "200")], &[ALLOW]);
    assert!(!passing.went_on.get());
    passing.answer(1, 0, &[(":status", "200")], &[ALLOW]);
    assert!(passing.went_on.get());
    passing.end();
    failing.ends_at_once.set(true);
    failing.answer(1, 1, &[], &[]);
    assert_eq!(statuses(&failing), [503]);
    configuration.wake();
    assert!(configuration.calls.borrow().is_empty());
    configuration.end();
}

#[test]
fn a_call_goes_on_when_everybody_has_left() {
    let _alone = alone();
    let configuration = Configuration::load(&asking("left", "verdicts")).unwrap();
    let partner = || get("/", &[("x-partner", b"acme")]);
    let [first, second] = [partner(), partner()];
    for held in [&first, &second] {
        assert_eq!(held.begin(&configuration), HEADERS_STOP_ALL);
    }
    first.end();
    second.end();
    configuration.wake();
    let metric = |name: &str| configuration.metric(&format!("cognito_authorizer.{name}"));
    assert_eq!(metric("authorizer_in_flight"), 1);
    assert_eq!(metric("cancelled"), 2);
    configuration.answer(1, 0, &[(":status", "200")], &[ALLOW]);
    // Its answer serves whoever comes next.
    let next = partner();
    assert_eq!(next.begin(&configuration), HEADERS_CONTINUE);
    configuration.wake();
    assert_eq!(metric("authorizer_in_flight"), 0);
    assert_eq!(configuration.calls.borrow().len(), 1);
    next.end();
    configuration.end();
}

/// A flood of one authorizer's requests makes room for another's: whoever asked last is refused before its
/// call has ended, which goes on.
#[test]
#[cfg_attr(miri, ignore = "a thousand requests take it minutes")]
fn a_call_ends_with_a_request_that_was_refused_before() {
    let _alone = alone();
    let configuration = Configuration::load(&asking("crowded", "verdicts")).unwrap();
    let ask = |path: &str, identity: &[u8]| {
        let request = get(path, &[("x-partner", identity)]);
        assert_eq!(request.begin(&configuration), HEADERS_STOP_ALL);
        request
    };
    let mut crowd: Vec<_> = (0..1023).map(|_| ask("/", b"acme")).collect();
    let last = ask("/", b"globex");
    let newcomer = ask("/other", b"acme");
    newcomer.wake();
    assert_eq!(statuses(&last), [503]);
    let in_flight = || {
        configuration.wake();
        configuration.metric("cognito_authorizer.authorizer_in_flight")
    };
    assert_eq!(in_flight(), 3);
    last.end();
    assert_eq!(in_flight(), 3);
    configuration.answer(1, 0, &[(":status", "200")], &[ALLOW]);
    newcomer.wake();
    assert_eq!(in_flight(), 2);
    let first = crowd.remove(0);
    first.answer(1, 0, &[(":status", "200")], &[ALLOW]);
    newcomer.answer(1, 0, &[(":status", "200")], &[ALLOW]);
    assert_eq!(in_flight(), 0);
    for request in [&first, &newcomer].into_iter().chain(&crowd) {
        request.end();
    }
    configuration.end();
}

#[test]
fn a_call_that_is_not_sent_refuses_its_request() {
    let _alone = alone();
    let configuration = Configuration::load(&asking("unsent", "unknown")).unwrap();
    let refused = get("/", &[("x-partner", b"acme")]);
    refused.ends_at_once.set(true);
    assert_eq!(refused.begin(&configuration), HEADERS_STOP_ALL);
    assert_eq!(statuses(&refused), [503]);
    assert!(!refused.went_on.get());
    configuration.end();
}

#[test]
fn a_panic_refuses_the_request_and_nothing_else() {
    let _alone = alone();
    let configuration = Configuration::load(&document("Panics", "keys")).unwrap();
    let failing = get("/open", &[]);
    fail();
    assert_eq!(failing.begin(&configuration), HEADERS_STOP_ALL);
    assert_eq!(statuses(&failing), [503]);
    failing.end();
    let next = get("/open", &[]);
    assert_eq!(next.begin(&configuration), HEADERS_CONTINUE);
    next.end();
    configuration.end();
}

/// One in the midst of its verdict, and one whose verdict never comes.
#[test]
fn a_panic_refuses_what_is_held() {
    let _alone = alone();
    let configuration = Configuration::load(&asking("failing", "verdicts")).unwrap();
    let held = [0; 2].map(|_| get("/", &[("x-partner", b"acme")]));
    for one in &held {
        assert_eq!(one.begin(&configuration), HEADERS_STOP_ALL);
    }
    fail();
    held[0].answer(1, 0, &[(":status", "500")], &[]);
    for one in held {
        assert_eq!(statuses(&one), [503]);
        assert_eq!(one.replies.borrow()[0].2, b"cognito.failed");
        one.end();
    }
    configuration.wake();
    assert_eq!(configuration.metric("cognito_authorizer.held_now"), 0);
    configuration.end();
}
