//! What people paste: a token, and what stood around it.

use crate::explain::text;
use anyhow::{Context as _, bail, ensure};
use std::io::Read as _;

/// More than any token that Envoy would let through to the filter.
const MAX_BYTES: u64 = 1024 * 1024;

/// A token, without what stood around it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Paste {
    pub(super) compact: String,
    /// What would have the filter refuse the token, were it sent so.
    pub(super) oddities: Vec<String>,
    /// What it would not mind.
    pub(super) notes: Vec<String>,
}

/// What is in a file, or comes in for `-`.
pub(super) fn read(place: &str) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = MAX_BYTES.saturating_add(1);
    let (name, read) = match place {
        "-" => {
            let read = std::io::stdin().lock().take(limit).read_to_end(&mut bytes);
            ("standard input", read)
        }
        // Its name would be shown, and stays in the shell's history.
        token if looks_like_token(token) => bail!(
            "found a token on the command line, where others may see it; expected a file, or - for standard input"
        ),
        path => {
            let file = std::fs::File::open(path).with_context(|| path.to_owned())?;
            (path, file.take(limit).read_to_end(&mut bytes))
        }
    };
    read.with_context(|| name.to_owned())?;
    let found = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    ensure!(
        found <= MAX_BYTES,
        "{name}: found more than {MAX_BYTES} bytes; expected one token"
    );
    Ok(bytes)
}

/// Two full stops, and no part of a path.
fn looks_like_token(text: &str) -> bool {
    let begins = |word: &str| word.starts_with("ey") && word.matches('.').count() >= 2;
    text.split(|character: char| character.is_whitespace() || "\"'`".contains(character))
        .any(begins)
}

impl Paste {
    /// Finds the token in a text.
    pub(super) fn of(bytes: &[u8]) -> anyhow::Result<Self> {
        let whole = text(bytes);
        let mut rest = whole.trim_start_matches('\u{feff}').trim();
        ensure!(!rest.is_empty(), "found nothing; expected a token");
        ensure!(
            !rest.starts_with(['{', '[']),
            "found JSON; expected one token, such as `jq -r .AuthenticationResult.AccessToken` leaves"
        );
        let (mut oddities, mut notes) = (Vec::new(), Vec::new());
        loop {
            if let Some(inner) = quoted(rest) {
                oddities.push("it stands in quotes, which are no part of it".to_owned());
                rest = inner.trim();
            } else if let Some(inner) = rest.strip_suffix([',', ';']) {
                oddities.push("a comma or semicolon follows it, which is no part of it".to_owned());
                rest = inner.trim();
            } else if let Some((_, value)) = named(rest) {
                notes.push("the name of the header stood before it".to_owned());
                rest = value.trim();
            } else if let Some((scheme, token)) = scheme(rest) {
                notes.push(format!("the scheme {scheme} stood before it"));
                rest = token.trim();
            } else {
                break;
            }
        }
        let words: Vec<_> = rest.split_whitespace().collect();
        let tokens = words.iter().filter(|word| looks_like_token(word)).count();
        ensure!(tokens < 2, "found {tokens} tokens; expected one");
        if words.len() > 1 {
            oddities.push("white space stands in it, such as a terminal's line breaks".to_owned());
        }
        Ok(Self {
            compact: words.concat(),
            oddities,
            notes,
        })
    }
}

fn quoted(text: &str) -> Option<&str> {
    ['"', '\'', '`'].iter().find_map(|quote| {
        let inner = text.strip_prefix(*quote)?;
        inner.strip_suffix(*quote)
    })
}

/// A header's line, taken apart.
fn named(text: &str) -> Option<(&str, &str)> {
    let (name, value) = text.split_once(':')?;
    let is_name = name.trim().eq_ignore_ascii_case("authorization");
    is_name.then_some((name, value))
}

/// The scheme and the credentials (RFC 9110, section 11.4).
fn scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, token) = text.split_once(char::is_whitespace)?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some((scheme, token))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "eyJh.eyJz.c2ln";

    #[track_caller]
    fn pasted(text: &str, oddities: &[&str], notes: &[&str]) {
        let paste = Paste::of(text.as_bytes()).unwrap();
        assert_eq!(paste.compact, TOKEN, "{text}");
        let begin = |lines: &[String], expected: &[&str]| {
            let mut both = lines.iter().zip(expected);
            lines.len() == expected.len() && both.all(|(line, word)| line.contains(word))
        };
        assert!(begin(&paste.oddities, oddities), "{text}: {paste:?}");
        assert!(begin(&paste.notes, notes), "{text}: {paste:?}");
    }

    #[test]
    fn a_token_is_found_in_what_people_paste() {
        pasted(TOKEN, &[], &[]);
        pasted(&format!("\u{feff} {TOKEN}\r\n"), &[], &[]);
        pasted(&format!("Bearer {TOKEN}"), &[], &["Bearer"]);
        pasted(&format!("bEaReR \t {TOKEN}"), &[], &["bEaReR"]);
        pasted(
            &format!("Authorization: Bearer {TOKEN}\n"),
            &[],
            &["header", "Bearer"],
        );
        pasted(&format!("\"{TOKEN}\""), &["quotes"], &[]);
        pasted(&format!("'Bearer {TOKEN}'"), &["quotes"], &["Bearer"]);
        pasted(&format!("\"{TOKEN}\","), &["comma", "quotes"], &[]);
        pasted("eyJh.ey\nJz.c2 ln", &["white space"], &[]);
    }

    #[test]
    fn what_is_no_one_token_is_said() {
        for (text, error) in [
            (String::new(), "found nothing; expected a token"),
            (" \n".to_owned(), "found nothing; expected a token"),
            (format!("{TOKEN}\n{TOKEN}"), "found 2 tokens; expected one"),
        ] {
            assert_eq!(Paste::of(text.as_bytes()).unwrap_err().to_string(), error);
        }
        let json = Paste::of(br#"{"AccessToken": "eyJh.eyJz.c2ln"}"#).unwrap_err();
        assert!(json.to_string().starts_with("found JSON; "), "{json}");
        assert!(!json.to_string().contains("eyJ"), "{json}");
    }

    #[test]
    fn a_token_is_told_from_a_file() {
        assert!(looks_like_token(TOKEN));
        assert!(looks_like_token("Bearer eyJh.eyJz.c2ln"));
        for file in ["-", "token.txt", "a/b.c.d", "../../eyes.txt", "ey.txt"] {
            assert!(!looks_like_token(file), "{file}");
        }
    }
}
