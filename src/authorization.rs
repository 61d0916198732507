//! What authorizers have answered, as one VM remembers it, and the calls by which they are asked.
//!
//! An answer is remembered for the authorizer's `cache.ttl` under the digest of the identity that it
//! was given for, and judged anew for each request; nothing of the identity itself is kept. It is
//! remembered by one VM: what shared data holds could be another plugin's, and can never be deleted.
//!
//! Requests of one identity that nothing is remembered of are one call, and all of them get what it
//! brings, be it a failure. A failure is not remembered beyond them, nor is an answer a moment longer
//! than its time: when an authorizer is down, nobody passes on the strength of an old answer.
//!
//! A client that goes away leaves its call under way, which counts until it has ended: it is calls
//! that a function is paid for. So calls are bounded, apart from the requests that wait for them.

use crate::authorizer::answer::{
    Answer, FUNCTION_ERROR_HEADER, Fault, MAX_ANSWER_BYTES, NoAnswer, Reply, Terms,
};
use crate::authorizer::context::MAX_SENT_BYTES;
use crate::authorizer::identity::IdentityKey;
use crate::claim_headers::{ClaimHeaders, HeaderValues};
use crate::policy::{Authorizer, Policy};
use crate::refusal::{ApiKind, AuthorizerCause};
use crate::remote::call::{self, Call, CallId, CallIds, Endpoint, Reading};
use crate::remote::enquiry::{Enquiries, Limits};
use crate::remote::exception::{Exception, TYPE_HEADER};
use crate::remote::failure::{Cause, Failure};
use crate::remote::outage::{News, Outage};
use crate::remote::report::Report;
use crate::remote::space::SharedSpace;
use crate::rules::AuthorizerIndex;
use crate::time::Monotonic;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

/// The most calls of one VM to one authorizer that are under way. An account's functions run a
/// thousand at a time, unless more were asked for.
pub const MAX_UNDER_WAY: usize = 256;

/// The largest event, in bytes. The filter that signs a call holds no larger one; it would be some
/// ten times what Envoy's limit for headers makes.
pub const MAX_EVENT_BYTES: usize = 1024 * 1024;

/// What one of `cache.entries` stands for; a larger answer counts as several.
const ENTRY_BYTES: usize = 4096;

/// When a request that got no answer may come again.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// How much longer than the time-out of its call a request is held, so that it is the end of the call
/// that ends the wait.
const SLACK: Duration = Duration::from_millis(100);

/// What a request wants an authorizer's answer about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enquiry {
    /// The authorizer.
    pub authorizer: AuthorizerIndex,
    /// For which kind of API it is.
    pub api: ApiKind,
    /// The digest of the identity.
    pub key: IdentityKey,
    /// The call whose end is waited for, once there is one.
    pub call: Option<CallId>,
}

/// An answer, with what the upstream is told of it.
#[derive(Debug)]
pub struct Authorization {
    /// The answer, which says of each request whether it passes.
    pub answer: Answer,
    /// What the upstream of a request that passes is told.
    pub headers: HeaderValues,
}

/// What a call has brought.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// An answer.
    Answered(Rc<Authorization>),
    /// None, or that the function knows no such caller.
    Failed(AuthorizerCause),
}

impl Outcome {
    /// Whether what it means depends on the client's address.
    #[must_use]
    pub fn asks_for_source(&self) -> bool {
        match self {
            Self::Answered(authorization) => authorization.answer.asks_for_source(),
            Self::Failed(_) => false,
        }
    }
}

/// What is counted of one authorizer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls.
    pub called: u64,
    /// Requests that were decided by an answer which was remembered.
    pub remembered: u64,
    /// Calls that brought no answer.
    pub failed: u64,
}

/// All that one VM knows of authorizers' answers.
#[derive(Debug)]
pub struct Authorizations {
    policy: Rc<Policy>,
    /// In the order of the configuration.
    askers: Vec<Asker>,
    /// Calls that are to begin.
    ready: Vec<(CallId, Call)>,
    /// What has come of calls that requests still wait for: a batch of verdicts at the most, but for
    /// what the next ticks will give theirs.
    settled: Vec<(CallId, Outcome)>,
    /// What is to be told of answers, beside that they have come.
    reports: Vec<Report>,
}

/// How one authorizer is asked, and what it has answered.
#[derive(Debug)]
struct Asker {
    enquiries: Enquiries<Question, Rc<Authorization>>,
    /// How many questions there have been that no other request shares.
    alone: u64,
    outage: Outage,
    /// What has been told of policies that are not understood.
    not_understood: Outage,
    counts: Counts,
    remembered: Cell<u64>,
}

/// What a call is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Question {
    /// All requests of this identity.
    Identity(IdentityKey),
    /// One request, where nothing is remembered: each has its own answer.
    Request(u64),
}

impl Authorizations {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(policy: &Rc<Policy>) -> Self {
        Self {
            askers: policy.authorizers.iter().map(Asker::new).collect(),
            policy: Rc::clone(policy),
            ready: Vec::new(),
            settled: Vec::new(),
            reports: Vec::new(),
        }
    }

    fn asker(&self, enquiry: &Enquiry) -> Option<(&Authorizer, &Asker)> {
        let AuthorizerIndex(position) = enquiry.authorizer;
        let authorizer = self.policy.authorizers.get(position)?;
        Some((authorizer, self.askers.get(position)?))
    }

    /// What is known now: what the request's call has brought, or else what is remembered.
    #[must_use]
    pub fn outcome(&self, enquiry: &Enquiry, now: Monotonic) -> Option<Outcome> {
        if let Some(call) = enquiry.call {
            let mut settled = self.settled.iter();
            let (_, outcome) = settled.find(|(one, _)| *one == call)?;
            return Some(outcome.clone());
        }
        let (authorizer, asker) = self.asker(enquiry)?;
        let question = Question::Identity(enquiry.key);
        let (remembered, at) = asker.enquiries.answer(&question)?;
        let is_fresh = now.since(at) < authorizer.memory.ttl;
        is_fresh.then(|| Outcome::Answered(Rc::clone(remembered)))
    }

    /// Takes note that a request was decided by what is remembered.
    pub fn count_remembered(&self, enquiry: &Enquiry) {
        if let (None, Some((_, asker))) = (enquiry.call, self.asker(enquiry)) {
            asker
                .remembered
                .set(asker.remembered.get().saturating_add(1));
        }
    }

    /// The call about the same identity that is under way, if its answer is to be shared.
    fn shared(&self, enquiry: &Enquiry) -> Option<CallId> {
        let (authorizer, asker) = self.asker(enquiry)?;
        let question = Question::Identity(enquiry.key);
        let call = asker.enquiries.call(&question);
        call.filter(|_| !authorizer.memory.ttl.is_zero())
    }

    /// Whether a request could be told what it wants to know: it would not have to ask, or may.
    #[must_use]
    pub fn can_be_asked(&self, enquiry: &Enquiry) -> bool {
        let has_room = |(_, asker): (_, &Asker)| asker.enquiries.has_room();
        self.shared(enquiry).is_some() || self.asker(enquiry).is_some_and(has_room)
    }

    /// Whether a call would begin, which needs an event.
    #[must_use]
    pub fn wants_event(&self, enquiry: &Enquiry) -> bool {
        self.shared(enquiry).is_none() && self.can_be_asked(enquiry)
    }

    /// Has a request wait for an answer: that of a call under way, or of one that is to begin with this
    /// event. `None` if there are too many.
    pub fn ask(&mut self, enquiry: Enquiry, event: Vec<u8>, ids: &mut CallIds) -> Option<Enquiry> {
        if let Some(call) = self.shared(&enquiry) {
            return Some(Enquiry {
                call: Some(call),
                ..enquiry
            });
        }
        let AuthorizerIndex(position) = enquiry.authorizer;
        let authorizer = self.policy.authorizers.get(position)?;
        let asker = self.askers.get_mut(position)?;
        let question = match authorizer.memory.ttl.is_zero() {
            true => {
                asker.alone = asker.alone.wrapping_add(1);
                Question::Request(asker.alone)
            }
            false => Question::Identity(enquiry.key),
        };
        let id = asker.enquiries.open(question, ids)?;
        asker.counts.called = asker.counts.called.saturating_add(1);
        self.ready.push((id, call(&authorizer.endpoint, event)));
        Some(Enquiry {
            call: Some(id),
            ..enquiry
        })
    }

    /// How long a request may wait for an answer.
    #[must_use]
    pub fn wait_limit(&self, enquiry: &Enquiry) -> Duration {
        let timeout = self.asker(enquiry).map(|(one, _)| one.endpoint.timeout);
        timeout.map_or(Duration::ZERO, |timeout| timeout.saturating_add(SLACK))
    }

    /// Why a request gets no answer: its call has not ended in time, or could not begin.
    #[must_use]
    pub const fn want(enquiry: &Enquiry) -> AuthorizerCause {
        match enquiry.call {
            Some(_) => AuthorizerCause::TimedOut(ASK_AGAIN),
            None => AuthorizerCause::Unreachable(ASK_AGAIN),
        }
    }

    /// Whether calls are to begin.
    #[must_use]
    pub const fn is_due(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The calls that begin now.
    pub fn take_calls(&mut self) -> Vec<(CallId, Call)> {
        std::mem::take(&mut self.ready)
    }

    /// Takes in the answer to a call. `None` if it was none of these.
    pub fn answered(
        &mut self,
        id: CallId,
        answer: &call::Answer,
        now: Monotonic,
        space: &dyn SharedSpace,
    ) -> Option<Report> {
        let mut askers = self.policy.authorizers.iter().zip(&mut self.askers);
        let (authorizer, asker, question) = askers.find_map(|(authorizer, asker)| {
            let question = asker.enquiries.close(id)?;
            Some((authorizer, asker, question))
        })?;
        let (outcome, report) = match read(authorizer, answer, &self.policy.claim_headers) {
            Ok(authorization) => {
                if !authorization.answer.is_understood() {
                    let news = asker.not_understood.failed(None, now, space);
                    self.reports.extend(closes(&authorizer.name, news));
                }
                let authorization = Rc::new(authorization);
                if let Question::Identity(_) = question {
                    let bytes = authorization.bytes();
                    asker
                        .enquiries
                        .learn(question, Rc::clone(&authorization), bytes, now);
                }
                let report = asker.well(authorizer, now, space);
                (Outcome::Answered(authorization), report)
            }
            // A word about the caller, and none about the function.
            Err(Problem::Unauthorized) => {
                let report = asker.well(authorizer, now, space);
                (Outcome::Failed(AuthorizerCause::Unauthorized), report)
            }
            Err(Problem::Failed(cause, failure)) => {
                asker.counts.failed = asker.counts.failed.saturating_add(1);
                let report = asker.failed(authorizer, cause, &failure, now, space);
                (Outcome::Failed(cause), report)
            }
        };
        self.settled.push((id, outcome));
        Some(report)
    }

    /// What is to be told beside that calls have ended.
    pub fn take_reports(&mut self) -> Vec<Report> {
        std::mem::take(&mut self.reports)
    }

    /// Forgets what a call has brought.
    pub fn forget_settled(&mut self, call: CallId) {
        self.settled.retain(|(one, _)| *one != call);
    }

    /// Forgets what calls have brought that no request waits for.
    pub fn keep_settled(&mut self, is_awaited: impl Fn(CallId) -> bool) {
        self.settled.retain(|(call, _)| is_awaited(*call));
    }

    /// How many calls are under way.
    #[must_use]
    pub fn under_way(&self) -> usize {
        let under_way = self.askers.iter().map(|asker| asker.enquiries.under_way());
        under_way.fold(0, usize::saturating_add)
    }

    /// What is to be counted of each authorizer since this was last asked.
    pub fn take_counts(&mut self) -> impl Iterator<Item = Counts> {
        self.askers.iter_mut().map(|asker| Counts {
            remembered: asker.remembered.take(),
            ..std::mem::take(&mut asker.counts)
        })
    }
}

impl Authorization {
    /// How many bytes it takes, about.
    fn bytes(&self) -> usize {
        size_of::<Self>()
            .saturating_add(size_of::<(Question, CallId)>())
            .saturating_add(self.answer.bytes())
            .saturating_add(self.headers.bytes())
    }
}

/// The line about a policy of which not all is understood, if that is news.
fn closes(name: &str, news: News) -> Option<Report> {
    let what = "an Allow with it does not count, and a Deny does";
    let line = || {
        Report::warning(
            None,
            format!(
                "authorizer {name}: its policy has a condition or a variable that is not understood; {what}"
            ),
        )
    };
    (news == News::New).then(line)
}

/// The call that asks about one event.
fn call(endpoint: &Endpoint, event: Vec<u8>) -> Call {
    let headers = vec![("content-type", "application/json".to_owned())];
    let reading = Reading {
        max_body: MAX_ANSWER_BYTES,
        headers: &[FUNCTION_ERROR_HEADER, TYPE_HEADER],
        unread: None,
    };
    endpoint.post(headers, event, reading)
}

/// Why there is no answer.
enum Problem {
    Unauthorized,
    Failed(AuthorizerCause, Failure<Wrong>),
}

/// What is wrong with a response.
#[derive(Debug)]
enum Wrong {
    /// The answer itself.
    Answer(Fault),
    /// AWS has a word for it.
    Exception(u16, Exception),
}

impl std::fmt::Display for Wrong {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Answer(fault) => fault.fmt(formatter),
            Self::Exception(status, exception) => write!(formatter, "{status} {exception}"),
        }
    }
}

/// Reads what came back.
fn read(
    authorizer: &Authorizer,
    answer: &call::Answer,
    headers: &ClaimHeaders,
) -> Result<Authorization, Problem> {
    let unavailable = |failure: Failure<Wrong>| {
        let cause = match failure.cause() {
            Cause::TimedOut => AuthorizerCause::TimedOut(ASK_AGAIN),
            _ => AuthorizerCause::Unreachable(ASK_AGAIN),
        };
        Problem::Failed(cause, failure)
    };
    let failed = |fault| {
        let cause = match fault {
            Fault::FunctionError => AuthorizerCause::FunctionFailed,
            _ => AuthorizerCause::InvalidAnswer,
        };
        Problem::Failed(cause, Failure::Invalid(Wrong::Answer(fault)))
    };
    let call::Answer::Response { status, body, .. } = answer else {
        return Err(unavailable(Failure::without(answer)));
    };
    let body = match (status, body) {
        (_, Some(body)) => body,
        (200, None) => return Err(failed(Fault::TooLarge)),
        // A refusal needs no body.
        (_, None) => &Vec::new(),
    };
    let reply = Reply {
        status: *status,
        function_error: answer.header(FUNCTION_ERROR_HEADER),
        body,
    };
    let sent: Vec<&str> = headers.context.iter().map(|header| &*header.key).collect();
    let terms = Terms {
        format: authorizer.settings.format,
        answer: authorizer.answer,
        sent: &sent,
    };
    let read = Answer::read(&reply, &terms).map_err(|none| match none {
        NoAnswer::Unauthorized => Problem::Unauthorized,
        NoAnswer::Failed(fault) => failed(fault),
        NoAnswer::Unavailable(status) => match Exception::in_header(answer) {
            Some(exception) => Problem::Failed(
                AuthorizerCause::Unreachable(ASK_AGAIN),
                Failure::Invalid(Wrong::Exception(status, exception)),
            ),
            None => unavailable(Failure::Status(status)),
        },
    });
    let answer = read?;
    let headers = headers.of_answer(&answer);
    // Escapes make a value longer than its text is.
    if headers.longest() > MAX_SENT_BYTES {
        return Err(failed(Fault::Value));
    }
    Ok(Authorization { answer, headers })
}

impl Asker {
    fn new(authorizer: &Authorizer) -> Self {
        let Endpoint {
            cluster,
            authority,
            path,
            ..
        } = &authorizer.endpoint;
        let entries = authorizer.memory.entries;
        let told = |kind| Outage::new(kind, &[&authorizer.name, cluster, authority, path]);
        Self {
            enquiries: Enquiries::new(Limits {
                under_way: MAX_UNDER_WAY,
                answers: entries,
                bytes: entries.saturating_mul(ENTRY_BYTES),
            }),
            alone: 0,
            outage: told("authorizer-outage"),
            not_understood: told("authorizer-not-understood"),
            counts: Counts::default(),
            remembered: Cell::default(),
        }
    }

    /// The function has answered.
    fn well(&self, authorizer: &Authorizer, now: Monotonic, space: &dyn SharedSpace) -> Report {
        let name = &authorizer.name;
        match self.outage.answered(now, space) {
            News::New => Report::info(None, format!("authorizer {name}: it answers again")),
            // Of each answer: without `format!`, which takes longer.
            News::Old => Report::debug(None, ["authorizer ", name, ": answered"].concat()),
        }
    }

    /// It has not, or nothing that can be used.
    fn failed(
        &self,
        authorizer: &Authorizer,
        cause: AuthorizerCause,
        failure: &Failure<Wrong>,
        now: Monotonic,
        space: &dyn SharedSpace,
    ) -> Report {
        let name = &authorizer.name;
        let status = match cause {
            AuthorizerCause::FunctionFailed | AuthorizerCause::InvalidAnswer => 500,
            _ => 503,
        };
        let mut sort = failure.sort();
        if let Failure::Invalid(Wrong::Exception(status, _)) = failure {
            sort.status = Some(*status);
        }
        let hint = match sort.status {
            Some(403) => "; does the cluster sign the call, and may its role invoke the function?",
            _ => "",
        };
        let cause = format!("{}{hint}", failure.at(&authorizer.endpoint));
        let outlook = format!("requests that need its answer get {status}");
        match self.outage.failed(Some(sort), now, space) {
            News::New => Report::warning(None, format!("authorizer {name}: {cause}; {outlook}")),
            News::Old => Report::debug(None, format!("authorizer {name}: {cause}; {outlook}")),
        }
    }
}
