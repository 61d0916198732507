//! Every reading of a path, one by one: what the filter finds out without writing them down.

use std::collections::BTreeSet;

use cognito_authorizer::rules::pattern::PathCase;

use super::upstream::{Kind, ModelRule};

/// A byte of a path, and whether it was sent as an escape.
type Token = (u8, bool);
type Segments = Vec<Vec<Token>>;

const SLASH: Token = (b'/', false);

fn tokens(path: &[u8]) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = path;
    while let Some((&byte, tail)) = rest.split_first() {
        let digits = tail
            .get(..2)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        let value = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (byte, value) {
            (b'%', Some(value)) => {
                let unreserved = value.is_ascii_alphanumeric() || b"-._~".contains(&value);
                tokens.push((value, !unreserved));
                rest = &tail[2..];
            }
            _ => {
                let raw = byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&byte);
                tokens.push((byte, !raw));
                rest = tail;
            }
        }
    }
    tokens
}

/// All texts that come of replacing each place by each of its alternatives.
fn product<T: Clone>(places: &[Vec<Vec<T>>]) -> Vec<Vec<T>> {
    let mut all = vec![Vec::new()];
    for alternatives in places {
        all = all
            .iter()
            .flat_map(|before: &Vec<T>| {
                let with = |one: &Vec<T>| [before.as_slice(), one].concat();
                alternatives.iter().map(with).collect::<Vec<_>>()
            })
            .collect();
    }
    all
}

/// What a segment may be once its parameters have been looked at.
fn with_and_without_parameters(segment: &[Token]) -> Vec<Vec<Token>> {
    let mut all = vec![segment.to_vec()];
    if let Some(at) = segment.iter().position(|token| token.0 == b';') {
        all.push(segment[..at].to_vec());
    }
    all
}

fn is_encoded_separator(token: Token) -> bool {
    token == (b'/', true) || token == (b'\\', true)
}

/// The segments of all readings of what follows the first slash.
fn of_tokens(path: &[Token], all: &mut BTreeSet<Segments>) {
    let mut whole = vec![path.to_vec()];
    for (at, token) in path.iter().enumerate() {
        if matches!(token.0, b'?' | b'#') {
            whole.push(path[..at].to_vec());
        }
    }
    for path in whole {
        // Up to the next slash, before any escape is looked at, from any semicolon on.
        let places: Vec<Vec<Vec<Token>>> = path
            .split(|token| *token == SLASH)
            .map(|segment| {
                let mut cut = vec![segment.to_vec()];
                for (at, token) in segment.iter().enumerate() {
                    if token.0 == b';' {
                        cut.push(segment[..at].to_vec());
                    }
                }
                cut.into_iter()
                    .map(|segment| [segment, vec![SLASH]].concat())
                    .collect()
            })
            .collect();
        for mut path in product(&places) {
            path.pop();
            let places: Vec<_> = path
                .iter()
                .map(|token| match is_encoded_separator(*token) {
                    true => vec![vec![*token], vec![SLASH]],
                    false => vec![vec![*token]],
                })
                .collect();
            for path in product(&places) {
                let segments = path.split(|token| *token == SLASH);
                let places: Vec<Vec<Segments>> = segments
                    .map(|segment| {
                        let read = with_and_without_parameters(segment);
                        read.into_iter().map(|segment| vec![segment]).collect()
                    })
                    .collect();
                for mut segments in product(&places) {
                    segments.pop_if(|last| last.is_empty());
                    let places: Vec<Vec<Segments>> = segments
                        .into_iter()
                        .map(|segment| match segment.is_empty() {
                            true => vec![vec![segment], vec![]],
                            false => vec![vec![segment]],
                        })
                        .collect();
                    all.extend(product(&places));
                }
            }
        }
    }
}

/// The segments of all readings of a path.
pub(crate) fn readings(target: &[u8]) -> BTreeSet<Segments> {
    let path = target.split(|byte| *byte == b'?').next().unwrap();
    let path = tokens(&path[1..]);
    let mut all = BTreeSet::new();
    of_tokens(&path, &mut all);
    // `//host/path`: nothing, a host up to some separator, and what is left.
    let separates = |token: &Token| *token == SLASH || is_encoded_separator(*token);
    let next = |begin: usize, separates: &dyn Fn(&Token) -> bool| {
        let length = path[begin..].iter().position(separates);
        length.map_or(path.len(), |length| begin + length)
    };
    let mut hosts = BTreeSet::new();
    let mut vanishing = vec![0];
    while let Some(begin) = vanishing.pop() {
        let end = next(begin, &separates);
        let parameters = path.get(begin).is_some_and(|token| token.0 == b';');
        let ends = match parameters {
            true => vec![end, next(begin, &|token| *token == SLASH)],
            false if begin == end => vec![end],
            false => vec![],
        };
        for end in ends.into_iter().filter(|end| *end < path.len()) {
            hosts.insert(end + 1);
            vanishing.push(end + 1);
        }
    }
    for begin in hosts {
        let (end, slash) = (
            next(begin, &separates),
            next(begin, &|token| *token == SLASH),
        );
        if begin == end {
            continue;
        }
        if path[begin..slash]
            .iter()
            .any(|token| matches!(token.0, b'?' | b'#'))
        {
            all.insert(Vec::new());
        }
        for end in [end, slash] {
            match path.get(end + 1..) {
                Some(rest) => of_tokens(rest, &mut all),
                None => drop(all.insert(Vec::new())),
            }
        }
    }
    all
}

/// How a server compares names.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Compared {
    Literally,
    Decoded(PathCase),
}

fn decoded(segment: &[Token]) -> String {
    let bytes = segment.iter().map(|token| token.0).collect();
    String::from_utf8(bytes).unwrap()
}

fn same(wanted: &str, found: &[Token], compared: Compared) -> bool {
    match compared {
        Compared::Literally => tokens(wanted.as_bytes()) == found,
        Compared::Decoded(PathCase::Sensitive) => wanted == decoded(found),
        Compared::Decoded(PathCase::Insensitive) => {
            let fold = |text: &str| text.to_lowercase().to_uppercase().to_lowercase();
            fold(wanted) == fold(&decoded(found))
        }
    }
}

/// Whether a rule matches these segments, and what its variables then stand for.
pub(crate) fn matched(
    rule: &ModelRule,
    segments: &Segments,
    compared: Compared,
) -> Option<Vec<String>> {
    let (wanted, found) = (rule.segments.len(), segments.len());
    let fits = match rule.kind {
        Kind::Exact | Kind::Template => found == wanted,
        Kind::Prefix => found >= wanted,
        Kind::Greedy => found > wanted,
    };
    if !fits {
        return None;
    }
    let mut values = Vec::new();
    for (wanted, found) in rule.segments.iter().zip(segments) {
        match wanted {
            Some(text) if same(text, found, compared) => {}
            None if !found.is_empty() => values.push(decoded(found)),
            _ => return None,
        }
    }
    if rule.kind == Kind::Greedy {
        let rest: Vec<_> = segments[wanted..].iter().map(|one| decoded(one)).collect();
        values.push(rest.join("/"));
    }
    Some(values)
}
