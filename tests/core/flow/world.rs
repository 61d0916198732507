//! A process in scripted time: VMs over one shared space, key servers, and two clocks. Nothing in
//! it waits; a day takes as long as its events.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::rc::Rc;
use std::time::Duration;

use cognito_authorizer::decision::{CacheUse, Caller, Decision, Forward, Verdict};
use cognito_authorizer::gate::{Gate, Now};
use cognito_authorizer::keyring::{Answer, Entropy};
use cognito_authorizer::policy::Policy;
use cognito_authorizer::refusal::Refusal;
use cognito_authorizer::remote::call::{Call, CallId, NotSent};
use cognito_authorizer::remote::report::{Counted, Level, Report};
use cognito_authorizer::request::Request;
use cognito_authorizer::rs256::Rs256;
use cognito_authorizer::time::{Monotonic, Timestamp};

use crate::flow::pools::{deny_list, key_set, minted, names};
use crate::harness::space::Space;

/// What the wall clock says where the monotonic clock begins.
pub(crate) const WALL: f64 = 1_700_000_000.0;
/// The server of deny lists.
pub(crate) const LIST: &str = "list";
/// When the scripts begin: the monotonic clock has run for a while when a process starts.
pub(crate) const BEGIN: Duration = Duration::from_secs(1000);

/// What a key server does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Plan {
    /// Answers with the keys of these names.
    Keys(Vec<&'static str>),
    /// Answers with the deny list that was written in this second of the script, of these users, under
    /// this entity tag.
    List(f64, Vec<String>, Option<&'static str>),
    /// Answers with this status.
    Status(u16),
    /// Answers with this body.
    Body(&'static str),
    /// Answers with more than is read.
    Large,
    /// Does not answer.
    Silent,
    /// The cluster is not there.
    NotSent,
    /// The cluster has no host.
    NoHosts,
    /// Envoy answers itself.
    Local(u16, &'static str),
}

/// A key server.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) plan: Plan,
    pub(crate) delay: Duration,
}

/// A fetch, from its beginning.
#[derive(Clone, Debug)]
pub(crate) struct Began {
    pub(crate) pool: &'static str,
    pub(crate) vm: usize,
    pub(crate) at: Duration,
}

#[derive(Debug)]
struct Flight {
    vm: usize,
    id: CallId,
    due: Duration,
    answer: Answer,
    began: usize,
}

/// How a fetch ended, with the keys that it brought.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) began: usize,
    pub(crate) at: Duration,
    /// What is told of it; `None` if it came too late.
    pub(crate) report: Option<Report>,
}

/// One VM.
struct Vm {
    gate: Gate,
    next_tick: Option<Duration>,
    period: Duration,
    /// Ticks in a row that were wanted as soon as possible.
    prompt: u32,
    /// Neither ticks nor hears answers until it is thawed.
    frozen: bool,
    alive: bool,
}

/// What became of a request.
#[derive(Clone, Debug)]
pub(crate) struct Story {
    pub(crate) asked: Duration,
    pub(crate) decided: Option<(Duration, String)>,
    pub(crate) cache: CacheUse,
    vm: usize,
    name: String,
}

/// The process.
pub(crate) struct World {
    pub(crate) space: Space,
    pub(crate) now: Duration,
    pub(crate) servers: BTreeMap<&'static str, Server>,
    pub(crate) began: Vec<Began>,
    pub(crate) ended: Vec<Ended>,
    pub(crate) stories: BTreeMap<u32, Story>,
    /// What happened since it was last looked at.
    pub(crate) log: Vec<String>,
    /// What was told of fetches above debug, when, since it was last looked at.
    pub(crate) told: Vec<(Duration, Level, String)>,
    /// What `jwks_fetch.success` and `.failure` count, or those of the deny list.
    pub(crate) counted: (usize, usize),
    /// What `deny_list_fetch.unchanged` counts.
    pub(crate) unchanged: usize,
    /// By how much the wall clock has been set forward or back, in seconds.
    pub(crate) wall_jump: f64,
    /// Ticks come no more often than this.
    pub(crate) slowest: Duration,
    /// The first VM makes calls for all others, which follow it.
    pub(crate) led: bool,
    vms: Vec<Vm>,
    flights: Vec<Flight>,
    seed: u64,
    /// The number of the last request.
    asked: u32,
}

impl World {
    /// A process without VMs, whose key servers publish `k1` and `k2`.
    pub(crate) fn new(seed: u64) -> Self {
        let server = || Server {
            plan: Plan::Keys(vec!["k1", "k2"]),
            delay: Duration::from_millis(30),
        };
        Self {
            space: Space::default(),
            now: BEGIN,
            servers: names().chain([LIST]).map(|name| (name, server())).collect(),
            began: Vec::new(),
            ended: Vec::new(),
            stories: BTreeMap::new(),
            log: Vec::new(),
            told: Vec::new(),
            counted: (0, 0),
            unchanged: 0,
            wall_jump: 0.0,
            slowest: Duration::ZERO,
            led: false,
            vms: Vec::new(),
            flights: Vec::new(),
            seed,
            asked: 0,
        }
    }

    fn both(&self) -> Now {
        let wall = WALL + self.now.as_secs_f64() + self.wall_jump;
        Now {
            wall: Timestamp::from_seconds(wall).unwrap(),
            monotonic: Monotonic::new(self.now),
        }
    }

    /// Configures a VM; it does not tick yet.
    pub(crate) fn configure(&mut self, policy: &Rc<Policy>) -> usize {
        self.seed = self.seed.wrapping_add(1);
        let mut gate = Gate::new(Rc::clone(policy), Rs256::module(), Entropy::new(self.seed));
        gate.start(self.both(), &self.space);
        self.vms.push(Vm {
            gate,
            next_tick: None,
            period: Duration::ZERO,
            prompt: 0,
            frozen: false,
            alive: true,
        });
        self.vms.len() - 1
    }

    /// Configures a VM and sets its timer.
    pub(crate) fn start(&mut self, policy: &Rc<Policy>) -> usize {
        let vm = self.configure(policy);
        self.vms[vm].next_tick = Some(self.now + Gate::PROMPT_TICK);
        self.vms[vm].period = Gate::PROMPT_TICK;
        vm
    }

    /// Ends a VM without a word, and with it its fetches and requests.
    pub(crate) fn kill(&mut self, vm: usize) {
        self.vms[vm].alive = false;
        self.vms[vm].next_tick = None;
        self.flights.retain(|flight| flight.vm != vm);
        self.stories
            .retain(|_, story| story.vm != vm || story.decided.is_some());
    }

    /// Ends a VM as the host does when its configuration is replaced.
    pub(crate) fn retire(&mut self, vm: usize) {
        self.vms[vm].gate.retire(&self.space);
        self.kill(vm);
    }

    /// A VM that is busy elsewhere, or comes back.
    pub(crate) fn freeze(&mut self, vm: usize, frozen: bool) {
        self.vms[vm].frozen = frozen;
        // What it has missed comes at once.
        let now = self.now;
        let flights = self.flights.iter_mut().filter(|flight| flight.vm == vm);
        flights.for_each(|flight| flight.due = flight.due.max(now));
        self.vms[vm].next_tick = self.vms[vm].next_tick.map(|at| at.max(now));
    }

    /// The VMs that are alive.
    pub(crate) fn alive(&self) -> Vec<usize> {
        (0..self.vms.len())
            .filter(|vm| self.vms[*vm].alive)
            .collect()
    }

    /// A request for the path of the issuer's name. Its number in `stories`.
    pub(crate) fn ask(&mut self, vm: usize, issuer: &'static str, kid: &str, name: &str) -> u32 {
        let value = format!("Bearer {}", minted(issuer, kid)).into_bytes();
        let path = (":path".into(), format!("/{issuer}").into_bytes());
        let request = Request::new(vec![path, ("authorization".into(), value)]);
        self.asked += 1;
        let context = self.asked;
        let both = self.both();
        let gate = &mut self.vms[vm].gate;
        let (decision, cache) = gate.decide(&request, both.wall);
        self.stories.insert(
            context,
            Story {
                asked: self.now,
                decided: None,
                cache,
                vm,
                name: name.to_owned(),
            },
        );
        let verdict = match decision {
            Decision::Verdict(verdict) => Some(verdict),
            Decision::Hold(candidate) => gate.hold(context, candidate, both, &self.space),
        };
        match verdict {
            Some(verdict) => self.decided(context, &verdict),
            None => self.log.push(format!("{name} held")),
        }
        self.set_timer(vm);
        context
    }

    /// The client of a request goes away. Whether the request was held.
    pub(crate) fn cancel(&mut self, context: u32) -> bool {
        let held = self.vms[self.stories[&context].vm].gate.cancel(context);
        if held {
            self.stories.get_mut(&context).unwrap().decided = Some((self.now, "cancelled".into()));
        }
        held
    }

    fn decided(&mut self, context: u32, verdict: &Verdict) {
        let text = match verdict {
            Verdict::Forward(Forward {
                caller: Caller::Known(_),
                ..
            }) => "allowed".to_owned(),
            Verdict::Forward(_) | Verdict::Answer(_) => panic!("nobody is let in without a token"),
            Verdict::Refuse(
                Refusal::KeysUnavailable(after) | Refusal::RevocationUnknown(after),
            ) => {
                format!("unavailable {}", after.as_millis().div_ceil(1000).max(1))
            }
            Verdict::Refuse(refusal) => refusal.reason().code().to_owned(),
        };
        let story = self
            .stories
            .get_mut(&context)
            .expect("a request that was asked");
        assert!(story.decided.is_none(), "{} has two verdicts", story.name);
        self.log.push(format!("{} {text}", story.name));
        story.decided = Some((self.now, text));
    }

    /// The host sets its timer anew only when the period changes.
    fn set_timer(&mut self, vm: usize) {
        let now = Monotonic::new(self.now);
        let follows = self.led && vm > 0;
        let vm = &mut self.vms[vm];
        let period = match follows {
            true => vm.gate.next_follow(),
            false => vm.gate.next_tick(now),
        };
        let period = period.max(self.slowest);
        if vm.next_tick.is_some() && vm.period != period {
            vm.next_tick = Some(self.now + period);
            vm.period = period;
        }
    }

    /// Lets everything happen that is due until then.
    pub(crate) fn run_to(&mut self, end: Duration) {
        loop {
            let ready = |vm: usize| self.vms[vm].alive && !self.vms[vm].frozen;
            let ticks = (0..self.vms.len())
                .filter(|vm| ready(*vm))
                .filter_map(|vm| Some((self.vms[vm].next_tick?, vm)));
            let flights = self
                .flights
                .iter()
                .enumerate()
                .filter(|(_, flight)| ready(flight.vm));
            let flight = flights.map(|(index, flight)| (flight.due, index)).min();
            let tick = ticks.min();
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

    fn tick(&mut self, vm: usize) {
        let both = self.both();
        let effects = match self.led && vm > 0 {
            false => self.vms[vm].gate.tick(both, &self.space),
            true => {
                let (effects, demands) = self.vms[vm].gate.follow(both, &self.space);
                for demand in demands {
                    self.vms[0].gate.demand(demand);
                    // Whoever demands rings.
                    self.vms[0].next_tick = Some(self.now);
                }
                effects
            }
        };
        let ticking = &mut self.vms[vm];
        ticking.next_tick = Some(self.now + ticking.period);
        ticking.prompt = match ticking.period <= Gate::PROMPT_TICK {
            true => ticking.prompt + 1,
            false => 0,
        };
        assert!(ticking.prompt < 100, "VM {vm} never rests");
        for report in &effects.reports {
            self.hear(report);
        }
        for (context, verdict) in effects.verdicts {
            self.decided(context, &verdict);
        }
        for (id, call) in effects.calls {
            self.send(vm, id, &call);
        }
        self.set_timer(vm);
    }

    /// The cluster of each issuer has the issuer's name.
    fn send(&mut self, vm: usize, id: CallId, call: &Call) {
        let mut names = names().chain([LIST]);
        let name = names.find(|name| call.cluster == *name).unwrap();
        let known = call
            .headers
            .iter()
            .find(|(name, _)| *name == "if-none-match");
        let known = known.map(|(_, tag)| tag.as_str());
        let timeout = call.timeout;
        let Server { plan, delay } = &self.servers[name];
        let response = Answer::response;
        let local = |status, text: &str| Answer::Local {
            status,
            text: text.to_owned(),
        };
        let (delay, answer) = match plan {
            Plan::NotSent => (Duration::ZERO, Answer::NotSent(NotSent::UnknownCluster)),
            Plan::NoHosts => (Duration::ZERO, Answer::NotSent(NotSent::NoHosts)),
            Plan::Silent => (timeout, local(504, "upstream request timeout")),
            _ if *delay >= timeout => (timeout, local(504, "upstream request timeout")),
            Plan::Local(status, text) => (*delay, local(*status, text)),
            Plan::Keys(names) => (*delay, response(200, Some(key_set(names)))),
            Plan::List(_, _, tag) if known.is_some() && known == *tag => {
                (*delay, response(304, Some(Vec::new())))
            }
            Plan::List(written_at, subs, tag) => {
                let headers = tag.iter().map(|tag| ("etag", tag.as_bytes().to_vec()));
                let list = Answer::Response {
                    status: 200,
                    headers: headers.collect(),
                    body: Some(deny_list(*written_at, subs)),
                };
                (*delay, list)
            }
            Plan::Status(status) => (*delay, response(*status, Some(Vec::new()))),
            Plan::Body(body) => (*delay, response(200, Some(body.as_bytes().to_vec()))),
            Plan::Large => (*delay, response(200, None)),
        };
        self.log.push(match known {
            Some(tag) => format!("fetch {name} unless {tag}"),
            None => format!("fetch {name}"),
        });
        self.began.push(Began {
            pool: name,
            vm,
            at: self.now,
        });
        let began = self.began.len() - 1;
        self.flights.push(Flight {
            vm,
            id,
            due: self.now + delay,
            answer,
            began,
        });
        if delay.is_zero() {
            self.answer(self.flights.len() - 1);
        }
    }

    fn answer(&mut self, index: usize) {
        let Flight {
            vm,
            id,
            answer,
            began,
            ..
        } = self.flights.remove(index);
        let both = self.both();
        let mut effects = self.vms[vm].gate.answered(id, &answer, both, &self.space);
        let report = effects.reports.pop();
        assert_eq!(effects.reports, [], "a fetch ends once");
        if let Some(report) = &report {
            self.hear(report);
        }
        self.ended.push(Ended {
            began,
            at: self.now,
            report,
        });
        for (context, verdict) in effects.verdicts {
            self.decided(context, &verdict);
        }
        self.set_timer(vm);
    }

    fn hear(&mut self, report: &Report) {
        match report.counted {
            None => {}
            Some(Counted::KeysFetched | Counted::DenyListFetched) => self.counted.0 += 1,
            Some(Counted::DenyListUnchanged) => self.unchanged += 1,
            Some(Counted::KeysFailed | Counted::DenyListFailed) => self.counted.1 += 1,
            Some(Counted::Confirmed | Counted::NotConfirmed | Counted::Unconfirmed) => {
                panic!("a fetch is no question")
            }
        }
        if report.level != Level::Debug {
            self.told.push((self.now, report.level, report.to_string()));
        }
    }

    /// How the deny list is to a VM: its entries and its age in seconds.
    pub(crate) fn standing(&self, vm: usize) -> (usize, u64) {
        let list = self.vms[vm].gate.revocations().unwrap();
        let standing = list.standing(self.both());
        (standing.entries, standing.age.as_secs())
    }

    /// Under which generation of the deny list a VM remembers tokens.
    pub(crate) fn list_generation(&self, vm: usize) -> Option<u64> {
        self.vms[vm].gate.revocations().unwrap().generation()
    }

    /// A VM serves requests of another configuration.
    pub(crate) fn serves(&mut self, vm: usize) {
        self.vms[vm].gate.serves();
    }

    /// How long until a VM may have another deny list.
    pub(crate) fn list_expected_in(&self, vm: usize) -> Duration {
        let list = self.vms[vm].gate.revocations().unwrap();
        list.expected_in(Monotonic::new(self.now))
    }

    /// When a VM wants its next tick.
    pub(crate) fn next_tick(&self, vm: usize) -> Duration {
        self.vms[vm].gate.next_tick(Monotonic::new(self.now))
    }

    /// The fetches under way, by pool.
    pub(crate) fn in_flight(&self, pool: &str) -> usize {
        let flights = self.flights.iter();
        flights
            .filter(|flight| self.began[flight.began].pool == pool)
            .count()
    }

    /// What happened since this was last asked.
    pub(crate) fn happened(&mut self) -> String {
        let mut text = String::new();
        for (position, entry) in self.log.drain(..).enumerate() {
            let separator = if position > 0 { "; " } else { "" };
            write!(text, "{separator}{entry}").unwrap();
        }
        text
    }
}
