//! The facts that the steps are told from: the request, the rule, the token, the keys.

use super::hearing::Hearing;
use super::step::{Finding, Kind};
use super::{RuleChosen, admission, conditions, form, proof, request};
use cognito_authorizer::claims::{ClaimPlace, Claims};
use cognito_authorizer::policy::{Policy, Pool, PoolIndex};
use cognito_authorizer::reject::Reason;
use cognito_authorizer::request::Request;
use cognito_authorizer::rules::index::{Target, UnsafePath, Variables};
use cognito_authorizer::rules::requirement::Requirement;
use cognito_authorizer::rules::{Access, Ruling};
use cognito_authorizer::time::Timestamp;
use cognito_authorizer::token::{KnownHeaders, UntrustedToken};
use serde_json::Value;

/// Everything that is known about one request.
pub(super) struct Inquiry<'a> {
    pub(super) policy: &'a Policy,
    /// The configuration as it is written.
    pub(super) document: &'a Value,
    pub(super) request: &'a Request,
    pub(super) target: Target<'a>,
    pub(super) now: Timestamp,
    pub(super) hearing: &'a Hearing,
    pub(super) choice: Result<(Ruling, Variables), UnsafePath>,
    /// The one token, as it stands in the request.
    pub(super) compact: Option<Vec<u8>>,
}

impl<'a> Inquiry<'a> {
    pub(super) fn new(
        policy: &'a Policy,
        document: &'a Value,
        request: &'a Request,
        now: Timestamp,
        hearing: &'a Hearing,
    ) -> Self {
        let target = request.target();
        let compact = policy.token.sources.extract(request).ok().flatten();
        Self {
            policy,
            document,
            request,
            target,
            now,
            hearing,
            choice: policy.rules.choose(&target),
            compact: compact.map(|compact| compact.into_owned()),
        }
    }

    /// What there is to say about a step; never nothing.
    pub(super) fn findings(&self, kind: Kind) -> Vec<Finding> {
        match kind {
            Kind::Path => vec![request::path(self)],
            Kind::Method => vec![request::method(self)],
            Kind::Rule => vec![request::rule(self)],
            Kind::Preflight => vec![request::preflight(self)],
            Kind::Token => vec![request::token(self)],
            Kind::Size => vec![form::size(self)],
            Kind::Form => vec![form::form(self)],
            Kind::Header => vec![form::header(self)],
            Kind::Payload => vec![form::payload(self)],
            Kind::Issuer => vec![admission::issuer(self)],
            Kind::Expiry => vec![admission::expiry(self)],
            Kind::Start => vec![admission::start(self)],
            Kind::TokenUse => vec![admission::token_use(self)],
            Kind::Client => vec![admission::client(self)],
            Kind::Audience => vec![admission::audience(self)],
            Kind::Key => vec![proof::key(self)],
            Kind::Signature => vec![proof::signature(self)],
            Kind::Scopes => vec![conditions::scopes(self)],
            Kind::Groups => vec![conditions::groups(self)],
            Kind::Claim => conditions::claims(self),
            Kind::AuthAge => vec![conditions::auth_age(self)],
        }
    }

    /// The step at which the gate stopped for this reason.
    pub(super) fn failing(&self, reason: Reason) -> Kind {
        let fails = |kind: &Kind| self.findings(*kind).iter().any(Finding::fails);
        let malformed = || Kind::MALFORMED.into_iter().find(fails);
        match reason {
            Reason::MalformedToken => malformed().unwrap_or(Kind::of(reason)),
            _ => Kind::of(reason),
        }
    }

    /// The rule that was chosen, as people find it in their configuration.
    pub(super) fn rule(&self) -> Option<RuleChosen> {
        let (ruling, variables) = self.choice.as_ref().ok()?;
        let index = ruling.rule();
        let variables = variables.iter();
        Some(RuleChosen {
            name: index.map_or_else(|| "default".to_owned(), |index| format!("rules[{index}]")),
            index,
            matches: index
                .and_then(|index| self.document.get("rules")?.get(index)?.get("match"))
                .cloned()
                .unwrap_or_default(),
            variables: variables
                .map(|(name, value)| (name.to_owned(), value.map(str::to_owned)))
                .collect(),
        })
    }

    pub(super) fn access(&self) -> Option<&Access> {
        let (ruling, _) = self.choice.as_ref().ok()?;
        Some(self.policy.rules.access(*ruling))
    }

    pub(super) fn requirement(&self) -> Option<&Requirement> {
        let (ruling, _) = self.choice.as_ref().ok()?;
        self.policy.rules.requirement(*ruling)
    }

    /// The token taken apart, if it can be.
    pub(super) fn parsed(&self) -> Option<UntrustedToken<'_>> {
        UntrustedToken::parse(self.compact.as_deref()?, &KnownHeaders::default()).ok()
    }

    /// Asks the token's claims, if there is a token that can be taken apart.
    pub(super) fn ask<T>(&self, question: impl FnOnce(&Claims) -> T) -> Option<T> {
        self.parsed()
            .map(|token| question(token.unverified_claims()))
    }

    /// A top-level claim as it stands in the token; null if it is not there.
    pub(super) fn claim(&self, name: &str) -> Value {
        let place = ClaimPlace::Name(name.to_owned());
        self.ask(|claims| claims.get(&place).map(Into::into))
            .flatten()
            .unwrap_or_default()
    }

    /// The pool that the token's issuer is.
    pub(super) fn pool_index(&self) -> Option<PoolIndex> {
        self.ask(|claims| {
            let (index, _) = self.policy.pools.by_issuer(claims.issuer()?)?;
            Some(index)
        })
        .flatten()
    }

    pub(super) fn pool(&self) -> Option<&Pool> {
        self.policy.pools.get(self.pool_index()?)
    }
}
