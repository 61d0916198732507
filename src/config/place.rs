//! How a problem names a place in the document, and quotes what stands there.

/// The path of the document as a whole.
pub const WHOLE: &str = "configuration";

/// The longest piece of the document that a problem quotes, in characters.
pub(super) const MAX_QUOTED: usize = 100;

/// The path of an object's member, of bounded length whatever the name.
#[must_use]
pub fn member(path: &str, name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if !(1..=MAX_QUOTED).contains(&name.len()) || !name.bytes().all(plain) {
        let path = if path == WHOLE { "" } else { path };
        format!("{path}[{}]", quoted(name))
    } else if path == WHOLE {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// The path of a list's element.
pub(super) fn item(path: &str, position: usize) -> String {
    format!("{path}[{position}]")
}

/// A text of the document in quotes, escaped, and no longer than a problem should be.
pub(super) fn quoted(text: &str) -> String {
    match text.char_indices().nth(MAX_QUOTED) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}…", text.get(..end).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_read_like_the_reference() {
        assert_eq!(member(WHOLE, "token"), "token");
        assert_eq!(member("token", "use"), "token.use");
        assert_eq!(member(&item("rules", 3), "match"), "rules[3].match");
        assert_eq!(member("claims", "custom:a.b"), r#"claims["custom:a.b"]"#);
        assert_eq!(member(WHOLE, ""), r#"[""]"#);
    }

    #[test]
    fn names_and_quotations_are_bounded() {
        let long = "a".repeat(MAX_QUOTED);
        assert_eq!(member("x", &long), format!("x.{long}"));
        assert_eq!(member("x", &format!("{long}b")), format!("x[{long:?}…]"));
        assert_eq!(quoted("a\"\n"), r#""a\"\n""#);
        assert_eq!(
            quoted(&"ü".repeat(MAX_QUOTED + 1)),
            format!("{:?}…", "ü".repeat(MAX_QUOTED))
        );
    }
}
