//! Which known name a mistyped one was meant to be.

/// The nearest of `known`, if it is near enough to be a slip: another case or separator
/// (`userPoolId`, `user-pool-id`), or at most two characters too many, too few or wrong.
#[must_use]
pub fn nearest<'known>(name: &str, known: &[&'known str]) -> Option<&'known str> {
    /// No field has a name half as long.
    const LONGEST: usize = 64;
    if name.len() > LONGEST {
        return None;
    }
    let plain = |name: &str| -> Vec<char> {
        let letters = name
            .chars()
            .filter(|character| !matches!(character, '_' | '-' | ' '));
        letters.map(|letter| letter.to_ascii_lowercase()).collect()
    };
    let typed = plain(name);
    known
        .iter()
        .map(|known| (distance(&typed, &plain(known)), *known))
        // Two slips in a word of four letters make another word.
        .filter(|(slips, known)| *slips <= known.len().div_ceil(4).min(2))
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, known)| known)
}

/// The Levenshtein distance, row by row.
fn distance(left: &[char], right: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (position, ours) in left.iter().enumerate() {
        let mut before = position.saturating_add(1);
        let mut next = vec![before];
        for ((diagonal, above), theirs) in row.iter().zip(row.iter().skip(1)).zip(right) {
            let replaced = diagonal.saturating_add(usize::from(ours != theirs));
            before = replaced
                .min(above.saturating_add(1))
                .min(before.saturating_add(1));
            next.push(before);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 4] = ["user_pool_id", "user_pool_arn", "client_ids", "use"];

    #[track_caller]
    fn meant(name: &str, expected: Option<&str>) {
        assert_eq!(nearest(name, &KNOWN), expected, "{name}");
    }

    #[test]
    fn slips_are_recognised() {
        meant("client_id", Some("client_ids"));
        meant("userPoolId", Some("user_pool_id"));
        meant("USER-POOL-ARN", Some("user_pool_arn"));
        meant("uses", Some("use"));
    }

    #[test]
    fn other_words_are_not() {
        meant("audience", None);
        meant("id", None);
        meant("", None);
        meant(&"client_ids".repeat(10), None);
    }

    #[test]
    fn distances_count_single_changes() {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        for (left, right, expected) in [
            ("", "", 0),
            ("", "ab", 2),
            ("kitten", "sitting", 3),
            ("ab", "ba", 2),
        ] {
            assert_eq!(distance(&chars(left), &chars(right)), expected);
        }
    }
}
