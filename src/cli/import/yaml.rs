//! YAML as people write it: a line for a rule, quotes only where they are needed.

use super::note::shown;
use serde_json::Value;
use std::fmt::Write as _;

/// Words that some reader of YAML takes for something else than text.
const WORDS: [&str; 12] = [
    "true", "false", "yes", "no", "on", "off", "y", "n", "null", "nan", "inf", "~",
];

/// A value on one line.
pub(super) fn flow(value: &Value) -> String {
    match value {
        Value::String(text) => scalar(text),
        Value::Array(elements) => {
            let elements: Vec<_> = elements.iter().map(flow).collect();
            format!("[{}]", elements.join(", "))
        }
        Value::Object(members) => {
            let members = members.iter();
            let members: Vec<_> = members
                .map(|(name, value)| format!("{}: {}", scalar(name), flow(value)))
                .collect();
            format!("{{{}}}", members.join(", "))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// A text: plain where every reader takes it for text, else in quotes.
pub(super) fn scalar(text: &str) -> String {
    let plain = text.starts_with(|first: char| first.is_ascii_alphabetic() || "/_".contains(first))
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "/_-.:+".contains(c))
        && !text.ends_with(':')
        && !WORDS.contains(&&*text.to_ascii_lowercase());
    if plain {
        return text.to_owned();
    }
    if !text.contains(is_escaped) {
        return format!("'{}'", text.replace('\'', "''"));
    }
    let mut quoted = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            _ if is_escaped(character) => {
                // Writing to a text does not fail.
                let _ = write!(quoted, "\\U{:08x}", u32::from(character));
            }
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

/// Control characters, what YAML 1.1 takes for the end of a line, and what shows a text in another
/// order than it is read in.
pub(super) fn is_escaped(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{61c}')
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A comment, on as many lines as it takes.
pub(super) fn comment(into: &mut String, indent: &str, text: &str) {
    const WIDTH: usize = 100;
    // What a definition says must not end the comment.
    let breaks = |character: char| character.is_whitespace() && is_escaped(character);
    let text = shown(&text.replace(breaks, " "));
    let mut line = format!("{indent}#");
    // The sign of a list does not stand alone.
    let hanging = text.starts_with("- ");
    let mut stays = if hanging { 2_usize } else { 1 };
    for word in text.split_whitespace() {
        let length = line.chars().count().saturating_add(word.chars().count());
        if stays == 0 && length >= WIDTH {
            into.push_str(&line);
            into.push('\n');
            // What follows the sign of a list stays below its text.
            line = format!("{indent}#{}", if hanging { "  " } else { "" });
        }
        line.push(' ');
        line.push_str(word);
        stays = stays.saturating_sub(1);
    }
    into.push_str(&line);
    into.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Document, Source};
    use serde_json::json;

    #[test]
    fn texts_are_read_as_they_were() {
        for text in [
            "GET",
            "/users",
            "a:b",
            "a:",
            "no",
            "Yes",
            "~",
            "",
            " ",
            "1",
            "1e3",
            "0x1",
            "a b",
            "a#b",
            "a #b",
            "'",
            "it's",
            "{id}",
            "[a]",
            "*",
            "&a",
            "!a",
            "-",
            "- a",
            "a,b",
            "?",
            "\"",
            "\\",
            "a\nb",
            "\u{7f}",
            "\u{85}",
            "\u{2028}",
            "ü",
            "%",
            "@a",
            "`",
            "us-east-1_Abc",
            "arn:aws:a:b::c/d",
            "http://a/b",
            "\u{1f600}",
            "\r\n",
            "2024-01-01",
            ".inf",
            "null",
            "a: b",
            "\u{feff}a",
            "|",
            ">",
        ] {
            let value = json!({"a": [text, {text: text}]});
            let source = Source::new("test", flow(&value));
            let read = Document::only(&source).unwrap_or_else(|error| panic!("{text:?}: {error}"));
            assert_eq!(read.value, value, "{text:?}");
            let other: Value = serde_yaml_ng::from_str(&flow(&value)).unwrap();
            assert_eq!(other, value, "{text:?}");
        }
    }

    #[test]
    fn a_comment_stays_one() {
        let mut text = String::new();
        comment(&mut text, "", "a\nuser_pools: []\u{2028}b\rc");
        assert_eq!(text, "# a user_pools: [] b c\n");
        let mut text = String::new();
        comment(&mut text, "  ", &format!("- {}", "abcdefghi ".repeat(20)));
        assert!(
            text.lines()
                .all(|line| line.starts_with("  # ") && line.len() <= 101),
            "{text}"
        );
        assert_eq!(text.lines().count(), 3);
    }
}
