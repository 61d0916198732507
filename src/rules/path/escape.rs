//! Percent-encoding (RFC 3986, section 2.1).

use super::UnsafePath;

/// A decoded text with everything escaped that cannot stand in a path.
pub(in super::super) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        push_byte(&mut encoded, byte, is_path_character);
    }
    encoded
}

/// Decodes every escape once, and refuses what must not come out of one.
pub(super) fn decode(path: &str) -> Result<String, UnsafePath> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (value, after) = escape(tail).ok_or(UnsafePath::BrokenEscape)?;
        rest = after;
        match value {
            b'/' => return Err(UnsafePath::EncodedSlash),
            b'\\' => return Err(UnsafePath::Backslash),
            _ => bytes.push(value),
        }
    }
    let text = String::from_utf8(bytes).map_err(|_| UnsafePath::NotUtf8)?;
    if text.chars().any(char::is_control) {
        return Err(UnsafePath::ControlCharacter);
    }
    // Looked for in the decoded text: `%25%32%65` decodes to an escape as `%252e` does.
    let mut parts = text.split('%').skip(1);
    if parts.any(|part| escape(part.as_bytes()).is_some()) {
        return Err(UnsafePath::DoublyEncoded);
    }
    Ok(text)
}

/// The byte that two hex digits stand for, and what follows them.
pub(super) fn escape(after_percent: &[u8]) -> Option<(u8, &[u8])> {
    let [high, low, rest @ ..] = after_percent else {
        return None;
    };
    let value = hex_digit(*high)?.checked_mul(16)?;
    Some((value.checked_add(hex_digit(*low)?)?, rest))
}

fn hex_digit(byte: u8) -> Option<u8> {
    let value = char::from(byte).to_digit(16)?;
    u8::try_from(value).ok()
}

pub(super) fn push_byte(text: &mut String, byte: u8, stays: impl Fn(u8) -> bool) {
    if stays(byte) || byte == b'/' {
        text.push(char::from(byte));
        return;
    }
    text.push('%');
    for digit in [byte >> 4, byte & 0x0f] {
        let digit = char::from_digit(u32::from(digit), 16).unwrap_or('0');
        text.push(digit.to_ascii_uppercase());
    }
}

/// RFC 3986, section 2.3.
pub(super) fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// RFC 3986, section 3.3: `pchar`, escapes aside.
pub(super) fn is_path_character(byte: u8) -> bool {
    is_unreserved(byte) || b"!$&'()*+,;=:@".contains(&byte)
}
