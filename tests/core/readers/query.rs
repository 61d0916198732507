//! How upstreams read a query: names and values, as each of them finds them.

use crate::readers::Pair;

/// A parser.
pub(crate) type Reader = (&'static str, fn(&[u8]) -> Vec<Pair>);

pub(crate) const READERS: [Reader; 8] = [
    ("WHATWG", whatwg),
    ("Go", go),
    ("PHP", php),
    ("Rack 2", rack),
    ("Rack 3", |query| rack_names(pairs(query, b"&"), false)),
    ("Python, before 3.9.2", |query| pairs(query, b"&;")),
    ("Express, qs", express),
    ("ASP.NET", asp_net),
];

fn digit(byte: u8) -> Option<u8> {
    u8::try_from(char::from(byte).to_digit(16)?).ok()
}

/// Without `+`; a broken escape stays.
pub(crate) fn percent_decoded(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let escape = match (text[at], text.get(at + 1), text.get(at + 2)) {
            (b'%', Some(high), Some(low)) => digit(*high).zip(digit(*low)),
            _ => None,
        };
        match escape {
            Some((high, low)) => {
                decoded.push(high * 16 + low);
                at += 3;
            }
            None => {
                decoded.push(text[at]);
                at += 1;
            }
        }
    }
    decoded
}

pub(crate) fn form_decoded(text: &[u8]) -> Vec<u8> {
    let spaced: Vec<u8> = text
        .iter()
        .map(|byte| if *byte == b'+' { b' ' } else { *byte })
        .collect();
    percent_decoded(&spaced)
}

pub(crate) fn cut(pair: &[u8]) -> (&[u8], &[u8]) {
    match pair.iter().position(|byte| *byte == b'=') {
        Some(equals) => (&pair[..equals], &pair[equals + 1..]),
        None => (pair, b""),
    }
}

fn pairs(query: &[u8], separators: &[u8]) -> Vec<Pair> {
    let pairs = query.split(|byte| separators.contains(byte));
    pairs
        .map(cut)
        .map(|(name, value)| (form_decoded(name), form_decoded(value)))
        .collect()
}

/// `URLSearchParams`; Node.js, Java's servlets and Python since 3.9.2 find the same.
fn whatwg(query: &[u8]) -> Vec<Pair> {
    pairs(query, b"&")
}

/// A pair with a semicolon in it is left out.
fn go(query: &[u8]) -> Vec<Pair> {
    let kept: Vec<_> = query
        .split(|byte| *byte == b'&')
        .filter(|pair| !pair.contains(&b';'))
        .collect();
    pairs(&kept.join(&b'&'), b"&")
}

/// `php_register_variable_ex`: leading spaces are skipped, the name ends at a NUL, spaces and full stops
/// become `_`, and a bracket begins an index, unless no other ends it.
pub(crate) fn php_name(name: &[u8]) -> Vec<u8> {
    let start = name.iter().position(|byte| *byte != b' ');
    let name = &name[start.unwrap_or(name.len())..];
    let name = name.split(|byte| *byte == 0).next().unwrap();
    let underscored = |text: &[u8], also: &[u8]| {
        text.iter()
            .map(|byte| match b" .".contains(byte) || also.contains(byte) {
                true => b'_',
                false => *byte,
            })
            .collect::<Vec<u8>>()
    };
    match name.iter().position(|byte| *byte == b'[') {
        Some(open) if name[open..].contains(&b']') => underscored(&name[..open], b""),
        _ => underscored(name, b"["),
    }
}

fn php(query: &[u8]) -> Vec<Pair> {
    let pairs = pairs(query, b"&").into_iter();
    pairs
        .map(|(name, value)| (php_name(&name), value))
        .collect()
}

/// Rack 2 takes semicolons, and brackets off the front and one group off the back.
fn rack(query: &[u8]) -> Vec<Pair> {
    rack_names(pairs(query, b"&;"), true)
}

/// `normalize_params`: the name is what stands before the first bracket.
fn rack_names(pairs: Vec<Pair>, brackets_before: bool) -> Vec<Pair> {
    let bracket = |byte: &u8| b"[]".contains(byte);
    let named = pairs.into_iter().map(|(name, value)| {
        let start = match brackets_before {
            true => name.iter().position(|byte| !bracket(byte)),
            false => Some(0),
        };
        let name = &name[start.unwrap_or(name.len())..];
        let end = name.iter().skip(1).position(bracket);
        (
            name[..end.map_or(name.len(), |end| end + 1)].to_vec(),
            value,
        )
    });
    named.collect()
}

/// `a[b]` is an object, and so is `[b]`, of nothing in particular.
fn express(query: &[u8]) -> Vec<Pair> {
    let pairs = pairs(query, b"&").into_iter().map(|(name, value)| {
        let name = match name.strip_prefix(b"[") {
            Some(inner) => inner.split(|byte| *byte == b']').next().unwrap().to_vec(),
            None => name.split(|byte| *byte == b'[').next().unwrap().to_vec(),
        };
        (name, value)
    });
    pairs.collect()
}

/// Letter case does not count, and `%u0061` is an escape to `HttpUtility`.
fn asp_net(query: &[u8]) -> Vec<Pair> {
    let pairs = query.split(|byte| *byte == b'&').map(cut);
    let pairs = pairs.map(|(name, value)| {
        let mut plain = Vec::new();
        let mut rest = name;
        while let Some(byte) = rest.first() {
            match rest {
                [b'%', b'u', b'0', b'0', high, low, after @ ..]
                    if digit(*high).zip(digit(*low)).is_some() =>
                {
                    plain.extend([b'%', *high, *low]);
                    rest = after;
                }
                _ => {
                    plain.push(*byte);
                    rest = &rest[1..];
                }
            }
        }
        (
            form_decoded(&plain).to_ascii_lowercase(),
            form_decoded(value),
        )
    });
    pairs.collect()
}
