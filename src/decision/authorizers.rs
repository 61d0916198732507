//! The steps of a rule with an authorizer: what it is told of, who calls, and its answer.

use super::{Caller, Candidate, Decider, Decision, Forward, Grounds, Lenience, Verdict};
use crate::authorization::{Authorization, Enquiry, MAX_EVENT_BYTES, Outcome};
use crate::authorizer::event::Occasion;
use crate::authorizer::identity::Identity;
use crate::authorizer::method_arn::{MethodArn, NoArn};
use crate::authorizer::policy_document::Denied;
use crate::authorizer::route::Route;
use crate::authorizer::source::source_ip;
use crate::facts::{Facts, Need, Patience};
use crate::header::HeaderEdit;
use crate::policy::{AtExpiry, Authorizer, IdentityPattern};
use crate::refusal::{ApiKind, AuthorizerCause, Reason, Refusal};
use crate::request::Request;
use crate::rules::{AuthorizerIndex, Ruling};
use crate::step::{Observer, Step};
use crate::time::Timestamp;
use std::cell::LazyCell;
use std::net::IpAddr;
use std::rc::Rc;

/// A request under an authorizer: what its answer is judged for, and what it is asked by.
#[derive(Debug)]
pub(super) struct Asking {
    enquiry: Enquiry,
    arn: MethodArn,
    client: Option<IpAddr>,
    /// Empty where the answer to another request's is awaited.
    event: Vec<u8>,
}

impl Decider {
    /// All that is asked of a request under a rule with an authorizer.
    pub(super) fn ask(
        &self,
        request: &Request,
        (ruling, index): (Ruling, AuthorizerIndex),
        facts: &Facts,
        now: Timestamp,
        seen: &mut impl Observer,
    ) -> Decision {
        let policy = &self.policy;
        let AuthorizerIndex(position) = index;
        let Some(authorizer) = policy.authorizers.get(position) else {
            // Not reached: the configuration holds each name to the list.
            return Decision::Verdict(Verdict::refuse(Reason::DeniedByRule));
        };
        let api = authorizer.api_kind();
        // Each takes time, and few requests need them whose answer is remembered.
        let client = LazyCell::new(|| source_ip(&request.source_address()));
        let arn = arn(authorizer, request);
        seen.saw(
            Step::Event,
            arn.as_ref().map(|_| ()).map_err(Refusal::reason),
        );
        let arn = match arn {
            Ok(arn) => arn,
            Err(refusal) => return Decision::Verdict(Verdict::Refuse(refusal)),
        };
        let route = LazyCell::new(|| self.route(ruling, &arn));
        let sources = &authorizer.settings.identity;
        let key_of_route = || route.key().to_owned();
        let identity = Identity::find(sources, request, &arn, key_of_route, || *client).ok();
        let identity = identity.filter(|identity| has_form(identity, authorizer));
        let Ok(identity) = seen.step(Step::Identity, identity.ok_or(Reason::MissingIdentity))
        else {
            let refusal = Refusal::Authorizer(api, AuthorizerCause::MissingIdentity);
            return Decision::Verdict(Verdict::Refuse(refusal));
        };
        let enquiry = Enquiry {
            authorizer: index,
            api,
            key: identity.key(
                &authorizer.name,
                authorizer.settings.tells_routes_apart().then_some(ruling),
                &self.identities,
            ),
            call: None,
        };
        let edits = match self.edits(request, policy.token.forwarding) {
            Ok(edits) => edits,
            Err(reason) => return Decision::Verdict(Verdict::refuse(reason)),
        };
        if let Some(outcome) = facts.authorization(&enquiry, now) {
            let source = outcome.asks_for_source().then(|| *client).flatten();
            let judged = judge(api, &outcome, (&arn, source), seen);
            return Decision::Verdict(verdict(judged, edits));
        }
        let mut event = Vec::new();
        if facts.wants_event(&enquiry) {
            let id = request.first("x-request-id").unwrap_or_default();
            event = authorizer.settings.event(&Occasion {
                request,
                arn: &arn,
                route: &route,
                identity: &identity,
                client: *client,
                request_id: std::str::from_utf8(id).unwrap_or_default(),
                time: now,
            });
            if event.len() > MAX_EVENT_BYTES {
                seen.saw(Step::Authorizer, Err(Reason::AuthorizerFailed));
                let refusal = Refusal::Authorizer(api, AuthorizerCause::InvalidAnswer);
                return Decision::Verdict(Verdict::Refuse(refusal));
            }
        }
        let client = *client;
        drop(identity);
        drop(route);
        let asking = Asking {
            enquiry,
            arn,
            client,
            event,
        };
        Decision::Hold(Candidate {
            grounds: Grounds::Authorizer(Box::new(asking)),
            edits,
            need: Need::Authorizer(enquiry),
            lenience: Lenience::default(),
            patience: Patience::Waits,
        })
    }

    fn route(&self, ruling: Ruling, arn: &MethodArn) -> Route {
        let rule = ruling.rule();
        let mut rules = self.policy.rules.iter();
        let rule = rule.and_then(|rule| rules.nth(rule));
        Route::of(rule.map(|(matches, _)| matches), arn)
    }
}

impl Candidate {
    /// The event of a request that has to ask an authorizer, or to wait for one that another has
    /// asked. It is needed once.
    pub(crate) fn take_event(&mut self) -> Option<(Enquiry, Vec<u8>)> {
        match &mut self.grounds {
            Grounds::Authorizer(asking) => {
                Some((asking.enquiry, std::mem::take(&mut asking.event)))
            }
            Grounds::Token { .. } => None,
        }
    }

    /// It waits for what this has been asked by.
    pub(crate) fn waits_for(&mut self, enquiry: Enquiry) {
        if let Grounds::Authorizer(asking) = &mut self.grounds {
            asking.enquiry = enquiry;
            self.need = Need::Authorizer(enquiry);
        }
    }
}

/// Decides about a held request again, which is held on if nothing has come yet.
pub(super) fn again(
    asking: Box<Asking>,
    edits: Vec<HeaderEdit>,
    facts: &Facts,
    now: Timestamp,
) -> Decision {
    match facts.authorization(&asking.enquiry, now) {
        Some(outcome) => {
            let request = (&asking.arn, asking.client);
            let judged = judge(asking.enquiry.api, &outcome, request, &mut ());
            Decision::Verdict(verdict(judged, edits))
        }
        None => Decision::Hold(Candidate {
            need: Need::Authorizer(asking.enquiry),
            grounds: Grounds::Authorizer(asking),
            edits,
            lenience: Lenience::default(),
            patience: Patience::Waits,
        }),
    }
}

/// The method that is called.
fn arn(authorizer: &Authorizer, request: &Request) -> Result<MethodArn, Refusal> {
    let method = request.first(":method").unwrap_or_default();
    let path = request.first(":path").unwrap_or_default();
    let arn = MethodArn::new(&authorizer.settings.api, method, path);
    arn.map_err(|none| match none {
        NoArn::Method => Refusal::Plain(Reason::UnsafeMethod),
        NoArn::Path(_) => Refusal::Plain(Reason::UnsafePath),
        NoArn::TooLong => Refusal::Authorizer(authorizer.api_kind(), AuthorizerCause::UriTooLong),
    })
}

/// Whether an identity is one by the authorizer's `pattern`.
fn has_form(identity: &Identity<'_>, authorizer: &Authorizer) -> bool {
    match &authorizer.pattern {
        IdentityPattern::Any => true,
        IdentityPattern::Matching(pattern) => {
            identity.values().iter().all(|value| pattern.matches(value))
        }
    }
}

type Authorized = Rc<Authorization>;

/// What an outcome means for this request.
fn judge(
    api: ApiKind,
    outcome: &Outcome,
    (arn, source): (&MethodArn, Option<IpAddr>),
    seen: &mut impl Observer,
) -> Result<Authorized, Refusal> {
    let refused = |cause| Refusal::Authorizer(api, cause);
    let judged = match outcome {
        Outcome::Failed(cause) => Err(refused(*cause)),
        Outcome::Answered(authorization) => authorization
            .answer
            .judge(arn, source)
            .map(|()| Rc::clone(authorization))
            .map_err(|denied| match denied {
                Denied::Explicitly => refused(AuthorizerCause::ExplicitlyDenied),
                Denied::Implicitly => refused(AuthorizerCause::Denied),
                // As where the readings of a path are too many to find its rule.
                Denied::TooCostly => Refusal::Plain(Reason::UnsafePath),
            }),
    };
    seen.saw(
        Step::Authorizer,
        judged.as_ref().map(|_| ()).map_err(Refusal::reason),
    );
    judged
}

fn verdict(judged: Result<Authorized, Refusal>, edits: Vec<HeaderEdit>) -> Verdict {
    match judged {
        Ok(authorization) => Verdict::Forward(Forward {
            caller: Caller::Authorized(authorization),
            edits,
            despite: None,
            at_expiry: AtExpiry::Keep,
        }),
        Err(refusal) => Verdict::Refuse(refusal),
    }
}
