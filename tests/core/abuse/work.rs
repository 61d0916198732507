//! What refusals cost, in signatures verified and in time, beside an acceptance.

use std::cell::Cell;
use std::hint::black_box;
use std::rc::Rc;
use std::time::{Duration, Instant};

use cognito_authorizer::decision::{Decision, Verdict};
use cognito_authorizer::gate::Gate;
use cognito_authorizer::refusal::Reason;
use cognito_authorizer::rs256::{HostAnswer, HostVerifier, Rs256};
use rsa::pkcs1v15::{Signature, VerifyingKey};
use rsa::pkcs8::DecodePublicKey as _;
use rsa::signature::Verifier as _;
use serde_json::{Value, json};
use sha2::Sha256;

use cognito_authorizer::bearer::{Amplify, TokenSource, TokenSources};
use cognito_authorizer::claims::TokenUse;
use cognito_authorizer::config;
use cognito_authorizer::keyring::Entropy;
use cognito_authorizer::request::Request;
use cognito_authorizer::request::cookies::Cookies;
use cognito_authorizer::request::query::Query;
use cognito_authorizer::request::work::{MAX_WORK, Work};
use cognito_authorizer::work::TooCostly;

use crate::abuse::{POOL, bearer, gate, now};
use crate::harness::issuer::{CLIENT, TestKey, Token, compact, key_set, signed};

/// A host's verifier that counts how often it is asked, and costs nothing once it is trusted.
#[derive(Default)]
struct Counted {
    asked: Cell<usize>,
    /// What to answer without looking.
    always: Cell<Option<bool>>,
}

impl HostVerifier for Counted {
    fn verify(&self, spki: &[u8], message: &[u8], signature: &[u8]) -> HostAnswer {
        self.asked.set(self.asked.get() + 1);
        let good = self.always.get().unwrap_or_else(|| {
            let key = rsa::PublicKey::from_public_key_der(spki).expect("a key in the host's form");
            let signature = Signature::try_from(signature);
            let key = VerifyingKey::<Sha256>::new(key);
            signature.is_ok_and(|signature| key.verify(message, &signature).is_ok())
        });
        match good {
            true => HostAnswer::Valid,
            false => HostAnswer::Invalid,
        }
    }
}

fn counted() -> (Gate, Rc<Counted>) {
    let host = Rc::new(Counted::default());
    let algorithm = Rs256::host_if_proven(Rc::<Counted>::clone(&host));
    assert!(algorithm.is_host());
    host.asked.set(0);
    (gate(algorithm), host)
}

fn reason(gate: &mut Gate, token: &str) -> Option<Reason> {
    match gate.decide(&bearer(token), now(0).wall).0 {
        Decision::Verdict(Verdict::Forward(_)) => None,
        Decision::Verdict(Verdict::Answer(_)) => panic!("nothing is answered here"),
        Decision::Verdict(Verdict::Refuse(refusal)) => Some(refusal.reason()),
        // Inline keys: it would be told so at once.
        Decision::Hold(_) => Some(Reason::UnknownKey),
    }
}

fn forged(token: &Token) -> String {
    signed(
        &token.header_bytes(),
        &token.payload_bytes(),
        TestKey::third(),
    )
}

/// A token of about so many bytes, in which a claim has this value: what is dear to read.
fn stuffed(value: &Value) -> Token {
    Token::access(POOL).claim("custom:stuffing", value.clone())
}

/// Each way to be refused for what a token says, with the signatures that it may cost.
fn refusals() -> Vec<(&'static str, String, Reason, usize)> {
    let token = || Token::access(POOL);
    let good = token().mint();
    let unsigned = |token: Token| compact(&token.header_bytes(), &token.payload_bytes(), &[1; 256]);
    vec![
        ("garbage", "x".repeat(800), Reason::MalformedToken, 0),
        (
            "two parts",
            good[..good.rfind('.').unwrap()].to_owned(),
            Reason::MalformedToken,
            0,
        ),
        ("too large", "x".repeat(16_385), Reason::TokenTooLarge, 0),
        (
            "alg",
            unsigned(token().header("alg", "HS256")),
            Reason::UnsupportedAlgorithm,
            0,
        ),
        (
            "no kid",
            unsigned(token().without_header("kid")),
            Reason::MalformedToken,
            0,
        ),
        (
            "issuer",
            unsigned(token().claim("iss", "https://evil.example")),
            Reason::UnknownIssuer,
            0,
        ),
        (
            "expired",
            unsigned(token().claim("exp", 1)),
            Reason::TokenExpired,
            0,
        ),
        (
            "not yet",
            unsigned(token().claim("nbf", 1_u64 << 40)),
            Reason::TokenNotYetValid,
            0,
        ),
        (
            "no exp",
            unsigned(token().without("exp")),
            Reason::MalformedToken,
            0,
        ),
        (
            "use",
            unsigned(token().claim("token_use", "refresh")),
            Reason::WrongTokenUse,
            0,
        ),
        (
            "client",
            unsigned(token().claim("client_id", "stranger")),
            Reason::WrongClient,
            0,
        ),
        (
            "kid",
            unsigned(token().header("kid", "stranger")),
            Reason::UnknownKey,
            0,
        ),
        ("forged", forged(&token()), Reason::InvalidSignature, 1),
        (
            "short signature",
            good[..good.len() - 2].to_owned(),
            Reason::InvalidSignature,
            0,
        ),
    ]
}

/// Nothing but a signature of the right length under a known key is ever verified, and that once.
#[test]
fn refusals_verify_at_most_one_signature() {
    let (mut gate, host) = counted();
    for (what, token, expected, signatures) in refusals() {
        for _ in 0..3 {
            host.asked.set(0);
            assert_eq!(reason(&mut gate, &token), Some(expected), "{what}");
            assert_eq!(host.asked.get(), signatures, "{what}");
        }
    }
    let good = Token::access(POOL).mint();
    for signatures in [1, 0] {
        host.asked.set(0);
        assert_eq!(reason(&mut gate, &good), None);
        assert_eq!(host.asked.get(), signatures, "an acceptance");
    }
}

/// The least time that the decision has taken: what else the machine does only adds to it.
fn least(times: usize, mut decide: impl FnMut() -> Option<Reason>) -> Duration {
    let timed = |_| {
        let start = Instant::now();
        black_box(decide());
        start.elapsed()
    };
    (0..times).map(timed).min().expect("one at least")
}

/// What is refused before its signature costs less than what is accepted, and a forged signature no more.
#[test]
fn no_refusal_costs_more_than_an_acceptance() {
    let (mut gate, _) = counted();
    let fresh = (0..40).map(|number| Token::access(POOL).claim("jti", number).mint());
    let fresh: Vec<_> = fresh.collect();
    let mut next = fresh.iter();
    let acceptance = least(fresh.len(), || reason(&mut gate, next.next().unwrap()));
    for (what, token, expected, signatures) in refusals() {
        assert_eq!(reason(&mut gate, &token), Some(expected), "{what}");
        let refusal = least(40, || reason(&mut gate, &token));
        // The same work twice takes about the same time, when others use the machine too.
        let bound = match signatures {
            0 => acceptance,
            _ => acceptance * 3 / 2,
        };
        assert!(
            refusal < bound,
            "{what}: {refusal:?} against {acceptance:?}"
        );
    }
}

/// Beside the signature, too: an acceptance reads the token to its end, renders headers and remembers,
/// and a refusal does a part of that.
#[test]
fn refusals_do_no_work_of_their_own() {
    let (mut gate, host) = counted();
    let fresh = (0..200).map(|number| Token::access(POOL).claim("jti", number));
    let fresh: Vec<_> = fresh
        .map(|token| compact(&token.header_bytes(), &token.payload_bytes(), &[1; 256]))
        .collect();
    host.always.set(Some(true));
    let mut next = fresh.iter();
    let acceptance = least(fresh.len(), || reason(&mut gate, next.next().unwrap()));
    host.always.set(Some(false));
    for (what, token, ..) in refusals() {
        let refusal = least(200, || reason(&mut gate, &token));
        // Most cost what the reading costs; what is not remembered is thrown away, and a header that
        // no verified token had is read twice.
        assert!(
            refusal < acceptance * 3,
            "{what}: {refusal:?} against {acceptance:?}"
        );
    }
}

/// However a token is stuffed, reading it to its refusal takes no longer than a few times what an
/// honest one of the same length takes: nothing in it grows faster than its length.
#[test]
fn stuffed_tokens_cost_what_their_length_costs() {
    let (mut gate, host) = counted();
    host.always.set(Some(false));
    let length = 11_000;
    let honest = stuffed(&json!("x".repeat(length)));
    let as_text = |token: &Token| compact(&token.header_bytes(), &token.payload_bytes(), &[1; 256]);
    let mut cost = |token: &str| {
        assert!(token.len() <= 16_384, "{} bytes", token.len());
        assert!(reason(&mut gate, token).is_some());
        least(30, || reason(&mut gate, token))
    };
    // Many small values cost a honest token more than one long text does.
    let numbers: Value = (0..length / 2).map(|_| 1).collect();
    let base = cost(&as_text(&honest)).max(cost(&as_text(&stuffed(&numbers))));
    let members = |name: fn(usize) -> String, count: usize| {
        let mut token = Token::access(POOL);
        for number in 0..count {
            token = token.claim(&name(number), 1);
        }
        token
    };
    let payload = |text: String| {
        let token = Token::access(POOL);
        let mut payload = token.payload_bytes();
        payload.pop();
        payload.extend_from_slice(text.as_bytes());
        compact(&token.header_bytes(), &payload, &[1; 256])
    };
    for (what, token) in [
        (
            "many names",
            as_text(&members(|number| format!("n{number}"), length / 10)),
        ),
        (
            "long common prefixes",
            as_text(&members(
                |number| format!("{}{number}", "p".repeat(90)),
                100,
            )),
        ),
        (
            "many equal names",
            payload(format!("{},\"a\":1}}", ",\"a\":1".repeat(length / 6))),
        ),
        (
            "deep lists",
            payload(format!(",\"a\":{}", "[".repeat(length))),
        ),
        (
            "deep objects",
            payload(format!(",\"a\":{}", "{\"a\":".repeat(length / 5))),
        ),
        (
            "escapes",
            payload(format!(",\"a\":\"{}\"}}", "\\u0041".repeat(length / 6))),
        ),
        (
            "a long number",
            payload(format!(",\"a\":{}}}", "9".repeat(length))),
        ),
        (
            "a long exponent",
            payload(format!(",\"exp\":1e{}}}", "9".repeat(length))),
        ),
        (
            "many exponents",
            payload(format!(",\"a\":[{}1]}}", "1e300,".repeat(length / 6))),
        ),
        (
            "many strings",
            payload(format!(",\"a\":[{}1]}}", "\"\",".repeat(length / 3))),
        ),
        (
            "many objects",
            payload(format!(",\"a\":[{}1]}}", "{},".repeat(length / 3))),
        ),
        (
            "no end",
            payload(format!(",\"a\":\"{}", "x".repeat(length))),
        ),
        ("white space", payload(format!("{}}}", " ".repeat(length)))),
        ("full stops", ".".repeat(16_000)),
        ("no full stop", "x".repeat(16_000)),
    ] {
        let taken = cost(&token);
        assert!(taken < base * 3, "{what}: {taken:?} against {base:?}");
    }
}

/// What is matched against a pattern, and what two parsers read, is bounded before the signature is known
/// to be good: the longest header and `aud` cost what an honest token costs.
#[test]
fn what_stands_before_the_signature_is_bounded() {
    let host = Rc::new(Counted::default());
    let algorithm = Rs256::host_if_proven(Rc::<Counted>::clone(&host));
    let document = json!({
        "user_pools": [{"user_pool_id": POOL, "client_ids": [CLIENT], "jwks": {"inline": key_set(&[TestKey::first()])}}],
        // Dear on purpose, as somebody may write it.
        "token": {"use": "any", "aud_pattern": "([a-z0-9]+-?){1,40}"},
    });
    let policy = config::parse(document.to_string().as_bytes()).expect("a configuration");
    let mut gate = Gate::new(Rc::new(policy), algorithm, Entropy::new(1));
    host.always.set(Some(false));
    let text = |token: &Token| compact(&token.header_bytes(), &token.payload_bytes(), &[1; 256]);
    let honest = text(&stuffed(&json!("x".repeat(11_000))));
    let mut cost = |token: &str, expected: Reason| {
        assert_eq!(reason(&mut gate, token), Some(expected));
        least(30, || reason(&mut gate, token))
    };
    let base = cost(&honest, Reason::InvalidSignature);
    let numbers: Value = (0..5_500).map(|_| 1).collect();
    for (what, token, expected) in [
        (
            "a long aud",
            Token::access(POOL).claim("aud", "a".repeat(11_000)),
            Reason::InvalidSignature,
        ),
        (
            "a header of numbers",
            Token::access(POOL).header("x", numbers),
            Reason::MalformedToken,
        ),
        (
            "a header of one long text",
            Token::access(POOL).header("x", "x".repeat(11_000)),
            Reason::MalformedToken,
        ),
        (
            "the longest header",
            Token::access(POOL).header("x", vec![1; 300]),
            Reason::InvalidSignature,
        ),
    ] {
        let taken = cost(&text(&token), expected);
        assert!(taken < base * 3, "{what}: {taken:?} against {base:?}");
    }
}

/// Cookies and a query cost what their length costs, whatever they are full of: nothing is looked at again
/// for each separator.
#[test]
fn places_cost_what_their_length_costs() {
    let places = |name: &str| {
        TokenSources::new(vec![
            TokenSource::Query(name.to_owned()),
            TokenSource::Cookie(name.to_owned()),
        ])
        .expect("two places")
    };
    let usual = places("access_token");
    let request = |piece: &str| {
        let text = piece.repeat(24_000 / piece.len());
        Request::new(vec![
            (":path".into(), format!("/?{text}").into_bytes()),
            ("cookie".into(), text.into_bytes()),
        ])
    };
    let cost = |sources: &TokenSources, request: &Request| {
        least(9, || {
            let _ = black_box(sources.strip(request));
            sources.extract(request).err()
        })
    };
    let honest = cost(&usual, &request("x"));
    for piece in [
        "&",
        ";",
        "&=",
        "a&",
        "a=1&",
        "&access_token",
        "access_token[",
        " ",
        " access_token",
        ", a",
        "\" ",
        "+",
        "+ ",
        "%20",
        "%20 ",
        "%",
        "%u",
        "_",
        ". ",
        "[",
        "[ ",
        "=",
        "= ",
        "a=;",
        "\u{a0}",
        "access_token ",
        "access_token%00",
        "a access_tok",
    ] {
        let taken = cost(&usual, &request(piece));
        // Were all looked at again for each, it would be thousands of times.
        assert!(
            taken < honest * 200,
            "{piece:?}: {taken:?} against {honest:?}"
        );
    }
}

/// What the names of Amplify's cookies begin with.
const AMPLIFY: &str = "CognitoIdentityServiceProvider.";

/// Amplify's cookies alone.
fn amplify() -> TokenSources {
    let place = Amplify::new(TokenUse::Access, [CLIENT.to_owned()]);
    TokenSources::new(vec![TokenSource::Amplify(place)]).expect("a place")
}

/// What is dear in Amplify's cookies: what a line begins with, and what it then is full of.
fn dear_to_amplify() -> Vec<(String, String)> {
    let family = format!("{AMPLIFY}{CLIENT}.");
    let in_a_name = [
        ".",
        "_",
        "%2e",
        "[",
        ",",
        "a.",
        "C",
        AMPLIFY,
        &format!("{AMPLIFY},"),
        &format!("{CLIENT}."),
        &family,
        &format!("{family},"),
        ".accessToken",
        ".accessToke",
        ".accessTokens",
    ];
    let names = [AMPLIFY, &family].into_iter().flat_map(|begin| {
        let pieces = in_a_name.iter();
        pieces.map(move |piece| (begin.to_owned(), (*piece).to_owned()))
    });
    let cookies = [
        format!("{AMPLIFY}=x;"),
        format!("{AMPLIFY}=,"),
        format!("{AMPLIFY}= "),
        format!("{family}=,"),
        format!("{family}LastAuthUser=,"),
        format!("{family}u.accessTokens=;"),
        format!("{family}u.accessTokens=x;"),
        format!("{family}u.accessToken=x;"),
        format!("{family}u.accessToken[]=x;"),
    ];
    let cookies = cookies.into_iter().map(|piece| (String::new(), piece));
    names.chain(cookies).collect()
}

/// A line of so many bytes at most, whose last name has a value.
fn filled(begin: &str, piece: &str, bytes: usize) -> String {
    let room = bytes - begin.len() - "=x".len();
    format!("{begin}{}=x", piece.repeat(room / piece.len()))
}

/// Names of Amplify's cookies are read once, however often they seem to begin, and however often a client
/// or the kind of a token seems to end in them.
#[test]
fn names_of_amplifys_cookies_cost_what_their_length_costs() {
    let amplify = amplify();
    let cost = |line: String| {
        let request = Request::new(vec![("cookie".into(), line.into_bytes())]);
        let mut found = Ok(());
        let taken = least(9, || {
            let _ = black_box(amplify.strip(&request));
            found = amplify.extract(&request).map(|_| ());
            None
        });
        (taken, found)
    };
    // A name of this length is looked at to its end.
    let bytes = 16_000;
    let (honest, found) = cost("x".repeat(bytes));
    assert_eq!(found, Ok(()));
    for (begin, piece) in dear_to_amplify() {
        let (taken, _) = cost(filled(&begin, &piece, bytes));
        // Were all read again for each, it would be thousands of times.
        assert!(
            taken < honest * 200,
            "{begin}, {piece:?}: {taken:?} against {honest:?}"
        );
    }
}

/// The work that looking for Amplify's cookies takes in a line, and whether it was bearable.
fn counted_amplify(line: &str) -> (usize, bool) {
    let mut work = Work::default();
    let mut look = || {
        let mut cookies = Cookies::families_of(line.as_bytes(), &mut work)?;
        while cookies.next(&[AMPLIFY], &mut work)?.is_some() {}
        Ok::<_, TooCostly>(())
    };
    let is_bearable = look().is_ok();
    (work.spent(), is_bearable)
}

/// The work grows as the line does, and ends at its bound.
#[test]
fn names_of_amplifys_cookies_have_a_bound_that_honest_requests_never_meet() {
    let sources = amplify();
    let is_refused = |line: &str| {
        let request = Request::new(vec![("cookie".into(), line.as_bytes().to_vec())]);
        let stripped = sources.strip(&request);
        stripped.is_err() && sources.extract(&request) == Err(Reason::MultipleTokens)
    };
    for (begin, piece) in dear_to_amplify() {
        let line = |bytes| filled(&begin, &piece, bytes);
        let (quarter, half, all) = (line(2_048), line(4_096), line(8_192));
        let [(first, _), (second, _), (third, is_bearable)] =
            [&quarter, &half, &all].map(|line| counted_amplify(line));
        assert!(is_bearable, "{begin}, {piece:?}: {third}");
        let request = Request::new(vec![("cookie".into(), all.into_bytes())]);
        assert!(sources.strip(&request).is_ok(), "{begin}, {piece:?}");
        let (once, twice) = (second - first, third - second);
        assert!(
            twice.abs_diff(once * 2) < once / 5,
            "{begin}, {piece:?}: {first}, {second}, {third}"
        );
        let long = line(1_000_000);
        let (spent, is_bearable) = counted_amplify(&long);
        assert!(
            !is_bearable && spent <= MAX_WORK,
            "{begin}, {piece:?}: {spent}"
        );
        assert!(is_refused(&long), "{begin}, {piece:?}");
    }
    // A letter of such a name costs more than another.
    for (name, is_costly) in [
        (format!("{AMPLIFY}{}", ".".repeat(40_000)), true),
        (format!("x{AMPLIFY}{}", ".".repeat(40_000)), false),
        (format!("{AMPLIFY}{}", ".".repeat(4_000)), false),
    ] {
        assert_eq!(is_refused(&format!("{name}=x")), is_costly, "{name:.40}");
    }
    // What Amplify writes for ten clients, as much as Envoy takes.
    let kinds = [
        "accessToken",
        "idToken",
        "refreshToken",
        "clockDrift",
        "signInDetails",
    ];
    let user = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6";
    let honest = (0..10).flat_map(|client| {
        let of = format!("{AMPLIFY}{client}{}.{user}", &CLIENT[1..]);
        kinds.map(|kind| format!("{of}.{kind}={}; ", "x".repeat(1_000)))
    });
    let (spent, is_bearable) = counted_amplify(&honest.collect::<String>());
    assert!(is_bearable, "{spent}");
}

/// The work that looking for this name takes in a query and in a line of cookies of this text, and
/// whether it was bearable.
fn counted_work(text: &str, name: &str) -> [(usize, bool); 2] {
    let path = format!("/?{text}");
    let mut in_query = Work::default();
    let mut query = || {
        let query = Query::of(path.as_bytes()).expect("a query");
        let mut parameters = query.parameters(&mut in_query)?;
        while parameters.next(&[name], &mut in_query)?.is_some() {}
        Ok::<_, TooCostly>(())
    };
    let query = query();
    let mut in_cookies = Work::default();
    let mut cookies = || {
        let mut cookies = Cookies::of(text.as_bytes(), &mut in_cookies)?;
        while cookies.next(&[name], &mut in_cookies)?.is_some() {}
        Ok::<_, TooCostly>(())
    };
    let cookies = cookies();
    [
        (in_query.spent(), query.is_ok()),
        (in_cookies.spent(), cookies.is_ok()),
    ]
}

/// What stands in queries and cookies of honest requests, and what is dear to look at.
const PIECES: [&str; 22] = [
    "a",
    "&",
    ";",
    " ",
    "=",
    "a=1&",
    "a=1;",
    "a ",
    "a&",
    "a;",
    "access_tokeX=1 ",
    "access_tokeX=1&",
    "access_tokeX=1;",
    "%61ccess_tokeX=1&",
    "access_token",
    "access_token[",
    "\u{a0}",
    "%20",
    "+",
    "[",
    "\"",
    "%61=&",
];

/// However dear, eight kilobytes are looked at to their end; and work never exceeds its bound, whatever
/// Envoy is configured to take.
#[test]
fn looking_for_names_has_a_bound_that_honest_requests_never_meet() {
    for piece in PIECES {
        for (spent, is_bearable) in counted_work(&piece.repeat(8_192 / piece.len()), "access_token")
        {
            assert!(is_bearable, "{piece:?}: {spent}");
        }
        for (spent, is_bearable) in
            counted_work(&piece.repeat(1_000_000 / piece.len()), "access_token")
        {
            assert!(!is_bearable && spent <= MAX_WORK, "{piece:?}: {spent}");
        }
    }
    // All that Envoy takes by default, of what is no name like the wanted one.
    for text in ["x", "x&", "x=1;", "&", ";"] {
        for (spent, is_bearable) in counted_work(&text.repeat(60_000 / text.len()), "access_token")
        {
            assert!(is_bearable && spent <= 60_000, "{text:?}: {spent}");
        }
    }
}

/// Beyond the bound a request is refused, wherever the names are: not one byte before.
#[test]
fn beyond_the_bound_there_may_be_several_tokens_and_another_method() {
    let query = |text: &str| Request::new(vec![(":path".into(), format!("/?{text}").into_bytes())]);
    let cookie = |text: &str| Request::new(vec![("cookie".into(), text.as_bytes().to_vec())]);
    let places = |place| TokenSources::new(vec![place]).expect("a place");
    let name = || "access_token".to_owned();
    let (in_query, in_cookies) = (
        places(TokenSource::Query(name())),
        places(TokenSource::Cookie(name())),
    );
    let most = "x".repeat(MAX_WORK);
    let more = "x".repeat(MAX_WORK + 1);
    for (sources, most, more) in [
        (&in_query, query(&most), query(&more)),
        (&in_cookies, cookie(&most), cookie(&more)),
    ] {
        assert_eq!(sources.extract(&most), Ok(None));
        assert_eq!(sources.strip(&most), Ok(Vec::new()));
        assert_eq!(sources.extract(&more), Err(Reason::MultipleTokens));
        assert_eq!(sources.strip(&more), Err(Reason::MultipleTokens));
    }
    assert_eq!(query(&most).check_method_parameter(), Ok(()));
    let refused = query(&more)
        .check_method_parameter()
        .expect_err("too costly");
    assert_eq!(
        refused.to_string(),
        "the query has too many parameters to look for _method among them"
    );
    // Of both places together; and a place that is not looked at costs nothing.
    let both = Request::new(vec![
        (
            ":path".into(),
            format!("/?{}", "x".repeat(MAX_WORK)).into_bytes(),
        ),
        ("cookie".into(), b"x".to_vec()),
    ]);
    let everywhere = TokenSources::new(vec![
        TokenSource::Query(name()),
        TokenSource::Cookie(name()),
    ]);
    assert_eq!(
        everywhere.expect("two places").extract(&both),
        Err(Reason::MultipleTokens)
    );
    assert_eq!(in_query.extract(&both), Ok(None));
    assert_eq!(
        TokenSources::authorization().extract(&query(&more)),
        Ok(None)
    );
}
