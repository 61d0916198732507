//! Expressions that the filter cannot make a table of: each byte of a path costs so much under them
//! that a path of some hundred is refused.

use super::Notes;
use super::finding;
use crate::document::{below, item};
use cognito_authorizer::policy::Policy;
use cognito_authorizer::rules::index::{MatchIndex, Target, UnsafePath};
use cognito_authorizer::rules::pattern::{Match, PathPattern};

/// The longest path for which it is promised what it costs at most.
const LONGEST: usize = 8 * 1024;

/// Notes each, with the length at which paths are refused.
pub(super) fn check(policy: &Policy, notes: &mut Notes<'_>) {
    let slow = policy.rules.iter().enumerate();
    let slow = slow.filter_map(|(at, (matches, _))| match &matches.path {
        PathPattern::Regex(regex) if !regex.is_table() => Some((at, regex)),
        _ => None,
    });
    let slow: Vec<_> = slow.collect();
    // A request may be asked about by all of them, whatever it is: so they share what it may cost.
    let mut together: Vec<Match> = Vec::new();
    for (at, (_, regex)) in slow.iter().enumerate() {
        let mut before = slow.iter().take(at);
        if !before.any(|(_, other)| other.as_str() == regex.as_str()) {
            together.push(Match {
                path: PathPattern::Regex((*regex).clone()),
                methods: Vec::new(),
                hosts: Vec::new(),
            });
        }
    }
    let several = match together.len() {
        1 => String::new(),
        number => format!(" with {number} such expressions"),
    };
    let Ok(index) = MatchIndex::new(together, policy.rules.path_case()) else {
        return;
    };
    let Some(longest) = longest(&index) else {
        return;
    };
    for (at, _) in slow {
        let path = below(&item("rules", at), "match.regex");
        let text = format!(
            "paths of more than {longest} bytes are refused (unsafe_path): to look at one costs too \
             much{several}"
        );
        notes.add(&finding::SLOW_REGEX, &path, text);
    }
}

/// The longest plain path that is looked at to its end; `None` if all are.
fn longest(index: &MatchIndex) -> Option<usize> {
    let is_refused = |length: usize| {
        let path = format!("/{}", "x".repeat(length.saturating_sub(1)));
        let target = Target {
            path: Some(path.as_bytes()),
            ..Target::default()
        };
        matches!(index.choose(&target), Err(UnsafePath::TooCostly))
    };
    let lengths: Vec<_> = (1..=LONGEST).collect();
    let longest = lengths.partition_point(|length| !is_refused(*length));
    (longest < LONGEST).then_some(longest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Source;
    use crate::locate::File;

    /// Where the expressions are noted, and the length.
    fn found(expressions: &[&str]) -> Vec<(String, usize)> {
        let rules = expressions.iter().map(|expression| {
            format!("- match: {{regex: '{expression}', methods: [GET]}}\n  allow: optional\n")
        });
        let rules: String = rules.collect();
        let text = format!(
            "user_pools:\n- user_pool_id: us-east-1_A\n  client_ids: [a]\n  jwks: {{cluster: c}}\n\
             token: {{use: any}}\ndefault: nobody\nrules:\n{rules}"
        );
        let file = File::new(Source::new("a.yaml", text)).unwrap();
        let located = file.only().unwrap();
        let policy = located.parse().unwrap();
        let mut notes = Notes {
            document: &located.config,
            findings: Vec::new(),
        };
        check(&policy, &mut notes);
        let lengths = notes.findings.iter().map(|finding| {
            let (_, rest) = finding.text.split_once("more than ").unwrap();
            let length = rest.split(' ').next().unwrap().parse().unwrap();
            (finding.path.clone(), length)
        });
        lengths.collect()
    }

    #[test]
    fn what_makes_no_table_is_noted_with_a_length() {
        for slow in ["/a\\b.*", "(?s)/a.*", "/[[:alpha:]]+", "/.{9,}x.{12}y"] {
            let found = found(&[slow]);
            assert_eq!(found.len(), 1, "{slow}: {found:?}");
            assert_eq!(found[0].0, "rules[0].match.regex");
            assert!((100..400).contains(&found[0].1), "{slow}: {found:?}");
        }
        for twin in ["/a(/.*)?", "(?i)/a.*", "/[A-Za-z]+", "/.{9,}xy"] {
            assert_eq!(found(&[twin]), [], "{twin}");
        }
    }

    #[test]
    fn several_share_what_a_request_may_cost() {
        let alone = found(&["/a\\b.*"])[0].1;
        let both = found(&["/a\\b.*", "/b/.*", "/b\\b.*"]);
        assert_eq!(both[0].0, "rules[0].match.regex");
        assert_eq!(both[1].0, "rules[2].match.regex");
        assert_eq!(both[0].1, both[1].1);
        assert!(both[0].1 * 2 <= alone + 1, "{both:?} {alone}");
    }
}
