//! Which rule a request falls under, found without asking one rule after the other.
//!
//! `path`, `prefix` and `template` rules live in a tree of segments, so a request costs as many
//! steps as its path has segments, however many rules there are. Each `regex` rule costs a run of
//! its expression, but only those before the best rule of the tree are tried.
//!
//! The literal reading of the path chooses the rule. Then every other reading has to choose the
//! same, or the request is refused. Not every reading has to be tried for that; which ones suffice
//! is argued at `MatchIndex::check_other_readings`.

mod candidates;
mod cover;
mod holds;
mod reading;
mod trie;

pub use super::path::UnsafePath;
use super::path::{self, Letters, PathCase, RequestPath, Spellings};
pub use super::pattern::Variables;
use super::pattern::{Match, PathPattern, PathRegex};
use super::work::Work;
use candidates::{Asked, Candidates, Vocabulary};
use holds::Fails;
use reading::some_reading;
use trie::Trie;

/// What rules look at in a request, as it arrived.
#[derive(Clone, Copy, Debug, Default)]
pub struct Target<'a> {
    /// `:path`, with its query.
    pub path: Option<&'a [u8]>,
    /// `:method`.
    pub method: Option<&'a [u8]>,
    /// `:authority`.
    ///
    /// If it is absent or empty, no rule with hosts matches.
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
    ///
    /// The error names both: one of the two has to change places.
    pub hidden_by: usize,
}

/// All matches of a list of rules, compiled.
#[derive(Debug)]
pub struct MatchIndex {
    matches: Vec<Match>,
    path_case: PathCase,
    /// The methods and hosts of all rules, as numbers.
    vocabulary: Vocabulary,
    /// Rules that do not look at paths.
    pathless: Candidates,
    /// Segments compared with the literal reading.
    literal: Trie,
    /// Segments compared with the loose reading, if any rule's differ from its literal ones.
    loose: Option<Trie>,
    /// In their order, so that those before a rule are a beginning of the list.
    regexes: Vec<RegexRule>,
    /// Kept, since every request asks.
    looks_at_paths: bool,
}

/// Its method and host are looked up before its expression is run, which costs more.
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
        // First of all, with the rules as written: an index would hide which rule was meant.
        let unreachable = cover::unreachable(&matches, path_case);
        if !unreachable.is_empty() {
            return Err(unreachable);
        }
        let mut vocabulary = Vocabulary::default();
        let mut pathless = Candidates::default();
        // The tree is built twice. Most rules are lower-case ASCII, for which both are the same,
        // and then one is thrown away.
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
        // A rule for `/Admin` or `/caf%C3%A9` makes them differ.
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

    /// The same, where something else decides by paths: none passes that could be read in two ways,
    /// though no rule looks at them.
    #[must_use]
    pub fn looking_at_paths(self) -> Self {
        Self {
            looks_at_paths: true,
            ..self
        }
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
        self.choose_within(target, &mut Work::default())
    }

    /// The same, with the work that is left for it: what it has cost is known afterwards.
    ///
    /// Tests hold every kind of path to its cost with it.
    ///
    /// # Errors
    /// As of [`MatchIndex::choose`].
    pub fn choose_within(
        &self,
        target: &Target<'_>,
        work: &mut Work,
    ) -> Result<Chosen, UnsafePath> {
        // Also where rules look at hosts only: an authority that is no host is refused before
        // anything else.
        let asked = self.vocabulary.asked(target)?;
        // A path may then be anything: it makes no difference.
        if !self.looks_at_paths {
            let rule = self.pathless.first(&asked);
            return Ok(Chosen {
                rule,
                variables: self.capture_host(rule, &asked, Variables::default()),
            });
        }
        // Spellings that no rule could save are refused here, before any is asked.
        let path = RequestPath::parse(target.path.ok_or(UnsafePath::Missing)?)?;
        let rule = self.first(path.literal(), &asked, work)?;
        // The first answer counts only if no upstream could come to another.
        let differs = self.check_other_readings(&path, rule, &asked, work)?;
        Ok(Chosen {
            rule,
            variables: self.capture_host(rule, &asked, self.capture(rule, &path, &differs)),
        })
    }

    /// The first rule by the literal reading.
    fn first(
        &self,
        reading: &str,
        asked: &Asked<'_>,
        work: &mut Work,
    ) -> Result<Option<usize>, UnsafePath> {
        // Expressions cost the most, and only those before the best rule of the tree can change
        // anything.
        let in_tree = self.literal.first(reading, asked, work)?;
        let best = earlier(in_tree, self.pathless.first(asked));
        // The first that matches is before `best`, and before all later ones.
        for one in self.regexes_before(best, asked) {
            if one.regex.matches(reading, Letters::Exact, work)? {
                return Ok(Some(one.rule));
            }
        }
        Ok(best)
    }

    /// Refuses the path unless every reading of it falls under the rule that the literal one chose.
    /// Otherwise: which pieces of that rule's pattern are not one text in all readings.
    ///
    /// A reading is what a server makes of the path: segments, and a way to compare them. The rules
    /// that match in it are a set, of which the first decides. Two questions settle all readings:
    ///
    /// 1. Does a rule before the chosen one match in *some* reading? Then that reading chooses
    ///    another rule.
    /// 2. Does the chosen one match in *every* reading? If not, some reading chooses a later rule.
    ///
    /// If the answers are no and yes, the chosen rule is in each reading's set, and nothing before
    /// it is: it is the first of each. If no rule was chosen, the second question does not arise.
    ///
    /// How segments are cut is answered exactly, for all ways at once (see `index/reading.rs`). How
    /// their letters are compared needs two ways only. Take any server that decodes some escapes
    /// and folds some letters: names that are equal in the literal reading are equal to it, and
    /// names that are equal to it are equal once both are decoded and folded as far as can be. So
    /// the first question, where more matches do harm, is asked of loose names, and the second,
    /// where fewer do, of literal ones; what lies between them is answered with them.
    ///
    /// A `regex` knows no such order: `[^a-z]` matches less of what is folded. It is asked about
    /// texts, one for each way in which a server could have treated the whole path, and in each
    /// spelling: one before the chosen rule must match none, and a chosen one must match all.
    fn check_other_readings(
        &self,
        path: &RequestPath<'_>,
        chosen: Option<usize>,
        asked: &Asked<'_>,
        work: &mut Work,
    ) -> Result<Vec<bool>, UnsafePath> {
        let mut differs = Vec::new();
        // The usual case, and the cheap one: a plain path of lower-case letters is compared once
        // more, if at all.
        let one_reading = path.has_one_reading(self.path_case);
        // A plain `/admin` also meets a rule for `/Admin`, which then differs in the loose tree
        // only.
        if !one_reading || self.loose.is_some() {
            let tree = self.loose.as_ref().unwrap_or(&self.literal);
            if tree.some_reading_is_before(chosen, path, self.path_case, asked, work)? {
                return Err(path.ambiguity());
            }
        }
        if !one_reading
            && let Some(shape) = self.chosen(chosen).and_then(|given| given.path.shape())
        {
            // A later rule would be chosen by a reading that this one does not match.
            let mut fails = Fails::new(shape);
            if some_reading(path, &mut fails, 0, work)? {
                return Err(path.ambiguity());
            }
            differs = fails.differs();
        }
        self.check_expressions(path, chosen, asked, work)?;
        Ok(differs)
    }

    /// The part of [`MatchIndex::check_other_readings`] that is about `regex` rules.
    fn check_expressions(
        &self,
        path: &RequestPath<'_>,
        chosen: Option<usize>,
        asked: &Asked<'_>,
        work: &mut Work,
    ) -> Result<(), UnsafePath> {
        // Two questions, as of the tree: an earlier expression must match no text, the chosen one
        // all of them.
        let own = self.chosen(chosen).and_then(|given| match &given.path {
            PathPattern::Regex(regex) => Some(regex),
            _ => None,
        });
        let earlier: Vec<_> = self.regexes_before(chosen, asked).collect();
        // Without an expression that could change anything, the texts need not be made.
        if own.is_none() && earlier.is_empty() {
            return Ok(());
        }
        // Each text is a structure of the path; the spellings of its letters come next.
        let texts = path::texts(path, work)?;
        for text in &texts {
            let spellings = Spellings::new(text, self.path_case, work)?;
            // Once for all expressions, of which there may be hundreds. Not the literal reading: it would
            // have chosen their rule.
            let mut exact = spellings.exact();
            exact.retain(|text| *text != path.literal());
            let caseless = spellings.caseless();
            for one in &earlier {
                if any(&one.regex, &exact, Letters::Exact, work)?
                    || any(&one.regex, &caseless, Letters::Caseless, work)?
                {
                    return Err(path.ambiguity());
                }
            }
            if let Some(own) = own
                && !matches_all(own, &spellings, path.literal(), work)?
            {
                return Err(path.ambiguity());
            }
        }
        Ok(())
    }

    fn chosen(&self, rule: Option<usize>) -> Option<&Match> {
        self.matches.get(rule?)
    }

    /// The `regex` rules before a rule whose methods and hosts hold.
    fn regexes_before(
        &self,
        rule: Option<usize>,
        asked: &Asked<'_>,
    ) -> impl Iterator<Item = &RegexRule> {
        self.regexes
            .iter()
            .take_while(move |one| rule.is_none_or(|rule| one.rule < rule))
            .filter(|one| one.conditions.first(asked).is_some())
    }

    /// Adds what the variables of the rule's hosts stand for. A host has one reading: of whatever has
    /// several, none is chosen. But it may fit two of them, `{a}.{t}.com` and `{t}.example.com`: which
    /// was meant, nobody can tell.
    fn capture_host(
        &self,
        rule: Option<usize>,
        asked: &Asked<'_>,
        mut variables: Variables,
    ) -> Variables {
        if let Some(host) = &asked.host
            && let Some(given) = self.chosen(rule)
        {
            let mut captured = given.hosts.iter().filter_map(|one| one.capture(host));
            let first = captured.next().into_iter().flatten();
            first.for_each(|(name, value)| variables.add(name, value));
            // Claims are compared with what all of the hosts have, so the first has it too.
            let others = captured.flatten();
            others.for_each(|(name, value)| variables.add_other(name, value));
        }
        variables
    }

    /// From the literal reading, which chose the rule. Where another reading has another value, it
    /// is marked and equals nothing.
    fn capture(&self, rule: Option<usize>, path: &RequestPath<'_>, differs: &[bool]) -> Variables {
        match self.chosen(rule).map(|given| &given.path) {
            Some(PathPattern::Template(template)) => template.capture(path, differs),
            _ => Variables::default(),
        }
    }
}

/// Whether an expression matches a text however it is spelled. It matches the literal reading.
///
/// An expression with an escape in it matches no decoded text, and has to match in one of the two
/// forms. One without is about what is decoded: `[^|]+` matches `%7C`, but not what that stands for.
fn matches_all(
    regex: &PathRegex,
    spellings: &Spellings<'_>,
    literal: &str,
    work: &mut Work,
) -> Result<bool, UnsafePath> {
    let text = spellings.text();
    if text != literal && !regex.matches(text, Letters::Exact, work)? {
        return Ok(false);
    }
    // Nothing to decode: the one text has been asked about.
    let is_plain = spellings.decoded().eq([text]);
    let folds = spellings.folded().next().is_some();
    let of_form = |texts: Vec<_>| match (regex.has_escapes(), texts.as_slice()) {
        (false, [.., decoded]) => vec![*decoded],
        _ => texts,
    };
    let decoded = of_form(spellings.decoded().collect());
    let folded = of_form(spellings.folded().collect());
    Ok((is_plain || any(regex, &decoded, Letters::Exact, work)?)
        && (!folds || any(regex, &folded, Letters::Caseless, work)?))
}

fn any(
    regex: &PathRegex,
    texts: &[&str],
    letters: Letters,
    work: &mut Work,
) -> Result<bool, UnsafePath> {
    for text in texts {
        if regex.matches(text, letters, work)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The earlier of two rules, where none is later than any.
fn earlier(one: Option<usize>, other: Option<usize>) -> Option<usize> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// The default, which is no rule, comes after all of them.
fn is_before(one: Option<usize>, other: Option<usize>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one < other,
        (one, None) => one.is_some(),
        (None, Some(_)) => false,
    }
}

#[cfg(test)]
mod tests;
