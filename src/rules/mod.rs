//! Who may do what: rules, of which the first that matches a request decides.

pub mod index;
pub mod path;
pub mod pattern;
pub mod requirement;
pub mod work;

use index::{Chosen, MatchIndex, Target, Unreachable, UnsafePath, Variables};
use pattern::{Match, PathCase};
use requirement::Requirement;

/// What a rule, or the default, does with a request.
#[derive(Clone, Debug)]
pub enum Access {
    /// Passes; the token is not looked at.
    Anyone,
    /// Passes without a token; with one, only if it is valid.
    Optional,
    /// Refused, token or not.
    Nobody,
    /// Passes with a valid token that satisfies the requirement.
    Require(Requirement),
}

/// A rule: what it matches, and what it does with it.
#[derive(Debug)]
pub struct Rule {
    /// The requests that it is about.
    pub matches: Match,
    /// What becomes of them.
    pub access: Access,
}

/// All rules, compiled, and what becomes of a request that none of them matches.
#[derive(Debug)]
pub struct Rules {
    index: MatchIndex,
    access: Vec<Access>,
    default: Access,
    valid_token: Requirement,
}

/// What was chosen for a request: a rule, or the default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ruling(Option<usize>);

impl Ruling {
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
        default: Access,
        path_case: PathCase,
    ) -> Result<Self, Vec<Unreachable>> {
        let (matches, access) = rules
            .into_iter()
            .map(|rule| (rule.matches, rule.access))
            .unzip();
        Ok(Self {
            index: MatchIndex::new(matches, path_case)?,
            access,
            default,
            valid_token: Requirement::default(),
        })
    }

    /// The first rule that matches, and what its template's variables stand for.
    ///
    /// # Errors
    /// The path or authority could be read as one under another rule.
    pub fn choose(&self, target: &Target<'_>) -> Result<(Ruling, Variables), UnsafePath> {
        let Chosen { rule, variables } = self.index.choose(target)?;
        let ruling = Ruling(rule);
        let requirement = self.requirement(ruling);
        let mut compared = requirement
            .into_iter()
            .flat_map(|requirement| requirement.conditions.variables());
        if compared.any(|name| variables.differs(name)) {
            return Err(UnsafePath::Variable);
        }
        Ok((ruling, variables))
    }

    /// What a ruling does with the request.
    #[must_use]
    pub fn access(&self, ruling: Ruling) -> &Access {
        match ruling.0 {
            // Never out of range; were it, nobody would get in.
            Some(rule) => self.access.get(rule).unwrap_or(&Access::Nobody),
            None => &self.default,
        }
    }

    /// What a ruling asks of a token, if it looks at tokens.
    #[must_use]
    pub fn requirement(&self, ruling: Ruling) -> Option<&Requirement> {
        match self.access(ruling) {
            Access::Require(requirement) => Some(requirement),
            Access::Optional => Some(&self.valid_token),
            Access::Anyone | Access::Nobody => None,
        }
    }

    /// The rules in their order, the default not among them.
    pub fn iter(&self) -> impl Iterator<Item = (&Match, &Access)> {
        self.index.matches().iter().zip(&self.access)
    }

    /// What becomes of a request that no rule matches.
    #[must_use]
    pub fn default(&self) -> &Access {
        &self.default
    }

    /// Whether any rule looks at paths.
    #[must_use]
    pub fn looks_at_paths(&self) -> bool {
        self.index.looks_at_paths()
    }

    /// Whether letter case distinguishes paths.
    #[must_use]
    pub fn path_case(&self) -> PathCase {
        self.index.path_case()
    }

    /// Whether any rule looks at methods.
    #[must_use]
    pub fn looks_at_methods(&self) -> bool {
        self.index.looks_at_methods()
    }

    /// Whether any rule looks at hosts.
    #[must_use]
    pub fn looks_at_hosts(&self) -> bool {
        self.index.looks_at_hosts()
    }

    /// How many rules there are, the default not counted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.access.len()
    }

    /// Whether there is nothing but the default.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.access.is_empty()
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
        };
        let list = ["/a", "/b", "/c"].map(open).into();
        Rules::new(list, Access::Nobody, path_case).unwrap()
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
    fn rules_know_whether_case_counts() {
        for path_case in [PathCase::Sensitive, PathCase::Insensitive] {
            assert_eq!(rules(path_case).path_case(), path_case);
        }
    }
}
