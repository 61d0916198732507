//! Tokens that their user pool confirms: the question on the wire, every answer, and how few there
//! are.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::bootstrap::{Listener, MAIN, Setup};
use crate::harness::client::{Request, Response};
use crate::harness::document::{POOL, ruled, with};
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::issuer::{TestKey, Token};
use crate::harness::keyserver::KeyServer;
use crate::harness::poolserver::{ATTRIBUTES, PoolServer, Says};
use crate::harness::process::eventually;
use crate::harness::table::{Table, difference};
use crate::harness::upstream::Upstream;

/// A rule for each path: `/pay` within a minute, `/quick` within a second, all others without.
fn document(confirm: Value) -> Value {
    let rule = |path: &str, within: &str| json!({"match": {"path": path}, "require": {"token_use": "access", "confirmed_within": within}});
    let rules = json!([rule("/pay", "60s"), rule("/quick", "1s")]);
    let mut confirm = confirm;
    confirm["cluster"] = json!("pool");
    with(ruled(rules), &[("user_pools.0.confirm", confirm)])
}

/// A token of its own.
fn token(name: &str) -> String {
    Token::access(POOL).claim("jti", name).mint()
}

fn pay(token: &str) -> Request {
    Request::get("/pay").bearer(token)
}

fn quick(token: &str) -> Request {
    Request::get("/quick").bearer(token)
}

struct World {
    pool: PoolServer,
    envoy: EnvoyUnderTest,
    upstream: Upstream,
    _keys: KeyServer,
}

impl World {
    fn start(workers: u32, confirm: Value) -> Self {
        let (pool, keys, upstream) = (PoolServer::start(), KeyServer::start(), Upstream::start());
        keys.publish(POOL, &[TestKey::first()]);
        let setup = Setup::new(&keys, &upstream)
            .workers(workers)
            .cluster("pool", pool.port())
            .listener(Listener::new(MAIN, document(confirm)));
        Self {
            envoy: EnvoyUnderTest::start(&setup),
            pool,
            upstream,
            _keys: keys,
        }
    }

    #[track_caller]
    fn send(&self, request: &Request) -> Response {
        request.send(self.envoy.main())
    }
}

#[test]
fn the_pool_is_asked_as_the_sdk_asks_it() {
    let world = World::start(2, json!({}));
    let token = token("wire");
    let mut table = Table::new(&world.envoy, &world.upstream);
    table.accepted(MAIN, "confirmed", &pay(&token));
    table.accepted(MAIN, "remembered", &pay(&token));
    // Where nobody asks for it, and where all else does not hold.
    let other = Token::access(POOL).claim("jti", "other");
    let elsewhere = Request::get("/elsewhere").bearer(&other.mint());
    table.accepted(MAIN, "elsewhere", &elsewhere);
    let id = Token::id(POOL).mint();
    table.refused(MAIN, "an id token", &pay(&id), "wrong_token_use");
    let expired = other.clone().claim("exp", 1_000_000).mint();
    table.refused(MAIN, "expired", &pay(&expired), "token_expired");
    let scopeless = other.claim("scope", "api/read").mint();
    let requests = table.done();

    let response = world.send(&pay(&scopeless));
    assert_eq!(response.status, 403);
    assert_eq!(
        response.header("www-authenticate"),
        Some(r#"Bearer error="insufficient_scope", scope="aws.cognito.signin.user.admin""#)
    );
    let questions = world.pool.questions();
    let [question] = questions.as_slice() else {
        panic!("{questions:?}");
    };
    assert_eq!(question.line, "POST / HTTP/1.1");
    assert_eq!(question.body, format!(r#"{{"AccessToken":"{token}"}}"#));
    let header = |wanted: &str| {
        let values = question.headers.iter().filter(|(name, _)| name == wanted);
        values.map(|(_, value)| &**value).collect::<Vec<_>>()
    };
    assert_eq!(header("host"), ["cognito-idp.us-east-1.amazonaws.com"]);
    assert_eq!(
        header("x-amz-target"),
        ["AWSCognitoIdentityProviderService.GetUser"]
    );
    assert_eq!(header("content-type"), ["application/x-amz-json-1.1"]);
    assert_eq!(header("authorization"), [] as [&str; 0]);
    assert_eq!(world.envoy.metric("confirm.confirmed"), 1);
    world.envoy.finish(requests + 1);
}

#[test]
fn every_answer_means_what_it_says() {
    let world = World::start(2, json!({"timeout": "1s", "max_per_second": 1000}));
    let typed =
        |name: &str| format!(r#"{{"__type":"{name}","message":"Access Token has been revoked"}}"#);
    let refusals = [
        Says::Header(400, "NotAuthorizedException"),
        Says::Header(
            400,
            "UserNotFoundException:http://internal.amazon.com/coral/",
        ),
        Says::Header(400, "com.amazonaws#PasswordResetRequiredException"),
        Says::Body(400, typed("UserNotConfirmedException")),
        Says::Body(400, typed("com.amazonaws.cognito#NotAuthorizedException")),
    ];
    let unknown = [
        Says::Header(400, "TooManyRequestsException"),
        Says::Header(400, "ForbiddenException"),
        Says::Header(400, "InvalidParameterException"),
        Says::Header(400, "ResourceNotFoundException"),
        Says::Header(500, "InternalErrorException"),
        Says::Header(503, "ServiceUnavailable"),
        Says::Body(403, "<html>a web ACL</html>".to_owned()),
        Says::Body(400, "NotAuthorizedException".to_owned()),
        Says::Body(
            400,
            format!("{}{}", typed("NotAuthorizedException"), " ".repeat(9000)),
        ),
        Says::Body(204, String::new()),
        Says::Redirect,
        Says::Garbage,
        Says::Nothing,
    ];
    let mut table = Table::new(&world.envoy, &world.upstream);
    for (number, says) in refusals.iter().enumerate() {
        let token = token(&format!("refused-{number}"));
        world.pool.says(&token, says.clone());
        let what = format!("refusal {number}");
        table.refused(MAIN, &what, &pay(&token), "token_revoked");
        // Remembered.
        table.refused(MAIN, &what, &pay(&token), "token_revoked");
        assert_eq!(world.pool.asked(&token), 1, "{what}");
    }
    for (number, says) in unknown.iter().enumerate() {
        let token = token(&format!("unknown-{number}"));
        world.pool.says(&token, says.clone());
        let what = format!("unknown {number}");
        table.refused(MAIN, &what, &pay(&token), "revocation_unknown");
    }
    let slow = token("slow");
    world.pool.delay(Duration::from_millis(1500));
    table.refused(MAIN, "slow", &pay(&slow), "revocation_unknown");
    let requests = table.done();
    let metric = |name: &str| usize::try_from(world.envoy.metric(name)).unwrap();
    assert_eq!(metric("confirm.refused"), refusals.len());
    assert_eq!(metric("confirm.unknown"), unknown.len() + 1);
    assert_eq!(metric("confirm.confirmed"), 0);
    world.envoy.finish(requests);
}

#[test]
fn an_unknown_answer_is_asked_for_again_and_a_confirmation_may_have_its_grace() {
    let world = World::start(2, json!({"grace": "1h"}));
    let (known, new) = (token("known"), token("new"));
    assert_eq!(world.send(&quick(&known)).status, 200);
    for token in [&known, &new] {
        let throttled = Says::Header(400, "TooManyRequestsException");
        world.pool.says(token, throttled);
    }
    let response = world.send(&quick(&new));
    assert_eq!(difference(&response, "revocation_unknown"), None);
    assert_eq!(response.header("retry-after"), Some("1"));
    let mut requests = 2;
    // Asked again, in vain, and served.
    eventually("another question", || {
        requests += 1;
        assert_eq!(world.send(&quick(&known)).status, 200);
        (world.pool.asked(&known) > 1).then_some(())
    });
    world.pool.says(&new, Says::Confirmed);
    eventually("its answer", || {
        requests += 1;
        (world.send(&quick(&new)).status == 200).then_some(())
    });
    // A refusal ends all grace.
    world
        .pool
        .says(&known, Says::Header(400, "NotAuthorizedException"));
    eventually("its end", || {
        requests += 1;
        let response = world.send(&quick(&known));
        (difference(&response, "token_revoked").is_none()).then_some(())
    });
    // Under the other rule, too, once the other worker has seen it.
    eventually("its end everywhere", || {
        requests += 1;
        (world.send(&pay(&known)).status == 401).then_some(())
    });
    world.envoy.finish(requests);
}

/// Simultaneous load on several workers, about tokens that nobody knows yet.
#[test]
fn workers_ask_once_together() {
    let world = World::start(4, json!({"max_per_second": 1000}));
    world.pool.delay(Duration::from_millis(300));
    let tokens: Vec<_> = (0..5).map(|number| token(&format!("t{number}"))).collect();
    let at = world.envoy.main();
    let mut waiting = Vec::new();
    for _ in 0..20 {
        waiting.extend(tokens.iter().map(|token| pay(token).open(at)));
    }
    let requests = waiting.len();
    for pending in waiting {
        assert_eq!(pending.response().status, 200);
    }
    for token in &tokens {
        assert_eq!(world.pool.asked(token), 1);
    }
    // One worker is told; within a second no other goes by what it remembers.
    world.pool.delay(Duration::ZERO);
    let revoked = &tokens[0];
    world
        .pool
        .says(revoked, Says::Header(400, "NotAuthorizedException"));
    let mut sent = requests;
    eventually("a refusal", || {
        sent += 1;
        (world.send(&quick(revoked)).status == 401).then_some(())
    });
    std::thread::sleep(Duration::from_millis(500));
    for _ in 0..40 {
        sent += 1;
        assert_eq!(world.send(&pay(revoked)).status, 401);
    }
    assert_eq!(world.pool.asked(revoked), 2);
    world.envoy.finish(sent);
}

#[test]
fn no_more_than_so_many_questions_a_second() {
    let world = World::start(4, json!({"max_per_second": 2}));
    let at = world.envoy.main();
    let tokens: Vec<_> = (0..10)
        .map(|number| token(&format!("fast-{number}")))
        .collect();
    let waiting: Vec<_> = tokens.iter().map(|token| pay(token).open(at)).collect();
    let mut served = 0;
    for pending in waiting {
        let response = pending.response();
        match response.status {
            200 => served += 1,
            _ => {
                assert_eq!(difference(&response, "revocation_unknown"), None);
                assert_eq!(response.header("retry-after"), Some("1"));
            }
        }
    }
    // As many of the ten as the time that they took allows.
    let questions = world.pool.questions();
    assert_eq!(questions.len(), served);
    for three in questions.windows(3) {
        let span = three[2].at.duration_since(three[0].at);
        assert!(span > Duration::from_millis(900), "{span:?}");
    }
    assert!(served >= 2, "{served}");
    let told = "more than 2 questions a second are wanted through cluster \"pool\"";
    eventually("a word in the log", || {
        world.envoy.log().contains(told).then_some(())
    });
    world.envoy.finish(10);
}

/// Neither the token nor what the pool says of its user.
#[test]
fn questions_leave_no_token_in_the_log() {
    let world = World::start(2, json!({}));
    let (good, bad) = (token("good"), token("bad"));
    world
        .pool
        .says(&bad, Says::Header(500, "NotAuthorizedException"));
    assert_eq!(world.send(&pay(&good)).status, 200);
    assert_eq!(world.send(&pay(&bad)).status, 503);
    let log = eventually("a warning", || {
        let log = world.envoy.log();
        log.contains("confirmations of").then_some(log)
    });
    for token in [&good, &bad] {
        for part in token.split('.') {
            assert!(!log.contains(part), "{part}");
        }
    }
    let email = "wilhelmina.secret@example.org";
    assert!(ATTRIBUTES.contains(email) && !log.contains(email));
    let warnings = log
        .lines()
        .filter(|line| line.contains("confirmations of") && line.contains("[warning]"));
    assert_eq!(warnings.count(), 1);
    world.envoy.finish(2);
}

/// A client that leaves takes no question with it.
#[test]
fn whoever_leaves_while_the_pool_is_asked_leaves_nothing_behind() {
    let world = World::start(1, json!({}));
    world.pool.delay(Duration::from_millis(800));
    let token = token("left");
    let pending = pay(&token).open(world.envoy.main());
    world.envoy.await_metric("held_now", 1);
    drop(pending);
    world.envoy.await_metric("cancelled", 1);
    assert_eq!(world.send(&pay(&token)).status, 200);
    assert_eq!(world.pool.asked(&token), 1);
    world.envoy.finish(2);
}
