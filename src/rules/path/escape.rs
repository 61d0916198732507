//! Percent-encoding (RFC 3986, section 2.1).
//!
//! Everything is decoded once and to the end. An escape that is broken, that is not UTF-8 or that
//! decodes to another escape is read by each server in its own way, and is refused.

use super::{ENCODED_SLASH, UnsafePath};
use crate::percent::{self, is_unreserved};

/// A decoded text with everything escaped that cannot stand in a path.
///
/// How Envoy and most servers write a path anew.
pub(in super::super) fn encode(text: &str) -> String {
    percent::encoded(text.as_bytes(), may_stay)
}

/// Decodes every escape once, `%2F` to [`ENCODED_SLASH`], and refuses what must not come out of
/// one.
pub(super) fn decode(path: &str) -> Result<String, UnsafePath> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (value, after) = percent::escape(tail).ok_or(UnsafePath::BrokenEscape)?;
        rest = after;
        bytes.push(match value {
            // `%00` ends the path in C; tabs and line feeds are removed by WHATWG parsers of URLs.
            0..=0x1f | 0x7f => return Err(UnsafePath::ControlCharacter),
            b'/' => ENCODED_SLASH,
            // Also `%5C`, `%3F` and `%23`: raw, none of these is part of a path, so that in decoded
            // text each was an escape.
            _ => value,
        });
    }
    // Overlong forms and surrogates too: `%C0%AE` was a dot to servers before.
    let text = String::from_utf8(bytes).map_err(|_| UnsafePath::NotUtf8)?;
    // C1; the others have been seen above.
    if text.contains(|character| ('\u{80}'..'\u{a0}').contains(&character)) {
        return Err(UnsafePath::ControlCharacter);
    }
    // Looked for in the decoded text: `%25%32%65` decodes to an escape as `%252e` does.
    let mut parts = text.split('%').skip(1);
    if parts.any(|part| percent::escape(part.as_bytes()).is_some()) {
        return Err(UnsafePath::DoublyEncoded);
    }
    Ok(text)
}

/// The literal reading of a path: each byte as it is if it may stay so, else as its escape.
pub(super) fn literal(raw: &str) -> String {
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match (byte, percent::escape(tail)) {
            (b'%', Some((value, after))) => {
                rest = after;
                percent::push(&mut text, value, is_unreserved);
            }
            // Rules are written with the raw character or with its escape: one form for both.
            _ => percent::push(&mut text, byte, may_stay),
        }
    }
    text
}

/// What a path may show raw. All other characters have one form, which is their escape.
fn may_stay(byte: u8) -> bool {
    is_path_character(byte) || byte == b'/'
}

/// RFC 3986, section 3.3: `pchar`, escapes aside.
pub(super) fn is_path_character(byte: u8) -> bool {
    is_unreserved(byte) || b"!$&'()*+,;=:@".contains(&byte)
}
