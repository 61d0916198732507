//! Every decision vector, sent through Envoy: the verdict, the reason, the whole reply, and the
//! headers that the upstream gets are those that the vector and the gate say.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use cognito_authorizer::config;
use cognito_authorizer::decision::{Decision, Verdict};
use cognito_authorizer::gate::{Gate, Now};
use cognito_authorizer::keyring::Entropy;
use cognito_authorizer::policy::Policy;
use cognito_authorizer::refusal::{Reason, Refusal};
use cognito_authorizer::reply::Reply;
use cognito_authorizer::request;
use cognito_authorizer::time::{Monotonic, Timestamp};
use serde_json::{Value, json};

use crate::harness::bootstrap::{Listener, Setup, UNDERSCORES};
use crate::harness::client::{CASE, Request, Response};
use crate::harness::curve::verifiers;
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::function::{Function, Says};
use crate::harness::http2;
use crate::harness::keyserver::{Answer, KeyServer};
use crate::harness::outcome::{self, headers, none_wrong, rest, supplied};
use crate::harness::upstream::{GREETING, Seen, Upstream};
use crate::harness::vectors::{Expect, Vector, Vectors};

/// Envoy itself has no answer to `OPTIONS *`, whatever filters it has: 404, and this in its log.
const ENVOYS_OWN: (&str, &str) = ("unsafe-asterisk", "absolute_path_rejected");

/// Within this time a request is answered, or it is asked again: half a second is the least that a
/// vector's time is away from another verdict.
const PROMPT: Duration = Duration::from_millis(200);

/// True up to its very second and not after it, while all others are from theirs on: its time is
/// set so much later.
const NOT_AFTER: (&str, f64) = ("auth-age-at", 0.4);

/// A request that was sent, and its answer.
struct Exchange {
    case: String,
    response: Response,
}

/// What a vector ends with, at the client, at the upstream and in the metrics.
struct Expected {
    metric: String,
    reply: Option<Reply>,
}

/// One that shows the filter every request that Envoy can be made to take.
fn listener(name: &str, document: &Value) -> Listener {
    let upgrades = json!([{"upgrade_type": "CONNECT"}, {"upgrade_type": "websocket"}]);
    Listener::new(name, document.clone())
        .raw_paths()
        .connects()
        .manager("upgrade_configs", upgrades)
        .manager(UNDERSCORES, json!("ALLOW"))
}

fn now() -> f64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    // To the millisecond, and never later than it is.
    (since.expect("a clock").as_secs_f64() * 1000.0).floor() / 1000.0
}

/// Under `enforce: report` each of them reaches the upstream, with nothing that was forged, and is
/// told of as what it would be.
#[test]
fn every_vector_is_only_reported_in_envoy() {
    let vectors = Vectors::at(now().floor());
    let refused = |vector: &&Vector| matches!(vector.expect, Expect::Refused(_));
    let asked = vectors.all.iter().filter(refused);
    let asked: Vec<_> = asked
        .filter(|vector| vector.name != ENVOYS_OWN.0 && !vector.is_timed())
        // Nobody waits for a list there, so that the first would be told something else.
        .filter(|vector| vectors.deny_list(&vector.policy).is_none())
        // What an authorizer refuses is never only reported.
        .filter(|vector| vectors.policy(&vector.policy)["authorizers"].is_null())
        .collect();
    let reporting = |name: &str| {
        let mut document = vectors.policy(name);
        document["enforce"] = "report".into();
        let rules = document.get_mut("rules").and_then(Value::as_array_mut);
        for rule in rules.into_iter().flatten() {
            rule.as_object_mut().expect("a rule").remove("enforce");
        }
        document
    };
    let policies: BTreeMap<_, _> = asked
        .iter()
        .map(|vector| (vector.policy.as_str(), reporting(&vector.policy)))
        .collect();
    let (keys, upstream) = (KeyServer::start(), Upstream::start());
    let mut setup = Setup::new(&keys, &upstream).workers(1);
    for (name, document) in &policies {
        setup = setup.listener(listener(name, document));
    }
    let envoy = EnvoyUnderTest::start(&setup);
    envoy.await_metric("reporting", 1);
    let mut metrics: BTreeMap<String, u64> = BTreeMap::new();
    let mut wrong = Vec::new();
    let mut logged = Vec::new();
    for vector in &asked {
        let document = policies[vector.policy.as_str()].to_string();
        let policy = config::parse(document.as_bytes()).expect("a configuration");
        let exchange = send(vector, &policy, envoy.at(&vector.policy));
        let seen = upstream.seen(&exchange.case);
        let difference = forwarded(vector, &policy, &exchange.response, &[], &seen);
        wrong.extend(difference.map(|difference| format!("{}: {difference}", vector.name)));
        logged.push((exchange.case, vector));
    }
    for (case, vector) in &logged {
        let line = envoy.access_log(case);
        let Expect::Refused(reason) = &vector.expect else {
            continue;
        };
        *metrics.entry(format!("reported.{reason}")).or_default() += 1;
        if (line["reason"].as_str(), line["enforced"].as_str()) != (Some(reason), Some("no")) {
            wrong.push(format!("{}: the access log says {line}", vector.name));
        }
    }
    none_wrong(&wrong);
    assert!(logged.len() >= 300, "{} vectors", logged.len());
    assert_eq!(envoy.despite(), metrics);
    // Some by the rule alone: their tokens hold.
    let decisions = envoy.decisions();
    let all = u64::try_from(logged.len()).expect("a number");
    let counted = |kind: &str| decisions.get(kind).copied().unwrap_or_default();
    assert_eq!(counted("anonymous") + counted("allowed"), all);
    assert!(
        counted("anonymous") > 0 && counted("allowed") > 0,
        "{decisions:?}"
    );
    envoy.finish(logged.len());
}

#[test]
fn every_vector_is_decided_in_envoy() {
    let vectors = Vectors::at(now().floor());
    let policies: BTreeMap<_, _> = vectors
        .all
        .iter()
        .map(|vector| vector.policy.as_str())
        .map(|name| (name, vectors.policy(name)))
        .collect();
    let keys = KeyServer::start();
    for name in policies.keys() {
        if let Some(list) = vectors.deny_list(name) {
            keys.answer_at(&format!("/{name}.json"), Answer::Bytes(list));
        }
    }
    let (function, upstream) = (Function::start(), Upstream::start());
    let setup = Setup::new(&keys, &upstream).workers(1);
    let mut setup = setup.cluster("lambda", function.port());
    for (name, document) in &policies {
        setup = setup.listener(listener(name, document));
    }
    let envoy = EnvoyUnderTest::start(&setup);
    let read = |document: &Value| {
        Rc::new(config::parse(document.to_string().as_bytes()).expect("a configuration"))
    };
    let policies: BTreeMap<_, _> = policies
        .iter()
        .map(|(name, doc)| (*name, read(doc)))
        .collect();
    let mut metrics: BTreeMap<String, u64> = BTreeMap::new();
    let mut despites: BTreeMap<String, u64> = BTreeMap::new();
    let mut wrong = Vec::new();
    let mut logged = Vec::new();
    let mut sent = 0;
    for vector in &vectors.all {
        let policy = &policies[vector.policy.as_str()];
        let to = envoy.at(&vector.policy);
        if let Some(answer) = &vector.answer {
            function.says_of_all_others(Says::Response(answer.clone()));
        }
        if vector.name == ENVOYS_OWN.0 {
            let exchange = send(vector, policy, to);
            let details = envoy.access_log(&exchange.case)["details"].clone();
            assert_eq!(
                (exchange.response.status, details),
                (404, json!(ENVOYS_OWN.1))
            );
            continue;
        }
        let exchange = loop {
            let began = Instant::now();
            let later = match vector.name == NOT_AFTER.0 {
                true => NOT_AFTER.1,
                false => 0.0,
            };
            let timed = vector
                .is_timed()
                .then(|| Vectors::again(vector, now() + later));
            let exchange = send(timed.as_ref().unwrap_or(vector), policy, to);
            sent += 1;
            if timed.is_none() || began.elapsed() < PROMPT {
                break exchange;
            }
            // Too slow to be sure of the second: asked again, though counted.
            let reason = envoy.access_log(&exchange.case)["reason"]
                .as_str()
                .map(str::to_owned);
            let metric =
                reason.map_or_else(|| "allowed".to_owned(), |reason| format!("denied.{reason}"));
            *metrics.entry(metric).or_default() += 1;
        };
        // The gate here is asked about the file's own second.
        let fixed = vector
            .is_timed()
            .then(|| Vectors::again(vector, vector.now));
        let expected = expected(fixed.as_ref().unwrap_or(vector), policy, &vectors);
        *metrics.entry(expected.metric.clone()).or_default() += 1;
        if let Some(despite) = &vector.despite {
            *despites.entry(despite.clone()).or_default() += 1;
        }
        let seen = upstream.seen(&exchange.case);
        let difference = match &vector.expect {
            Expect::Refused(_) | Expect::Answered => {
                answered(vector, &exchange.response, &expected, &seen)
            }
            Expect::Forwarded(_, shown) => {
                forwarded(vector, policy, &exchange.response, shown, &seen)
            }
        };
        wrong.extend(difference.map(|difference| format!("{}: {difference}", vector.name)));
        logged.push((exchange.case, vector));
    }
    for (case, vector) in &logged {
        let line = envoy.access_log(case);
        let expected = match &vector.expect {
            Expect::Refused(reason) => Some(reason.as_str()),
            Expect::Forwarded(..) => {
                let despite = vector.despite.as_deref();
                despite.and_then(|despite| despite.strip_prefix("reported."))
            }
            Expect::Answered => None,
        };
        let not_enforced = matches!(vector.expect, Expect::Forwarded(..)) && expected.is_some();
        let details = match &vector.expect {
            Expect::Refused(reason) => Some(format!("cognito.{reason}")),
            Expect::Answered => Some("cognito.answered".to_owned()),
            Expect::Forwarded(..) => None,
        };
        let ours = line["details"].as_str();
        let ours = ours.filter(|details| details.starts_with("cognito."));
        if line["reason"].as_str() != expected
            || line["enforced"].as_str() != not_enforced.then_some("no")
            || ours != details.as_deref()
        {
            wrong.push(format!("{}: the access log says {line}", vector.name));
        }
    }
    none_wrong(&wrong);
    assert!(logged.len() >= 500, "{} vectors", logged.len());
    assert_eq!(envoy.decisions(), metrics);
    assert_eq!(envoy.despite(), despites);
    envoy.finish(sent);
}

/// What the gate does with the vector, which must be what the vector says.
fn expected(vector: &Vector, policy: &Rc<Policy>, vectors: &Vectors) -> Expected {
    let metric = match &vector.expect {
        Expect::Refused(reason) => format!("denied.{reason}"),
        Expect::Forwarded(true, _) => "allowed".to_owned(),
        Expect::Forwarded(false, _) | Expect::Answered => "anonymous".to_owned(),
    };
    if let Expect::Forwarded(..) = &vector.expect {
        return Expected {
            metric,
            reply: None,
        };
    }
    let gate = Gate::new(Rc::clone(policy), verifiers(policy), Entropy::new(1));
    let mut gate = supplied(gate, vectors, &vector.policy);
    let headers = headers(vector, policy);
    let rest = rest(&headers);
    let lines = headers.into_iter();
    let lines = lines.map(|(name, value)| (name.into(), value)).collect();
    let request = request::Request::new(lines).followed_by(rest);
    let at = Timestamp::from_seconds(vector.now).expect("a time");
    let refusal = match gate.decide(&request, at).0 {
        Decision::Verdict(Verdict::Refuse(refusal)) => refusal,
        Decision::Verdict(Verdict::Answer(reply)) => {
            assert!(matches!(vector.expect, Expect::Answered), "{}", vector.name);
            return Expected {
                metric,
                reply: Some(reply),
            };
        }
        Decision::Hold(candidate) if vector.answer.is_some() => {
            let now = Now {
                wall: at,
                monotonic: Monotonic::default(),
            };
            let verdict = outcome::answered(&mut gate, candidate, vector.answer.as_ref(), now);
            let Verdict::Refuse(refusal) = verdict else {
                panic!("{} is not refused by the gate: {verdict:?}", vector.name);
            };
            refusal
        }
        // Inline keys lack it for ever.
        Decision::Hold(_) => Refusal::Plain(Reason::UnknownKey),
        Decision::Verdict(Verdict::Forward(_)) => {
            panic!("{} is forwarded by the gate", vector.name)
        }
    };
    assert_eq!(metric, format!("denied.{}", refusal.reason().code()));
    Expected {
        metric,
        reply: Some(policy.reply(&request, &refusal)),
    }
}

fn send(vector: &Vector, policy: &Policy, to: std::net::SocketAddr) -> Exchange {
    let headers = headers(vector, policy);
    let one = |name: &str| {
        let line = headers.iter().find(|(present, _)| present == name);
        line.map(|(_, value)| value.clone())
    };
    let text = |bytes: Option<Vec<u8>>| String::from_utf8(bytes.unwrap_or_default()).expect("text");
    let (method, authority) = (text(one(":method")), text(one(":authority")));
    // The target of CONNECT is an authority (RFC 9112, section 3.2.3), and there is no path.
    let target = one(":path").unwrap_or_else(|| format!("{authority}:443").into_bytes());
    let lines = headers.iter().filter(|(name, _)| !name.starts_with(':'));
    let request = lines.fold(
        Request::new(&method, &target).host(&authority),
        |request, (name, value)| match name.as_str() {
            "content-length" => {
                let length = std::str::from_utf8(value).expect("digits").parse();
                request.body(&vec![b'x'; length.expect("a length")])
            }
            _ => request.header(name, value),
        },
    );
    let case = request.case().to_owned();
    // Envoy's HTTP/1 parser takes no method in lower case.
    let response = if method.contains(|letter: char| letter.is_ascii_lowercase()) {
        let mut lines: Vec<(&str, &[u8])> = headers
            .iter()
            .filter(|(name, _)| !name.starts_with(':'))
            .map(|(name, value)| (name.as_str(), value.as_slice()))
            .collect();
        lines.push((CASE, case.as_bytes()));
        http2::send(to, &method, &text(Some(target)), &lines, b"", &[]).response
    } else if headers.iter().any(|(name, _)| name == "upgrade") {
        // What follows a 101 is no body.
        request.open(to).next_response()
    } else {
        request.send(to)
    };
    Exchange { case, response }
}

fn answered(
    vector: &Vector,
    response: &Response,
    expected: &Expected,
    seen: &[Seen],
) -> Option<String> {
    let reply = expected.reply.as_ref().expect("a reply");
    if !seen.is_empty() {
        return Some("answered, yet it reached the upstream".to_owned());
    }
    let is_head = vector
        .headers
        .contains(&(":method".to_owned(), b"HEAD".to_vec()));
    let body = match is_head {
        true => "",
        false => &reply.body,
    };
    let same = response.status == reply.status
        && response.body == body
        && reply
            .headers
            .iter()
            // When a newer list may come is not the vector's to say.
            .filter(|(name, _)| name != "retry-after")
            .all(|(name, value)| response.header(name) == Some(value))
        && ["www-authenticate", "retry-after"].iter().all(|name| {
            let ours = reply.headers.iter().any(|(present, _)| present == name);
            response.header(name).is_some() == ours
        });
    (!same).then(|| format!("expected {reply:?}, found {response:?}"))
}

fn forwarded(
    vector: &Vector,
    policy: &Policy,
    response: &Response,
    shown: &[(String, Option<Vec<u8>>)],
    seen: &[Seen],
) -> Option<String> {
    let is_connect = vector
        .headers
        .contains(&(":method".to_owned(), b"CONNECT".to_vec()));
    if is_connect {
        // The example's routes take no CONNECT: it got past the filter, and no further.
        let passed = response.status == 404 && seen.is_empty();
        return (!passed).then(|| format!("expected the router's 404, found {response:?}"));
    }
    let [seen] = seen else {
        return Some(format!(
            "reached the upstream {} times: {response:?}",
            seen.len()
        ));
    };
    let is_head = vector
        .headers
        .contains(&(":method".to_owned(), b"HEAD".to_vec()));
    let is_upgrade = vector.headers.iter().any(|(name, _)| name == "upgrade");
    let promised = match (is_upgrade, is_head) {
        (true, _) => (101, ""),
        (false, true) => (200, ""),
        (false, false) => (200, GREETING),
    };
    if (response.status, response.body.as_str()) != promised {
        return Some(format!("expected the upstream's 200, found {response:?}"));
    }
    let values = |name: &str| match name {
        ":path" => vec![seen.path.clone()],
        ":method" => vec![seen.method.clone()],
        ":authority" => seen.values("host"),
        name => seen.values(name),
    };
    for (name, value) in shown {
        let value = value
            .iter()
            .map(|value| String::from_utf8_lossy(value).into_owned());
        let value: Vec<_> = value.collect();
        if values(name) != value {
            return Some(format!(
                "{name}: expected {value:?}, found {:?}",
                values(name)
            ));
        }
    }
    policy.claim_headers.names().find_map(|name| {
        let values = values(name.as_str());
        let foreign = values.len() > 1 || values.iter().any(|value| value.contains("spoofed"));
        foreign.then(|| {
            format!(
                "{}: the client's own value went through: {values:?}",
                name.as_str()
            )
        })
    })
}
