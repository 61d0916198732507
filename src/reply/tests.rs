use super::*;
use std::time::Duration;

fn with_id(request_id: Option<&[u8]>) -> Occasion<'_> {
    Occasion {
        request_id,
        ..Occasion::default()
    }
}

#[track_caller]
fn replied(style: Style, refusal: &Refusal, status: u16, body: &str, header: Option<(&str, &str)>) {
    let responses = Responses {
        style,
        ..Responses::default()
    };
    let reply = responses.reply(refusal, &Occasion::default());
    assert_eq!((reply.status, &*reply.body), (status, body), "{refusal:?}");
    let mut expected = vec![("content-type", "application/json")];
    expected.extend(header);
    let headers: Vec<_> = reply
        .headers
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect();
    assert_eq!(headers, expected, "{refusal:?}");
}

#[test]
fn the_rfc_style() {
    let plain = |reason| Refusal::Plain(reason);
    let invalid = r#"Bearer error="invalid_token", error_description="the token is not valid""#;
    let expired = r#"Bearer error="invalid_token", error_description="the token has expired""#;
    let unauthorized = r#"{"message":"Unauthorized"}"#;
    let forbidden = r#"{"message":"Forbidden"}"#;
    let rfc = |refusal: &Refusal, status, body, challenge| {
        replied(Style::Rfc6750, refusal, status, body, challenge);
    };
    let challenge = |text| Some(("www-authenticate", text));
    rfc(
        &plain(Reason::MissingToken),
        401,
        unauthorized,
        challenge("Bearer"),
    );
    for reason in [
        Reason::MultipleTokens,
        Reason::MalformedToken,
        Reason::TokenTooLarge,
        Reason::UnsupportedAlgorithm,
        Reason::UnknownIssuer,
        Reason::TokenNotYetValid,
        Reason::WrongTokenUse,
        Reason::WrongClient,
        Reason::WrongAudience,
        Reason::UnknownKey,
        Reason::InvalidSignature,
        Reason::TokenRevoked,
    ] {
        rfc(&plain(reason), 401, unauthorized, challenge(invalid));
    }
    rfc(
        &plain(Reason::TokenExpired),
        401,
        r#"{"message":"The incoming token has expired"}"#,
        challenge(expired),
    );
    rfc(
        &Refusal::InsufficientScope(vec!["a/b".into(), "c".into()]),
        403,
        forbidden,
        challenge(r#"Bearer error="insufficient_scope", scope="a/b c""#),
    );
    // With a scope too many none is lacking, and RFC 6750 knows no empty list.
    rfc(
        &Refusal::InsufficientScope(Vec::new()),
        403,
        forbidden,
        challenge(r#"Bearer error="insufficient_scope""#),
    );
    rfc(
        &Refusal::StaleAuthentication(Duration::from_secs(900)),
        401,
        unauthorized,
        challenge(r#"Bearer error="insufficient_user_authentication", max_age="900""#),
    );
    for reason in [
        Reason::InsufficientGroup,
        Reason::ClaimMismatch,
        Reason::DeniedByRule,
    ] {
        rfc(&plain(reason), 403, forbidden, None);
    }
    rfc(
        &plain(Reason::UnsafePath),
        400,
        r#"{"message":"Bad Request"}"#,
        None,
    );
    let after = Duration::from_millis(1_001);
    for refusal in [
        Refusal::KeysUnavailable(after),
        Refusal::RevocationUnknown(after),
    ] {
        rfc(
            &refusal,
            503,
            r#"{"message":"Service Unavailable"}"#,
            Some(("retry-after", "2")),
        );
    }
}

#[test]
fn the_api_gateway_style() {
    let style = |refusal: &Refusal, status, body, error_type| {
        let header = Some(("x-amzn-errortype", error_type));
        replied(Style::ApiGateway, refusal, status, body, header);
    };
    let unauthorized = r#"{"message":"Unauthorized"}"#;
    style(
        &Refusal::Plain(Reason::MissingToken),
        401,
        unauthorized,
        "UnauthorizedException",
    );
    style(
        &Refusal::InsufficientScope(vec!["a".into()]),
        401,
        unauthorized,
        "UnauthorizedException",
    );
    style(
        &Refusal::Plain(Reason::TokenExpired),
        401,
        r#"{"message":"The incoming token has expired"}"#,
        "UnauthorizedException",
    );
    style(
        &Refusal::Plain(Reason::DeniedByRule),
        403,
        r#"{"Message":"User is not authorized to access this resource"}"#,
        "AccessDeniedException",
    );
    style(
        &Refusal::Plain(Reason::UnsafePath),
        400,
        r#"{"message":"Bad Request"}"#,
        "BadRequestException",
    );
    let responses = Responses {
        style: Style::ApiGateway,
        ..Responses::default()
    };
    let reply = responses.reply(
        &Refusal::KeysUnavailable(Duration::ZERO),
        &Occasion::default(),
    );
    assert_eq!(reply.status, 503);
    assert!(reply.headers.contains(&("retry-after".into(), "1".into())));
    assert!(reply.headers.contains(&(
        "x-amzn-errortype".into(),
        "ServiceUnavailableException".into()
    )));
}

fn overridden(changed: Override) -> Responses {
    Responses {
        unauthorized: changed,
        ..Responses::default()
    }
}

fn header(name: &str, value: &str) -> (HeaderName, Template) {
    (
        HeaderName::new(name).unwrap(),
        Template::new(value).unwrap(),
    )
}

#[test]
fn what_caches_keep_unasked_they_are_told_not_to_store() {
    let reply = |status: u16, headers: Vec<(HeaderName, Template)>| {
        let responses = overridden(Override {
            navigation: None,
            status: Some(status),
            headers,
            body: None,
        });
        responses.reply(&Refusal::Plain(Reason::MissingToken), &Occasion::default())
    };
    let said = |reply: Reply| {
        let mut said = reply.headers.into_iter();
        said.find(|(name, _)| name == "cache-control")
            .map(|(_, value)| value.into_owned())
    };
    for status in 300..=599 {
        let expected = [301, 308, 404, 405, 410, 414]
            .contains(&status)
            .then_some("no-store");
        assert_eq!(said(reply(status, vec![])).as_deref(), expected, "{status}");
    }
    let own = |value: &str| said(reply(404, vec![header("Cache-Control", value)]));
    assert_eq!(own("max-age=5").as_deref(), Some("max-age=5"));
    assert_eq!(own(""), None);
}

#[test]
fn a_reply_of_304_has_no_body() {
    let reply = |status: u16| {
        let responses = overridden(Override {
            navigation: None,
            status: Some(status),
            ..Override::default()
        });
        let reply = responses.reply(&Refusal::Plain(Reason::MissingToken), &Occasion::default());
        let typed = reply.headers.iter().any(|(name, _)| name == "content-type");
        (reply.body.is_empty(), typed)
    };
    assert_eq!(reply(304), (true, false));
    assert_eq!(reply(303), (false, true));
}

#[test]
fn a_header_is_filled_in_like_a_body() {
    let responses = overridden(Override {
        navigation: None,
        headers: vec![header(
            "x-why",
            "$context.error.responseType $context.requestId.",
        )],
        ..Override::default()
    });
    let refusal = Refusal::Plain(Reason::MissingToken);
    assert!(responses.looks_at_request(&refusal));
    let reply = responses.reply(&refusal, &with_id(Some(b"a-1")));
    assert!(
        reply
            .headers
            .contains(&("x-why".into(), "UNAUTHORIZED a-1.".into()))
    );
}

#[test]
fn an_override_changes_what_it_names() {
    let responses = overridden(Override {
        navigation: None,
        status: Some(302),
        headers: vec![
            header("location", "/login"),
            header("www-authenticate", ""),
            header("content-type", "text/html"),
        ],
        body: None,
    });
    let reply = responses.reply(&Refusal::Plain(Reason::MissingToken), &Occasion::default());
    assert_eq!(reply.status, 302);
    assert_eq!(reply.body, r#"{"message":"Unauthorized"}"#);
    let mut headers = reply.headers;
    headers.sort();
    assert_eq!(
        headers,
        [
            ("content-type".into(), "text/html".into()),
            ("location".into(), "/login".into()),
        ]
    );
    // Another kind keeps its default.
    assert_eq!(
        responses
            .reply(&Refusal::Plain(Reason::DeniedByRule), &Occasion::default())
            .status,
        403
    );
}

#[test]
fn a_body_is_filled_in() {
    let body = r#"{"m":$context.error.messageString,"t":"$context.error.responseType","x":"$context.error.message. $5 $","id":"$context.requestId"}"#;
    let responses = overridden(Override {
        navigation: None,
        body: Some(Template::new(body).unwrap()),
        ..Override::default()
    });
    let refusal = Refusal::Plain(Reason::MissingToken);
    assert!(responses.looks_at_request(&refusal));
    assert!(!responses.looks_at_request(&Refusal::Plain(Reason::UnsafePath)));
    let filled = |id: Option<&[u8]>| responses.reply(&refusal, &with_id(id)).body.into_owned();
    let with = |id: &str| {
        format!(r#"{{"m":"Unauthorized","t":"UNAUTHORIZED","x":"Unauthorized. $5 $","id":"{id}"}}"#)
    };
    assert_eq!(filled(Some(b"a-B-9")), with("a-B-9"));
    assert_eq!(filled(None), with(""));
    for hostile in [&b"\"}"[..], b"", b"a b", b"\xff", &[b'a'; 65]] {
        assert_eq!(filled(Some(hostile)), with(""), "{hostile:?}");
    }
    assert_eq!(filled(Some(&[b'a'; 64])), with(&"a".repeat(64)));
}

#[test]
fn an_unknown_variable_is_refused() {
    assert_eq!(
        Template::new("$context.error.messages")
            .unwrap_err()
            .to_string(),
        "found $context.error.messages; expected $context.error.message, $context.error.messageString, $context.error.responseType, $context.requestId, $context.requestUri or $context.path"
    );
    assert!(Template::new("$input.body").is_err());
    assert!(Template::new("100$ ${x} $").is_ok());
}

#[test]
fn the_message_is_that_of_the_style() {
    let body = Some(Template::new("$context.error.message").unwrap());
    for (style, expected) in [
        (Style::Rfc6750, "Forbidden"),
        (
            Style::ApiGateway,
            "User is not authorized to access this resource",
        ),
    ] {
        let responses = Responses {
            style,
            access_denied: Override {
                body: body.clone(),
                ..Override::default()
            },
            ..Responses::default()
        };
        let reply = responses.reply(&Refusal::Plain(Reason::DeniedByRule), &Occasion::default());
        assert_eq!(reply.body, expected);
    }
}

#[track_caller]
fn authorizer(
    style: Style,
    api: ApiKind,
    cause: AuthorizerCause,
    status: u16,
    body: &str,
) -> Reply {
    let responses = Responses {
        style,
        ..Responses::default()
    };
    let reply = responses.reply(&Refusal::Authorizer(api, cause), &Occasion::default());
    assert_eq!((reply.status, &*reply.body), (status, body), "{cause:?}");
    reply
}

fn sent<'a>(reply: &'a Reply, name: &str) -> Option<&'a str> {
    let mut headers = reply.headers.iter();
    let (_, value) = headers.find(|(present, _)| present == name)?;
    Some(value)
}

const AFTER: Duration = Duration::from_secs(1);

#[test]
fn an_authorizer_in_the_rfc_style() {
    for api in [ApiKind::Rest, ApiKind::Http] {
        for (cause, status, body) in [
            (AuthorizerCause::UriTooLong, 400, "Bad Request"),
            (AuthorizerCause::MissingIdentity, 401, "Unauthorized"),
            (AuthorizerCause::Unauthorized, 401, "Unauthorized"),
            (AuthorizerCause::Denied, 403, "Forbidden"),
            (AuthorizerCause::ExplicitlyDenied, 403, "Forbidden"),
            (
                AuthorizerCause::FunctionFailed,
                500,
                "Internal Server Error",
            ),
            (AuthorizerCause::InvalidAnswer, 500, "Internal Server Error"),
            (AuthorizerCause::TimedOut(AFTER), 503, "Service Unavailable"),
            (
                AuthorizerCause::Unreachable(AFTER),
                503,
                "Service Unavailable",
            ),
        ] {
            let body = format!(r#"{{"message":"{body}"}}"#);
            let reply = authorizer(Style::Rfc6750, api, cause, status, &body);
            assert_eq!(sent(&reply, "www-authenticate"), None);
            assert_eq!(sent(&reply, "x-amzn-errortype"), None);
            let retry = (status == 503).then_some("1");
            assert_eq!(sent(&reply, "retry-after"), retry, "{cause:?}");
        }
    }
}

#[test]
fn an_authorizer_of_a_rest_api() {
    let unauthorized = Some("UnauthorizedException");
    let denied = Some("AccessDeniedException");
    let failed = Some("AuthorizerConfigurationException");
    let deny = r#"{"Message":"User is not authorized to access this resource"}"#;
    let explicit = r#"{"Message":"User is not authorized to access this resource with an explicit deny in an identity-based policy"}"#;
    let internal = r#"{"message": "Internal server error"}"#;
    for (cause, status, body, error_type) in [
        (
            AuthorizerCause::UriTooLong,
            414,
            r#"{"message":"Request URI too long"}"#,
            None,
        ),
        (
            AuthorizerCause::MissingIdentity,
            401,
            r#"{"message":"Unauthorized"}"#,
            unauthorized,
        ),
        (
            AuthorizerCause::Unauthorized,
            401,
            r#"{"message":"Unauthorized"}"#,
            unauthorized,
        ),
        (AuthorizerCause::Denied, 403, deny, denied),
        (AuthorizerCause::ExplicitlyDenied, 403, explicit, denied),
        (
            AuthorizerCause::FunctionFailed,
            500,
            r#"{"message":null}"#,
            failed,
        ),
        (
            AuthorizerCause::TimedOut(AFTER),
            500,
            r#"{"message":null}"#,
            failed,
        ),
        (AuthorizerCause::InvalidAnswer, 500, internal, failed),
        (AuthorizerCause::Unreachable(AFTER), 500, internal, failed),
    ] {
        let reply = authorizer(Style::ApiGateway, ApiKind::Rest, cause, status, body);
        assert_eq!(sent(&reply, "x-amzn-errortype"), error_type, "{cause:?}");
        assert_eq!(sent(&reply, "www-authenticate"), None);
        let kept = (status == 414).then_some("no-store");
        assert_eq!(sent(&reply, "cache-control"), kept);
    }
}

#[test]
fn an_authorizer_of_an_http_api() {
    let internal = r#"{"message":"Internal Server Error"}"#;
    for (cause, status, body) in [
        (
            AuthorizerCause::UriTooLong,
            414,
            r#"{"message":"Request URI too long"}"#,
        ),
        (
            AuthorizerCause::MissingIdentity,
            401,
            r#"{"message":"Unauthorized"}"#,
        ),
        (AuthorizerCause::Unauthorized, 500, internal),
        (AuthorizerCause::Denied, 403, r#"{"message":"Forbidden"}"#),
        (
            AuthorizerCause::ExplicitlyDenied,
            403,
            r#"{"message":"Forbidden"}"#,
        ),
        (AuthorizerCause::FunctionFailed, 500, internal),
        (AuthorizerCause::InvalidAnswer, 500, internal),
        (AuthorizerCause::TimedOut(AFTER), 500, internal),
        (AuthorizerCause::Unreachable(AFTER), 500, internal),
    ] {
        let reply = authorizer(Style::ApiGateway, ApiKind::Http, cause, status, body);
        assert_eq!(sent(&reply, "x-amzn-errortype"), None, "{cause:?}");
    }
}

/// Each kind of an authorizer's replies can be changed by itself.
#[test]
fn an_authorizers_replies_have_kinds() {
    let changed = |status| Override {
        status: Some(status),
        body: Some(
            Template::new("$context.error.responseType $context.error.messageString").unwrap(),
        ),
        ..Override::default()
    };
    for (style, api, cause, expected) in [
        (
            Style::Rfc6750,
            ApiKind::Rest,
            AuthorizerCause::Unreachable(AFTER),
            (591, r#"AUTHORIZER_FAILURE "Service Unavailable""#),
        ),
        (
            Style::Rfc6750,
            ApiKind::Rest,
            AuthorizerCause::InvalidAnswer,
            (
                592,
                r#"AUTHORIZER_CONFIGURATION_ERROR "Internal Server Error""#,
            ),
        ),
        (
            Style::ApiGateway,
            ApiKind::Rest,
            AuthorizerCause::FunctionFailed,
            (592, "AUTHORIZER_CONFIGURATION_ERROR null"),
        ),
        (
            Style::ApiGateway,
            ApiKind::Http,
            AuthorizerCause::Unauthorized,
            (
                592,
                r#"AUTHORIZER_CONFIGURATION_ERROR "Internal Server Error""#,
            ),
        ),
        (
            Style::ApiGateway,
            ApiKind::Http,
            AuthorizerCause::MissingIdentity,
            (593, r#"UNAUTHORIZED "Unauthorized""#),
        ),
    ] {
        let responses = Responses {
            style,
            authorizer_failure: changed(591),
            authorizer_configuration_error: changed(592),
            unauthorized: changed(593),
            ..Responses::default()
        };
        let reply = responses.reply(&Refusal::Authorizer(api, cause), &Occasion::default());
        assert_eq!((reply.status, &*reply.body), expected, "{cause:?}");
    }
}

/// Sends browsers to sign in, and back.
fn signing_in(location: &str) -> Responses {
    let name = HeaderName::reply("location").unwrap();
    Responses {
        unauthorized: Override {
            navigation: Some(Box::new(Override {
                status: Some(302),
                headers: vec![(name, Template::new(location).unwrap())],
                ..Override::default()
            })),
            ..Override::default()
        },
        ..Responses::default()
    }
}

fn page<'a>(path: &'a [u8]) -> Occasion<'a> {
    Occasion {
        client: Client::Browser,
        uri: RequestUri {
            scheme: Some(b"https"),
            authority: Some(b"api.example.com:8443"),
            path: Some(path),
        },
        ..Occasion::default()
    }
}

#[test]
fn browsers_are_sent_to_sign_in_and_scripts_are_not() {
    let responses = signing_in("/login?to=$context.requestUri&path=$context.path");
    let missing = Refusal::Plain(Reason::MissingToken);
    let reply = responses.reply(&missing, &page(b"/a b/\xe9?x=1&y=~%2F"));
    assert_eq!(reply.status, 302);
    assert_eq!(
        sent(&reply, "location"),
        Some(
            "/login?to=https%3A%2F%2Fapi.example.com%3A8443%2Fa%20b%2F%E9%3Fx%3D1%26y%3D~%252F\
             &path=%2Fa%20b%2F%E9%3Fx%3D1%26y%3D~%252F"
        )
    );
    // No cache may give it to a script, or to whoever has signed in since.
    assert_eq!(sent(&reply, "cache-control"), Some("no-store"));
    assert_eq!(sent(&reply, "vary"), Some("sec-fetch-mode, accept"));
    let program = Occasion {
        client: Client::Program,
        ..page(b"/a")
    };
    let usual = responses.reply(&missing, &program);
    assert_eq!(usual, Responses::default().reply(&missing, &program));
    assert!(responses.looks_at_request(&missing));
    assert!(!Responses::default().looks_at_request(&missing));
    // Only kinds that have such a reply.
    let denied = Refusal::Plain(Reason::DeniedByRule);
    assert_eq!(responses.reply(&denied, &page(b"/a")).status, 403);
    assert!(!responses.looks_at_request(&denied));
}

#[test]
fn expired_tokens_are_sent_where_missing_ones_are_unless_it_is_said() {
    let expired = Refusal::Plain(Reason::TokenExpired);
    let mut responses = signing_in("/login");
    let reply = responses.reply(&expired, &page(b"/a"));
    assert_eq!(sent(&reply, "location"), Some("/login"));
    assert!(responses.looks_at_request(&expired));
    responses.expired_token.navigation = Some(Box::new(Override {
        status: Some(303),
        ..Override::default()
    }));
    let reply = responses.reply(&expired, &page(b"/a"));
    assert_eq!((reply.status, sent(&reply, "location")), (303, None));
}

/// Where a resource is protected as well: behind the error there stands its metadata alone.
#[test]
fn a_challenge_names_no_scope_where_none_is_lacking() {
    let challenge = |lacking: &[&str]| {
        let lacking = lacking.iter().map(|scope| (*scope).to_owned()).collect();
        let occasion = Occasion {
            resource: Some(ResourceHint {
                metadata_url: "https://a/m",
                scopes: Vec::new(),
            }),
            ..Occasion::default()
        };
        let reply = Responses::default().reply(&Refusal::InsufficientScope(lacking), &occasion);
        sent(&reply, "www-authenticate").map(str::to_owned)
    };
    assert_eq!(
        challenge(&[]).as_deref(),
        Some(r#"Bearer error="insufficient_scope", resource_metadata="https://a/m""#)
    );
    assert_eq!(
        challenge(&["a"]).as_deref(),
        Some(r#"Bearer error="insufficient_scope", scope="a", resource_metadata="https://a/m""#)
    );
}

/// A REST API's 401 for a scope is no want of a sign-in: a browser would be sent there and back for ever.
#[test]
fn whoever_lacks_a_scope_is_not_sent_to_sign_in_again() {
    let lacking = Refusal::InsufficientScope(vec!["read".to_owned()]);
    let missing = Refusal::Plain(Reason::MissingToken);
    for style in [Style::ApiGateway, Style::Rfc6750] {
        let responses = Responses {
            style,
            ..signing_in("/login?to=$context.path")
        };
        let usual = Responses {
            style,
            ..Responses::default()
        };
        let reply = responses.reply(&lacking, &page(b"/a"));
        assert_eq!(reply, usual.reply(&lacking, &Occasion::default()));
        assert!(!responses.looks_at_request(&lacking));
        assert_eq!(responses.reply(&missing, &page(b"/a")).status, 302);
    }
}

#[test]
fn what_is_too_long_for_a_header_gets_the_usual_reply() {
    let missing = Refusal::Plain(Reason::MissingToken);
    let path = |length: usize| [&b"/"[..], &vec![b'a'; length]].concat();
    // The slash is three characters.
    let longest = path(MAX_URI_BYTES - 3);
    let responses = signing_in("/login?to=$context.path");
    let reply = responses.reply(&missing, &page(&longest));
    let location = sent(&reply, "location").unwrap();
    assert_eq!(location.len(), "/login?to=".len() + MAX_URI_BYTES);
    for (responses, path) in [
        (&responses, path(MAX_URI_BYTES - 2)),
        // Scheme and authority count.
        (&signing_in("$context.requestUri"), longest),
    ] {
        let reply = responses.reply(&missing, &page(&path));
        assert_eq!(reply.status, 401);
        assert_eq!(sent(&reply, "location"), None);
    }
    // Nor can anything be said of a request that is not known.
    let unknown = Occasion {
        client: Client::Browser,
        ..Occasion::default()
    };
    assert_eq!(responses.reply(&missing, &unknown).status, 401);
}

/// Over HTTP/2 a client may say any scheme, and a login page would go there.
#[test]
fn a_url_of_another_scheme_than_https_has_gets_the_usual_reply() {
    let missing = Refusal::Plain(Reason::MissingToken);
    let location = |location: &str, scheme: Option<&'static [u8]>| {
        let mut occasion = page(b"/a");
        occasion.uri.scheme = scheme;
        let reply = signing_in(location).reply(&missing, &occasion);
        sent(&reply, "location").map(str::to_owned)
    };
    for (scheme, escaped) in [
        (None, "https"),
        (Some(&b"https"[..]), "https"),
        (Some(b"http"), "http"),
        (Some(b"HTTPS"), "HTTPS"),
    ] {
        assert_eq!(
            location("$context.requestUri", scheme),
            Some(format!("{escaped}%3A%2F%2Fapi.example.com%3A8443%2Fa"))
        );
    }
    for scheme in [
        &b"javascript"[..],
        b"data",
        b"httpss",
        b"http ",
        b"",
        b"wss",
    ] {
        assert_eq!(location("$context.requestUri", Some(scheme)), None);
        // The path has no scheme.
        let path = location("$context.path", Some(scheme));
        assert_eq!(path.as_deref(), Some("%2Fa"));
    }
}
