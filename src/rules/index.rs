//! Which rule a request falls under, found without asking one rule after the other.
//!
//! `path`, `prefix` and `template` rules live in a tree of segments, so a request costs as many
//! steps as its path has segments, however many rules there are. Each `regex` rule costs a run of
//! its expression, but only those before the best rule of the tree are tried.

mod candidates;
mod cover;
mod trie;

pub use super::path::UnsafePath;
use super::path::{self, PathCase, RequestPath};
pub use super::pattern::Variables;
use super::pattern::{Match, PathPattern, PathRegex};
use candidates::{Asked, Candidates, Vocabulary};
use std::borrow::Cow;
use trie::Trie;

/// What rules look at in a request, as it arrived.
#[derive(Clone, Copy, Debug, Default)]
pub struct Target<'a> {
    /// `:path`, with its query.
    pub path: Option<&'a [u8]>,
    /// `:method`.
    pub method: Option<&'a [u8]>,
    /// `:authority`.
    pub authority: Option<&'a [u8]>,
}

/// The rule that a request falls under.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chosen {
    /// Its place in the list, `None` if no rule matches.
    pub rule: Option<usize>,
    /// What the variables of its template stand for.
    pub variables: Variables,
}

/// A rule that no request can fall under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreachable {
    /// Its place in the list.
    pub rule: usize,
    /// The first earlier rule that matches all that it matches.
    pub hidden_by: usize,
}

/// All matches of a list of rules, compiled.
#[derive(Debug)]
pub struct MatchIndex {
    matches: Vec<Match>,
    path_case: PathCase,
    vocabulary: Vocabulary,
    /// Rules that do not look at paths.
    pathless: Candidates,
    /// Segments compared with the literal reading.
    literal: Trie,
    /// Segments compared with the loose reading, if any rule's differ from its literal ones.
    loose: Option<Trie>,
    regexes: Vec<RegexRule>,
    looks_at_paths: bool,
}

#[derive(Debug)]
struct RegexRule {
    rule: usize,
    conditions: Candidates,
    regex: PathRegex,
}

impl MatchIndex {
    /// Compiles a list of matches, of which the first that holds decides.
    ///
    /// # Errors
    /// All rules of which one earlier rule alone matches everything that they match. Rules that
    /// only several others together leave nothing to are not noticed.
    pub fn new(matches: Vec<Match>, path_case: PathCase) -> Result<Self, Vec<Unreachable>> {
        let unreachable = cover::unreachable(&matches, path_case);
        if !unreachable.is_empty() {
            return Err(unreachable);
        }
        let mut vocabulary = Vocabulary::default();
        let mut pathless = Candidates::default();
        let (mut literal, mut loose) = (Trie::default(), Trie::default());
        let mut regexes = Vec::new();
        for (rule, given) in matches.iter().enumerate() {
            let conditions = vocabulary.conditions(given);
            match &given.path {
                PathPattern::Any => pathless.add(rule, &conditions),
                PathPattern::Regex(regex) => regexes.push(RegexRule {
                    rule,
                    conditions: Candidates::of(rule, &conditions),
                    regex: regex.clone(),
                }),
                PathPattern::Exact(_) | PathPattern::Prefix(_) | PathPattern::Template(_) => {}
            }
            if let Some(shape) = given.path.shape() {
                let candidates = |spell| (rule, &*conditions, spell);
                literal.insert(&shape, candidates(trie::Spelling::Literal));
                loose.insert(&shape, candidates(trie::Spelling::Loose(path_case)));
            }
        }
        let looks_at_paths = matches.iter().any(|m| !matches!(m.path, PathPattern::Any));
        let loose = (!literal.has_the_segments_of(&loose)).then_some(loose);
        Ok(Self {
            matches,
            path_case,
            vocabulary,
            pathless,
            literal,
            loose,
            regexes,
            looks_at_paths,
        })
    }

    /// The matches, in their order.
    #[must_use]
    pub fn matches(&self) -> &[Match] {
        &self.matches
    }

    /// Whether any rule looks at paths: only then is a path refused as unsafe.
    #[must_use]
    pub fn looks_at_paths(&self) -> bool {
        self.looks_at_paths
    }

    /// Whether letter case distinguishes paths.
    #[must_use]
    pub fn path_case(&self) -> PathCase {
        self.path_case
    }

    /// Whether any rule looks at methods.
    #[must_use]
    pub fn looks_at_methods(&self) -> bool {
        self.vocabulary.has_methods()
    }

    /// Whether any rule looks at hosts: only then is an authority refused as unsafe.
    #[must_use]
    pub fn looks_at_hosts(&self) -> bool {
        self.vocabulary.has_hosts()
    }

    /// The first rule that matches a request, and what its variables stand for.
    ///
    /// # Errors
    /// Some upstream could read the path or the authority as one under another rule.
    pub fn choose(&self, target: &Target<'_>) -> Result<Chosen, UnsafePath> {
        let asked = self.vocabulary.asked(target)?;
        if !self.looks_at_paths {
            return Ok(Chosen {
                rule: self.pathless.first(&asked),
                variables: Variables::default(),
            });
        }
        let path = RequestPath::parse(target.path.ok_or(UnsafePath::Missing)?)?;
        let literal = path.literal();
        let rule = self.first(&literal, &asked);
        self.check_other_readings(&path, &literal, rule, &asked)?;
        Ok(Chosen {
            rule,
            variables: self.capture(rule, &path),
        })
    }

    /// The first rule by a literal reading.
    fn first(&self, reading: &str, asked: &Asked) -> Option<usize> {
        let in_tree = self.literal.first(reading, asked);
        let best = earlier(in_tree, self.pathless.first(asked));
        let regex = self
            .regexes_before(best, asked)
            .find(|one| one.regex.matches(reading));
        regex.map(|one| one.rule).or(best)
    }

    /// Refuses the path unless every reading of it falls under the rule that the literal one chose.
    ///
    /// Not every reading has to be tried. Take any upstream that decodes some escapes and folds
    /// some letters: a rule's segment that equals a request's under the literal reading equals it
    /// under the upstream's, and one that does so under the upstream's does so under the loose
    /// reading, in which both sides are decoded and folded as far as can be. So the rules that
    /// match literally are among those that match for the upstream, and those among the ones that
    /// match loosely. If the first of the smallest set is also the first of the largest, it is the
    /// first of every set in between. Removing parameters fits into the same order, since rules
    /// have none: it only adds rules that match, as long as no segment vanishes.
    ///
    /// A `regex` knows no such order (`[^a-z]` matches less of what is folded), so each is tried on
    /// the loose readings: one before the chosen rule must match none of them, and a chosen one
    /// must match them all.
    fn check_other_readings(
        &self,
        path: &RequestPath<'_>,
        literal: &str,
        chosen: Option<usize>,
        asked: &Asked,
    ) -> Result<(), UnsafePath> {
        let one_reading = path.has_one_reading(self.path_case);
        if one_reading && self.loose.is_none() && self.regexes.is_empty() {
            return Ok(());
        }
        let (mut literals, mut loose) = (Vec::new(), vec![path.loose(self.path_case)]);
        if path.has_parameters() {
            literals = path::without_parameters(literal);
            if literals
                .iter()
                .any(|reading| self.first(reading, asked) != chosen)
            {
                return Err(UnsafePath::Parameters);
            }
            let removed = loose.iter().flat_map(|text| path::without_parameters(text));
            let removed: Vec<_> = removed.map(Cow::Owned).collect();
            loose.extend(removed);
        }
        if !one_reading || self.loose.is_some() {
            let tree = self.loose.as_ref().unwrap_or(&self.literal);
            if loose
                .iter()
                .any(|text| is_before(tree.first(text, asked), chosen))
            {
                return Err(UnsafePath::Ambiguous);
            }
        }
        // Escapes that stay in the literal reading may be part of an earlier expression.
        let literals = std::iter::once(literal).chain(literals.iter().map(|text| &**text));
        let in_escapes = literals.filter(|text| text.contains('%'));
        let mut earlier = self.regexes_before(chosen, asked);
        let hides = |one: &RegexRule| {
            let regex = &one.regex;
            loose.iter().any(|text| self.matches_loosely(regex, text))
                || in_escapes
                    .clone()
                    .any(|text| self.matches_folded(regex, text))
        };
        let holds = |regex| loose.iter().all(|text| self.matches_loosely(regex, text));
        if earlier.any(hides) || !self.regex_of(chosen).is_none_or(holds) {
            return Err(UnsafePath::Ambiguous);
        }
        Ok(())
    }

    /// Whether an expression matches a loose reading: as it is, or with the escapes in which
    /// characters that no path has raw are written in an expression, of capital and small letters.
    fn matches_loosely(&self, regex: &PathRegex, loose: &str) -> bool {
        if self.matches_folded(regex, loose) {
            return true;
        }
        let encoded = path::encode(loose);
        encoded != loose
            && (self.matches_folded(regex, &encoded)
                || self.matches_folded(regex, &path::encode(&loose.to_uppercase())))
    }

    fn matches_folded(&self, regex: &PathRegex, text: &str) -> bool {
        match self.path_case {
            PathCase::Insensitive => regex.matches_caseless(text),
            PathCase::Sensitive => regex.matches(text),
        }
    }

    fn regex_of(&self, rule: Option<usize>) -> Option<&PathRegex> {
        match &self.matches.get(rule?)?.path {
            PathPattern::Regex(regex) => Some(regex),
            _ => None,
        }
    }

    /// The `regex` rules before a rule whose methods and hosts hold.
    fn regexes_before(
        &self,
        rule: Option<usize>,
        asked: &Asked,
    ) -> impl Iterator<Item = &RegexRule> {
        self.regexes
            .iter()
            .take_while(move |one| rule.is_none_or(|rule| one.rule < rule))
            .filter(|one| one.conditions.first(asked).is_some())
    }

    fn capture(&self, rule: Option<usize>, path: &RequestPath<'_>) -> Variables {
        match rule.and_then(|rule| self.matches.get(rule)) {
            Some(Match {
                path: PathPattern::Template(template),
                ..
            }) => template.capture(path),
            _ => Variables::default(),
        }
    }
}

/// The earlier of two rules, where none is later than any.
fn earlier(one: Option<usize>, other: Option<usize>) -> Option<usize> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

fn is_before(one: Option<usize>, other: Option<usize>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one < other,
        (one, None) => one.is_some(),
        (None, Some(_)) => false,
    }
}

#[cfg(test)]
mod tests;
