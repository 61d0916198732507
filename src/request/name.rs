//! The names of cookies and of the query's parameters, as their loosest reader compares them.
//!
//! PHP reads `access.token`, `+access_token` and `access_token[]` into the variable that
//! `access_token` has, Express and Rack `[access_token]`; some drop white space of other alphabets
//! from a name's edges, some cut a name at a NUL, decode it, or (ASP.NET) do not tell letters by
//! their case. A name that one of them takes for another is its alias here. None of this allocates,
//! and each byte is looked at once.

/// Whether what stands before a `=`, or all, is `wanted` to some reader: once decoded, without what
/// stands at its edges, cut off at a NUL or a bracket, with `.`, space and `[` as `_`, in any
/// letter case.
pub(super) fn is_alias(written: &[u8], wanted: &[u8]) -> bool {
    unlike(written, wanted).is_none()
}

/// `None` for an alias; otherwise what follows the edge of a name that is none.
pub(super) fn unlike<'a>(written: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    let mut rest = Decoded(written);
    loop {
        if begins_as_wanted(rest, wanted) {
            return None;
        }
        let mut after = rest;
        match after.next() {
            Some(byte) if is_edge(byte) || b"[]".contains(&byte) => rest = after,
            Some(_) | None => return Some(rest.0),
        }
    }
}

fn begins_as_wanted(mut written: Decoded<'_>, wanted: &[u8]) -> bool {
    let begins = wanted.iter().all(|wanted| {
        written
            .next()
            .is_some_and(|byte| folded(byte) == folded(*wanted))
    });
    begins
        && written
            .find(|byte| *byte == 0 || !(is_edge(*byte) || *byte == b'"'))
            .is_none_or(|byte| byte == 0 || b"[]".contains(&byte))
}

/// What is trimmed from a name by some reader: ASCII's white space and controls, and whatever is
/// not ASCII, since U+00A0 and U+3000 are white space to Python and JavaScript, in either of two
/// encodings.
const fn is_edge(byte: u8) -> bool {
    byte <= b' ' || byte >= 0x7f
}

/// `+` stands in a configured name only: it is a space wherever a name is decoded.
const fn folded(byte: u8) -> u8 {
    match byte {
        b'.' | b' ' | b'[' | b'+' => b'_',
        other => other.to_ascii_lowercase(),
    }
}

/// The bytes of a name, up to the `=` behind it, with `+` as space and its escapes decoded,
/// `%u0061` of older ASP among them.
#[derive(Clone, Copy)]
struct Decoded<'a>(&'a [u8]);

impl Iterator for Decoded<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let (first, after) = self.0.split_first()?;
        let (byte, rest) = match first {
            b'=' => return None,
            b'+' => (b' ', after),
            b'%' => escape(after).unwrap_or((b'%', after)),
            other => (*other, after),
        };
        self.0 = rest;
        Some(byte)
    }
}

/// The byte that an escape stands for, and what follows it; any character beyond ASCII is one byte.
fn escape(digits: &[u8]) -> Option<(u8, &[u8])> {
    if let [b'u' | b'U', high, low, third, fourth, rest @ ..] = digits {
        let page = hex_byte(*high, *low)?;
        let byte = hex_byte(*third, *fourth)?;
        return Some((if page == 0 { byte } else { u8::MAX }, rest));
    }
    let [high, low, rest @ ..] = digits else {
        return None;
    };
    Some((hex_byte(*high, *low)?, rest))
}

/// The byte that two hexadecimal digits spell.
pub(super) fn hex_byte(high: u8, low: u8) -> Option<u8> {
    let digit = |digit: u8| char::from(digit).to_digit(16);
    u8::try_from(digit(high)?.checked_mul(16)?.checked_add(digit(low)?)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_is_what_some_reader_takes_for_the_name() {
        for written in [
            "access_token",
            "access.token",
            "access+token",
            "access token",
            "access%20token",
            "access[token",
            "access%5Btoken",
            "%61ccess%5ftoken",
            "%u0061ccess_token",
            "Access_Token",
            "+access_token",
            "%20%09access_token+",
            "access_token[",
            "access_token[]",
            "access_token[a.b]",
            "access_token%5B%5D",
            "access_token]",
            "[access_token]",
            "%5B]access_token",
            "access_token%00x",
            "access_token%20%00x",
            "%E3%80%80access_token%C2%A0",
            "\u{a0}access_token\u{3000}",
            "access_token\"",
            "%u3000access_token",
        ] {
            assert!(is_alias(written.as_bytes(), b"access_token"), "{written}");
            assert!(is_alias(written.as_bytes(), b"access.token"), "{written}");
        }
    }

    #[test]
    fn another_name_is_no_alias() {
        for written in [
            "",
            "%",
            "%6",
            "access_toke",
            "access_tokens",
            "xaccess_token",
            "access-token",
            "access__token",
            "accesstoken",
            "access_token.",
            "access_token x",
            "access%255Ftoken",
            "%zzaccess_token",
            "%u00zzccess_token",
            "_access_token",
        ] {
            assert!(!is_alias(written.as_bytes(), b"access_token"), "{written}");
        }
    }

    #[test]
    fn names_with_other_marks_have_their_aliases() {
        for (written, wanted) in [
            ("..Host-id", "__Host-id"),
            ("++__Host-id", "__Host-id"),
            ("._Host-id", "__Host-id"),
            ("a[b]", "a[b]"),
            ("a.b]", "a[b]"),
            ("a[b][c]", "a[b]"),
            ("a+b", "a+b"),
            ("%C3%A9t%C3%A9", "été"),
        ] {
            assert!(is_alias(written.as_bytes(), wanted.as_bytes()), "{written}");
        }
        for (written, wanted) in [("a", "a[b]"), ("t", "été"), ("Host-id", "__Host-id")] {
            assert!(
                !is_alias(written.as_bytes(), wanted.as_bytes()),
                "{written}"
            );
        }
    }

    #[test]
    fn a_byte_is_two_hexadecimal_digits() {
        assert_eq!(hex_byte(b'f', b'F'), Some(255));
        assert_eq!(hex_byte(b'+', b'1'), None);
        assert_eq!(hex_byte(b'1', b'g'), None);
    }
}
