//! Percent-encoding (RFC 3986, section 2.1). What may stay, and what is refused, is for each reader and
//! writer to say.

use std::borrow::Cow;

/// The byte that two hex digits stand for, and what follows them. Both cases of letters are digits, and
/// nothing else: no sign, which some parsers of numbers take.
#[must_use]
pub fn escape(after_percent: &[u8]) -> Option<(u8, &[u8])> {
    let [high, low, rest @ ..] = after_percent else {
        return None;
    };
    let digit = |digit: u8| char::from(digit).to_digit(16);
    let value = digit(*high)?.checked_mul(16)?.checked_add(digit(*low)?)?;
    Some((u8::try_from(value).ok()?, rest))
}

/// A text with its escapes decoded once. A broken one stays as it is.
#[must_use]
pub fn decoded(text: &[u8]) -> Cow<'_, [u8]> {
    decoded_except(text, b"")
}

/// The same, where the escapes of some bytes stay as well.
#[must_use]
pub fn decoded_except<'t>(text: &'t [u8], kept: &[u8]) -> Cow<'t, [u8]> {
    if !text.contains(&b'%') {
        return Cow::Borrowed(text);
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        let (byte, after) = match escape(after) {
            Some(escape) if first == b'%' && !kept.contains(&escape.0) => escape,
            Some(_) | None => (first, after),
        };
        decoded.push(byte);
        rest = after;
    }
    Cow::Owned(decoded)
}

/// A text with everything escaped that may not stay. Nothing but ASCII may.
#[must_use]
pub fn encoded(text: &[u8], may_stay: fn(u8) -> bool) -> String {
    let mut encoded = String::with_capacity(text.len());
    text.iter()
        .for_each(|byte| push(&mut encoded, *byte, may_stay));
    encoded
}

/// Writes one byte of such a text.
pub fn push(text: &mut String, byte: u8, may_stay: fn(u8) -> bool) {
    // In upper case, the normal form of section 6.2.2.1.
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    if may_stay(byte) {
        return text.push(char::from(byte));
    }
    text.push('%');
    for digit in [byte >> 4, byte & 0x0f] {
        let digit = DIGITS.get(usize::from(digit));
        text.extend(digit.copied().map(char::from));
    }
}

/// What may stay anywhere (section 2.3).
#[must_use]
pub const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_escape_has_two_hexadecimal_digits() {
        assert_eq!(escape(b"fF0"), Some((255, &b"0"[..])));
        for broken in [&b""[..], b"4", b"+1", b"1g", b"u0041"] {
            assert_eq!(escape(broken), None, "{broken:?}");
        }
    }

    #[test]
    fn what_is_decoded_is_decoded_once() {
        assert_eq!(*decoded(b"a%2fb%2541%%4%+1%ff"), *b"a/b%41%%4%+1\xff");
        assert_eq!(*decoded_except(b"%2a%3F%2B", b"*?"), *b"%2a%3F+");
    }

    #[test]
    fn what_may_not_stay_is_escaped() {
        assert_eq!(encoded("a/é~".as_bytes(), is_unreserved), "a%2F%C3%A9~");
    }
}
