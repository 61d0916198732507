//! Tokens that their user pool confirms: the question on the wire, every answer, and how few there
//! are.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::bootstrap::{Listener, Setup};
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
fn document(cluster: &str, mut confirm: Value) -> Value {
    let rule = |path: &str, within: &str| json!({"match": {"path": path}, "require": {"token_use": "access", "confirmed_within": within}});
    let rules = json!([rule("/pay", "60s"), rule("/quick", "1s")]);
    confirm["cluster"] = json!(cluster);
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

/// A listener, and who confirms its tokens, through a cluster of the same name.
struct Scene<'a> {
    name: &'static str,
    pool: &'a PoolServer,
    envoy: &'a EnvoyUnderTest,
    upstream: &'a Upstream,
}

impl Scene<'_> {
    #[track_caller]
    fn send(&self, request: &Request) -> Response {
        request.send(self.at())
    }

    fn at(&self) -> SocketAddr {
        self.envoy.at(self.name)
    }
}

/// What is played where tokens are confirmed by a user pool of its own. It returns how many requests it
/// has sent.
type Play = fn(&Scene<'_>) -> usize;

#[test]
fn tokens_are_confirmed_by_their_pool() {
    let scenes: [(_, _, Play); 7] = [
        ("asked", json!({}), the_pool_is_asked_as_the_sdk_asks_it),
        (
            "answers",
            json!({"timeout": "2s", "max_per_second": 1000}),
            every_answer_means_what_it_says,
        ),
        (
            "grace",
            json!({"grace": "1h"}),
            an_unknown_answer_is_asked_for_again_and_a_confirmation_may_have_its_grace,
        ),
        (
            "together",
            json!({"timeout": "10s", "max_per_second": 1000}),
            workers_ask_once_together,
        ),
        (
            "limited",
            json!({"max_per_second": 2}),
            no_more_than_so_many_questions_a_second,
        ),
        ("secretive", json!({}), questions_leave_no_token_in_the_log),
        (
            "left",
            json!({"timeout": "10s"}),
            whoever_leaves_while_the_pool_is_asked_leaves_nothing_behind,
        ),
    ];
    let (keys, upstream) = (KeyServer::start(), Upstream::start());
    keys.publish(POOL, &[TestKey::first()]);
    let pools = [(); 7].map(|()| PoolServer::start());
    let setup = Setup::new(&keys, &upstream).workers(4);
    let setup = scenes
        .iter()
        .zip(&pools)
        .fold(setup, |setup, ((name, confirm, _), pool)| {
            let document = document(name, confirm.clone());
            setup
                .cluster(name, pool.port())
                .listener(Listener::new(name, document))
        });
    let envoy = EnvoyUnderTest::start(&setup);
    let mut requests = 0;
    for ((name, _, play), pool) in scenes.into_iter().zip(&pools) {
        println!("{name}");
        requests += play(&Scene {
            name,
            pool,
            envoy: &envoy,
            upstream: &upstream,
        });
    }
    envoy.finish(requests);
}

fn the_pool_is_asked_as_the_sdk_asks_it(scene: &Scene<'_>) -> usize {
    let token = token("wire");
    let mut table = Table::new(scene.envoy, scene.upstream);
    table.accepted(scene.name, "confirmed", &pay(&token));
    table.accepted(scene.name, "remembered", &pay(&token));
    // Where nobody asks for it, and where all else does not hold.
    let other = Token::access(POOL).claim("jti", "other");
    let elsewhere = Request::get("/elsewhere").bearer(&other.mint());
    table.accepted(scene.name, "elsewhere", &elsewhere);
    let id = Token::id(POOL).mint();
    table.refused(scene.name, "an id token", &pay(&id), "wrong_token_use");
    let expired = other.clone().claim("exp", 1_000_000).mint();
    table.refused(scene.name, "expired", &pay(&expired), "token_expired");
    let scopeless = other.claim("scope", "api/read").mint();
    let requests = table.done();

    let response = scene.send(&pay(&scopeless));
    assert_eq!(response.status, 403);
    assert_eq!(
        response.header("www-authenticate"),
        Some(r#"Bearer error="insufficient_scope", scope="aws.cognito.signin.user.admin""#)
    );
    let questions = scene.pool.questions();
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
    assert_eq!(scene.envoy.metric("confirm.confirmed"), 1);
    requests + 1
}

fn every_answer_means_what_it_says(scene: &Scene<'_>) -> usize {
    let before = scene.envoy.metrics();
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
    let mut table = Table::new(scene.envoy, scene.upstream);
    for (number, says) in refusals.iter().enumerate() {
        let token = token(&format!("refused-{number}"));
        scene.pool.says(&token, says.clone());
        let what = format!("refusal {number}");
        table.refused(scene.name, &what, &pay(&token), "token_revoked");
        // Remembered.
        table.refused(scene.name, &what, &pay(&token), "token_revoked");
        assert_eq!(scene.pool.asked(&token), 1, "{what}");
    }
    for (number, says) in unknown.iter().enumerate() {
        let token = token(&format!("unknown-{number}"));
        scene.pool.says(&token, says.clone());
        let what = format!("unknown {number}");
        table.refused(scene.name, &what, &pay(&token), "revocation_unknown");
    }
    let slow = token("slow");
    scene.pool.delay(Duration::from_millis(2500));
    table.refused(scene.name, "slow", &pay(&slow), "revocation_unknown");
    let requests = table.done();
    let more = scene.envoy.more_than(&before);
    let counted = |name: &str| more.get(name).map(|count| usize::try_from(*count).unwrap());
    assert_eq!(counted("confirm.refused"), Some(refusals.len()));
    assert_eq!(counted("confirm.unknown"), Some(unknown.len() + 1));
    assert_eq!(counted("confirm.confirmed"), None);
    requests
}

fn an_unknown_answer_is_asked_for_again_and_a_confirmation_may_have_its_grace(
    scene: &Scene<'_>,
) -> usize {
    let (known, new) = (token("known"), token("new"));
    assert_eq!(scene.send(&quick(&known)).status, 200);
    for token in [&known, &new] {
        let throttled = Says::Header(400, "TooManyRequestsException");
        scene.pool.says(token, throttled);
    }
    let response = scene.send(&quick(&new));
    assert_eq!(difference(&response, "revocation_unknown"), None);
    assert_eq!(response.header("retry-after"), Some("1"));
    let mut requests = 2;
    // Asked again, in vain, and served.
    eventually("another question", || {
        requests += 1;
        assert_eq!(scene.send(&quick(&known)).status, 200);
        (scene.pool.asked(&known) > 1).then_some(())
    });
    scene.pool.says(&new, Says::Confirmed);
    eventually("its answer", || {
        requests += 1;
        (scene.send(&quick(&new)).status == 200).then_some(())
    });
    // A refusal ends all grace.
    scene
        .pool
        .says(&known, Says::Header(400, "NotAuthorizedException"));
    eventually("its end", || {
        requests += 1;
        let response = scene.send(&quick(&known));
        (difference(&response, "token_revoked").is_none()).then_some(())
    });
    // Under the other rule, too, once the other worker has seen it.
    eventually("its end everywhere", || {
        requests += 1;
        (scene.send(&pay(&known)).status == 401).then_some(())
    });
    requests
}

/// Simultaneous load on several workers, about tokens that nobody knows yet.
fn workers_ask_once_together(scene: &Scene<'_>) -> usize {
    scene.pool.delay(Duration::from_millis(300));
    let tokens: Vec<_> = (0..5).map(|number| token(&format!("t{number}"))).collect();
    let at = scene.at();
    let mut waiting = Vec::new();
    for _ in 0..20 {
        waiting.extend(tokens.iter().map(|token| pay(token).open(at)));
    }
    let requests = waiting.len();
    for pending in waiting {
        assert_eq!(pending.response().status, 200);
    }
    for token in &tokens {
        assert_eq!(scene.pool.asked(token), 1);
    }
    // One worker is told; within a second no other goes by what it remembers.
    scene.pool.delay(Duration::ZERO);
    let revoked = &tokens[0];
    scene
        .pool
        .says(revoked, Says::Header(400, "NotAuthorizedException"));
    let mut sent = requests;
    eventually("a refusal", || {
        sent += 1;
        (scene.send(&quick(revoked)).status == 401).then_some(())
    });
    std::thread::sleep(Duration::from_secs(1));
    for _ in 0..40 {
        sent += 1;
        assert_eq!(scene.send(&pay(revoked)).status, 401);
    }
    assert_eq!(scene.pool.asked(revoked), 2);
    sent
}

fn no_more_than_so_many_questions_a_second(scene: &Scene<'_>) -> usize {
    let at = scene.at();
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
    let questions = scene.pool.questions();
    assert_eq!(questions.len(), served);
    for three in questions.windows(3) {
        let span = three[2].at.duration_since(three[0].at);
        assert!(span > Duration::from_millis(900), "{span:?}");
    }
    assert!(served >= 2, "{served}");
    let told = "more than 2 questions a second are wanted through cluster \"limited\"";
    eventually("a word in the log", || {
        scene.envoy.log().contains(told).then_some(())
    });
    10
}

/// Neither the token nor what the pool says of its user.
fn questions_leave_no_token_in_the_log(scene: &Scene<'_>) -> usize {
    let since = scene.envoy.log().len();
    let (good, bad) = (token("good"), token("bad"));
    scene
        .pool
        .says(&bad, Says::Header(500, "NotAuthorizedException"));
    assert_eq!(scene.send(&pay(&good)).status, 200);
    assert_eq!(scene.send(&pay(&bad)).status, 503);
    let log = eventually("a warning", || {
        let log = scene.envoy.log();
        log[since..].contains("confirmations of").then_some(log)
    });
    for token in [&good, &bad] {
        for part in token.split('.') {
            assert!(!log.contains(part), "{part}");
        }
    }
    let email = "wilhelmina.secret@example.org";
    assert!(ATTRIBUTES.contains(email) && !log.contains(email));
    let warnings = log[since..]
        .lines()
        .filter(|line| line.contains("confirmations of") && line.contains("[warning]"));
    assert_eq!(warnings.count(), 1);
    2
}

/// A client that leaves takes no question with it, whichever worker is asked next.
fn whoever_leaves_while_the_pool_is_asked_leaves_nothing_behind(scene: &Scene<'_>) -> usize {
    scene.pool.hold();
    let tokens = ["a", "b", "c", "d", "e"].map(|name| token(&format!("left-{name}")));
    let pending = tokens.each_ref().map(|token| pay(token).open(scene.at()));
    scene.envoy.await_metric("held_now", 5);
    drop(pending);
    scene.envoy.await_metric("cancelled", 5);
    let waiting = tokens.each_ref().map(|token| pay(token).open(scene.at()));
    scene.envoy.await_metric("held_now", 5);
    scene.pool.release();
    for (token, pending) in tokens.iter().zip(waiting) {
        assert_eq!(pending.response().status, 200);
        assert_eq!(scene.pool.asked(token), 1);
    }
    10
}
