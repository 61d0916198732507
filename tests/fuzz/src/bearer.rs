//! Where a token stands in a request: one more token is always seen, and what is stripped is gone.

use std::borrow::Cow;

use arbitrary::{Result, Unstructured};
use cognito_authorizer::bearer::{
    Amplify, Encoding, PROTOCOLS, Scheme, TokenSource, TokenSources, WebSocketProtocol,
};
use cognito_authorizer::claims::TokenUse;
use cognito_authorizer::header::{HeaderEdit, HeaderName};
use cognito_authorizer::refusal::Reason;
use cognito_authorizer::request::Request;

type Headers = Vec<(Cow<'static, str>, Vec<u8>)>;

const HEADERS: [&str; 7] = [
    "authorization",
    "x-token",
    "cookie",
    ":path",
    "x-other",
    "upgrade",
    PROTOCOLS,
];
const NAMES: [&str; 3] = ["access_token", "t", "a b"];
/// What values are made of, beside any bytes.
const PIECES: [&[u8]; 33] = [
    b"Bearer ",
    b"bearer",
    b"Basic ",
    b"a.b.c",
    b" ",
    b",",
    b"\t",
    b"=",
    b"&",
    b";",
    b"?",
    b"#",
    b"%",
    b"%61ccess_token",
    b"access_token=",
    b"t=",
    b"a%20b=",
    b"\"",
    b"/",
    b"AWS4-HMAC-SHA256 a=b, c=d",
    b"a%2Eb",
    b"+",
    b"JWT ",
    b"Bearer%20",
    b"jwt.",
    b"b64.",
    b"YS5iLmM",
    b"CognitoIdentityServiceProvider.web.",
    b"cognitoidentityserviceprovider_web_",
    b"LastAuthUser=",
    b"u.accessToken=",
    b"u.accessToken.0=",
    b"v.accessToken=",
];
/// A token that no generated value has in it.
const MARK: &[u8] = b"QQQ.QQQ.QQQ";

fn sources(input: &mut Unstructured<'_>) -> Result<TokenSources> {
    let mut places = Vec::new();
    for _ in 0..input.int_in_range(1..=3)? {
        let place = match input.int_in_range(0..=8)? {
            0 => TokenSource::Header(HeaderName::authorization(), Scheme::BEARER),
            1 => TokenSource::Header(HeaderName::new("x-token").expect("a name"), Scheme::BEARER),
            2 => TokenSource::Query((*input.choose(&NAMES)?).to_owned()),
            3 => {
                let scheme = Scheme::new("JWT").expect("a scheme");
                TokenSource::Header(HeaderName::new("x-token").expect("a name"), scheme)
            }
            4 => TokenSource::WebSocket(WebSocketProtocol::After("bearer".to_owned())),
            5 => TokenSource::WebSocket(WebSocketProtocol::Prefixed(
                "jwt.".to_owned(),
                Encoding::None,
            )),
            6 => TokenSource::WebSocket(WebSocketProtocol::Prefixed(
                "b64.".to_owned(),
                Encoding::Base64Url,
            )),
            7 => TokenSource::Amplify(Amplify::new(TokenUse::Access, ["web".to_owned()])),
            // No cookie's name has a space in it.
            _ => TokenSource::Cookie((*input.choose(&NAMES[..2])?).to_owned()),
        };
        // The same place twice is refused by the configuration.
        if !places.contains(&place) {
            places.push(place);
        }
    }
    Ok(TokenSources::new(places).expect("places"))
}

fn value(input: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let mut value = Vec::new();
    for _ in 0..input.int_in_range(0..=7)? {
        match input.ratio(1, 8)? {
            true => value.push(input.arbitrary()?),
            false => value.extend_from_slice(input.choose(&PIECES)?),
        }
    }
    Ok(value)
}

/// The request with one more token, where such a source wants it.
fn with_mark(headers: &Headers, place: &TokenSource) -> Option<Headers> {
    let mut headers = headers.clone();
    match place {
        TokenSource::Header(name, scheme) => {
            let line = [scheme.as_str().as_bytes(), b" ", MARK].concat();
            headers.push((Cow::Owned(name.as_str().to_owned()), line));
        }
        TokenSource::Cookie(name) => {
            let line = [name.as_bytes(), b"=", MARK].concat();
            headers.push((Cow::Borrowed("cookie"), line));
        }
        TokenSource::WebSocket(protocol) => {
            // Another upgrade would show what was none before.
            if !Request::new(headers.clone()).is_upgrade() {
                return None;
            }
            let line = match protocol {
                WebSocketProtocol::After(marker) => [marker.as_bytes(), b",", MARK].concat(),
                WebSocketProtocol::Prefixed(prefix, Encoding::None) => {
                    [prefix.as_bytes(), MARK].concat()
                }
                WebSocketProtocol::Prefixed(prefix, Encoding::Base64Url) => {
                    [prefix.as_bytes(), b"UVFRLlFRUS5RUVE"].concat()
                }
            };
            // First, so that no marker stands before it.
            headers.insert(0, (Cow::Borrowed(PROTOCOLS), line));
        }
        TokenSource::Amplify(amplify) => {
            let token = std::str::from_utf8(MARK).expect("text");
            let line = amplify.written(token).expect("a client").into_bytes();
            headers.push((Cow::Borrowed("cookie"), line));
        }
        TokenSource::Query(name) => {
            let (_, path) = headers.iter_mut().find(|(name, _)| name == ":path")?;
            let fragment = path.iter().position(|byte| *byte == b'#');
            let end = fragment.unwrap_or(path.len());
            let mark = if path[..end].contains(&b'?') {
                b'&'
            } else {
                b'?'
            };
            let name = name.replace(' ', "%20");
            let parameter = [&[mark], name.as_bytes(), b"=", MARK].concat();
            path.splice(end..end, parameter);
        }
    }
    Some(headers)
}

fn edited(mut headers: Headers, edits: &[HeaderEdit]) -> Headers {
    for edit in edits {
        let name = match edit {
            HeaderEdit::Remove(name) | HeaderEdit::Set(name, _) => name,
        };
        headers.retain(|(present, _)| **present != **name);
        if let HeaderEdit::Set(name, value) = edit {
            headers.push((Cow::Owned(name.to_string()), value.clone()));
        }
    }
    headers
}

fn check(input: &mut Unstructured<'_>) -> Result<()> {
    let sources = sources(input)?;
    let mut headers = Headers::new();
    for _ in 0..input.int_in_range(0..=5)? {
        let name = *input.choose(&HEADERS)?;
        // The host hands over one path.
        if name != ":path" || headers.iter().all(|(present, _)| present != ":path") {
            headers.push((Cow::Borrowed(name), value(input)?));
        }
    }
    let request = Request::new(headers.clone());
    let found = sources.extract(&request);
    if let Ok(Some(token)) = &found {
        assert!(!token.is_empty());
    }
    let has_fragment = request
        .first(":path")
        .is_some_and(|path| path.contains(&b'#'));
    let has_alias = has_fragment || sources.strip(&request).is_ok_and(|edits| !edits.is_empty());
    for place in sources.iter() {
        let Some(headers) = with_mark(&headers, place) else {
            continue;
        };
        let request = Request::new(headers);
        let with_mark = sources.extract(&request);
        match &found {
            // What some reader alone takes for a place is a second token beside another.
            Ok(None) if has_alias => assert!(
                matches!(with_mark, Ok(Some(_)) | Err(Reason::MultipleTokens)),
                "{request:?}"
            ),
            // Another user may be named, or the marker be another place's token.
            Ok(None) if matches!(place, TokenSource::Amplify(_) | TokenSource::WebSocket(_)) => {
                assert!(
                    with_mark == Ok(Some(Cow::Borrowed(MARK)))
                        || with_mark == Err(Reason::MultipleTokens),
                    "{request:?}"
                );
            }
            Ok(None) => assert_eq!(with_mark, Ok(Some(Cow::Borrowed(MARK))), "{request:?}"),
            Ok(Some(_)) | Err(_) => {
                assert_eq!(with_mark, Err(Reason::MultipleTokens), "{request:?}");
            }
        }
    }
    let mut edits = sources.strip(&request).expect("a short request");
    edits.extend(sources.hide(&request));
    let stripped = Request::new(edited(headers, &edits));
    assert_eq!(
        sources.extract(&stripped),
        Ok(None),
        "{request:?} {stripped:?}"
    );
    let others = |request: &Request| {
        let values = request.all("x-other").map(<[u8]>::to_vec);
        values.collect::<Vec<_>>()
    };
    assert_eq!(others(&stripped), others(&request));
    Ok(())
}

/// No token hides from the filter, and none gets past it that is to be taken off.
pub fn bearer(data: &[u8]) {
    // An input that is too short asks nothing.
    let _ = check(&mut Unstructured::new(data));
}
