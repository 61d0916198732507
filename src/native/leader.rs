//! One configuration on the main thread: its calls, its statistics, its end.

use crate::alarm::{self, Ordered};
use crate::call;
use crate::clock;
use crate::crypto::Library;
use crate::envoy::{Configuration, Level, Response, tell};
use crate::number::{Number, Statistics, Sums};
use crate::seat::{Seat, lock};
use crate::space::Space;
use crate::worker::Letter;
use cognito_authorizer::config;
use cognito_authorizer::gate::{Demand, Effects, Gate};
use cognito_authorizer::host::metrics::Metrics;
use cognito_authorizer::host::start;
use cognito_authorizer::json;
use cognito_authorizer::policy::Policy;
use cognito_authorizer::remote::call::{Answer, Call, CallId};
use cognito_authorizer::remote::report::{self, Report};
use cognito_authorizer::remote::space::digest;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// What threads leave for the main thread.
#[derive(Debug)]
pub(crate) enum Post {
    /// A request lacks something that all may know.
    Demand(Demand),
    /// A call for one thread's requests, of which the one has ended that it was made for.
    Call {
        from: Arc<Seat<Letter>>,
        id: CallId,
        call: Call,
    },
}

/// What all threads know of a configuration.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) number: u64,
    pub(crate) document: Vec<u8>,
    pub(crate) desk: Arc<Seat<Post>>,
    crew: Mutex<Crew>,
    statistics: Statistics,
    /// Whether the leader has been asked to tell of what has been counted.
    counted: AtomicBool,
    ended: AtomicBool,
}

/// The threads that serve.
#[derive(Debug, Default)]
struct Crew {
    seats: Vec<Arc<Seat<Letter>>>,
    sums: Vec<Sums>,
}

impl Shared {
    /// A thread joins in.
    pub(crate) fn join(&self, seat: &Arc<Seat<Letter>>, sums: Sums) {
        let mut crew = lock(&self.crew);
        crew.seats.push(Arc::clone(seat));
        crew.sums.push(sums);
    }

    /// Something has been counted: the leader tells Envoy soon, whoever asks for it first.
    pub(crate) fn count(&self) {
        if !self.counted.load(Ordering::Relaxed) && !self.counted.swap(true, Ordering::Relaxed) {
            alarm::ring_in(&self.desk, Gate::BUSY_TICK);
        }
    }

    /// Tells Envoy what has been counted.
    fn tell(&self, envoy: &dyn Configuration) {
        self.statistics.tell(envoy, &lock(&self.crew).sums);
    }

    /// Whether Envoy has dropped it.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }
}

/// A configuration, as Envoy holds it.
#[derive(Debug)]
pub struct Plugin {
    pub(crate) shared: Arc<Shared>,
}

thread_local! {
    /// Of the main thread.
    static LEADERS: RefCell<Vec<Rc<Leader>>> = const { RefCell::new(Vec::new()) };
}

static PLUGINS: AtomicU64 = AtomicU64::new(0);

impl Plugin {
    /// Takes a configuration, or tells what is wrong with it and returns nothing.
    pub fn load(document: &[u8], envoy: &dyn Configuration) -> Option<Self> {
        let policy = match config::parse(document) {
            Ok(policy) => policy,
            Err(problems) => {
                for problem in problems.iter() {
                    tell(Level::Error, format_args!("cognito-authorizer: {problem}"));
                }
                return None;
            }
        };
        if !alarm::works() {
            let line = "cognito-authorizer: the system gives no thread for the alarm";
            tell(Level::Error, format_args!("{line}"));
            return None;
        }
        let shared = Arc::new(Shared {
            number: PLUGINS.fetch_add(1, Ordering::Relaxed),
            document: document.to_vec(),
            desk: Arc::default(),
            crew: Mutex::default(),
            statistics: Statistics::default(),
            counted: AtomicBool::default(),
            ended: AtomicBool::default(),
        });
        let leader = Leader::new(Arc::clone(&shared), policy, envoy);
        // The same configuration again, as when Envoy updates something beside it, is no news.
        let is_news = LEADERS.with_borrow(|leaders| {
            let mut others = leaders.iter().filter(|other| !other.shared.has_ended());
            others.all(|other| other.digest != leader.digest)
        });
        if is_news {
            leader.announce();
        }
        shared.desk.hang(envoy.bell());
        leader.ordered.ring_in(&shared.desk, Gate::PROMPT_TICK);
        LEADERS.with_borrow_mut(|leaders| leaders.push(Rc::new(leader)));
        Some(Self { shared })
    }

    fn leader(&self) -> Option<Rc<Leader>> {
        LEADERS.with_borrow(|leaders| {
            let mut leaders = leaders.iter();
            let leader = leaders.find(|leader| leader.shared.number == self.shared.number);
            leader.map(Rc::clone)
        })
    }

    /// The bell has been heard on the main thread.
    pub fn woken(&self, envoy: &dyn Configuration) {
        forget_ended();
        if let Some(leader) = self.leader() {
            leader.run(envoy);
        }
    }

    /// A call has its answer, or none.
    pub fn answered(&self, envoy: &dyn Configuration, call: u64, response: Option<&dyn Response>) {
        if let Some(leader) = self.leader() {
            leader.answered(envoy, call, response);
        }
    }

    /// Envoy drops the configuration: no request of it is left.
    pub fn end(&self, envoy: &dyn Configuration) {
        self.shared.desk.hang(None);
        self.shared.ended.store(true, Ordering::Relaxed);
        // Where its last request has ended elsewhere, its leader is on another thread.
        if let Some(leader) = self.leader() {
            leader.metrics.retired();
        }
        let crew = lock(&self.shared.crew);
        self.shared.statistics.end(envoy, &crew.sums);
        drop(crew);
        forget_ended();
    }
}

/// Forgets those whose end has come on another thread as well.
fn forget_ended() {
    let ended: Vec<_> = LEADERS.with_borrow_mut(|leaders| {
        leaders
            .extract_if(.., |leader| leader.shared.has_ended())
            .collect()
    });
    for leader in ended {
        leader.gate.borrow_mut().retire(&Space);
    }
}

/// The one gate of a configuration that makes calls.
#[derive(Debug)]
struct Leader {
    shared: Arc<Shared>,
    digest: String,
    gate: RefCell<Gate>,
    metrics: Metrics<Number>,
    calls: RefCell<HashMap<u64, (Whose, Call)>>,
    ordered: Ordered,
    /// How much had been written to the space when the workers were last told.
    written: Cell<u64>,
}

/// Who waits for an answer.
#[derive(Debug)]
enum Whose {
    Own(CallId),
    Of(Arc<Seat<Letter>>, CallId),
}

/// A gate for a policy, on any thread.
pub(crate) fn gate(policy: Policy) -> Gate {
    start::gate(policy, Rc::new(Library), clock::both(), &Space)
}

/// By which a configuration is known again: Envoy writes the members of an object in any order.
fn name(document: &[u8]) -> String {
    match json::value(document) {
        Ok(value) => digest(value.to_string().as_bytes()),
        Err(_) => digest(document),
    }
}

impl Leader {
    fn new(shared: Arc<Shared>, policy: Policy, envoy: &dyn Configuration) -> Self {
        let statistics = &shared.statistics;
        let metrics = Metrics::define(&policy, &|kind, name| statistics.define(envoy, kind, name));
        Self {
            digest: name(&shared.document),
            shared,
            gate: RefCell::new(gate(policy)),
            metrics,
            calls: RefCell::default(),
            ordered: Ordered::default(),
            written: Cell::default(),
        }
    }

    fn announce(&self) {
        let reports = start::announcement(&self.gate.borrow());
        reports.iter().for_each(|report| self.tell(report));
    }

    /// Does what is due.
    fn run(&self, envoy: &dyn Configuration) {
        self.shared.desk.take_due();
        for post in self.shared.desk.take_letters() {
            match post {
                Post::Demand(demand) => self.gate.borrow_mut().demand(demand),
                Post::Call { from, id, call } => self.send(envoy, Whose::Of(from, id), call),
            }
        }
        let now = clock::both();
        let effects = self.gate.borrow_mut().tick(now, &Space);
        self.bring_about(envoy, effects);
        self.metrics.gauges(&self.gate.borrow(), now, &Space);
        self.shared.counted.store(false, Ordering::Relaxed);
        self.shared.tell(envoy);
    }

    /// This gate has no requests: there are no verdicts.
    fn bring_about(&self, envoy: &dyn Configuration, effects: Effects) {
        for report in &effects.reports {
            self.tell(report);
        }
        for (id, call) in effects.calls {
            self.send(envoy, Whose::Own(id), call);
        }
        if self.written.replace(Space::written()) != Space::written() {
            for seat in &lock(&self.shared.crew).seats {
                seat.ring();
            }
        }
        let next = self.gate.borrow().next_tick(clock::monotonic());
        self.ordered.ring_in(&self.shared.desk, next);
    }

    fn send(&self, envoy: &dyn Configuration, whose: Whose, call: Call) {
        match envoy.call(&call) {
            Ok(number) => {
                self.calls.borrow_mut().insert(number, (whose, call));
            }
            Err(reason) => self.hand_over(envoy, whose, Answer::NotSent(reason)),
        }
    }

    fn answered(&self, envoy: &dyn Configuration, number: u64, response: Option<&dyn Response>) {
        let call = self.calls.borrow_mut().remove(&number);
        if let Some((whose, call)) = call {
            self.hand_over(envoy, whose, call::read(&call, response));
        }
    }

    fn hand_over(&self, envoy: &dyn Configuration, whose: Whose, answer: Answer) {
        let now = clock::both();
        match whose {
            Whose::Own(id) => {
                let effects = self.gate.borrow_mut().answered(id, &answer, now, &Space);
                self.bring_about(envoy, effects);
            }
            Whose::Of(seat, id) => seat.post(Letter {
                id,
                answer,
                at: now,
            }),
        }
    }

    fn tell(&self, report: &Report) {
        self.metrics.told(report);
        print(report);
    }
}

/// Prints a line of the core's.
pub(crate) fn print(report: &Report) {
    let level = match report.level {
        report::Level::Debug => Level::Debug,
        report::Level::Info => Level::Info,
        report::Level::Warning => Level::Warning,
    };
    tell(level, format_args!("{report}"));
}
