//! Two readers of one request: whatever parser stands behind the filter, it finds the token that the
//! filter has checked, or none.

mod cookies;
mod query;

use std::collections::BTreeMap;

use crate::harness::seed::Seed;
use cognito_authorizer::bearer::{Amplify, Scheme, TokenSource, TokenSources};
use cognito_authorizer::claims::TokenUse;
use cognito_authorizer::header::{HeaderEdit, HeaderName};
use cognito_authorizer::refusal::Reason;
use cognito_authorizer::request::Request;
use query::Reader;

/// A name and a value.
pub(crate) type Pair = (Vec<u8>, Vec<u8>);

const GOOD: &str = "eyJh.eyJz.c2ln";
const FORGED: &str = "eyJm.b3Jn.ZWQ";

/// Configured names, each with marks of another kind.
const NAMES: [&str; 4] = ["access_token", "access.token", "__Host-id", "t"];

const PIECES: [&str; 42] = [
    "access_token",
    "access.token",
    "access+token",
    "access%5Ftoken",
    "access token",
    "access[token",
    "Access_Token",
    "%u0061ccess_token",
    "__Host-id",
    "..Host-id",
    "t",
    "T",
    "a",
    "=",
    "=",
    "=",
    "&",
    "&",
    ";",
    ";",
    ",",
    " ",
    "\t",
    "+",
    "%20",
    "%00",
    "[",
    "]",
    "[]",
    "%5B",
    "\"",
    "\"",
    "#",
    ".",
    "_",
    "\u{a0}",
    "\u{3000}",
    "%C2%A0",
    GOOD,
    GOOD,
    FORGED,
    FORGED,
];

fn text(seed: &mut Seed) -> Vec<u8> {
    let mut text = Vec::new();
    for _ in 0..seed.below(12) {
        if seed.below(6) == 0 {
            let name = seed.pick(&PIECES[..10]);
            let token = seed.pick(&[GOOD, FORGED]);
            let end = seed.pick(&["&", ";", "; ", " ", ", ", ""]);
            text.extend(format!("{name}={token}{end}").as_bytes());
        }
        match *seed.choose(&PIECES) {
            // Latin-1 has it in one byte.
            "\u{a0}" if seed.below(2) == 0 => text.push(0xa0),
            piece => text.extend(piece.as_bytes()),
        }
    }
    text
}

/// The tokens that a reader finds under this name.
fn tokens(reader: Reader, text: &[u8], name: &str) -> Vec<Vec<u8>> {
    let (who, read) = reader;
    let wanted: Vec<u8> = match who {
        "ASP.NET" => name.to_ascii_lowercase().into_bytes(),
        "PHP" | "PHP, before 7.2.34" => query::php_name(name.as_bytes()),
        _ => name.as_bytes().to_vec(),
    };
    let pairs = read(text).into_iter();
    pairs
        .filter(|(name, value)| *name == wanted && !value.is_empty())
        .map(|(_, value)| value)
        .collect()
}

fn found(request: &Request, name: &str) -> BTreeMap<&'static str, Vec<Vec<u8>>> {
    let path = request.first(":path").unwrap_or_default();
    let mark = path.iter().position(|byte| *byte == b'?');
    let text = mark.map_or(&b""[..], |mark| &path[mark + 1..]);
    let text = text.split(|byte| *byte == b'#').next().unwrap();
    let mut found: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for reader in query::READERS {
        found
            .entry(reader.0)
            .or_default()
            .extend(tokens(reader, text, name));
    }
    for line in request.all("cookie") {
        for reader in cookies::READERS {
            found
                .entry(reader.0)
                .or_default()
                .extend(tokens(reader, line, name));
        }
    }
    found.retain(|_, tokens| !tokens.is_empty());
    found
}

fn lossy(headers: &Headers) -> Vec<String> {
    let lines = headers.iter();
    lines
        .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value)))
        .collect()
}

type Headers = Vec<(std::borrow::Cow<'static, str>, Vec<u8>)>;

fn edited(mut headers: Headers, edits: Vec<HeaderEdit>) -> Headers {
    for edit in edits {
        let (HeaderEdit::Remove(name) | HeaderEdit::Set(name, _)) = &edit;
        headers.retain(|(known, _)| **known != **name);
        if let HeaderEdit::Set(name, value) = edit {
            headers.push((name.to_string().into(), value));
        }
    }
    headers
}

/// White space and quotes around a value are nobody's token.
fn is_something(token: &[u8]) -> bool {
    let nothing = |byte: &u8| byte.is_ascii_whitespace() || *byte == b'"';
    !token.iter().all(nothing)
}

#[test]
fn every_reader_finds_no_more_than_the_filter() {
    let mut seed = Seed::from_variable("READERS_SEED");
    let (mut accepted, mut refused, mut stripped_some) = (0, 0, 0);
    for _ in 0..15_000 {
        let name = seed.pick(&NAMES);
        let sources = TokenSources::new(vec![
            TokenSource::Header(HeaderName::authorization(), Scheme::BEARER),
            TokenSource::Query(name.to_owned()),
            TokenSource::Cookie(name.to_owned()),
        ])
        .unwrap();
        let mut headers = vec![];
        let mut path = b"/x".to_vec();
        if seed.below(3) > 0 {
            path.push(b'?');
            path.extend(text(&mut seed));
        }
        headers.push((":path".into(), path));
        for _ in 0..seed.below(3) {
            headers.push(("cookie".into(), text(&mut seed)));
        }
        if seed.below(2) == 0 {
            headers.push((
                "authorization".into(),
                format!("Bearer {GOOD}").into_bytes(),
            ));
        }
        let request = Request::new(headers.clone());
        match sources.extract(&request) {
            // What is no token is refused for its form.
            Ok(Some(token)) if *token == *GOOD.as_bytes() => {
                accepted += 1;
                let bearer = headers.iter().any(|(name, _)| name == "authorization");
                for (who, tokens) in found(&request, name) {
                    for token in tokens.into_iter().filter(|token| is_something(token)) {
                        assert!(
                            !bearer,
                            "{who} finds a second {token:?} for {name}: {headers:?}"
                        );
                        let (token, request) = (
                            String::from_utf8_lossy(&token).into_owned(),
                            lossy(&headers),
                        );
                        assert_eq!(
                            token.trim_matches([' ', '\t', '"']),
                            GOOD,
                            "{who}, {name}: {request:?}"
                        );
                    }
                }
            }
            Ok(_) => {}
            Err(reason) => {
                refused += 1;
                assert_eq!(reason, Reason::MultipleTokens);
            }
        }
        let edits = sources.strip(&request).unwrap();
        stripped_some += usize::from(!edits.is_empty());
        let headers = edited(headers, edits);
        let stripped = Request::new(headers.clone());
        assert_eq!(sources.extract(&stripped), Ok(None), "{headers:?}");
        for (who, tokens) in found(&stripped, name) {
            let left: Vec<_> = tokens
                .into_iter()
                .filter(|token| is_something(token))
                .collect();
            assert!(
                left.is_empty(),
                "{who} still finds {left:?} for {name}: {request:?}, {headers:?}"
            );
        }
    }
    // The generator asks all of it.
    assert!(accepted > 1_000, "{accepted} accepted");
    assert!(refused > 1_000, "{refused} refused");
    assert!(stripped_some > 2_500, "{stripped_some} stripped");
}

/// What names of Amplify's cookies are made of, and what stands between them.
const AMPLIFYS: [&str; 32] = [
    "CognitoIdentityServiceProvider.",
    "CognitoIdentityServiceProvider.",
    "CognitoIdentityServiceProvider.web.u.accessToken",
    "CognitoIdentityServiceProvider.web.u.accessToken",
    "CognitoIdentityServiceProvider.web.u.accessToken",
    "CognitoIdentityServiceProvider.web.u.accessToken[",
    "CognitoIdentityServiceProvider.web.u.idToken",
    "CognitoIdentityServiceProvider_web_u_accessToken",
    "cognitoidentityserviceprovider.web.u.accesstoken",
    "web.",
    "u.accessToken",
    "x",
    ".",
    "_",
    "=",
    "=",
    "=",
    ";",
    ";",
    "; ",
    ",",
    ", ",
    " ",
    "\t",
    "\"",
    "[",
    "[]",
    "]",
    "%00",
    "%5B",
    GOOD,
    FORGED,
];

#[test]
fn every_reader_finds_no_more_of_amplifys_cookies_than_the_filter() {
    const NAME: &str = "CognitoIdentityServiceProvider.web.u.accessToken";
    let mut seed = Seed::from_variable("READERS_SEED");
    let place = Amplify::new(TokenUse::Access, ["web".to_owned()]);
    let sources = TokenSources::new(vec![TokenSource::Amplify(place)]).unwrap();
    let of_some = |request: &Request| {
        let mut found = found(request, NAME);
        for tokens in found.values_mut() {
            tokens.retain(|token| is_something(token));
        }
        found.retain(|_, tokens| !tokens.is_empty());
        found
    };
    let (mut accepted, mut refused) = (0, 0);
    for _ in 0..15_000 {
        let named = "CognitoIdentityServiceProvider.web.LastAuthUser=u";
        let mut line = format!("{named}; {NAME}={GOOD}; ").into_bytes();
        for _ in 0..seed.below(10) {
            line.extend(seed.choose(&AMPLIFYS).as_bytes());
            if seed.below(6) == 0 {
                let name = seed.pick(&AMPLIFYS[2..10]);
                let end = seed.pick(&["=", "[x]=", "%00x=", "x="]);
                line.extend(format!("{name}{end}{FORGED}; ").as_bytes());
            }
        }
        let headers: Headers = vec![("cookie".into(), line)];
        let request = Request::new(headers.clone());
        let all = of_some(&request);
        match sources.extract(&request) {
            Ok(Some(token)) if *token == *GOOD.as_bytes() => {
                accepted += 1;
                assert!(
                    all.values().all(|tokens| tokens.len() == 1),
                    "{all:?}: {:?}",
                    lossy(&headers)
                );
            }
            // The good one's own value went on, or it stands beside parts.
            Ok(_) => {}
            Err(reason) => {
                refused += 1;
                assert_eq!(reason, Reason::MultipleTokens);
            }
        }
        let headers = edited(headers, sources.strip(&request).unwrap());
        let left = of_some(&Request::new(headers.clone()));
        assert!(left.is_empty(), "{left:?}: {request:?}, {headers:?}");
    }
    // The generator asks all of it.
    assert!(accepted > 3_000, "{accepted} accepted");
    assert!(refused > 3_000, "{refused} refused");
}
