//! What different servers make of the same text.

/// The non-empty segments of a reading. A trailing slash makes no difference, and `RequestPath`
/// lets no other empty segment through.
pub(in super::super) fn segments(path: &str) -> impl Iterator<Item = &str> + Clone {
    path.split('/').filter(|segment| !segment.is_empty())
}

/// A reading once more as those see it who remove `;parameters` from every segment. Where the last
/// segment is nothing but parameters (`/app/;jsessionid=1`) it may vanish or be kept, and be the
/// only one that is touched, so there are three such readings.
pub(in super::super) fn without_parameters(reading: &str) -> Vec<String> {
    let (before, last) = reading.rsplit_once('/').unwrap_or(("", reading));
    let bare = |path: &str| {
        path.split('/')
            .map(bare_segment)
            .collect::<Vec<_>>()
            .join("/")
    };
    if last.is_empty() || !bare_segment(last).is_empty() {
        return vec![bare(reading)];
    }
    vec![
        bare(reading),
        format!("{before}/"),
        format!("{}/{last}", bare(before)),
    ]
}

fn bare_segment(segment: &str) -> &str {
    let bare = segment.split(';').next().unwrap_or(segment);
    // The escape is still there in a literal reading, its hex digits in upper case.
    bare.split("%3B").next().unwrap_or(bare)
}

/// A text folded, so that two texts that differ in letter case only become equal.
///
/// There and back again, since a few letters meet only on the way: `ſ` and `s`, `ẞ` and `ss`,
/// the Kelvin sign and `k`.
pub(in super::super) fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.chars()
        .flat_map(char::to_lowercase)
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_that_meet_in_another_case_are_equal() {
        for (one, other) in [
            ("ADMIN", "admin"),
            ("\u{212a}", "k"),
            ("\u{17f}", "s"),
            ("ẞ", "ß"),
            ("ß", "SS"),
            ("Σ", "ς"),
            ("ı", "I"),
            ("É", "é"),
            ("Ω", "\u{2126}"),
        ] {
            assert_eq!(fold(one), fold(other), "{one} {other}");
        }
        assert_ne!(fold("e"), fold("é"));
    }

    #[test]
    fn parameters_are_removed_in_every_way() {
        assert_eq!(without_parameters("/a;x/b;y;z/c"), ["/a/b/c"]);
        assert_eq!(without_parameters("/a%3Bx/b/"), ["/a/b/"]);
        assert_eq!(without_parameters("/a%3Bx;y"), ["/a"]);
        assert_eq!(without_parameters("/a;x/;y"), ["/a/", "/a;x/", "/a/;y"]);
        assert_eq!(without_parameters("/;y"), ["/", "/", "/;y"]);
    }
}
