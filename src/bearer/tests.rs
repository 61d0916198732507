use super::*;

fn request(headers: &[(&'static str, &str)]) -> Request {
    Request::new(
        headers
            .iter()
            .map(|(name, value)| ((*name).into(), value.as_bytes().to_vec()))
            .collect(),
    )
}

fn everywhere() -> TokenSources {
    TokenSources::new(vec![
        TokenSource::Header(HeaderName::new("authorization").unwrap(), Scheme::BEARER),
        TokenSource::Header(HeaderName::new("x-token").unwrap(), Scheme::BEARER),
        TokenSource::Query("access_token".into()),
        TokenSource::Cookie("at".into()),
    ])
    .unwrap()
}

#[track_caller]
fn finds(headers: &[(&'static str, &str)], expected: Result<Option<&str>, Reason>) {
    let request = request(headers);
    let found = everywhere().extract(&request);
    let found =
        found.map(|token| token.map(|token| String::from_utf8(token.into_owned()).unwrap()));
    assert_eq!(
        found,
        expected.map(|token| token.map(str::to_owned)),
        "{headers:?}"
    );
}

#[test]
fn the_authorization_header() {
    for value in [
        "Bearer a.b.c",
        "bearer a.b.c",
        "BEARER   a.b.c ",
        "a.b.c",
        " a.b.c",
    ] {
        finds(&[("authorization", value)], Ok(Some("a.b.c")));
    }
    for value in [
        "",
        " ",
        "Bearer",
        "bearer ",
        "Basic YTpi",
        "Digest username=\"u\", realm=\"r\"",
        "AWS4-HMAC-SHA256 Credential=k/aws4_request, SignedHeaders=host, Signature=s",
    ] {
        finds(&[("authorization", value)], Ok(None));
    }
    for value in [
        "Bearer a,Bearer b",
        "Bearer a,",
        "a,b",
        ",Bearer a",
        "Basic x, bearer y",
        "Bearer a, Basic x",
    ] {
        finds(&[("authorization", value)], Err(Reason::MultipleTokens));
    }
    // Whatever stands where the token should is handed on, to be found malformed.
    finds(&[("authorization", "Bearer a b")], Ok(Some("a b")));
    finds(&[("authorization", "Bearerx")], Ok(Some("Bearerx")));
}

#[test]
fn every_line_of_a_repeated_header_counts() {
    finds(
        &[("x-token", "a"), ("x-token", "a")],
        Err(Reason::MultipleTokens),
    );
    finds(&[("x-token", "a"), ("x-token", "")], Ok(Some("a")));
    finds(
        &[("cookie", "at=a"), ("cookie", "x=1; at=b")],
        Err(Reason::MultipleTokens),
    );
    finds(&[("cookie", "x=1"), ("cookie", "y=2;at=b")], Ok(Some("b")));
}

#[test]
fn one_token_among_all_places() {
    finds(
        &[("authorization", "Bearer a"), ("x-token", "b")],
        Err(Reason::MultipleTokens),
    );
    finds(
        &[("authorization", "Bearer a"), (":path", "/?access_token=a")],
        Err(Reason::MultipleTokens),
    );
    finds(
        &[("authorization", "Basic a"), ("cookie", "at=b")],
        Ok(Some("b")),
    );
    finds(&[], Ok(None));
}

#[test]
fn the_query() {
    for path in [
        "/?access_token=a",
        "/x?y=1&access_token=a#f",
        "/?%61ccess_token=a",
        "/?access_token=&access_token=a",
        "/?access_token=%61",
    ] {
        finds(&[(":path", path)], Ok(Some("a")));
    }
    for path in [
        "/",
        "/access_token=a",
        "/?Access_token=a",
        "/?access_token",
        "/?access_token=",
        "/#?access_token=a",
        "/?x#access_token=a",
    ] {
        finds(&[(":path", path)], Ok(None));
    }
    finds(
        &[(":path", "/?access_token=a&access_toke%6e=a")],
        Err(Reason::MultipleTokens),
    );
    finds(&[(":path", "/?access_token=%zz%")], Ok(Some("%zz%")));
}

#[test]
fn cookies() {
    finds(&[("cookie", "at=\"a\"")], Ok(Some("a")));
    finds(&[("cookie", "AT=a; xat=b; at")], Ok(None));
    finds(&[("cookie", "at=a; at=a")], Err(Reason::MultipleTokens));
    finds(&[("cookie", "at=; at=a")], Ok(Some("a")));
}

#[track_caller]
fn strips(headers: &[(&'static str, &str)], expected: &[(&str, Option<&str>)]) {
    let edits: Vec<_> = everywhere()
        .strip(&request(headers))
        .unwrap()
        .into_iter()
        .map(|edit| match edit {
            HeaderEdit::Remove(name) => (name.to_string(), None),
            HeaderEdit::Set(name, value) => {
                (name.to_string(), Some(String::from_utf8(value).unwrap()))
            }
        })
        .collect();
    let expected: Vec<_> = expected
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned)))
        .collect();
    assert_eq!(edits, expected, "{headers:?}");
}

#[test]
fn tokens_are_taken_out_of_every_place() {
    strips(
        &[
            ("authorization", "Bearer a"),
            (":path", "/x?a=1&access_token=t&b=2#f"),
            ("cookie", "x=1; at=t"),
            ("cookie", "y=2"),
        ],
        &[
            ("authorization", None),
            (":path", Some("/x?a=1&b=2#f")),
            ("cookie", Some("x=1; y=2")),
        ],
    );
    strips(
        &[(":path", "/x?access_token=t"), ("cookie", "at=t")],
        &[(":path", Some("/x")), ("cookie", None)],
    );
    strips(
        &[("authorization", "Bearer a,Basic b")],
        &[("authorization", None)],
    );
    strips(
        &[("x-token", "Basic b"), ("x-token", "t")],
        &[("x-token", None)],
    );
}

/// What is too costly to look through goes whole, with what authorizers tell their callers apart by.
#[test]
fn all_places_are_cleared() {
    let name = |name| HeaderName::new(name).unwrap();
    let sources = TokenSources::authorization().with_identities(Identities {
        headers: vec![name("x-key")],
        queries: vec!["key".into()],
    });
    let edits = sources.clear(&request(&[(":path", "/a?key=k"), ("x-key", "k")]));
    let expected = [
        HeaderEdit::Remove("authorization".into()),
        HeaderEdit::Remove("x-key".into()),
        HeaderEdit::Set(":path".into(), b"/a".to_vec()),
    ];
    assert_eq!(edits, expected);
}

#[test]
fn what_holds_no_token_stays() {
    strips(
        &[
            ("authorization", "Basic a"),
            (":path", "/x?a=1"),
            ("cookie", "x=1"),
        ],
        &[],
    );
    strips(&[], &[]);
}

#[test]
fn a_token_stands_somewhere() {
    assert_eq!(TokenSources::new(vec![]), None);
}

/// What is too costly to look through goes whole, and what authorizers tell their callers apart by goes
/// with it.
#[test]
fn tokens_are_left_out_of_a_path_and_nothing_else_is() {
    let place = |name: &str| TokenSource::Query(name.to_owned());
    let sources = TokenSources::new(vec![place("access_token"), place("t")]).unwrap();
    let left = |sources: &TokenSources, path: &str| {
        let left = sources.path_without_tokens(path.as_bytes())?;
        Some(String::from_utf8(left.into_owned()).unwrap())
    };
    for (path, expected) in [
        ("/a", "/a"),
        ("/a?x=1", "/a?x=1"),
        ("/a?x=1&access_token=y&z", "/a?x=1&z"),
        ("/a?t=1&%61ccess_token=2", "/a"),
    ] {
        assert_eq!(left(&sources, path).as_deref(), Some(expected), "{path}");
    }
    let elsewhere = TokenSources::authorization();
    let path = "/a?access_token=y";
    assert_eq!(left(&elsewhere, path).as_deref(), Some(path));
    // What is too costly to look through is not repeated.
    let costly = format!("/a?{}", "%61ccess_tokeX=1&".repeat(20_000));
    assert_eq!(left(&sources, &costly), None);
    assert!(left(&elsewhere, &costly).is_some());
}

#[test]
fn a_place_of_several_authorizers_is_cleared_once() {
    let name = || HeaderName::new("x-key").unwrap();
    let sources = TokenSources::authorization().with_identities(Identities {
        headers: vec![name(), HeaderName::new("x-other").unwrap(), name()],
        queries: vec!["key".to_owned(), "key".to_owned()],
    });
    let request = Request::new(vec![
        (":path".into(), b"/a?key=1&b".to_vec()),
        ("x-key".into(), b"1".to_vec()),
    ]);
    let edits = sources.strip(&request).unwrap();
    assert_eq!(
        edits,
        [
            HeaderEdit::Remove("x-key".into()),
            HeaderEdit::Set(":path".into(), b"/a?b".to_vec()),
        ]
    );
    let cleared = sources.clear(&request);
    let keys = cleared
        .iter()
        .filter(|edit| **edit == HeaderEdit::Remove("x-key".into()));
    assert_eq!(keys.count(), 1);
}

#[test]
fn unread_places_are_cleared_with_the_identities() {
    let identities = Identities {
        headers: vec![HeaderName::new("x-key").unwrap()],
        queries: vec!["key".into()],
    };
    let sources = TokenSources::authorization().with_identities(identities);
    let many = format!("/a?{}", "key=b&".repeat(10_000));
    let request = request(&[(":path", &many), ("x-key", "c"), ("authorization", "d")]);
    assert_eq!(sources.strip(&request), Err(Reason::MultipleTokens));
    let removed = |name: &str| HeaderEdit::Remove(name.into());
    let path = HeaderEdit::Set(":path".into(), b"/a".to_vec());
    assert_eq!(
        sources.clear(&request),
        [removed("authorization"), removed("x-key"), path]
    );
    assert_eq!(
        TokenSources::authorization().clear(&request),
        [removed("authorization")]
    );
}

fn amplify(clients: &[&str]) -> TokenSources {
    let clients = clients.iter().map(|client| (*client).to_owned());
    let amplify = Amplify::new(crate::claims::TokenUse::Access, clients);
    TokenSources::new(vec![TokenSource::Amplify(amplify)]).unwrap()
}

const FAMILY: &str = "CognitoIdentityServiceProvider.";

/// What is found, and what is left once tokens are taken off, of Amplify's cookies of two clients.
fn in_amplify(cookies: &str) -> (Result<Option<String>, Reason>, String) {
    let sources = amplify(&["web", "mobile"]);
    let request = request(&[("cookie", cookies)]);
    let found = sources.extract(&request);
    let found =
        found.map(|token| token.map(|token| String::from_utf8(token.into_owned()).unwrap()));
    let left = match sources.strip(&request).unwrap().as_slice() {
        [] => cookies.to_owned(),
        [HeaderEdit::Set(_, value)] => String::from_utf8(value.clone()).unwrap(),
        [HeaderEdit::Remove(_)] => String::new(),
        edits => panic!("{edits:?}"),
    };
    (found, left)
}

#[test]
fn amplify_writes_users_and_tokens_in_several_ways() {
    for (user, written) in [
        ("alice", "alice"),
        ("first.last", "first.last"),
        ("a.b.c", "a.b.c"),
        ("alice@example.com", "alice%40example.com"),
        ("a b", "a%20b"),
        ("a_b", "a_b"),
        ("accessToken", "accessToken"),
        ("..", ".."),
    ] {
        let of = format!("{FAMILY}web.{written}");
        let named = format!("{FAMILY}web.LastAuthUser={user}");
        let others = format!("{of}.idToken=i; {of}.refreshToken=r; {of}.clockDrift=0");
        for tokens in [
            format!("{of}.accessToken=a.b.c"),
            format!("{of}.accessToken.0=a.; {of}.accessToken.1=b.; {of}.accessToken.2=c"),
        ] {
            assert_eq!(
                in_amplify(&format!("{named}; {tokens}; {others}")),
                (Ok(Some("a.b.c".to_owned())), format!("{named}; {others}")),
            );
        }
    }
}

/// Each beside one that differs in the kind of the token or in the client, which is no second token and
/// stays.
#[test]
fn what_some_reader_takes_for_a_token_of_amplifys_is_a_second_one() {
    let good = format!("{FAMILY}web.LastAuthUser=u; {FAMILY}web.u.accessToken=good");
    let kept = format!("{FAMILY}web.LastAuthUser=u");
    for (second, twin) in [
        ("F.web.u.accessToken", "F.web.u.clockDrift"),
        ("F.web.v.accessToken", "F.other.v.accessToken"),
        ("F_web_u_accesstoken", "F_web_u_access_token"),
        ("x=1,F.web.u.accessToken", "x=1,F.web.u.idToken"),
        ("F.x,F.web.u.accessToken", "F.x,F.web.u.idToken"),
        ("F.x, F.web.u.accessToken", "F.x, F.other.u.accessToken"),
        ("F.x F.web.u.accessToken", "F.x F.webb.u.accessToken"),
        ("F.x\tF.web.u.accessToken", "F.x\tF.we.u.accessToken"),
        ("F.x\"F.web.u.accessToken", "F.x\"F.u.accessToken"),
        (
            "F.x,F.y,F.mobile.u.accessToken",
            "F.x,F.y,F.u.mobile.accessToken",
        ),
        ("F.web.x,F.web.u.accessToken", "F.web.x,F.web.u.idToken"),
        (
            "F.web.x[,F.web.u.accessToken",
            "F.web.x[,F.web.u.accessTokens",
        ),
        ("F.other.F.web.u.accessToken", "F.other.F.web.u.idToken"),
        ("F.web.u.accessToken[]", "F.web.u.idToken[]"),
        ("F.web.u.accessToken[0]", "F.web.u.refreshToken[0]"),
        ("F.web.u.accessToken[foo]", "F.web.u.accessTokenfoo]"),
        ("F.web.u.accessToken[foo", "F.web.u.accessToken.foo"),
        ("F.web.u.accessToken%5Bfoo%5D", "F.web.u.accessToken%2Efoo"),
        ("F.web.u.accessToken%00foo", "F.web.u.accessToken%20foo"),
        ("F[web.u.accessToken[foo]", "F[web.u.accessToken_foo]"),
        ("F.web.u.accessToken.01", "F.web.u.accessToken.x1"),
        (
            "F.web.u.accessTokens.accessToken[x]",
            "F.web.u.accessTokens.accessTokens[x]",
        ),
    ] {
        let beside = |other: &str| {
            let other = other.replace("F", FAMILY.trim_end_matches('.'));
            let cookies = format!("{good}; {other}=evil");
            (in_amplify(&cookies), format!("{kept}; {other}=evil"))
        };
        let ((found, left), _) = beside(second);
        assert_eq!(found, Err(Reason::MultipleTokens), "{second}");
        assert_eq!(left, kept, "{second}");
        let ((found, left), expected) = beside(twin);
        assert_eq!(found, Ok(Some("good".to_owned())), "{twin}");
        assert_eq!(left, expected, "{twin}");
    }
}

/// To the loosest readers the cookies of one client may begin as another's.
#[test]
fn clients_that_begin_alike_are_told_apart() {
    let clients = ["web", "webb", "we", "web_b", "Web.c", "a+b", "zz"];
    let sources = amplify(&clients);
    for (client, is_one) in [
        ("web", true),
        ("webb", true),
        ("we", true),
        ("web_b", true),
        ("WEB.B", true),
        ("web.c", true),
        ("a_b", true),
        ("zz", true),
        ("w", false),
        ("webbb", false),
        ("eb", false),
        ("a", false),
        ("zzz", false),
        ("", false),
    ] {
        let cookie = format!("{FAMILY}{client}.u.accessToken=x");
        let request = request(&[("cookie", &cookie)]);
        let edits = sources.strip(&request).unwrap();
        assert_eq!(!edits.is_empty(), is_one, "{client}");
    }
}
