//! Percent-encoding (RFC 3986, section 2.1).
//!
//! Everything is decoded once and to the end. An escape that is broken, that is not UTF-8 or that
//! decodes to another escape is read by each server in its own way, and is refused.

use super::{ENCODED_SLASH, UnsafePath};

/// A decoded text with everything escaped that cannot stand in a path.
///
/// How Envoy and most servers write a path anew.
pub(in super::super) fn encode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    for byte in text.bytes() {
        push(&mut bytes, byte, may_stay);
    }
    String::from_utf8(bytes).unwrap_or_default()
}

/// Decodes every escape once, `%2F` to [`ENCODED_SLASH`], and refuses what must not come out of
/// one.
pub(super) fn decode(path: &str) -> Result<String, UnsafePath> {
    let text = decode_with(path, |bytes, value| match value {
        // `%00` ends the path in C; tabs and line feeds are removed by WHATWG parsers of URLs.
        0..=0x1f | 0x7f => Err(UnsafePath::ControlCharacter),
        b'/' => {
            bytes.push(ENCODED_SLASH);
            Ok(())
        }
        // Also `%5C`, `%3F` and `%23`: raw, none of these is part of a path, so that in decoded
        // text each was an escape.
        _ => {
            bytes.push(value);
            Ok(())
        }
    })?;
    // C1; the others have been seen above.
    if text.contains(|character| ('\u{80}'..'\u{a0}').contains(&character)) {
        return Err(UnsafePath::ControlCharacter);
    }
    // Looked for in the decoded text: `%25%32%65` decodes to an escape as `%252e` does.
    let mut parts = text.split('%').skip(1);
    if parts.any(|part| escape(part.as_bytes()).is_some()) {
        return Err(UnsafePath::DoublyEncoded);
    }
    Ok(text)
}

/// Decodes a literal reading, but for the escapes of some bytes.
pub(super) fn decode_except(literal: &str, kept: &[u8]) -> String {
    // Those that are kept are written again, with their hex digits in upper case.
    let decoded = decode_with(literal, |bytes, value| {
        match kept.contains(&value) {
            true => push_escape(bytes, value),
            false => bytes.push(value),
        }
        Ok(())
    });
    // A literal reading decodes: it has been decoded when the path was read.
    decoded.unwrap_or_default()
}

fn decode_with(
    path: &str,
    mut write: impl FnMut(&mut Vec<u8>, u8) -> Result<(), UnsafePath>,
) -> Result<String, UnsafePath> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte == b'%' {
            let (value, after) = escape(tail).ok_or(UnsafePath::BrokenEscape)?;
            rest = after;
            write(&mut bytes, value)?;
        } else {
            bytes.push(byte);
        }
    }
    // Overlong forms and surrogates too: `%C0%AE` was a dot to servers before.
    String::from_utf8(bytes).map_err(|_| UnsafePath::NotUtf8)
}

/// The byte that two hex digits stand for, and what follows them.
pub(crate) fn escape(after_percent: &[u8]) -> Option<(u8, &[u8])> {
    let [high, low, rest @ ..] = after_percent else {
        return None;
    };
    let value = hex_digit(*high)?.checked_mul(16)?;
    Some((value.checked_add(hex_digit(*low)?)?, rest))
}

/// Both cases of letters, and nothing else: no sign, which some parsers of numbers take.
fn hex_digit(byte: u8) -> Option<u8> {
    let value = char::from(byte).to_digit(16)?;
    u8::try_from(value).ok()
}

/// The literal reading of a path: each byte as it is if it may stay so, else as its escape.
pub(super) fn literal(raw: &str) -> String {
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match (byte, escape(tail)) {
            (b'%', Some((value, after))) => {
                rest = after;
                push(&mut bytes, value, is_unreserved);
            }
            // Rules are written with the raw character or with its escape: one form for both.
            _ => push(&mut bytes, byte, may_stay),
        }
    }
    // Nothing but ASCII has been pushed.
    String::from_utf8(bytes).unwrap_or_default()
}

fn push(bytes: &mut Vec<u8>, byte: u8, stays: impl Fn(u8) -> bool) {
    match stays(byte) {
        true => bytes.push(byte),
        false => push_escape(bytes, byte),
    }
}

fn push_escape(bytes: &mut Vec<u8>, byte: u8) {
    // In upper case, the normal form of RFC 3986, section 6.2.2.1.
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    bytes.push(b'%');
    for digit in [byte >> 4, byte & 0x0f] {
        bytes.extend(DIGITS.get(usize::from(digit)));
    }
}

/// What a path may show raw. All other characters have one form, which is their escape.
fn may_stay(byte: u8) -> bool {
    is_path_character(byte) || byte == b'/'
}

/// RFC 3986, section 2.3.
pub(super) fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// RFC 3986, section 3.3: `pchar`, escapes aside.
pub(super) fn is_path_character(byte: u8) -> bool {
    is_unreserved(byte) || b"!$&'()*+,;=:@".contains(&byte)
}
