//! Text that others wrote, made harmless for a terminal and a log.
//!
//! A token's claims and a request's headers can hold escape sequences that move the cursor, set
//! the window's title, or end a line of a log; others turn the direction of the text around, or
//! are not to be seen. All of them are shown as what they are.

use std::fmt::Write as _;

/// The text with every character spelled out that a terminal would obey or hide.
pub(crate) fn safe(text: &str) -> String {
    let mut harmless = String::with_capacity(text.len());
    for character in text.chars() {
        match is_harmful(character) {
            true => harmless.extend(character.escape_unicode()),
            false => harmless.push(character),
        }
    }
    harmless
}

/// The same within JSON, whose own escapes stand for the same text (RFC 8259, section 7).
pub(crate) fn safe_json(json: &str) -> String {
    let mut harmless = String::with_capacity(json.len());
    for character in json.chars() {
        // Line breaks are the layout's: within strings they are escaped already.
        if character == '\n' || !is_harmful(character) {
            harmless.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            // Writing to a string does not fail.
            let _ = write!(harmless, "\\u{unit:04x}");
        }
    }
    harmless
}

/// A line of a file, character for character: those are replaced that a terminal would obey or hide.
pub(crate) fn safe_line(line: &str) -> String {
    let shown = |character| match is_harmful(character) && character != '\t' {
        true => char::REPLACEMENT_CHARACTER,
        false => character,
    };
    line.chars().map(shown).collect()
}

/// Controls (C0, DEL, C1), what changes the direction of text (UAX #9), and what has no width.
fn is_harmful(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// Bytes as text; what is not UTF-8 as `\xNN`.
pub(crate) fn text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// In quotation marks, and cut where it goes on for longer than anybody reads.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", cut(text))
}

/// Cut where it goes on for longer than anybody reads.
pub(super) fn cut(text: &str) -> String {
    /// Longer than any id, issuer or scope of Cognito's.
    const SHOWN: usize = 160;
    match text.char_indices().nth(SHOWN) {
        None => text.to_owned(),
        Some((at, _)) => {
            let shown = text.get(..at).unwrap_or_default();
            let more = text.chars().count().saturating_sub(SHOWN);
            format!("{shown}… and {more} more characters")
        }
    }
}

/// A list in words.
pub(super) fn one_of(wanted: &[String]) -> String {
    match wanted {
        [] => "none".to_owned(),
        [one] => quoted(one),
        many => {
            let many: Vec<_> = many.iter().map(|one| quoted(one)).collect();
            format!("one of {}", many.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_that_it_would_obey() {
        assert_eq!(safe("José, 東京 🙂"), "José, 東京 🙂");
        assert_eq!(safe("\u{1b}[2J\u{7}"), "\\u{1b}[2J\\u{7}");
        assert_eq!(
            safe("a\r\nb\tc\0\u{7f}"),
            "a\\u{d}\\u{a}b\\u{9}c\\u{0}\\u{7f}"
        );
        assert_eq!(safe("\u{9b}31m\u{85}"), "\\u{9b}31m\\u{85}");
        assert_eq!(
            safe("\u{202e}evil\u{2066}\u{200b}"),
            "\\u{202e}evil\\u{2066}\\u{200b}"
        );
        assert_eq!(safe("\u{e0041}"), "\\u{e0041}");
    }

    #[test]
    fn json_says_the_same_with_its_own_escapes() {
        for text in ["a\u{9b}b", "\u{202e}x", "\u{e0041}", "\u{1b}[0m\n"] {
            let written = safe_json(&serde_json::Value::from(text).to_string());
            assert!(!written.chars().any(is_harmful), "{written}");
            let read: serde_json::Value = serde_json::from_str(&written).unwrap();
            assert_eq!(read, text);
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_shown_as_numbers() {
        assert_eq!(text(b"a\xff\xc3\xa9\xc3"), "a\\xffé\\xc3");
    }

    #[test]
    fn what_is_long_is_cut() {
        assert_eq!(cut(&"é".repeat(160)), "é".repeat(160));
        assert_eq!(
            quoted(&"é".repeat(170)),
            format!("\"{}… and 10 more characters\"", "é".repeat(160))
        );
    }
}
