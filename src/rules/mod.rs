//! The rules: of those that match a request, the first decides.
//!
//! A rule is chosen before any token is looked at, and by the request alone. So its cost is what a
//! stranger can order for nothing ([`work`]), and its choice is only as good as the agreement with
//! the upstream about what was asked for ([`path`]): where the two could differ, the request is
//! refused.

pub mod expression;
pub mod index;
pub mod path;
pub mod pattern;
pub mod requirement;
pub mod work;

use crate::header::HeaderName;
use index::{Chosen, MatchIndex, Target, Unreachable, UnsafePath, Variables};
use pattern::{Match, PathCase};
use requirement::Requirement;
use work::Work;

/// What a rule, or the default, does with a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Access {
    /// Passes; the token is not looked at.
    /// Claim headers that the client sent are taken off here as everywhere.
    Anyone,
    /// Passes without a token; with one that is valid in the bearer's name.
    Optional(InvalidToken),
    /// Refused, token or not.
    /// What `default` should be as soon as one rule asks for more than others.
    Nobody,
    /// Passes with a valid token that satisfies the requirement.
    Require(Box<Requirement>),
    /// Passes if this authorizer says so; no token is looked at.
    Authorizer(AuthorizerIndex),
}

/// What becomes of a token that is not valid where none would do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InvalidToken {
    /// It is refused: otherwise a client could choose, with a broken token, to be unknown.
    #[default]
    Refuse,
    /// It is as none, and is taken off the request: a browser sends a stale cookie until somebody
    /// deletes it, and a public page should open all the same.
    Ignore,
}

/// Whether refusals are carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Enforcement {
    /// All of them.
    #[default]
    All,
    /// None: what would be refused is reported, and goes on in nobody's name.
    Report,
}

/// Which authorizer, by its place in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AuthorizerIndex(pub usize);

/// A rule: what it matches, and what it does with it.
#[derive(Debug)]
pub struct Rule {
    /// The requests that it is about.
    pub matches: Match,
    /// What becomes of them.
    pub access: Access,
    /// Whether its refusals are carried out.
    pub enforcement: Enforcement,
}

/// What becomes of the requests that no rule is about.
#[derive(Debug)]
pub struct Otherwise {
    /// Of those that no rule matches.
    pub access: Access,
    /// Whether refusals are carried out there, and where no rule can be chosen.
    pub enforcement: Enforcement,
}

/// All rules, compiled, and what becomes of a request that none of them matches.
#[derive(Debug)]
pub struct Rules {
    index: MatchIndex,
    outcomes: Vec<(Access, Enforcement)>,
    otherwise: Otherwise,
    /// Of each rule, and last of the default.
    compared: Vec<Compared>,
    /// What `optional` asks of a token that is there: that it is valid, and nothing more.
    valid_token: Requirement,
    /// Whether an authorizer is asked by any of them. It decides by method and path, whatever the
    /// rules look at.
    asks_authorizers: bool,
}

/// What of a request claims are compared with: gathered once, since every request asks.
#[derive(Debug, Default)]
struct Compared {
    variables: Vec<String>,
    headers: Vec<HeaderName>,
}

impl Compared {
    fn of(access: &Access) -> Self {
        match access {
            Access::Require(requirement) => Self {
                variables: requirement.variables().map(str::to_owned).collect(),
                headers: requirement.headers().cloned().collect(),
            },
            Access::Anyone | Access::Optional(_) | Access::Nobody | Access::Authorizer(_) => {
                Self::default()
            }
        }
    }
}

/// What was chosen for a request: a rule, or the default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ruling(Option<usize>);

impl Ruling {
    /// The default's.
    pub(crate) const DEFAULT: Self = Self(None);

    /// The rule's place in the list; `None` for the default.
    #[must_use]
    pub const fn rule(self) -> Option<usize> {
        self.0
    }
}

impl Rules {
    /// Compiles the rules.
    ///
    /// # Errors
    /// Every rule that can never be reached, because an earlier one matches all that it matches.
    pub fn new(
        rules: Vec<Rule>,
        otherwise: Otherwise,
        path_case: PathCase,
    ) -> Result<Self, Vec<Unreachable>> {
        // Apart, since only the matches are compiled: whether a rule can be reached does not depend
        // on what it does.
        let (matches, outcomes): (_, Vec<_>) = rules
            .into_iter()
            .map(|rule| (rule.matches, (rule.access, rule.enforcement)))
            .unzip();
        let asks_one = |access: &Access| matches!(access, Access::Authorizer(_));
        let asks_authorizers =
            outcomes.iter().any(|(access, _)| asks_one(access)) || asks_one(&otherwise.access);
        let accesses = outcomes.iter().map(|(access, _)| access);
        let compared = accesses.chain([&otherwise.access]).map(Compared::of);
        let compared = compared.collect();
        let index = MatchIndex::new(matches, path_case)?;
        Ok(Self {
            index: match asks_authorizers {
                true => index.looking_at_paths(),
                false => index,
            },
            asks_authorizers,
            outcomes,
            otherwise,
            compared,
            valid_token: Requirement::default(),
        })
    }

    /// The first rule that matches, and what its template's variables stand for.
    ///
    /// # Errors
    /// The path or authority could be read as one under another rule.
    pub fn choose(&self, target: &Target<'_>) -> Result<(Ruling, Variables), UnsafePath> {
        self.choose_within(target, &mut Work::default())
    }

    /// The same, with the work that is left for the path.
    ///
    /// # Errors
    /// As of [`Rules::choose`].
    pub fn choose_within(
        &self,
        target: &Target<'_>,
        work: &mut Work,
    ) -> Result<(Ruling, Variables), UnsafePath> {
        let Chosen { rule, variables } = self.index.choose_within(target, work)?;
        let ruling = Ruling(rule);
        // A claim is compared with one text. If upstreams disagree about what that is, one of them
        // would serve the record of another user; so would one that goes by the rule's other host.
        // Variables that are compared with nothing may differ.
        let compared = self.compared(ruling).map(|compared| &*compared.variables);
        let mut compared = compared.unwrap_or_default().iter();
        if compared.any(|name| variables.differs(name)) {
            return Err(UnsafePath::Variable);
        }
        Ok((ruling, variables))
    }

    fn compared(&self, ruling: Ruling) -> Option<&Compared> {
        self.compared.get(ruling.0.unwrap_or(self.outcomes.len()))
    }

    /// The headers of a request with which a ruling compares claims.
    #[must_use]
    pub fn headers(&self, ruling: Ruling) -> &[HeaderName] {
        let compared = self.compared(ruling).map(|compared| &*compared.headers);
        compared.unwrap_or_default()
    }

    /// What a ruling does with the request.
    #[must_use]
    pub fn access(&self, ruling: Ruling) -> &Access {
        match ruling.0 {
            // Never out of range. An error here would refuse, and let nothing in.
            Some(rule) => self
                .outcomes
                .get(rule)
                .map_or(&Access::Nobody, |(access, _)| access),
            None => &self.otherwise.access,
        }
    }

    /// Whether the refusals of a ruling are carried out.
    #[must_use]
    pub fn enforcement(&self, ruling: Ruling) -> Enforcement {
        match ruling.0 {
            Some(rule) => self
                .outcomes
                .get(rule)
                .map_or(Enforcement::All, |(_, enforcement)| *enforcement),
            None => self.otherwise.enforcement,
        }
    }

    /// Whether refusals are carried out where no rule can be chosen.
    #[must_use]
    pub const fn enforcement_without_rule(&self) -> Enforcement {
        self.otherwise.enforcement
    }

    /// The rules whose refusals are only reported, by their place in the list.
    pub fn reporting(&self) -> impl Iterator<Item = usize> {
        let rules = self.outcomes.iter().enumerate();
        rules
            .filter(|(_, (_, enforcement))| *enforcement == Enforcement::Report)
            .map(|(rule, _)| rule)
    }

    /// Whether any refusal is only reported.
    #[must_use]
    pub fn opens_doors(&self) -> bool {
        self.otherwise.enforcement == Enforcement::Report || self.reporting().next().is_some()
    }

    /// Whether any rule ignores tokens that are not valid.
    #[must_use]
    pub fn ignores_tokens(&self) -> bool {
        let mut accesses = self.outcomes.iter().map(|(access, _)| access);
        accesses.any(|access| *access == Access::Optional(InvalidToken::Ignore))
    }

    /// What a ruling asks of a token, if it looks at tokens.
    ///
    /// `None` where tokens are not looked at at all: to let a request pass with a token, a
    /// requirement is needed.
    #[must_use]
    pub fn requirement(&self, ruling: Ruling) -> Option<&Requirement> {
        match self.access(ruling) {
            Access::Require(requirement) => Some(requirement),
            Access::Optional(_) => Some(&self.valid_token),
            Access::Anyone | Access::Nobody | Access::Authorizer(_) => None,
        }
    }

    /// The rules in their order, the default not among them.
    pub fn iter(&self) -> impl Iterator<Item = (&Match, &Access)> {
        let accesses = self.outcomes.iter().map(|(access, _)| access);
        self.index.matches().iter().zip(accesses)
    }

    /// What becomes of a request that no rule matches.
    #[must_use]
    pub fn default(&self) -> &Access {
        &self.otherwise.access
    }

    /// Whether any rule looks at paths, or has an authorizer look at them.
    #[must_use]
    pub fn looks_at_paths(&self) -> bool {
        self.index.looks_at_paths()
    }

    /// Whether letter case distinguishes paths.
    #[must_use]
    pub fn path_case(&self) -> PathCase {
        self.index.path_case()
    }

    /// Whether any rule looks at methods, or has an authorizer look at them.
    ///
    /// Then the upstream must act on the method that was seen: see [`crate::request`].
    #[must_use]
    pub fn looks_at_methods(&self) -> bool {
        self.index.looks_at_methods() || self.asks_authorizers
    }

    /// Whether any rule, or the default, asks for a token.
    #[must_use]
    pub fn asks_for_tokens(&self) -> bool {
        let rules = self.outcomes.iter().map(|(access, _)| access);
        let mut all = rules.chain([&self.otherwise.access]);
        all.any(|access| matches!(access, Access::Require(_) | Access::Optional(_)))
    }

    /// Whether any rule looks at hosts.
    ///
    /// Then no header may name another one: see [`crate::owned`].
    #[must_use]
    pub fn looks_at_hosts(&self) -> bool {
        self.index.looks_at_hosts()
    }

    /// The headers of requests with which rules compare claims, as often as they do.
    pub fn bound_headers(&self) -> impl Iterator<Item = &HeaderName> {
        self.compared.iter().flat_map(|compared| &compared.headers)
    }

    /// How many rules there are, the default not counted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.outcomes.len()
    }

    /// Whether there is nothing but the default.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.outcomes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pattern::PathPattern;

    fn rules(path_case: PathCase) -> Rules {
        let open = |path| Rule {
            matches: Match {
                path: PathPattern::exact(path).unwrap(),
                methods: Vec::new(),
                hosts: Vec::new(),
            },
            access: Access::Anyone,
            enforcement: Enforcement::All,
        };
        let otherwise = Otherwise {
            access: Access::Nobody,
            enforcement: Enforcement::All,
        };
        let list = ["/a", "/b", "/c"].map(open).into();
        Rules::new(list, otherwise, path_case).unwrap()
    }

    #[test]
    fn a_ruling_knows_its_rule() {
        let rules = rules(PathCase::Sensitive);
        for (path, rule) in [
            ("/a", Some(0)),
            ("/b", Some(1)),
            ("/c", Some(2)),
            ("/d", None),
        ] {
            let target = Target {
                path: Some(path.as_bytes()),
                ..Target::default()
            };
            let (ruling, _) = rules.choose(&target).unwrap();
            assert_eq!(ruling.rule(), rule, "{path}");
        }
    }

    #[test]
    fn rules_are_shown_in_their_order() {
        let rules = rules(PathCase::Sensitive);
        let shown = rules.iter().map(|(one, access)| {
            assert!(matches!(access, Access::Anyone));
            format!("{:?}", one.path)
        });
        let expected =
            ["/a", "/b", "/c"].map(|path| format!("{:?}", PathPattern::exact(path).unwrap()));
        assert_eq!(shown.collect::<Vec<_>>(), expected);
        assert_eq!(rules.len(), expected.len());
        assert!(matches!(rules.default(), Access::Nobody));
    }

    #[test]
    fn rules_know_whether_case_counts() {
        for path_case in [PathCase::Sensitive, PathCase::Insensitive] {
            assert_eq!(rules(path_case).path_case(), path_case);
        }
    }
}
