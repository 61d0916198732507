//! Authorizers that are asked, in scripted time: one VM, and a function with its own pace.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use cognito_authorizer::authorization::{Counts, MAX_EVENT_BYTES, MAX_UNDER_WAY};
use cognito_authorizer::authorizer::context::MAX_SENT_BYTES;
use cognito_authorizer::decision::{Caller, Decision, Forward, Verdict};
use cognito_authorizer::gate::{Effects, Gate, Now};
use cognito_authorizer::keyring::Entropy;
use cognito_authorizer::policy::Policy;
use cognito_authorizer::refusal::{AuthorizerCause, Refusal};
use cognito_authorizer::remote::call::{Answer, Call, CallId, NotSent};
use cognito_authorizer::remote::report::Level;
use cognito_authorizer::remote::space::MemorySpace;
use cognito_authorizer::request::{Attribute, Peer, Request};
use cognito_authorizer::rs256::Rs256;
use cognito_authorizer::time::{Monotonic, Timestamp};
use serde_json::{Value, json};

use crate::flow::pools::policy;

const WALL: f64 = 1_700_000_000.0;

fn document(cache: Value) -> Value {
    let authorizer = |name: &str| {
        json!({
            "name": name, "type": "token", "function": name, "cluster": name, "answer": "policy",
            "identity": [{"header": "authorization"}], "cache": cache, "timeout": "5s",
            "api": {"region": "us-east-1", "account_id": "123456789012", "api_id": "a1", "stage": "prod"},
        })
    };
    json!({
        "authorizers": [authorizer("one"), authorizer("two")],
        "rules": [
            {"match": {"prefix": "/one"}, "authorizer": "one"},
            {"match": {"prefix": "/two"}, "authorizer": "two"},
            {"match": {"path": "/open"}, "allow": "anyone"},
        ],
        "default": "nobody",
        "context_headers": [{"header": "x-tenant", "key": "tenantId"}],
    })
}

struct Worker {
    gate: Gate,
    space: MemorySpace,
    now: Duration,
    calls: Vec<(CallId, Call)>,
    ended: BTreeMap<u32, String>,
    told: Vec<(Level, String)>,
    requests: u32,
}

fn allow(resource: &str) -> Answer {
    let statement =
        json!({"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": resource});
    let answer =
        json!({"policyDocument": {"Statement": [statement]}, "context": {"tenantId": "t"}});
    Answer::response(200, Some(answer.to_string().into_bytes()))
}

fn said(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Forward(Forward {
            caller: Caller::Authorized(one),
            ..
        }) => {
            let told: Vec<_> = one.headers.iter().map(|(_, value)| value).collect();
            format!("allowed {}", told.join(","))
        }
        Verdict::Forward(_) => "anonymous".to_owned(),
        Verdict::Refuse(Refusal::Authorizer(_, AuthorizerCause::TimedOut(_))) => "timed out".into(),
        Verdict::Refuse(Refusal::Authorizer(_, AuthorizerCause::FunctionFailed)) => "failed".into(),
        Verdict::Refuse(refusal) => refusal.reason().code().to_owned(),
        Verdict::Answer(_) => panic!("nobody asked for metadata"),
    }
}

fn request(path: &str, identity: &str, more: &str) -> Request {
    let lines = [
        (":method", "GET"),
        (":path", path),
        ("authorization", identity),
        ("x-more", more),
    ];
    let lines = lines.map(|(name, value)| (name.into(), value.as_bytes().to_vec()));
    Request::new(lines.into())
}

impl Worker {
    fn new(cache: Value) -> Self {
        Self::of(&policy(&document(cache)))
    }

    fn of(policy: &Rc<Policy>) -> Self {
        let mut worker = Self {
            gate: Gate::new(Rc::clone(policy), Rs256::module(), Entropy::new(1)),
            space: MemorySpace::default(),
            now: Duration::from_secs(1000),
            calls: Vec::new(),
            ended: BTreeMap::new(),
            told: Vec::new(),
            requests: 0,
        };
        let now = worker.both();
        worker.gate.start(now, &worker.space);
        worker
    }

    fn both(&self) -> Now {
        Now {
            wall: Timestamp::from_seconds(WALL + self.now.as_secs_f64()).unwrap(),
            monotonic: Monotonic::new(self.now),
        }
    }

    fn take(&mut self, effects: Effects) {
        self.calls.extend(effects.calls);
        for (context, verdict) in effects.verdicts {
            let before = self.ended.insert(context, said(&verdict));
            assert_eq!(before, None, "{context} has two verdicts");
        }
        let reports = effects.reports.iter();
        self.told
            .extend(reports.map(|report| (report.level, report.to_string())));
    }

    /// A request; its number.
    fn ask(&mut self, path: &str, identity: &str) -> u32 {
        self.ask_from("", path, identity)
    }

    fn ask_from(&mut self, client: &str, path: &str, identity: &str) -> u32 {
        self.send(request(path, identity, "").sent_by(Peer {
            address: client.as_bytes().to_vec(),
            protocol: String::new(),
        }))
    }

    fn send(&mut self, request: Request) -> u32 {
        self.requests += 1;
        let (context, now) = (self.requests, self.both());
        let verdict = match self.gate.decide(&request, now.wall).0 {
            Decision::Verdict(verdict) => Some(verdict),
            Decision::Hold(candidate) => self.gate.hold(context, candidate, now, &self.space),
        };
        if let Some(verdict) = verdict {
            self.ended.insert(context, said(&verdict));
        }
        context
    }

    /// Ticks as often as the gate wants, until so many milliseconds have gone by.
    fn run(&mut self, millis: u64) {
        let end = self.now + Duration::from_millis(millis);
        loop {
            let now = self.both();
            let effects = self.gate.tick(now, &self.space);
            self.take(effects);
            let next = self.gate.next_tick(now.monotonic);
            if self.now + next > end {
                break;
            }
            self.now += next;
        }
        self.now = end;
    }

    fn answer(&mut self, answer: &Answer) {
        let (id, _) = self.calls.remove(0);
        let now = self.both();
        let effects = self.gate.answered(id, answer, now, &self.space);
        self.take(effects);
    }

    fn said(&self, context: u32) -> &str {
        self.ended.get(&context).map_or("waits", String::as_str)
    }

    fn counts(&mut self) -> Counts {
        self.gate.take_authorizer_counts().next().unwrap()
    }
}

#[test]
fn an_answer_is_remembered_for_its_time_and_judged_anew() {
    let mut worker = Worker::new(json!({"ttl": "60s"}));
    let first = worker.ask("/one/a", "x");
    assert_eq!(worker.said(first), "waits");
    assert!(worker.calls.is_empty());
    assert_eq!(
        worker.gate.next_tick(worker.both().monotonic),
        Gate::PROMPT_TICK
    );
    worker.run(1);
    assert_eq!(worker.calls.len(), 1);
    let (_, call) = &worker.calls[0];
    assert_eq!(call.cluster, "one");
    let read = ["x-amz-function-error", "x-amzn-errortype"];
    assert_eq!(call.reading.headers, read);
    assert_eq!(worker.gate.authorizers_in_flight(), 1);
    worker.answer(&allow("*/GET/one/a"));
    assert_eq!(worker.said(first), "allowed t");
    assert_eq!(worker.gate.authorizers_in_flight(), 0);
    let again = worker.ask("/one/a", "x");
    assert_eq!(worker.said(again), "allowed t");
    let other = worker.ask("/one/b", "x");
    assert_eq!(worker.said(other), "authorizer_denied");
    // What one authorizer said is no word of another's.
    let elsewhere = worker.ask("/two/a", "x");
    assert_eq!(worker.said(elsewhere), "waits");
    let counts = worker.counts();
    assert_eq!((counts.called, counts.remembered, counts.failed), (1, 2, 0));
    worker.run(60_001);
    let late = worker.ask("/one/a", "x");
    assert_eq!(worker.said(late), "waits", "a minute is over");
    worker.run(1);
    // Never a stale answer.
    while !worker.calls.is_empty() {
        worker.answer(&Answer::response(500, None));
    }
    assert_eq!(worker.said(late), "authorizer_unavailable");
}

/// Two rules may have routes of one name, `$default`.
#[test]
fn an_answer_under_one_route_is_none_under_another() {
    for (sources, elsewhere) in [
        (
            json!([{"header": "authorization"}, {"context": "route"}]),
            "waits",
        ),
        (json!([{"header": "authorization"}]), "allowed t"),
    ] {
        let mut document = document(json!({"ttl": "60s"}));
        let one = &mut document["authorizers"][0];
        (one["type"], one["format"]) = (json!("request"), json!("2.0"));
        one["identity"] = sources;
        document["rules"][1]["authorizer"] = json!("one");
        document["default"] = json!({"authorizer": "one"});
        let mut worker = Worker::of(&policy(&document));
        let first = worker.ask("/one/a", "x");
        worker.run(1);
        worker.answer(&allow("*"));
        assert_eq!(worker.said(first), "allowed t");
        for (path, expected) in [
            ("/one/b", "allowed t"),
            ("/two/a", elsewhere),
            ("/three", elsewhere),
        ] {
            let again = worker.ask(path, "x");
            assert_eq!(worker.said(again), expected, "{path}");
        }
    }
}

/// A host that can have the root called at once need not wait for a tick. The call is no request's: it
/// goes on when the request has gone, and what it brings is remembered.
#[test]
fn calls_begin_without_a_tick_where_the_host_can() {
    let mut worker = Worker::new(json!({"ttl": "60s"}));
    worker.run(1000);
    assert!(!worker.gate.has_calls());
    let (first, joined) = (worker.ask("/one", "x"), worker.ask("/one", "x"));
    assert!(worker.gate.has_calls());
    let effects = worker.gate.begin_calls();
    worker.take(effects);
    assert!(!worker.gate.has_calls());
    assert_eq!(worker.calls.len(), 1);
    // Nothing is left for the tick to begin; it only keeps deadlines.
    let next = worker.gate.next_tick(worker.both().monotonic);
    assert_eq!(next, Gate::BUSY_TICK);
    worker.run(20);
    assert_eq!(worker.calls.len(), 1);
    assert!(worker.gate.cancel(first));
    worker.answer(&allow("*"));
    assert_eq!(worker.said(first), "waits", "it has gone");
    assert_eq!(worker.said(joined), "allowed t");
    let later = worker.ask("/one", "x");
    assert_eq!(worker.said(later), "allowed t");
}

/// The address is looked at where a policy asks for it, of each request anew, and of one that waited too.
#[test]
fn an_answer_that_depends_on_the_client_is_judged_for_each_client() {
    let mut worker = Worker::new(json!({"ttl": "60s"}));
    let answer = json!({
        "principalId": "p",
        "policyDocument": {"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow",
            "Action": "execute-api:Invoke",
            "Resource": "*",
            "Condition": {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}},
        }]},
        "context": {"tenantId": "t"},
    });
    let answer = Answer::response(200, Some(answer.to_string().into_bytes()));
    let [near, far] = ["192.0.2.7:4711", "198.51.100.7:4711"];
    let waiting = [near, far, ""].map(|client| worker.ask_from(client, "/one", "x"));
    worker.run(1);
    worker.answer(&answer);
    let expected = ["allowed t", "authorizer_denied", "authorizer_denied"];
    assert_eq!(waiting.map(|one| worker.said(one).to_owned()), expected);
    let remembered = [near, far, ""].map(|client| worker.ask_from(client, "/one", "x"));
    assert_eq!(remembered.map(|one| worker.said(one).to_owned()), expected);
    assert_eq!(worker.counts().called, 1);
}

#[test]
fn requests_of_one_identity_share_a_call_and_its_end() {
    let mut worker = Worker::new(json!({"ttl": "60s"}));
    let all: Vec<_> = (0..200).map(|_| worker.ask("/one", "x")).collect();
    worker.run(10);
    assert_eq!(worker.calls.len(), 1);
    worker.answer(&Answer::response(403, None));
    worker.run(20);
    assert!(
        all.iter()
            .all(|one| worker.said(*one) == "authorizer_unavailable")
    );
    // Nobody profits from the failure later on.
    let next = worker.ask("/one", "x");
    worker.run(1);
    worker.answer(&allow("*"));
    assert_eq!(worker.said(next), "allowed t");
    let counts = worker.counts();
    assert_eq!((counts.called, counts.remembered, counts.failed), (2, 0, 1));
}

#[test]
fn nothing_is_shared_where_nothing_is_remembered() {
    let mut worker = Worker::new(json!({"ttl": "0s"}));
    let (one, other) = (worker.ask("/one", "x"), worker.ask("/one", "x"));
    worker.run(1);
    assert_eq!(worker.calls.len(), 2);
    worker.answer(&allow("*"));
    assert_eq!(
        (worker.said(one), worker.said(other)),
        ("allowed t", "waits")
    );
    worker.answer(&allow("*/POST/*"));
    assert_eq!(worker.said(other), "authorizer_denied");
    let third = worker.ask("/one", "x");
    assert_eq!(worker.said(third), "waits");
}

/// The event of a request that shares another's call is never sent, and may be as long as it likes.
#[test]
fn whoever_shares_a_call_needs_no_event() {
    let mut document = document(json!({"ttl": "60s"}));
    document["authorizers"][0]["type"] = "request".into();
    document["authorizers"][0]["format"] = "rest".into();
    let mut worker = Worker::of(&policy(&document));
    let long = "x".repeat(MAX_EVENT_BYTES);
    let alone = worker.send(request("/one", "y", &long));
    assert_eq!(worker.said(alone), "authorizer_failed");
    let first = worker.send(request("/one", "x", ""));
    let joined = worker.send(request("/one", "x", &long));
    assert_eq!(worker.said(joined), "waits");
    worker.run(1);
    worker.answer(&allow("*"));
    assert_eq!(
        (worker.said(first), worker.said(joined)),
        ("allowed t", "allowed t")
    );
}

/// Where a policy does not depend on the address, nobody looks for it: that takes a call of the host's.
#[test]
fn nobody_asks_for_an_address_that_decides_nothing() {
    fn unasked(_: Attribute) -> Option<Vec<u8>> {
        panic!("nobody wants to know");
    }
    let mut worker = Worker::new(json!({"ttl": "60s"}));
    worker.ask("/one", "x");
    worker.run(1);
    worker.answer(&allow("*"));
    let again = worker.send(request("/one", "x", "").asking_for_peer(unasked));
    assert_eq!(worker.said(again), "allowed t");
}

/// API Gateway has words of their own for these, and statuses.
#[test]
fn a_failure_is_told_by_its_kind() {
    let local = |status| Answer::Local {
        status,
        text: String::new(),
    };
    let response = |headers| Answer::Response {
        status: 200,
        headers,
        body: Some(b"{}".to_vec()),
    };
    let failed = vec![("x-amz-function-error", b"Unhandled".to_vec())];
    let kinds = [
        (local(503), "authorizer_unavailable", "get 503"),
        (local(504), "timed out", "get 503"),
        (response(failed), "failed", "get 500"),
        (response(Vec::new()), "authorizer_failed", "get 500"),
    ];
    for (answer, said, told) in kinds {
        let mut worker = Worker::new(json!({"ttl": "60s"}));
        let one = worker.ask("/one", "x");
        worker.run(1);
        worker.answer(&answer);
        assert_eq!(worker.said(one), said);
        let (level, line) = worker.told.pop().unwrap();
        assert_eq!(level, Level::Warning);
        assert!(line.ends_with(told), "{line}");
    }
}

/// What a call has brought is kept for those that have no verdict yet, and no longer, whether they get
/// one or go away.
#[test]
fn what_a_call_brought_is_kept_for_those_who_wait() {
    let nothing_kept = |worker: &Worker| format!("{:?}", worker.gate).contains("settled: []");
    let mut worker = Worker::new(json!({"ttl": "0s"}));
    worker.ask("/one", "x");
    worker.run(1);
    worker.answer(&allow("*"));
    assert!(nothing_kept(&worker), "all have their verdict");
    let mut worker = Worker::new(json!({"ttl": "60s"}));
    let all: Vec<_> = (0..200).map(|_| worker.ask("/one", "x")).collect();
    worker.run(1);
    worker.answer(&allow("*"));
    assert!(!nothing_kept(&worker), "some wait for the next batch");
    let waiting = all.iter().filter(|one| worker.said(**one) == "waits");
    let waiting: Vec<_> = waiting.copied().collect();
    assert!(!waiting.is_empty());
    assert!(waiting.iter().all(|one| worker.gate.cancel(*one)));
    worker.run(0);
    assert!(nothing_kept(&worker), "all others have gone");
}

#[test]
fn calls_are_bounded_for_each_authorizer() {
    let mut worker = Worker::new(json!({"ttl": "60s"}));
    let all: Vec<_> = (0..=MAX_UNDER_WAY)
        .map(|number| worker.ask("/one", &format!("x{number}")))
        .collect();
    let (last, others) = all.split_last().unwrap();
    assert!(others.iter().all(|one| worker.said(*one) == "waits"));
    assert_eq!(worker.said(*last), "authorizer_unavailable");
    // Whoever shares a call may wait, and another authorizer has its own.
    let joined = worker.ask("/one", "x0");
    let elsewhere = worker.ask("/two", "x");
    assert_eq!(
        (worker.said(joined), worker.said(elsewhere)),
        ("waits", "waits")
    );
    let open = worker.ask("/open", "x");
    assert_eq!(worker.said(open), "anonymous");
    worker.run(1);
    assert_eq!(worker.calls.len(), MAX_UNDER_WAY + 1);
    // Clients that leave do not make room; an answer does.
    assert!(worker.gate.cancel(others[1]));
    let refused = worker.ask("/one", "y");
    assert_eq!(worker.said(refused), "authorizer_unavailable");
    worker.answer(&allow("*"));
    let next = worker.ask("/one", "y");
    assert_eq!(worker.said(next), "waits");
}

#[test]
fn waiting_is_bounded_and_one_authorizer_leaves_room_to_the_other() {
    let mut worker = Worker::new(json!({"ttl": "60s"}));
    let all: Vec<_> = (0..1024).map(|_| worker.ask("/one", "x")).collect();
    let full = worker.ask("/one", "x");
    assert_eq!(worker.said(full), "authorizer_unavailable");
    let other = worker.ask("/two", "x");
    assert_eq!(worker.said(other), "waits");
    worker.run(10);
    assert_eq!(
        worker.said(*all.last().unwrap()),
        "timed out",
        "it made room"
    );
    assert_eq!(worker.said(all[0]), "waits");
}

#[test]
fn no_request_waits_longer_than_its_call() {
    let mut worker = Worker::new(json!({"ttl": "60s"}));
    let one = worker.ask("/one", "x");
    worker.run(5_050);
    assert_eq!(worker.said(one), "waits");
    worker.run(100);
    assert_eq!(worker.said(one), "timed out");
    // The answer comes all the same, and serves the next.
    worker.answer(&allow("*"));
    let next = worker.ask("/one", "x");
    assert_eq!(worker.said(next), "allowed t");
}

#[test]
fn an_outage_is_told_once() {
    let mut worker = Worker::new(json!({"ttl": "60s"}));
    for answer in [
        Answer::NotSent(NotSent::UnknownCluster),
        Answer::NotSent(NotSent::UnknownCluster),
        Answer::NotSent(NotSent::UnknownCluster),
    ] {
        let one = worker.ask("/one", "x");
        worker.run(1);
        worker.answer(&answer);
        assert_eq!(worker.said(one), "authorizer_unavailable");
    }
    let loud: Vec<_> = worker
        .told
        .drain(..)
        .filter(|(level, _)| *level != Level::Debug)
        .collect();
    let text = "authorizer one: cluster \"one\" is not known to this Envoy; requests that need its answer get 503";
    assert_eq!(loud, [(Level::Warning, text.to_owned())]);
    worker.run(11_000);
    worker.ask("/one", "x");
    worker.run(1);
    worker.answer(&allow("*"));
    let loud: Vec<_> = worker
        .told
        .drain(..)
        .filter(|(level, _)| *level != Level::Debug)
        .collect();
    assert_eq!(
        loud,
        [(Level::Info, "authorizer one: it answers again".to_owned())]
    );
    // AWS's own word is told with its status.
    worker.run(60_000);
    worker.ask("/one", "y");
    worker.run(1);
    let denied = Answer::Response {
        status: 403,
        headers: vec![("x-amzn-errortype", b"AccessDeniedException".to_vec())],
        body: Some(b"{}".to_vec()),
    };
    worker.answer(&denied);
    let loud: Vec<_> = worker
        .told
        .drain(..)
        .filter(|(level, _)| *level != Level::Debug)
        .collect();
    let text = "authorizer one: the answer through cluster \"one\" cannot be used: 403 AccessDeniedException; does the cluster sign the call, and may its role invoke the function?; requests that need its answer get 503";
    assert_eq!(loud, [(Level::Warning, text.to_owned())]);
}

/// A policy of which not all is understood is told once, and neither that of a simple answer nor one
/// that is understood.
#[test]
fn what_can_only_close_is_told_once() {
    let mut worker = Worker::new(json!({"ttl": "60s"}));
    let mut told = |identity: &str, changes: Value| {
        let mut statement = json!({"Effect": "Allow", "Action": "*", "Resource": "*"});
        for (member, value) in changes.as_object().unwrap() {
            statement[member] = value.clone();
        }
        let answer = json!({"policyDocument": {"Statement": [statement]}}).to_string();
        worker.ask("/one", identity);
        worker.run(1);
        worker.answer(&Answer::response(200, Some(answer.into_bytes())));
        let loud = worker.told.drain(..);
        let loud = loud.filter(|(level, _)| *level != Level::Debug);
        loud.map(|(_, text)| text).collect::<Vec<_>>()
    };
    assert!(told("a", json!({})).is_empty());
    let address = json!({"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}});
    assert!(told("b", json!({"Condition": address})).is_empty());
    let text = "authorizer one: its policy has a condition or a variable that is not understood; an Allow with it does not count, and a Deny does";
    let other = json!({"StringEquals": {"aws:x": "y"}});
    assert_eq!(told("c", json!({"Condition": other.clone()})), [text]);
    assert!(told("d", json!({"Condition": other})).is_empty());
    assert!(told("e", json!({"Resource": "${a}"})).is_empty());
}

/// What counts is what is sent.
#[test]
fn a_value_is_as_long_as_it_is_written() {
    let percent = MAX_SENT_BYTES / "%C3%A9".len();
    for (encoding, text, letters, expected) in [
        ("percent", "é", percent, "allowed"),
        ("percent", "é", percent + 1, "authorizer_failed"),
        ("utf8", "x", MAX_SENT_BYTES, "allowed"),
        ("utf8", "x", MAX_SENT_BYTES + 1, "authorizer_failed"),
        // Which is longer in JSON.
        ("utf8", "\"", MAX_SENT_BYTES, "allowed"),
    ] {
        let mut document = document(json!({"ttl": "0s"}));
        document["context_headers"][0]["encoding"] = json!(encoding);
        let mut worker = Worker::of(&policy(&document));
        let first = worker.ask("/one/a", "x");
        worker.run(1);
        let answer = json!({
            "policyDocument": {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]},
            "context": {"tenantId": text.repeat(letters)},
        });
        worker.answer(&Answer::response(
            200,
            Some(answer.to_string().into_bytes()),
        ));
        let said = worker.said(first).split(' ').next();
        assert_eq!(said, Some(expected), "{letters}");
    }
}

/// As many as are configured, and no more memory than they stand for.
#[test]
fn what_is_remembered_is_bounded() {
    let mut worker = Worker::new(json!({"ttl": "1h", "entries": 4}));
    let remembered = |worker: &mut Worker, identity: &str, answer: &Answer| {
        worker.ask("/one", identity);
        worker.run(1);
        worker.answer(answer);
        let again = worker.ask("/one", identity);
        let known = worker.said(again) == "allowed t";
        if !known {
            worker.run(1);
            worker.answer(answer);
        }
        known
    };
    for number in 0..20 {
        assert!(remembered(&mut worker, &format!("x{number}"), &allow("*")));
    }
    let first = worker.ask("/one", "x0");
    assert_eq!(worker.said(first), "waits", "it had to make room");
    worker.run(1);
    worker.answer(&allow("*"));
    // One that takes more than all together may is given, and not kept.
    let big = json!({
        "policyDocument": {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]},
        "context": {"tenantId": "t", "more": "x".repeat(20_000)},
    });
    let big = Answer::response(200, Some(big.to_string().into_bytes()));
    assert!(!remembered(&mut worker, "big", &big));
}
