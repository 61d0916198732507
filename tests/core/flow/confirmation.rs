//! Tokens that their user pool has to confirm, in scripted time: VMs over one space, and a pool that
//! is asked.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::rc::Rc;
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cognito_authorizer::confirmation::standing::Word;
use cognito_authorizer::confirmation::{Confirmations, Question, Subject, TYPE_HEADER};
use cognito_authorizer::decision::{Caller, Decision, Forward, Verdict};
use cognito_authorizer::gate::{Gate, Now};
use cognito_authorizer::keyring::Entropy;
use cognito_authorizer::policy::Policy;
use cognito_authorizer::refusal::Refusal;
use cognito_authorizer::remote::call::{Answer, Call, CallId, CallIds, NotSent};
use cognito_authorizer::remote::report::{Counted, Level};
use cognito_authorizer::remote::space::{Conflict, SharedSpace, Version};
use cognito_authorizer::request::Request;
use cognito_authorizer::rs256::Rs256;
use cognito_authorizer::time::{Monotonic, Timestamp};
use serde_json::{Value, json};

use crate::flow::pools::policy;
use crate::harness::issuer::{TestKey, issuer_of, signed};
use crate::harness::space::Space;

const POOL: &str = "us-east-1_AbCdEf123";
const SCOPE: &str = "aws.cognito.signin.user.admin";
const WALL: f64 = 1_700_000_000.0;
const BEGIN: Duration = Duration::from_secs(1000);

/// What the pool answers about a token.
#[derive(Clone, Copy, Debug)]
enum Plan {
    Confirm,
    /// This status, with this exception in the header.
    Exception(u16, &'static str),
    /// This status, with this body.
    Body(u16, &'static str),
    Silent,
    /// The cluster has no host.
    NoHosts,
}

struct Vm {
    gate: Gate,
    next_tick: Duration,
    period: Duration,
    prompt: u32,
    alive: bool,
}

struct Flight {
    vm: usize,
    id: CallId,
    due: Duration,
    answer: Answer,
}

/// A process, and the pool that it asks.
struct Process {
    space: Space,
    now: Duration,
    wall_jump: f64,
    policy: Rc<Policy>,
    vms: Vec<Vm>,
    flights: Vec<Flight>,
    plan: BTreeMap<&'static str, Plan>,
    delay: Duration,
    /// Which VM asked about which token, when.
    asked: Vec<(usize, String, Duration)>,
    held: BTreeMap<u32, (usize, String)>,
    log: Vec<String>,
    told: Vec<(Level, String)>,
    /// `.confirm.confirmed`, `.refused` and `.unknown`.
    counted: [usize; 3],
    requests: u32,
}

/// A rule for each path: `/pay` within a minute, `/quick` within five seconds, `/plain` without; of some
/// with alternatives, all that a token with scopes meets.
fn document(confirm: &Value) -> Value {
    let mut confirm = confirm.clone();
    confirm["cluster"] = json!("pool");
    let rule = |path: &str, require: Value| json!({"match": {"path": path}, "require": require});
    json!({
        "user_pools": [{
            "user_pool_id": POOL,
            "client_ids": ["web"],
            "jwks": {"inline": {"keys": [TestKey::first().jwk()]}},
            "confirm": confirm,
        }],
        "token": {"use": "access"},
        "rules": [
            rule("/pay", json!({"confirmed_within": "60s"})),
            rule("/quick", json!({"confirmed_within": "5s"})),
            rule("/strict", json!({"confirmed_within": "60s", "groups": ["staff"], "pools": "any"})),
            rule("/scoped", json!({"confirmed_within": "60s", "scopes": ["pay/write"], "pools": "any"})),
            rule("/mild", json!({"any_of": [
                {"scopes": [SCOPE], "confirmed_within": "5s"},
                {"scopes": ["openid"], "confirmed_within": "60s"},
            ]})),
            rule("/both", json!({"confirmed_within": "5s", "any_of": [
                {"groups": ["staff"]},
                {"scopes": ["openid"], "confirmed_within": "60s"},
            ]})),
            rule("/free", json!({"any_of": [
                {"scopes": [SCOPE], "confirmed_within": "60s"},
                {"scopes": ["openid"]},
            ]})),
        ],
        "default": "authenticated",
    })
}

/// The token of this name, minted once. One that begins with `bare` has no scope.
fn token(name: &str) -> String {
    static MINTED: OnceLock<Mutex<BTreeMap<String, String>>> = OnceLock::new();
    let mut minted = MINTED.get_or_init(Mutex::default).lock().unwrap();
    let mint = || {
        let key = TestKey::first();
        let header = json!({"alg": "RS256", "kid": key.jwk()["kid"]}).to_string();
        let mut claims = json!({
            "iss": issuer_of(POOL), "client_id": "web", "token_use": "access",
            "exp": 1_u64 << 50, "jti": name,
        });
        if !name.starts_with("bare") {
            claims["scope"] = json!(format!("openid {SCOPE}"));
        }
        signed(header.as_bytes(), claims.to_string().as_bytes(), key)
    };
    minted.entry(name.to_owned()).or_insert_with(mint).clone()
}

impl Process {
    fn new(vms: usize, confirm: &Value) -> Self {
        Self::of(vms, &document(confirm))
    }

    fn of(vms: usize, document: &Value) -> Self {
        let mut process = Self {
            space: Space::default(),
            now: BEGIN,
            wall_jump: 0.0,
            policy: policy(document),
            vms: Vec::new(),
            flights: Vec::new(),
            plan: BTreeMap::new(),
            delay: Duration::from_millis(30),
            asked: Vec::new(),
            held: BTreeMap::new(),
            log: Vec::new(),
            told: Vec::new(),
            counted: [0; 3],
            requests: 0,
        };
        (0..vms).for_each(|_| {
            process.start();
        });
        process
    }

    fn start(&mut self) -> usize {
        let (seed, now) = (self.vms.len() as u64 + 1, self.both());
        let mut gate = Gate::new(Rc::clone(&self.policy), Rs256::module(), Entropy::new(seed));
        gate.start(now, &self.space);
        self.vms.push(Vm {
            gate,
            next_tick: self.now + Gate::PROMPT_TICK,
            period: Gate::PROMPT_TICK,
            prompt: 0,
            alive: true,
        });
        self.vms.len() - 1
    }

    fn both(&self) -> Now {
        let wall = WALL + self.now.as_secs_f64() + self.wall_jump;
        Now {
            wall: Timestamp::from_seconds(wall).unwrap(),
            monotonic: Monotonic::new(self.now),
        }
    }

    /// A request with this token, whose name in the log is the token's and the path's.
    fn ask(&mut self, vm: usize, name: &str, path: &str) -> u32 {
        let value = format!("Bearer {}", token(name)).into_bytes();
        let request = Request::new(vec![
            ("authorization".into(), value),
            (":path".into(), path.as_bytes().to_vec()),
        ]);
        self.requests += 1;
        let (context, both) = (self.requests, self.both());
        let gate = &mut self.vms[vm].gate;
        let (decision, _) = gate.decide(&request, both.wall);
        let verdict = match decision {
            Decision::Verdict(verdict) => Some(verdict),
            Decision::Hold(candidate) => gate.hold(context, candidate, both, &self.space),
        };
        let name = format!("{name}{path}");
        match verdict {
            Some(verdict) => self.log.push(format!("{name} {}", said(&verdict))),
            None => {
                self.held.insert(context, (vm, name));
            }
        }
        self.set_timer(vm);
        context
    }

    fn cancel(&mut self, context: u32) {
        let (vm, _) = self.held.remove(&context).expect("a request that is held");
        assert!(self.vms[vm].gate.cancel(context));
    }

    fn kill(&mut self, vm: usize) {
        self.vms[vm].alive = false;
        self.flights.retain(|flight| flight.vm != vm);
        self.held.retain(|_, (of, _)| *of != vm);
    }

    /// A VM whose configuration is replaced by one like it.
    fn update(&mut self, vm: usize) -> usize {
        self.vms[vm].gate.retire(&self.space);
        self.kill(vm);
        self.start()
    }

    fn set_timer(&mut self, vm: usize) {
        let now = Monotonic::new(self.now);
        let vm = &mut self.vms[vm];
        let period = vm.gate.next_tick(now);
        if vm.period != period {
            vm.next_tick = self.now + period;
            vm.period = period;
        }
    }

    fn run(&mut self, end: Duration) {
        loop {
            let alive = |vm: usize| self.vms[vm].alive;
            let ticks = (0..self.vms.len()).filter(|vm| alive(*vm));
            let tick = ticks.map(|vm| (self.vms[vm].next_tick, vm)).min();
            let flights = self.flights.iter().enumerate();
            let flight = flights.map(|(index, flight)| (flight.due, index)).min();
            match (flight, tick) {
                (Some((at, index)), _) if at <= end && tick.is_none_or(|(tick, _)| at <= tick) => {
                    self.now = self.now.max(at);
                    self.answer(index);
                }
                (_, Some((at, vm))) if at <= end => {
                    self.now = self.now.max(at);
                    self.tick(vm);
                }
                _ => break,
            }
        }
        self.now = end;
    }

    /// Runs until so many milliseconds after the beginning; what has happened since the last look.
    fn at(&mut self, millis: u64) -> String {
        self.run(BEGIN + Duration::from_millis(millis));
        let mut text = String::new();
        for (position, entry) in self.log.drain(..).enumerate() {
            let separator = if position > 0 { "; " } else { "" };
            write!(text, "{separator}{entry}").unwrap();
        }
        text
    }

    fn tick(&mut self, vm: usize) {
        let both = self.both();
        let effects = self.vms[vm].gate.tick(both, &self.space);
        let ticking = &mut self.vms[vm];
        ticking.next_tick = self.now + ticking.period;
        ticking.prompt = match ticking.period <= Gate::PROMPT_TICK {
            true => ticking.prompt + 1,
            false => 0,
        };
        assert!(ticking.prompt < 100, "VM {vm} never rests");
        self.bring_about(vm, effects.verdicts, effects.reports);
        for (id, call) in effects.calls {
            self.send(vm, id, &call);
        }
        self.set_timer(vm);
    }

    fn send(&mut self, vm: usize, id: CallId, call: &Call) {
        if call.body.is_empty() {
            // The deny list, which never comes.
            let (due, answer) = (self.now + call.timeout, timed_out());
            self.flights.push(Flight {
                vm,
                id,
                due,
                answer,
            });
            return;
        }
        let body: Value = serde_json::from_slice(&call.body).unwrap();
        let compact = body["AccessToken"].as_str().unwrap();
        let payload = compact.split('.').nth(1).unwrap();
        let claims = URL_SAFE_NO_PAD.decode(payload).unwrap();
        let claims: Value = serde_json::from_slice(&claims).unwrap();
        let name = claims["jti"].as_str().unwrap().to_owned();
        assert_eq!(body, json!({"AccessToken": token(&name)}));
        let plan = self.plan.get(name.as_str()).copied();
        let response =
            |status, headers: Vec<(&'static str, Vec<u8>)>, body: &str| Answer::Response {
                status,
                headers: headers
                    .into_iter()
                    .filter(|(name, _)| call.reading.headers.contains(name))
                    .collect(),
                body: (Some(status) != call.reading.unread).then(|| body.as_bytes().to_vec()),
            };
        let (delay, answer) = match plan.unwrap_or(Plan::Confirm) {
            Plan::NoHosts => (Duration::ZERO, Answer::NotSent(NotSent::NoHosts)),
            _ if self.delay >= call.timeout => (call.timeout, timed_out()),
            Plan::Silent => (call.timeout, timed_out()),
            Plan::Confirm => (self.delay, response(200, Vec::new(), "{}")),
            Plan::Body(status, body) => (self.delay, response(status, Vec::new(), body)),
            Plan::Exception(status, name) => {
                let header = vec![("x-amzn-errortype", name.as_bytes().to_vec())];
                (self.delay, response(status, header, ""))
            }
        };
        self.asked.push((vm, name, self.now - BEGIN));
        self.flights.push(Flight {
            vm,
            id,
            due: self.now + delay,
            answer,
        });
        if delay.is_zero() {
            self.answer(self.flights.len() - 1);
        }
    }

    fn answer(&mut self, index: usize) {
        let Flight { vm, id, answer, .. } = self.flights.remove(index);
        let both = self.both();
        let effects = self.vms[vm].gate.answered(id, &answer, both, &self.space);
        assert_eq!(effects.reports.len(), 1, "a question ends once");
        self.bring_about(vm, effects.verdicts, effects.reports);
        self.set_timer(vm);
    }

    fn bring_about(
        &mut self,
        vm: usize,
        verdicts: Vec<(u32, Verdict)>,
        reports: Vec<cognito_authorizer::remote::report::Report>,
    ) {
        for report in reports {
            match report.counted.expect("all is counted") {
                Counted::DenyListFailed => continue,
                Counted::Confirmed => self.counted[0] += 1,
                Counted::NotConfirmed => self.counted[1] += 1,
                Counted::Unconfirmed => self.counted[2] += 1,
                other => panic!("{other:?}"),
            }
            if report.level != Level::Debug {
                let text = report.to_string();
                let issuer = format!("confirmations of {}: ", issuer_of(POOL));
                let text = text.strip_prefix(&issuer).unwrap().to_owned();
                self.told.push((report.level, text));
            }
        }
        for (context, verdict) in verdicts {
            let (of, name) = self.held.remove(&context).expect("a request that is held");
            assert_eq!(of, vm);
            self.log.push(format!("{name} {}", said(&verdict)));
        }
    }

    /// The names of the tokens that the pool was asked about, in order.
    fn questions(&self) -> Vec<&str> {
        self.asked.iter().map(|(_, name, _)| &**name).collect()
    }
}

fn timed_out() -> Answer {
    Answer::Local {
        status: 504,
        text: "upstream request timeout".into(),
    }
}

fn said(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Forward(Forward {
            caller: Caller::Known(_),
            ..
        }) => "allowed".into(),
        Verdict::Forward(_) | Verdict::Answer(_) => panic!("nobody is let in without a token"),
        Verdict::Refuse(Refusal::InsufficientScope(scopes)) => {
            format!("insufficient_scope {}", scopes.join(" "))
        }
        Verdict::Refuse(Refusal::RevocationUnknown(after)) => {
            format!("unknown {}", after.as_millis().div_ceil(1000).max(1))
        }
        Verdict::Refuse(refusal) => refusal.reason().code().into(),
    }
}

const REVOKED: Plan = Plan::Exception(400, "NotAuthorizedException");
const THROTTLED: Plan = Plan::Exception(400, "TooManyRequestsException");

#[test]
fn a_pool_is_asked_once_in_the_rules_time() {
    let mut process = Process::new(1, &json!({}));
    process.at(500);
    process.ask(0, "t", "/pay");
    assert_eq!(process.at(530), "");
    assert_eq!(process.at(531), "t/pay allowed");
    // Asked at the next tick, which was made prompt.
    assert_eq!(process.asked, [(0, "t".into(), Duration::from_millis(501))]);
    for millis in [532, 5_000, 30_000, 60_530] {
        process.at(millis);
        process.ask(0, "t", "/pay");
        assert_eq!(process.at(millis), "t/pay allowed", "{millis}");
    }
    assert_eq!(process.asked.len(), 1);
    process.at(60_531);
    process.ask(0, "t", "/pay");
    assert_eq!(process.at(60_531), "");
    assert_eq!(process.at(60_600), "t/pay allowed");
    assert_eq!(process.asked.len(), 2);
    assert_eq!(process.counted, [2, 0, 0]);
    assert_eq!(process.told, []);
}

#[test]
fn each_rule_has_its_own_time_and_others_ask_nobody() {
    let mut process = Process::new(1, &json!({}));
    process.at(500);
    process.ask(0, "t", "/plain");
    process.ask(0, "t", "/pay");
    assert_eq!(process.at(600), "t/plain allowed; t/pay allowed");
    process.at(5_530);
    process.ask(0, "t", "/quick");
    assert_eq!(process.at(5_530), "t/quick allowed");
    process.at(5_532);
    process.ask(0, "t", "/pay");
    process.ask(0, "t", "/plain");
    process.ask(0, "t", "/quick");
    assert_eq!(process.at(5_532), "t/pay allowed; t/plain allowed");
    assert_eq!(process.at(5_600), "t/quick allowed");
    assert_eq!(process.questions(), ["t", "t"]);
}

/// Of alternatives the mildest counts, and beside what the rule itself asks the stricter of both.
#[test]
fn an_alternative_has_a_time_of_its_own() {
    let mut process = Process::new(1, &json!({}));
    process.at(500);
    process.ask(0, "t", "/free");
    process.ask(0, "t", "/mild");
    assert_eq!(process.at(530), "t/free allowed");
    assert_eq!(process.at(531), "t/mild allowed");
    process.at(5_530);
    process.ask(0, "t", "/both");
    assert_eq!(process.at(5_530), "t/both allowed");
    process.at(5_532);
    process.ask(0, "t", "/both");
    process.ask(0, "t", "/mild");
    assert_eq!(process.at(5_532), "t/mild allowed");
    assert_eq!(process.at(5_600), "t/both allowed");
    process.at(66_000);
    process.ask(0, "t", "/mild");
    process.ask(0, "t", "/free");
    assert_eq!(process.at(66_000), "t/free allowed");
    assert_eq!(process.at(66_100), "t/mild allowed");
    assert_eq!(process.questions(), ["t", "t", "t"]);
}

#[test]
fn only_what_holds_otherwise_is_asked_about() {
    let mut process = Process::new(1, &json!({}));
    process.at(500);
    // Without the scope the pool would answer as for a revoked token. The rule's own words go before.
    process.ask(0, "bare", "/pay");
    process.ask(0, "bare", "/scoped");
    process.ask(0, "t", "/strict");
    assert_eq!(
        process.at(600),
        format!(
            "bare/pay insufficient_scope {SCOPE}; bare/scoped insufficient_scope pay/write; t/strict insufficient_group"
        )
    );
    assert_eq!(process.asked, []);
}

#[test]
fn a_refusal_is_remembered_for_ten_seconds() {
    for name in [
        "NotAuthorizedException",
        "UserNotFoundException",
        "PasswordResetRequiredException",
        "UserNotConfirmedException",
    ] {
        let mut process = Process::new(1, &json!({"grace": "1h"}));
        process.plan.insert("t", Plan::Exception(400, name));
        process.at(500);
        process.ask(0, "t", "/pay");
        assert_eq!(process.at(600), "t/pay token_revoked", "{name}");
        for millis in [601, 5_000, 10_530] {
            process.at(millis);
            process.ask(0, "t", "/pay");
            assert_eq!(process.at(millis), "t/pay token_revoked");
        }
        assert_eq!(process.counted, [0, 1, 0]);
        // Enabled again.
        process.plan.insert("t", Plan::Confirm);
        process.at(10_531);
        process.ask(0, "t", "/pay");
        assert_eq!(process.at(10_600), "t/pay allowed");
        assert_eq!(process.counted, [1, 1, 0]);
    }
}

#[test]
fn whatever_else_is_answered_is_unknown() {
    let not_a_refusal = r#"{"__type":"NotAuthorizedException"}"#;
    for plan in [
        THROTTLED,
        Plan::Exception(400, "ForbiddenException"),
        Plan::Exception(400, "InvalidParameterException"),
        Plan::Exception(400, "ResourceNotFoundException"),
        Plan::Exception(400, "OperationNotEnabledException"),
        Plan::Exception(403, "AccessDeniedException"),
        Plan::Exception(500, "NotAuthorizedException"),
        Plan::Body(201, ""),
        Plan::Body(302, ""),
        Plan::Body(400, "garbage"),
        Plan::Body(400, ""),
        Plan::Body(503, not_a_refusal),
        Plan::Silent,
        Plan::NoHosts,
    ] {
        let mut process = Process::new(1, &json!({}));
        process.plan.insert("t", plan);
        process.at(500);
        process.ask(0, "t", "/pay");
        assert_eq!(process.at(2_600), "t/pay unknown 1", "{plan:?}");
        assert_eq!(process.counted, [0, 0, 1], "{plan:?}");
        assert_eq!(process.told.len(), 1, "{:?}", process.told);
    }
    let mut process = Process::new(1, &json!({}));
    process.plan.insert("t", Plan::Body(400, not_a_refusal));
    process.at(500);
    process.ask(0, "t", "/pay");
    assert_eq!(process.at(600), "t/pay token_revoked");
}

#[test]
fn an_unknown_answer_is_asked_for_again_after_a_second() {
    let mut process = Process::new(1, &json!({}));
    process.plan.insert("t", THROTTLED);
    process.at(500);
    process.ask(0, "t", "/pay");
    assert_eq!(process.at(600), "t/pay unknown 1");
    process.at(1_530);
    process.ask(0, "t", "/pay");
    assert_eq!(process.at(1_530), "t/pay unknown 1");
    assert_eq!(process.asked.len(), 1);
    process.plan.insert("t", Plan::Confirm);
    process.at(1_531);
    process.ask(0, "t", "/pay");
    assert_eq!(process.at(1_600), "t/pay allowed");
    assert_eq!(process.counted, [1, 0, 1]);
}

#[test]
fn within_its_grace_a_token_serves_on_while_asking_fails() {
    let mut process = Process::new(2, &json!({"grace": "90s"}));
    process.at(500);
    process.ask(0, "t", "/pay");
    process.ask(0, "other", "/pay");
    assert_eq!(process.at(531), "t/pay allowed; other/pay allowed");
    process.plan.extend([("t", THROTTLED), ("new", THROTTLED)]);
    // One that was never confirmed has no grace.
    process.ask(0, "new", "/pay");
    assert_eq!(process.at(600), "new/pay unknown 1");
    process.at(61_000);
    process.ask(0, "t", "/pay");
    assert_eq!(process.at(61_000), "", "asked first");
    assert_eq!(process.at(61_100), "t/pay allowed");
    // Also where it was not confirmed: the last confirmation is everybody's.
    process.ask(1, "t", "/pay");
    assert_eq!(process.at(61_100), "t/pay allowed");
    process.at(90_000);
    process.ask(1, "t", "/pay");
    assert_eq!(process.at(90_100), "t/pay allowed");
    process.at(90_540);
    process.ask(0, "t", "/pay");
    assert_eq!(process.at(90_600), "t/pay unknown 1");
    // A refusal goes before any grace.
    process.plan.insert("other", REVOKED);
    process.at(90_620);
    process.ask(0, "other", "/quick");
    assert_eq!(process.at(90_700), "other/quick token_revoked");
    process.plan.insert("other", THROTTLED);
    process.at(101_000);
    process.ask(0, "other", "/pay");
    assert_eq!(process.at(101_100), "other/pay unknown 1");
}

#[test]
fn requests_about_one_token_are_one_question() {
    for vms in [1, 2, 4] {
        let mut process = Process::new(vms, &json!({}));
        process.delay = Duration::from_millis(300);
        process.at(500);
        for _ in 0..20 {
            (0..vms).for_each(|vm| {
                process.ask(vm, "t", "/pay");
            });
        }
        process.at(700);
        (0..vms).for_each(|vm| {
            process.ask(vm, "t", "/pay");
        });
        let happened = process.at(850);
        assert_eq!(happened.matches("t/pay allowed").count(), 21 * vms);
        assert_eq!(process.asked.len(), 1, "{vms} VMs");
        assert_eq!(process.counted, [1, 0, 0]);
        process.at(60_700);
        (0..vms).for_each(|vm| {
            process.ask(vm, "t", "/pay");
        });
        assert_eq!(process.at(60_700).matches("allowed").count(), vms);
    }
}

#[test]
fn a_refusal_is_the_end_of_all_confirmations_on_all_vms() {
    let mut process = Process::new(4, &json!({"grace": "1h"}));
    process.at(500);
    (0..4).for_each(|vm| {
        process.ask(vm, "t", "/pay");
    });
    assert_eq!(process.at(600).matches("t/pay allowed").count(), 4);
    process.plan.insert("t", REVOKED);
    process.at(6_000);
    process.ask(2, "t", "/quick");
    assert_eq!(process.at(6_031), "t/quick token_revoked");
    process.ask(2, "t", "/pay");
    assert_eq!(process.at(6_031), "t/pay token_revoked");
    // The others see it at their next tick, within 250 ms.
    process.at(6_300);
    (0..4).for_each(|vm| {
        process.ask(vm, "t", "/pay");
        process.ask(vm, "t", "/plain");
    });
    let happened = process.at(6_300);
    assert_eq!(happened.matches("t/pay token_revoked").count(), 4);
    assert_eq!(happened.matches("t/plain allowed").count(), 4);
    assert_eq!(process.asked.len(), 2);
}

#[test]
fn a_question_outlives_its_request_and_serves_the_next() {
    let mut process = Process::new(2, &json!({}));
    process.delay = Duration::from_millis(300);
    process.at(500);
    let context = process.ask(0, "t", "/pay");
    process.at(600);
    process.cancel(context);
    process.at(700);
    process.ask(1, "t", "/pay");
    assert_eq!(process.at(850), "t/pay allowed");
    process.ask(0, "t", "/pay");
    assert_eq!(process.at(850), "t/pay allowed");
    assert_eq!(process.asked.len(), 1);
    // A request that goes away before the next tick asks nothing.
    let context = process.ask(0, "other", "/pay");
    process.cancel(context);
    assert_eq!(process.at(2_000), "");
    assert_eq!(process.asked.len(), 1);
}

#[test]
fn no_more_than_so_many_questions_a_second() {
    let mut process = Process::new(2, &json!({"max_per_second": 3, "grace": "1h"}));
    process.at(500);
    for (vm, name) in [(0, "a"), (1, "b"), (0, "c"), (1, "d"), (0, "e")] {
        process.ask(vm, name, "/pay");
    }
    let happened = process.at(600);
    assert_eq!(happened.matches("allowed").count(), 3, "{happened}");
    assert_eq!(happened.matches("unknown 1").count(), 2, "{happened}");
    assert_eq!(process.counted, [3, 0, 2]);
    assert_eq!(
        process.told,
        [(
            Level::Warning,
            r#"more than 3 questions a second are wanted through cluster "pool"; tokens serve for 1h after their last confirmation, all others that must be confirmed get 503"#.into()
        )]
    );
    // Come back after a second, as the reply says.
    process.at(1_600);
    for (vm, name) in [(0, "a"), (1, "b"), (0, "c"), (1, "d"), (0, "e")] {
        process.ask(vm, name, "/pay");
    }
    assert_eq!(process.at(1_700).matches("allowed").count(), 5);
    // Whoever was confirmed before has its grace.
    process.at(62_000);
    for name in ["a", "b", "c", "d"] {
        process.ask(0, name, "/pay");
    }
    assert_eq!(process.at(62_100).matches("allowed").count(), 4);
    assert_eq!(process.asked.len(), 8);
}

#[test]
fn a_token_that_is_asked_about_needs_no_second_permit() {
    let mut process = Process::new(4, &json!({"max_per_second": 1}));
    process.at(500);
    (0..4).for_each(|vm| {
        process.ask(vm, "t", "/pay");
    });
    assert_eq!(process.at(600).matches("t/pay allowed").count(), 4);
    assert_eq!(process.counted, [1, 0, 0]);
}

#[test]
fn so_many_requests_wait_and_no_more() {
    let mut process = Process::new(1, &json!({"max_per_second": 1000, "grace": "1h"}));
    process.delay = Duration::from_millis(1_000);
    process.at(500);
    process.ask(0, "t", "/pay");
    process.at(1_501);
    process.log.clear();
    process.at(61_600);
    for number in 0..128 {
        process.ask(0, if number % 2 == 0 { "x" } else { "y" }, "/pay");
    }
    assert_eq!(process.at(61_600), "");
    process.ask(0, "z", "/pay");
    assert_eq!(process.at(61_600), "z/pay unknown 1");
    // Full is no more than unknown, and a token may have its grace.
    process.ask(0, "t", "/pay");
    assert_eq!(process.at(61_600), "t/pay allowed");
    // All others go on.
    process.ask(0, "z", "/plain");
    assert_eq!(process.at(61_600), "z/plain allowed");
    assert_eq!(process.at(62_900).matches("allowed").count(), 128);
    process.ask(0, "z", "/pay");
    assert_eq!(process.at(64_000), "z/pay allowed");
}

#[test]
fn a_question_whose_vm_is_gone_is_asked_by_another() {
    let mut process = Process::new(2, &json!({"timeout": "2s"}));
    process.delay = Duration::from_millis(1_000);
    process.at(500);
    process.ask(0, "t", "/pay");
    process.at(600);
    process.kill(0);
    // Its lease lasts for its time-out and a second.
    process.ask(1, "t", "/pay");
    assert_eq!(process.at(2_600), "");
    assert_eq!(process.at(2_721), "t/pay unknown 1");
    process.at(3_400);
    process.ask(1, "t", "/pay");
    assert_eq!(process.at(3_490), "");
    assert_eq!(process.asked.len(), 1);
    assert_eq!(process.at(4_600), "t/pay allowed");
    assert_eq!(process.asked.len(), 2);
}

#[test]
fn a_configuration_that_is_replaced_leaves_its_question_to_the_next() {
    let mut process = Process::new(2, &json!({}));
    process.delay = Duration::from_millis(1_000);
    process.at(500);
    process.ask(0, "t", "/pay");
    process.at(600);
    let new = process.update(0);
    process.ask(1, "t", "/pay");
    assert_eq!(process.at(1_700), "t/pay allowed");
    assert_eq!(process.asked.len(), 2);
    // What was confirmed is known to those that come later.
    process.ask(new, "t", "/pay");
    assert_eq!(process.at(1_700), "t/pay allowed");
    let again = process.update(new);
    process.ask(again, "t", "/pay");
    assert_eq!(process.at(1_800), "t/pay allowed");
    assert_eq!(process.asked.len(), 2);
}

#[test]
fn another_endpoints_confirmations_are_not_believed() {
    let mut process = Process::new(1, &json!({}));
    process.at(500);
    process.ask(0, "t", "/pay");
    process.at(600);
    let mut elsewhere = document(&json!({}));
    elsewhere["user_pools"][0]["confirm"]["cluster"] = json!("elsewhere");
    process.policy = policy(&elsewhere);
    let vm = process.start();
    process.at(700);
    process.log.clear();
    process.ask(vm, "t", "/pay");
    assert_eq!(process.at(800), "t/pay allowed");
    assert_eq!(process.asked.len(), 2);
}

#[test]
fn an_outage_is_told_once_and_its_end_once() {
    let mut process = Process::new(2, &json!({}));
    process
        .plan
        .extend([("a", Plan::Silent), ("b", Plan::Silent)]);
    for second in 1..20 {
        process.at(second * 1000);
        process.ask((second % 2) as usize, "a", "/pay");
        process.ask((second % 2) as usize, "b", "/pay");
    }
    let cause =
        r#"no answer through cluster "pool" within 2s; tokens that must be confirmed get 503"#;
    assert_eq!(process.told, [(Level::Warning, cause.into())]);
    process.told.clear();
    process.plan.clear();
    // Some still fail in between: it is not over.
    process.plan.insert("c", THROTTLED);
    process.at(25_000);
    process.ask(0, "c", "/pay");
    process.ask(0, "a", "/quick");
    process.at(31_000);
    process.ask(0, "a", "/quick");
    process.at(32_000);
    let throttled = r#"the answer through cluster "pool" cannot be used: TooManyRequestsException; tokens that must be confirmed get 503"#;
    assert_eq!(process.told, [(Level::Warning, throttled.into())]);
    process.told.clear();
    process.at(37_000);
    process.ask(1, "a", "/quick");
    process.at(50_000);
    process.ask(0, "a", "/quick");
    process.at(51_000);
    assert_eq!(
        process.told,
        [(Level::Info, "the user pool answers again".into())]
    );
}

#[test]
fn a_wall_clock_that_is_set_moves_no_confirmation() {
    let mut process = Process::new(1, &json!({}));
    process.at(500);
    process.ask(0, "t", "/pay");
    process.at(600);
    process.log.clear();
    for jump in [-3600.0, 7200.0, -3600.0] {
        process.wall_jump += jump;
        process.ask(0, "t", "/pay");
        assert_eq!(process.at(600), "t/pay allowed", "{jump}");
    }
    assert_eq!(process.asked.len(), 1);
    process.wall_jump -= 3600.0;
    process.at(60_600);
    process.ask(0, "t", "/pay");
    assert_eq!(process.at(60_600), "");
    assert_eq!(process.at(60_700), "t/pay allowed");
    assert_eq!(process.asked.len(), 2);
}

#[test]
fn no_token_lies_in_shared_data() {
    let mut process = Process::new(1, &json!({}));
    process.at(500);
    process.ask(0, "t", "/pay");
    process.at(600);
    let token = token("t");
    let names = process.space.names();
    assert!(names.len() >= 2, "{names:?}");
    for name in names {
        let bytes = process.space.bytes(&name).unwrap();
        for part in token.split('.') {
            let part = &part.as_bytes()[..16];
            assert!(!bytes.windows(16).any(|window| window == part), "{name}");
        }
    }
}

#[test]
fn nonsense_in_shared_data_costs_a_question_and_lets_nobody_in() {
    let mut process = Process::new(1, &json!({}));
    process.at(500);
    process.ask(0, "t", "/pay");
    assert_eq!(process.at(600), "t/pay allowed");
    process.plan.insert("t", REVOKED);
    for name in process.space.names() {
        process.space.overwrite(&name, b"nonsense");
    }
    let vm = process.start();
    process.at(700);
    process.ask(vm, "t", "/pay");
    assert_eq!(process.at(800), "t/pay token_revoked");
    assert_eq!(process.asked.len(), 2);
}

/// Two facts are missing. That the list may be done without says nothing of the pool's word, and
/// whoever has waited for the one has not waited for the other.
#[test]
fn without_a_first_list_the_pool_is_asked_all_the_same() {
    for (when_stale, verdicts) in [
        ("serve", "out/pay token_revoked; t/pay allowed"),
        ("refuse", "out/pay unavailable; t/pay unavailable"),
    ] {
        let mut document = document(&json!({}));
        document["deny_list"] = json!({
            "cluster": "list", "uri": "https://lists.example.com/deny.json", "timeout": "1s",
            "max_age": "1h", "when_stale": when_stale,
        });
        let mut process = Process::of(1, &document);
        process.plan.insert("out", REVOKED);
        for second in [0, 1] {
            // While the first fetch is under way, and behind the back-off.
            process.at(second * 1_200);
            process.ask(0, "out", "/pay");
            process.ask(0, "t", "/pay");
            let mut happened: Vec<_> = process
                .at(second * 1_200 + 1_150)
                .replace("unknown 1", "unavailable")
                .replace("unknown 2", "unavailable")
                .split("; ")
                .map(str::to_owned)
                .collect();
            happened.sort();
            assert_eq!(happened.join("; "), verdicts, "{second}");
        }
        let asked = usize::from(when_stale == "serve") * 2;
        assert_eq!(process.asked.len(), asked);
    }
}

/// Who goes on without the list waits for the pool only where there is room.
#[test]
fn whoever_has_waited_for_the_list_finds_a_full_room_as_others_do() {
    let mut document = document(&json!({"max_per_second": 1000}));
    document["deny_list"] = json!({
        "cluster": "list", "uri": "https://lists.example.com/deny.json", "timeout": "1s",
        "max_age": "1h", "when_stale": "serve",
    });
    for (crowd, verdict) in [(128, "late/pay unknown 1"), (127, "")] {
        let mut process = Process::of(1, &document);
        process.delay = Duration::from_millis(1_500);
        process.at(1);
        (0..crowd).for_each(|_| {
            process.ask(0, "t", "/pay");
        });
        // The list has not come, its next attempt lies behind the back-off, and the pool is being asked.
        assert_eq!(process.at(1_010), "");
        assert_eq!(process.questions(), ["t"]);
        process.ask(0, "late", "/pay");
        assert_eq!(process.at(1_010), verdict, "{crowd}");
        let allowed = process.at(4_000).matches("allowed").count();
        assert_eq!(allowed, 128, "{crowd}");
    }
}

#[test]
fn a_space_that_takes_nothing_lets_nobody_in() {
    let mut process = Process::new(1, &json!({}));
    process.at(500);
    process.space.races_lost.set(u32::MAX);
    process.ask(0, "t", "/pay");
    // The host's timer is not tried for ever: the wait has an end.
    let mut happened = String::new();
    for millis in 501..3_000 {
        process.vms[0].prompt = 0;
        happened += &process.at(millis);
    }
    assert_eq!(happened, "t/pay unknown 1");
    assert_eq!(process.asked, []);
}

/// What two VMs know, and a question about each of two tokens.
fn two_vms() -> ([Confirmations; 2], [Question; 2]) {
    let policy = policy(&document(&json!({})));
    let vms = [1, 2].map(|seed| Confirmations::new(&policy.issuers, Entropy::new(seed)));
    let issuer = policy.issuers.by_iss(&issuer_of(POOL)).unwrap();
    let questions = [b"first", b"other"].map(|token| Question {
        subject: Subject {
            issuer,
            key: vms[0].key(issuer, token),
        },
        within: Duration::from_secs(60),
    });
    (vms, questions)
}

/// Without a look at its slot, until another VM learns of a refusal.
#[test]
fn a_confirmation_is_remembered_until_any_token_is_refused() {
    let ([mut one, mut two], [first, other]) = two_vms();
    let (space, now, mut ids) = (Space::default(), Monotonic::new(BEGIN), CallIds::default());
    one.sync(&space);
    let (id, _) = one.ask(first, b"first", now, &space, &mut ids).unwrap();
    let confirmed = Answer::response(200, None);
    one.answered(id, &confirmed, now, &space).unwrap();
    for _ in 0..3 {
        one.sync(&space);
        assert_eq!(one.word(first, now), Word::Good);
    }
    let (id, _) = two.ask(other, b"other", now, &space, &mut ids).unwrap();
    let headers = vec![(TYPE_HEADER, b"NotAuthorizedException".to_vec())];
    let refused = Answer::Response {
        status: 400,
        headers,
        body: None,
    };
    two.answered(id, &refused, now, &space).unwrap();
    assert_eq!(two.word(other, now), Word::Bad);
    one.sync(&space);
    assert_eq!(one.word(first, now), Word::Open);
    // Once: what the slot says now is remembered again.
    one.look(first, now, &space);
    one.sync(&space);
    assert_eq!(one.word(first, now), Word::Good);
}

/// Of the answers nothing is read that is not needed: a 200 is about a person.
#[test]
fn a_question_is_get_user_and_reads_no_user() {
    let ([mut one, _], [first, _]) = two_vms();
    let (space, now, mut ids) = (Space::default(), Monotonic::new(BEGIN), CallIds::default());
    let (_, call) = one.ask(first, b"first", now, &space, &mut ids).unwrap();
    assert_eq!((&*call.cluster, call.method), ("pool", "POST"));
    assert_eq!(call.body, br#"{"AccessToken":"first"}"#);
    assert_eq!(call.reading.headers, [TYPE_HEADER]);
    assert_eq!(call.reading.unread, Some(200));
}

/// Its VM was busy for longer than its lease, and another has asked since.
#[test]
fn an_answer_that_comes_too_late_changes_nothing_that_another_vm_has_learnt() {
    let confirmed = || Answer::response(200, None);
    let refused = || Answer::Response {
        status: 400,
        headers: vec![(TYPE_HEADER, b"NotAuthorizedException".to_vec())],
        body: None,
    };
    for (late, other, word) in [
        (confirmed(), refused(), Word::Bad),
        (timed_out(), confirmed(), Word::Good),
        (confirmed(), confirmed(), Word::Good),
        // A refusal goes before all.
        (refused(), confirmed(), Word::Bad),
    ] {
        let ([mut one, mut two], [first, _]) = two_vms();
        let (space, mut ids) = (Space::default(), CallIds::default());
        let at = |millis| Monotonic::new(BEGIN).after(Duration::from_millis(millis));
        let (slow, _) = one.ask(first, b"first", at(0), &space, &mut ids).unwrap();
        assert!(
            two.ask(first, b"first", at(2_999), &space, &mut ids)
                .is_none()
        );
        let (fast, _) = two
            .ask(first, b"first", at(3_000), &space, &mut ids)
            .unwrap();
        two.answered(fast, &other, at(3_100), &space).unwrap();
        one.answered(slow, &late, at(3_200), &space).unwrap();
        assert_eq!(one.word(first, at(3_200)), word, "{late:?} {other:?}");
        two.sync(&space);
        two.look(first, at(3_200), &space);
        assert_eq!(two.word(first, at(3_200)), word, "{late:?} {other:?}");
        // By the other's answer, not by the one that was late.
        if word == Word::Good {
            assert_eq!(one.word(first, at(63_099)), Word::Good);
            assert_eq!(one.word(first, at(63_100)), Word::Open);
        }
    }
}

/// However many requests bring a token, a tick tries to ask about it once: eight times at the most where
/// other VMs are faster.
#[test]
fn a_crowd_with_one_token_tries_no_more_often_than_one_request() {
    for requests in [1, 5] {
        let mut process = Process::new(1, &json!({}));
        process.at(500);
        process.space.races_lost.set(1_000);
        (0..requests).for_each(|_| {
            process.ask(0, "t", "/pay");
        });
        assert_eq!(process.at(501), "");
        assert_eq!(process.space.races_lost.get(), 992, "{requests}");
        process.space.races_lost.set(0);
        assert_eq!(process.at(600).matches("allowed").count(), requests);
        assert_eq!(process.asked.len(), 1);
    }
}

/// Another VM asks between this one's look at the slot and its mark.
#[test]
fn whose_mark_comes_too_late_does_not_ask() {
    type Other<'a> = Box<dyn FnOnce(&Space) + 'a>;
    struct Faster<'a> {
        space: Space,
        /// What happens before the next write.
        other: RefCell<Option<Other<'a>>>,
    }
    impl SharedSpace for Faster<'_> {
        fn read(&self, name: &str) -> (Option<Vec<u8>>, Version) {
            SharedSpace::read(&self.space, name)
        }

        fn write(&self, name: &str, value: &[u8], version: Version) -> Result<(), Conflict> {
            if let Some(other) = self.other.take() {
                other(&self.space);
            }
            self.space.write(name, value, version)
        }
    }
    let ([mut one, mut two], [question, _]) = two_vms();
    let now = Monotonic::new(BEGIN);
    let asked = RefCell::new(None);
    let space = Faster {
        space: Space::default(),
        other: RefCell::new(Some(Box::new(|space| {
            let mut ids = CallIds::default();
            *asked.borrow_mut() = two.ask(question, b"first", now, space, &mut ids);
        }))),
    };
    let mut ids = CallIds::default();
    let late = one.ask(question, b"first", now, &space, &mut ids);
    assert!(late.is_none(), "{late:?}");
    assert!(asked.borrow().is_some());
    // The other's question is this VM's as well.
    assert!(!one.wants_a_call(question, now));
}
