//! The decision itself, made by the gate as it is made in Envoy, with keys from the desk.

use super::p384::verifiers;
use cognito_authorizer::decision::{Decision, Despite, Forward, Verdict};
use cognito_authorizer::gate::{Gate, Now};
use cognito_authorizer::policy::{Authorizer, Policy};
use cognito_authorizer::refusal::{Reason, Refusal};
use cognito_authorizer::remote::call::Answer;
use cognito_authorizer::remote::schedule::Entropy;
use cognito_authorizer::remote::space::MemorySpace;
use cognito_authorizer::request::Request;
use cognito_authorizer::revocation::Word;
use cognito_authorizer::rules::requirement::Confirmation;
use cognito_authorizer::rules::work::Work;
use cognito_authorizer::rules::{Access, InvalidToken};
use cognito_authorizer::step::{Observer, Step};
use cognito_authorizer::time::{Monotonic, Timestamp};
use cognito_authorizer::token::{KnownHeaders, UntrustedToken};
use cognito_authorizer::verify::{self, Demand};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::Rc;

/// What is asked: what becomes of this request?
#[derive(Clone, Debug)]
pub(crate) struct Question {
    /// The request's headers, pseudo-headers among them, names in lower case.
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    /// The wall clock.
    pub(crate) now: Timestamp,
    /// The key set that the issuer's endpoint would answer with, if one was given.
    pub(crate) keys: Option<Vec<u8>>,
    /// The deny list that its endpoint would answer with, if one was given.
    pub(crate) deny_list: Option<Vec<u8>>,
    /// What authorizers would answer, by their names, of those for which it was given.
    pub(crate) answers: BTreeMap<String, Answer>,
    /// The client's address, if it was given.
    pub(crate) source_ip: Option<IpAddr>,
}

/// The gate after it has decided, and how it came to it.
pub(super) struct Simulation {
    /// It still has the keys by which it decided.
    pub(super) gate: Gate,
    /// Every step that the decision took.
    pub(super) record: Record,
    pub(super) ending: Ending,
    /// How the request goes on though it would be refused, where refusals are only reported.
    pub(super) reported: Option<Forward>,
    /// Whether the rule ignores tokens that are not valid.
    pub(super) ignores: bool,
    /// What the rule's authorizer was told, if it had to be asked.
    pub(super) event: Option<Vec<u8>>,
    /// What it said to that, if it was given.
    says: Option<Answer>,
}

/// How a decision ends, were refusals carried out.
pub(super) enum Ending {
    /// The gate had all that it needed.
    Decided(Verdict),
    /// It lacked what was not given, or is asked of nobody from here, which can only refuse the
    /// request. This is what is decided about it otherwise: nothing stands against it, or a refusal.
    Unsettled(Lacks, Option<Refusal>),
}

/// What a decision lacked; by default, nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lacks {
    /// The keys, and with them the signature.
    pub(crate) keys: bool,
    /// The deny list.
    pub(crate) deny_list: bool,
    /// The word of the user pool.
    pub(crate) confirmation: bool,
    /// The authorizer's answer.
    pub(crate) answer: bool,
}

/// The number under which the one request is held.
const CONTEXT: u32 = 1;

impl Simulation {
    /// Asks a gate whose pools were fetched before the request came, as in an Envoy that is up.
    pub(super) fn run(policy: &Rc<Policy>, request: &Request, question: &Question) -> Self {
        // No other VM fetches at the same time: that retries are jittered makes no difference.
        let gate = Gate::new(Rc::clone(policy), verifiers(policy), Entropy::new(0));
        let mut simulation = Self {
            gate,
            record: Record::default(),
            ending: Ending::Unsettled(Lacks::default(), None),
            reported: None,
            ignores: ignores_tokens(policy, request),
            event: None,
            says: authorizer(policy, request)
                .and_then(|one| question.answers.get(&one.name).cloned()),
        };
        let mut verdict = simulation.decide(request, question);
        if let Verdict::Forward(forward) = &verdict
            && let Some(Despite::Reported(reason)) = forward.despite
        {
            let refused = Verdict::refuse(reason);
            if let Verdict::Forward(forward) = std::mem::replace(&mut verdict, refused) {
                simulation.reported = Some(forward);
            }
        }
        let keys = lacks_keys(&verdict, question);
        let unconfirmed = simulation.lacks_confirmation(&verdict);
        let refusal = match &verdict {
            Verdict::Refuse(_) if keys => {
                let taken = simulation.record.0.len();
                let refusal = simulation.beyond_the_signature(request, question);
                let ignored = |refusal: &Refusal| refusal.reason().blames_token();
                match simulation.ignores && refusal.as_ref().is_some_and(ignored) {
                    // What is ignored if it is not good is no refusal, whatever stands against it.
                    true => {
                        simulation.record.0.truncate(taken);
                        None
                    }
                    false => refusal,
                }
            }
            Verdict::Refuse(refusal) if !unconfirmed && !simulation.lacks_answer() => {
                Some(refusal.clone())
            }
            Verdict::Refuse(_) | Verdict::Forward(_) | Verdict::Answer(_) => None,
        };
        let lacks = Lacks {
            keys,
            // What stands for a list that was not given has nobody on it: that says nothing.
            deny_list: question.deny_list.is_none()
                && simulation.record.at(Step::DenyList).next().is_some(),
            confirmation: unconfirmed
                || keys && refusal.is_none() && asks_the_pool(policy, request),
            answer: simulation.lacks_answer(),
        };
        simulation.ending = match lacks == Lacks::default() {
            true => Ending::Decided(verdict),
            false => Ending::Unsettled(lacks, refusal),
        };
        simulation
    }

    /// The gate's decision; a request that it holds gets its verdict from later ticks.
    fn decide(&mut self, request: &Request, question: &Question) -> Verdict {
        let space = MemorySpace::default();
        let mut clock = Monotonic::default();
        let at = |monotonic| Now {
            wall: question.now,
            monotonic,
        };
        self.gate.start(at(clock), &space);
        self.turn(at(clock), &space, question);
        let record = &mut self.record;
        let (decision, _) = self.gate.decide_seen(request, question.now, record);
        let mut verdict = match decision {
            Decision::Verdict(verdict) => return verdict,
            Decision::Hold(candidate) => self.gate.hold(CONTEXT, candidate, at(clock), &space),
        };
        // The gate gives up within the pool's time-out, and this clock runs as fast as it likes.
        let verdict = loop {
            match verdict {
                Some(verdict) => break verdict,
                None => clock = clock.after(self.gate.next_tick(clock)),
            }
            verdict = self.turn(at(clock), &space, question);
        };
        if self.event.is_some() {
            // Decided about again, by the same code, with nobody who looks on.
            let ended = match &verdict {
                Verdict::Refuse(refusal) => Err(refusal.reason()),
                Verdict::Forward(_) | Verdict::Answer(_) => Ok(()),
            };
            if !self.lacks_answer() {
                self.record.saw(Step::Authorizer, ended);
            }
            return verdict;
        }
        // It was held for its key, and the key never came.
        let reason = match &verdict {
            Verdict::Refuse(refusal) => Some(refusal.reason()),
            Verdict::Forward(forward) => forward.despite.map(Despite::reason),
            Verdict::Answer(_) => None,
        };
        if let Some(reason) = reason
            && !lacks_keys(&verdict, question)
            && !self.lacks_confirmation(&verdict)
        {
            self.record.saw(Step::Key, Err(reason));
        }
        verdict
    }

    /// What the authorizer said, if it was asked.
    pub(super) fn says(&self) -> Option<&Answer> {
        self.event.as_ref().and(self.says.as_ref())
    }

    /// Whether an authorizer would have to be asked, of which no answer was given.
    fn lacks_answer(&self) -> bool {
        self.event.is_some() && self.says.is_none()
    }

    /// Whether a decision ended since the user pool was not asked: no step before that has failed.
    fn lacks_confirmation(&self, verdict: &Verdict) -> bool {
        matches!(verdict, Verdict::Refuse(refusal) if refusal.reason() == Reason::RevocationUnknown)
            && self.record.refused_at().is_none()
    }

    /// The steps after the signature, put to claims that are not verified.
    fn beyond_the_signature(&mut self, request: &Request, question: &Question) -> Option<Refusal> {
        let policy = Rc::clone(self.gate.policy());
        let compact = policy.token.sources.extract(request).ok()??;
        let known = KnownHeaders::new(self.gate.algorithms());
        let token = UntrustedToken::parse(&compact, &known, &mut ()).ok()?;
        let (ruling, variables) = policy.choose(request, &mut Work::default()).ok()?;
        let demand = Demand {
            policy: &policy,
            requirement: policy.rules.requirement(ruling)?,
            variables: &variables,
            now: question.now,
        };
        let claims = token.unverified_claims();
        let issuer = policy.issuers.by_iss(claims.issuer()?)?;
        let list = self.gate.revocations();
        let listed = |id: &str, seen: &mut Record| {
            let word = list.map(|list| list.ask(id, claims, None, question.now));
            match word {
                None => Ok(()),
                Some(Word::Revoked) => {
                    let refused = seen.step(Step::DenyList, Err(Reason::TokenRevoked));
                    refused.map_err(Refusal::Plain)
                }
                Some(Word::Unknown(after)) => {
                    seen.saw(Step::DenyList, Err(Reason::RevocationUnknown));
                    Err(Refusal::RevocationUnknown(after))
                }
                Some(Word::Clear(_) | Word::Missing) => {
                    seen.saw(Step::DenyList, Ok(()));
                    Ok(())
                }
            }
        };
        verify::conditions(claims, issuer, &demand, &mut self.record, listed).err()
    }

    /// One tick, with an answer for every fetch that it wants made.
    fn turn(&mut self, now: Now, space: &MemorySpace, question: &Question) -> Option<Verdict> {
        let policy = Rc::clone(self.gate.policy());
        let list = policy.deny_list.as_ref();
        let mut effects = self.gate.tick(now, space);
        for (id, call) in effects.calls {
            let asked = policy.authorizers.iter();
            if !call.body.is_empty() && asked.into_iter().any(|one| one.endpoint.is_called(&call)) {
                let answer = self.says.clone().unwrap_or(Answer::NoResponse);
                self.event = Some(call.body);
                let next = self.gate.answered(id, &answer, now, space);
                effects.verdicts.extend(next.verdicts);
                continue;
            }
            let answer = match &question.keys {
                // A question with the token in it.
                _ if !call.body.is_empty() => Answer::NoResponse,
                _ if list.is_some_and(|list| list.source.endpoint.is_called(&call)) => {
                    let list = question.deny_list.clone();
                    Answer::response(200, Some(list.unwrap_or_else(|| empty_list(now.wall))))
                }
                Some(keys) => Answer::response(200, Some(keys.clone())),
                None => Answer::NoResponse,
            };
            let next = self.gate.answered(id, &answer, now, space);
            effects.verdicts.extend(next.verdicts);
        }
        effects.verdicts.pop().map(|(_, verdict)| verdict)
    }
}

/// Whether the rule ignores tokens that are not valid.
fn ignores_tokens(policy: &Policy, request: &Request) -> bool {
    let chosen = policy.rules.choose(&request.target()).ok();
    let access = chosen.map(|(ruling, _)| policy.rules.access(ruling));
    access == Some(&Access::Optional(InvalidToken::Ignore))
}

/// The authorizer that the rule asks.
fn authorizer<'p>(policy: &'p Policy, request: &Request) -> Option<&'p Authorizer> {
    let (ruling, _) = policy.rules.choose(&request.target()).ok()?;
    match policy.rules.access(ruling) {
        Access::Authorizer(index) => policy.authorizers.get(index.0),
        _ => None,
    }
}

/// Whether the rule wants the user pool asked about the token.
fn asks_the_pool(policy: &Policy, request: &Request) -> bool {
    let target = request.target();
    let chosen = policy.rules.choose(&target).ok();
    let requirement = chosen.and_then(|(ruling, _)| policy.rules.requirement(ruling));
    requirement.is_some_and(|one| one.confirmation != Confirmation::Waived)
}

/// The deny list that stands for none: a list on which nobody is.
fn empty_list(now: Timestamp) -> Vec<u8> {
    let written_at = now.seconds().floor();
    format!(r#"{{"version":1,"written_at":{written_at},"pools":{{}}}}"#).into_bytes()
}

/// Whether a decision ended for want of keys that were not given.
fn lacks_keys(verdict: &Verdict, question: &Question) -> bool {
    let reason = match verdict {
        Verdict::Refuse(refusal) => Some(refusal.reason()),
        Verdict::Forward(_) | Verdict::Answer(_) => None,
    };
    question.keys.is_none() && reason == Some(Reason::KeysUnavailable)
}

/// The steps of a decision, in the order in which they were taken.
#[derive(Debug, Default)]
pub(super) struct Record(Vec<(Step, Result<(), Reason>)>);

impl Observer for Record {
    fn saw(&mut self, step: Step, ended: Result<(), Reason>) {
        self.0.push((step, ended));
    }
}

impl Record {
    /// How a step ended, each time that it was taken.
    pub(super) fn at(&self, step: Step) -> impl Iterator<Item = Result<(), Reason>> {
        let taken = self.0.iter().filter(move |(taken, _)| *taken == step);
        taken.map(|(_, ended)| *ended)
    }

    /// Whether the decision came past a step.
    pub(super) fn passed(&self, step: Step) -> bool {
        self.at(step).last() == Some(Ok(()))
    }

    /// The last step that was taken.
    pub(super) fn last(&self) -> Option<Step> {
        self.0.last().map(|(step, _)| *step)
    }

    /// The step at which the request was refused.
    pub(super) fn refused_at(&self) -> Option<Step> {
        let (step, ended) = self.0.last()?;
        ended.err().map(|_| *step)
    }
}
