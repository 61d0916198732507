//! How upstreams read a line of cookies: names and values, as each of them finds them.

use crate::readers::Pair;
use crate::readers::query::{Reader, cut, form_decoded, percent_decoded, php_name};

pub(crate) const READERS: [Reader; 10] = [
    ("RFC 6265", |line| {
        split(line, b";", |text| text.trim_ascii().to_vec())
    }),
    ("Go", go),
    ("PHP", |line| php(line, false)),
    ("PHP, before 7.2.34", |line| php(line, true)),
    ("Rack 2.2", |line| split(line, b";", form_decoded_trimmed)),
    ("Rack 1", |line| split(line, b";,", form_decoded_trimmed)),
    ("Python, http.cookies", http_cookies),
    ("Django", |line| split(line, b";", trimmed_in_utf8)),
    ("Node.js, cookie", |line| {
        split(line, b";", trimmed_in_latin1)
    }),
    ("ASP.NET", |line| {
        let pairs = split(line, b";,", |text| text.trim_ascii().to_vec());
        let pairs = pairs.into_iter();
        pairs
            .map(|(name, value)| (name.to_ascii_lowercase(), value))
            .collect()
    }),
];

fn unquoted(value: &[u8]) -> Vec<u8> {
    let inner = value.strip_prefix(b"\"");
    inner
        .and_then(|value| value.strip_suffix(b"\""))
        .unwrap_or(value)
        .to_vec()
}

fn split(line: &[u8], separators: &[u8], trimmed: fn(&[u8]) -> Vec<u8>) -> Vec<Pair> {
    let pairs = line
        .split(|byte| separators.contains(byte))
        .filter(|pair| pair.contains(&b'='));
    pairs
        .map(cut)
        .map(|(name, value)| (trimmed(name), unquoted(&trimmed(value))))
        .collect()
}

fn form_decoded_trimmed(text: &[u8]) -> Vec<u8> {
    form_decoded(text.trim_ascii_start())
}

fn trimmed_in_utf8(text: &[u8]) -> Vec<u8> {
    match std::str::from_utf8(text) {
        Ok(text) => text.trim().as_bytes().to_vec(),
        Err(_) => text.trim_ascii().to_vec(),
    }
}

/// `trim` of JavaScript, over a string in which each byte is a character.
fn trimmed_in_latin1(text: &[u8]) -> Vec<u8> {
    let space = |byte: &u8| byte.is_ascii_whitespace() || [0x0b, 0xa0].contains(byte);
    let start = text.iter().position(|byte| !space(byte));
    let end = text.iter().rposition(|byte| !space(byte));
    match start.zip(end) {
        Some((start, end)) => text[start..=end].to_vec(),
        None => Vec::new(),
    }
}

/// A name must be a token.
fn go(line: &[u8]) -> Vec<Pair> {
    let pairs = split(line, b";", |text| text.trim_ascii().to_vec());
    let token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let pairs = pairs.into_iter();
    pairs
        .filter(|(name, _)| !name.is_empty() && name.iter().all(token))
        .collect()
}

fn php(line: &[u8], decodes_names: bool) -> Vec<Pair> {
    let pairs = line.split(|byte| *byte == b';').map(|pair| {
        let (name, value) = cut(pair.trim_ascii_start());
        let name = match decodes_names {
            true => form_decoded(name),
            false => name.to_vec(),
        };
        (php_name(&name), unquoted(&percent_decoded(value)))
    });
    pairs.collect()
}

fn is_legal(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_!#%&'~`><@,:/$*+-.^|)(?}{=".contains(&byte)
}

/// The pattern of the module, tried from left to right; the shortest name with which it fits.
fn http_cookies(line: &[u8]) -> Vec<Pair> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < line.len() {
        let spaces = |from: usize| {
            let rest = line[from..].iter();
            from + rest.take_while(|byte| byte.is_ascii_whitespace()).count()
        };
        // After a pair: white space, a semicolon, or the end.
        let ending = |from: usize| {
            let after = spaces(from);
            match line.get(after) {
                None => Some(after),
                Some(b';') => Some(after + 1),
                Some(_) => (after > from).then_some(after),
            }
        };
        let start = spaces(at);
        let mut matched = None;
        let mut end = start;
        while matched.is_none() && line.get(end).is_some_and(|byte| is_legal(*byte)) {
            end += 1;
            let equals = spaces(end);
            if line.get(equals) == Some(&b'=') {
                let value = spaces(equals + 1);
                let text = |byte: &&u8| is_legal(**byte) || b"[]".contains(byte);
                let plain = value + line[value..].iter().take_while(text).count();
                let quoted = (line.get(value) == Some(&b'"'))
                    .then(|| line[value + 1..].iter().position(|byte| *byte == b'"'))
                    .flatten()
                    .map(|length| value + length + 2);
                for last in quoted.into_iter().chain([plain]) {
                    if let (None, Some(next)) = (&matched, ending(last)) {
                        matched = Some((Some(unquoted(&line[value..last])), next));
                    }
                }
            }
            if matched.is_none() {
                matched = ending(end).map(|next| (None, next));
            }
        }
        let Some((value, next)) = matched else {
            break;
        };
        if let Some(value) = value {
            found.push((line[start..end].to_vec(), value));
        }
        at = next.max(at + 1);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the module itself finds, tried in Python 3.13.
    #[test]
    fn the_model_of_http_cookies_finds_what_it_finds() {
        let found = |line: &str| {
            let pairs = http_cookies(line.as_bytes()).into_iter();
            let text = |bytes| String::from_utf8(bytes).unwrap();
            pairs
                .map(|(name, value)| format!("{}:{}", text(name), text(value)))
                .collect::<Vec<_>>()
                .join(" ")
        };
        for (line, expected) in [
            ("a=b; c=d", "a:b c:d"),
            ("a=b c=d", "a:b c:d"),
            ("a=b, c=d", "a:b, c:d"),
            ("a=b,c=d", "a:b,c=d"),
            ("a = b", "a:b"),
            ("a=\"b;c\" d=e", "a:b;c d:e"),
            ("a=\"b\"c=d", ""),
        ] {
            assert_eq!(found(line), expected, "{line}");
        }
    }
}
