//! The facts that the steps are told from: the request, the rule, the token, the keys.

use super::simulation::{Ending, Simulation};
use cognito_authorizer::claims::{ClaimPlace, Claims};
use cognito_authorizer::decision::Verdict;
use cognito_authorizer::policy::{Account, Issuer, IssuerIndex, Policy, Pool};
use cognito_authorizer::request::Request;
use cognito_authorizer::rules::index::{Target, UnsafePath, Variables};
use cognito_authorizer::rules::requirement::Requirement;
use cognito_authorizer::rules::work::Work;
use cognito_authorizer::rules::{Access, Ruling};
use cognito_authorizer::step::Step;
use cognito_authorizer::time::Timestamp;
use cognito_authorizer::token::{KnownHeaders, UntrustedToken};
use serde_json::Value;

/// Everything that is known about one request.
pub(super) struct Facts<'a> {
    pub(super) policy: &'a Policy,
    /// The configuration as it is written.
    pub(super) document: &'a Value,
    pub(super) request: &'a Request,
    pub(super) target: Target<'a>,
    pub(super) now: Timestamp,
    pub(super) simulation: &'a Simulation,
    pub(super) choice: Result<(Ruling, Variables), UnsafePath>,
    /// The one token, as it stands in the request.
    pub(super) compact: Option<&'a [u8]>,
    /// The token taken apart, if it can be.
    parsed: Option<UntrustedToken<'a>>,
}

/// A rule, or the default.
#[derive(Clone, Debug)]
pub(crate) struct RuleChosen {
    /// `rules[2]`, or `default`.
    pub(crate) name: String,
    /// Its place in the list; `None` for the default.
    pub(crate) index: Option<usize>,
    /// Its `match` as the configuration writes it; null for the default.
    pub(crate) matches: Value,
    /// What the variables of its template stand for; `None` where upstreams might disagree.
    pub(crate) variables: Vec<(String, Option<String>)>,
}

impl<'a> Facts<'a> {
    pub(super) fn new(
        policy: &'a Policy,
        document: &'a Value,
        request: &'a Request,
        compact: Option<&'a [u8]>,
        now: Timestamp,
        simulation: &'a Simulation,
    ) -> Self {
        let target = request.target();
        let known = KnownHeaders::new(simulation.gate.algorithms());
        let parse = |compact| UntrustedToken::parse(compact, &known, &mut ()).ok();
        Self {
            policy,
            document,
            request,
            target,
            now,
            simulation,
            choice: choice(policy, request),
            compact,
            parsed: compact.and_then(parse),
        }
    }

    /// The rule that was chosen, as people find it in their configuration.
    pub(super) fn rule(&self) -> Option<RuleChosen> {
        if let Ending::Decided(Verdict::Answer(_)) = self.simulation.ending {
            return None;
        }
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

    /// Where a variable of the rule stands.
    pub(super) fn side_of(&self, variable: &str) -> &'static str {
        let ruling = self
            .choice
            .as_ref()
            .ok()
            .and_then(|(ruling, _)| ruling.rule());
        let matches = ruling.and_then(|rule| self.policy.rules.iter().nth(rule));
        match matches.is_some_and(|(matches, _)| matches.path.has_variable(variable)) {
            true => "path",
            false => "host",
        }
    }

    /// Whether the decision came past a step.
    pub(super) fn passed(&self, step: Step) -> bool {
        self.simulation.record.passed(step)
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
    pub(super) const fn parsed(&self) -> Option<&UntrustedToken<'a>> {
        self.parsed.as_ref()
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

    /// The token's issuer, if it is one of the configured.
    pub(super) fn issuer_index(&self) -> Option<IssuerIndex> {
        self.ask(|claims| self.policy.issuers.by_iss(claims.issuer()?))
            .flatten()
    }

    pub(super) fn issuer(&self) -> Option<Issuer<'_>> {
        self.policy.issuers.get(self.issuer_index()?)
    }

    /// The user pool that the token's issuer is.
    pub(super) fn pool(&self) -> Option<&Pool> {
        match self.issuer()? {
            Issuer::Pool(pool) => Some(pool),
            Issuer::Account(_) => None,
        }
    }

    /// The AWS account that the token's issuer is.
    pub(super) fn account(&self) -> Option<&Account> {
        match self.issuer()? {
            Issuer::Account(account) => Some(account),
            Issuer::Pool(_) => None,
        }
    }

    /// Where the issuer stands in the configuration.
    pub(super) fn place(&self) -> Option<String> {
        let position = self.issuer_index()?.position();
        let pools = self.policy.issuers.pools().len();
        Some(match position.checked_sub(pools) {
            None => format!("user_pools[{position}]"),
            Some(account) => format!("aws_accounts[{account}]"),
        })
    }
}

fn choice(policy: &Policy, request: &Request) -> Result<(Ruling, Variables), UnsafePath> {
    let mut work = Work::default();
    policy.resources.asked(&request.target(), &mut work)?;
    policy.choose(request, &mut work)
}
