//! Events to the letter: the members that API Gateway was seen to send, with values of our own.

use super::api;
use cognito_authorizer::authorizer::api::{Api, DEFAULT_STAGE};
use cognito_authorizer::authorizer::event::{EventSettings, Format, HeaderNames, Occasion};
use cognito_authorizer::authorizer::identity::{
    ContextVariable, Identity, IdentityHeader, IdentitySource, KeySecret, MAX_IDENTITY_BYTES,
    MissingIdentity,
};
use cognito_authorizer::authorizer::method_arn::MethodArn;
use cognito_authorizer::authorizer::route::Route;
use cognito_authorizer::header::HeaderName;
use cognito_authorizer::request::{Peer, Request};
use cognito_authorizer::rules::pattern::{Match, Method, PathPattern};
use cognito_authorizer::time::Timestamp;
use serde_json::{Value, json};

/// 17 June 2024, 15:02:03.250 UTC.
const ARRIVED: f64 = 1_718_636_523.25;

fn header(spelled: &str) -> IdentitySource {
    IdentitySource::Header(IdentityHeader {
        name: HeaderName::new(spelled).unwrap(),
        spelled: spelled.to_owned(),
    })
}

fn query(name: &str) -> IdentitySource {
    IdentitySource::Query(name.to_owned())
}

fn request(lines: &[(&'static str, &str)]) -> Request {
    let lines = lines.iter();
    let lines = lines.map(|(name, value)| ((*name).into(), value.as_bytes().to_vec()));
    Request::new(lines.collect())
}

fn rule(path: PathPattern, methods: &[&str]) -> Match {
    Match {
        path,
        methods: methods
            .iter()
            .map(|one| Method::new(one).unwrap())
            .collect(),
        hosts: Vec::new(),
    }
}

fn template(path: &str, methods: &[&str]) -> Match {
    rule(PathPattern::template(path).unwrap(), methods)
}

fn settings(format: Format, identity: Vec<IdentitySource>) -> EventSettings {
    EventSettings {
        format,
        api: api(),
        header_names: HeaderNames::Canonical,
        identity,
    }
}

fn bare_api() -> Api {
    Api {
        stage: DEFAULT_STAGE.to_owned(),
        stage_variables: [].into(),
        ..api()
    }
}

#[track_caller]
fn event(settings: &EventSettings, request: &Request, rule: Option<&Match>) -> Value {
    let request = &request.clone().sent_by(Peer {
        protocol: "HTTP/1.1".to_owned(),
        ..Peer::default()
    });
    let part = |name| request.first(name).unwrap();
    let arn = MethodArn::new(&settings.api, part(":method"), part(":path")).unwrap();
    let route = Route::of(rule, &arn);
    let client = Some("203.0.113.9".parse().unwrap());
    let key = || route.key().to_owned();
    let identity = Identity::find(&settings.identity, request, &arn, key, || client).unwrap();
    let bytes = settings.event(&Occasion {
        request,
        arn: &arn,
        route: &route,
        identity: &identity,
        client,
        request_id: "6b1f0c1e-4f0e-4d6a-9c57-1f1d3a2b4c5d",
        time: Timestamp::from_seconds(ARRIVED).unwrap(),
    });
    serde_json::from_slice(&bytes).unwrap()
}

const ORDERS: [(&str, &str); 9] = [
    (":method", "GET"),
    (":path", "/orders/a%20b?tenant=t1&tag=x&tag=y%2520z"),
    (":authority", "api.example.com:8443"),
    (":scheme", "https"),
    ("authorization", "Bearer abc.def.ghi"),
    ("user-agent", "curl/8.5.0"),
    ("x-forwarded-for", "203.0.113.9"),
    ("x-list", "one"),
    ("x-list", "two"),
];

#[test]
fn a_token_event_has_three_members() {
    let found = event(
        &settings(Format::Token, vec![header("authorization")]),
        &request(&ORDERS),
        Some(&template("/orders/{id}", &["GET"])),
    );
    let expected = json!({
        "type": "TOKEN",
        "methodArn": "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/prod/GET/orders/a%20b",
        "authorizationToken": "Bearer abc.def.ghi",
    });
    assert_eq!(found, expected);
}

fn rest_event() -> Value {
    json!({
        "type": "REQUEST",
        "methodArn": "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/prod/GET/orders/a%20b",
        "resource": "/orders/{id}",
        "path": "/orders/a%20b",
        "httpMethod": "GET",
        "headers": {
            "Authorization": "Bearer abc.def.ghi",
            "Host": "api.example.com:8443",
            "User-Agent": "curl/8.5.0",
            "X-Forwarded-For": "203.0.113.9",
            "X-List": "two",
        },
        "multiValueHeaders": {
            "Authorization": ["Bearer abc.def.ghi"],
            "Host": ["api.example.com:8443"],
            "User-Agent": ["curl/8.5.0"],
            "X-Forwarded-For": ["203.0.113.9"],
            "X-List": ["one", "two"],
        },
        "queryStringParameters": {"tenant": "t1", "tag": "y%20z"},
        "multiValueQueryStringParameters": {"tenant": ["t1"], "tag": ["x", "y%20z"]},
        "pathParameters": {"id": "a b"},
        "stageVariables": {"env": "prod"},
        "requestContext": {
            "resourceId": "m0qphe",
            "resourcePath": "/orders/{id}",
            "httpMethod": "GET",
            "extendedRequestId": "6b1f0c1e-4f0e-4d6a-9c57-1f1d3a2b4c5d",
            "requestTime": "17/Jun/2024:15:02:03 +0000",
            "path": "/prod/orders/a%20b",
            "accountId": "123456789012",
            "protocol": "HTTP/1.1",
            "stage": "prod",
            "domainPrefix": "api",
            "requestTimeEpoch": 1_718_636_523_250_u64,
            "requestId": "6b1f0c1e-4f0e-4d6a-9c57-1f1d3a2b4c5d",
            "identity": {
                "cognitoIdentityPoolId": null,
                "accountId": null,
                "cognitoIdentityId": null,
                "caller": null,
                "sourceIp": "203.0.113.9",
                "principalOrgId": null,
                "accessKey": null,
                "cognitoAuthenticationType": null,
                "cognitoAuthenticationProvider": null,
                "userArn": null,
                "userAgent": "curl/8.5.0",
                "user": null,
            },
            "domainName": "api.example.com",
            "deploymentId": "96btz1",
            "apiId": "a1b2c3d4e5",
        },
    })
}

#[test]
fn an_event_of_a_rest_api_has_all_members() {
    let found = event(
        &settings(Format::Rest, vec![header("authorization"), query("tenant")]),
        &request(&ORDERS),
        Some(&template("/orders/{id}", &["GET"])),
    );
    assert_eq!(found, rest_event());
}

#[test]
fn format_1_has_its_identity_besides() {
    let found = event(
        &settings(
            Format::Http1,
            vec![header("authorization"), query("tenant")],
        ),
        &request(&ORDERS),
        Some(&template("/orders/{id}", &["GET"])),
    );
    let mut expected = rest_event();
    expected["version"] = json!("1.0");
    expected["identitySource"] = json!("Bearer abc.def.ghi,t1");
    expected["authorizationToken"] = json!("Bearer abc.def.ghi,t1");
    assert_eq!(found, expected);
}

#[test]
fn format_2_joins_and_has_cookies_apart() {
    let mut lines = ORDERS.to_vec();
    lines.push(("cookie", "a=1; b=2"));
    lines.push(("cookie", "c=3;"));
    let found = event(
        &settings(
            Format::Http2,
            vec![header("Authorization"), query("tenant")],
        ),
        &request(&lines),
        Some(&template("/orders/{id}", &["GET"])),
    );
    let expected = json!({
        "version": "2.0",
        "type": "REQUEST",
        "routeArn": "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/prod/GET/orders/a%20b",
        "identitySource": ["Bearer abc.def.ghi", "t1"],
        "routeKey": "GET /orders/{id}",
        "rawPath": "/prod/orders/a%20b",
        "rawQueryString": "tenant=t1&tag=x&tag=y%2520z",
        "cookies": ["a=1", "b=2", "c=3"],
        "headers": {
            "authorization": "Bearer abc.def.ghi",
            "host": "api.example.com:8443",
            "user-agent": "curl/8.5.0",
            "x-forwarded-for": "203.0.113.9",
            "x-list": "one,two",
        },
        "queryStringParameters": {"tenant": "t1", "tag": "x,y%20z"},
        "pathParameters": {"id": "a b"},
        "stageVariables": {"env": "prod"},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "a1b2c3d4e5",
            "domainName": "api.example.com",
            "domainPrefix": "api",
            "http": {
                "method": "GET",
                "path": "/prod/orders/a%20b",
                "protocol": "HTTP/1.1",
                "sourceIp": "203.0.113.9",
                "userAgent": "curl/8.5.0",
            },
            "requestId": "6b1f0c1e-4f0e-4d6a-9c57-1f1d3a2b4c5d",
            "routeKey": "GET /orders/{id}",
            "stage": "prod",
            "time": "17/Jun/2024:15:02:03 +0000",
            "timeEpoch": 1_718_636_523_250_u64,
        },
    });
    assert_eq!(found, expected);
}

const BARE: [(&str, &str); 3] = [
    (":method", "GET"),
    (":path", "/"),
    (":authority", "a.example"),
];

/// Functions that ask `Object.keys(event.queryStringParameters)` break on a `null`.
#[test]
fn what_is_empty_is_an_empty_object_or_absent() {
    for format in [Format::Rest, Format::Http1] {
        let settings = EventSettings {
            api: bare_api(),
            ..settings(format, Vec::new())
        };
        let found = event(&settings, &request(&BARE), None);
        for member in [
            "queryStringParameters",
            "multiValueQueryStringParameters",
            "pathParameters",
            "stageVariables",
        ] {
            assert_eq!(found[member], json!({}), "{member}");
        }
        assert_eq!(found["headers"], json!({"Host": "a.example"}));
        assert_eq!(found["multiValueHeaders"], json!({"Host": ["a.example"]}));
        assert_eq!(found["resource"], "/{proxy+}");
        assert_eq!(found["requestContext"]["path"], "/");
        assert_eq!(found["requestContext"]["stage"], "$default");
        assert_eq!(found["requestContext"]["identity"]["userAgent"], "");
        assert_eq!(
            found["methodArn"],
            "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/$default/GET/"
        );
    }
    let settings = EventSettings {
        api: bare_api(),
        ..settings(Format::Http2, Vec::new())
    };
    let found = event(&settings, &request(&BARE), None);
    let names: Vec<_> = found.as_object().unwrap().keys().collect();
    assert_eq!(
        names,
        [
            "headers",
            "identitySource",
            "rawPath",
            "rawQueryString",
            "requestContext",
            "routeArn",
            "routeKey",
            "type",
            "version"
        ]
    );
    assert_eq!(found["rawQueryString"], "");
    assert_eq!(found["rawPath"], "/");
    assert_eq!(found["routeKey"], "$default");
    assert_eq!(found["identitySource"], json!([]));
}

#[test]
fn header_names_are_spelled_as_functions_look_for_them() {
    let lines = [
        BARE[0],
        BARE[1],
        BARE[2],
        ("x-amz-date", "1"),
        ("headerauth1", "2"),
        ("x-api-key", "3"),
        ("etag", "4"),
        ("x--y_z", "5"),
    ];
    let names = |settings: &EventSettings| {
        let found = event(settings, &request(&lines), None);
        let names = found["headers"].as_object().unwrap().keys().cloned();
        let multi = found["multiValueHeaders"].as_object();
        if let Some(multi) = multi {
            assert!(
                multi
                    .keys()
                    .eq(found["headers"].as_object().unwrap().keys())
            );
        }
        names.collect::<Vec<_>>()
    };
    let identity = vec![
        header("X-AMZ-Date"),
        header("HeaderAuth1"),
        header("x-api-key"),
    ];
    let canonical = settings(Format::Rest, identity.clone());
    assert_eq!(
        names(&canonical),
        [
            "Etag",
            "HeaderAuth1",
            "Host",
            "X--Y_z",
            "X-AMZ-Date",
            "X-Api-Key"
        ]
    );
    let lower = EventSettings {
        header_names: HeaderNames::Lower,
        ..canonical
    };
    assert_eq!(
        names(&lower),
        [
            "HeaderAuth1",
            "X-AMZ-Date",
            "etag",
            "host",
            "x--y_z",
            "x-api-key"
        ]
    );
    assert_eq!(
        names(&settings(Format::Http2, identity)),
        [
            "etag",
            "headerauth1",
            "host",
            "x--y_z",
            "x-amz-date",
            "x-api-key"
        ]
    );
}

#[test]
fn what_is_not_utf_8_is_left_out() {
    let lines = vec![
        (":method".into(), b"GET".to_vec()),
        (":path".into(), b"/a?b=%ff&c=1".to_vec()),
        (":authority".into(), b"a.example".to_vec()),
        ("x-bad".into(), b"\xff".to_vec()),
        ("x-half".into(), b"good".to_vec()),
        ("x-half".into(), b"b\xe9d".to_vec()),
        ("x-good".into(), "é".as_bytes().to_vec()),
        ("cookie".into(), b"a=\xff".to_vec()),
        ("user-agent".into(), b"\xff".to_vec()),
    ];
    let request = Request::new(lines);
    let found = event(&settings(Format::Rest, Vec::new()), &request, None);
    assert_eq!(
        found["headers"],
        json!({"Host": "a.example", "X-Good": "é"})
    );
    assert_eq!(
        found["multiValueHeaders"],
        json!({"Host": ["a.example"], "X-Good": ["é"]})
    );
    assert_eq!(found["queryStringParameters"], json!({"c": "1"}));
    assert_eq!(found["requestContext"]["identity"]["userAgent"], "");
    let found = event(&settings(Format::Http2, Vec::new()), &request, None);
    assert_eq!(
        found["headers"],
        json!({"host": "a.example", "x-good": "é"})
    );
    assert_eq!(found.get("cookies"), None);
    assert_eq!(found["rawQueryString"], "b=%ff&c=1");
}

/// A header beside an authority is the same thing under another name, wherever it stands.
#[test]
fn the_authority_is_the_host() {
    let [method, path, authority] = [BARE[0], BARE[1], (":authority", "a.example")];
    let host = ("host", "b.example");
    for (lines, expected) in [
        (vec![method, path, authority, host], "a.example"),
        (vec![method, path, host, authority], "a.example"),
        (vec![method, path, host], "b.example"),
    ] {
        let found = event(&settings(Format::Rest, Vec::new()), &request(&lines), None);
        assert_eq!(found["headers"]["Host"], expected, "{lines:?}");
    }
}

#[test]
fn lines_of_cookies_are_one_list() {
    let lines = [
        BARE[0],
        BARE[1],
        BARE[2],
        ("cookie", "a=1"),
        ("cookie", "b=2; c=3"),
    ];
    let found = event(&settings(Format::Rest, Vec::new()), &request(&lines), None);
    assert_eq!(found["headers"]["Cookie"], "a=1; b=2; c=3");
    assert_eq!(
        found["multiValueHeaders"]["Cookie"],
        json!(["a=1", "b=2; c=3"])
    );
}

#[test]
fn a_host_has_no_port_and_a_first_label() {
    for (authority, host, label) in [
        ("api.example.com", "api.example.com", "api"),
        ("api.example.com:8443", "api.example.com", "api"),
        ("localhost:", "localhost", "localhost"),
        ("[2001:db8::1]:8443", "[2001:db8::1]", "[2001:db8::1]"),
        ("[2001:db8::1]", "[2001:db8::1]", "[2001:db8::1]"),
        ("", "", ""),
    ] {
        let lines = [BARE[0], BARE[1], (":authority", authority)];
        for format in [Format::Rest, Format::Http2] {
            let found = event(&settings(format, Vec::new()), &request(&lines), None);
            let context = &found["requestContext"];
            assert_eq!(context["domainName"], host, "{authority}");
            assert_eq!(context["domainPrefix"], label, "{authority}");
        }
    }
}

/// What stands for a rule: resource, key of the route, parameters.
#[track_caller]
fn route(rule: Option<&Match>, request: &str, resource: &str, key: &str, parameters: Value) {
    let arn = super::arn(request);
    let route = Route::of(rule, &arn);
    assert_eq!(
        (route.resource(), route.key()),
        (resource, key),
        "{request}"
    );
    assert_eq!(json!(route.parameters()), parameters, "{request}");
}

#[test]
fn a_rule_is_a_resource_and_a_route() {
    let orders = template("/orders/{id}", &["GET", "POST"]);
    let at = |path: &str| format!("GET /orders/{path}");
    route(
        Some(&orders),
        &at("7"),
        "/orders/{id}",
        "GET /orders/{id}",
        json!({"id": "7"}),
    );
    route(
        Some(&orders),
        &at("7/"),
        "/orders/{id}",
        "GET /orders/{id}",
        json!({"id": "7"}),
    );
    route(
        Some(&orders),
        "POST /orders/7",
        "/orders/{id}",
        "POST /orders/{id}",
        json!({"id": "7"}),
    );
    // A `HEAD` is under the rule for `GET`.
    route(
        Some(&orders),
        "HEAD /orders/7",
        "/orders/{id}",
        "GET /orders/{id}",
        json!({"id": "7"}),
    );
    for (path, id) in [
        ("a%20b", "a b"),
        ("%61%C3%A9", "aé"),
        ("a%2Fb", "a/b"),
        ("a%25b", "a%b"),
        ("a;b", "a;b"),
        ("a+b", "a+b"),
        // What a function builds of it is no wildcard.
        ("*", "%2A"),
        ("%2a", "%2A"),
        ("a%3fb", "a%3Fb"),
    ] {
        let any = template("/orders/{id}", &[]);
        route(
            Some(&any),
            &at(path),
            "/orders/{id}",
            "ANY /orders/{id}",
            json!({"id": id}),
        );
    }
    let rest = template("/files/{bucket}/{key+}", &[]);
    route(
        Some(&rest),
        "GET /files/b/x%20w/y//z/",
        "/files/{bucket}/{key+}",
        "ANY /files/{bucket}/{key+}",
        json!({"bucket": "b", "key": "x w/y/z"}),
    );
    let exact = rule(PathPattern::exact("/caf\u{e9}/").unwrap(), &["PUT"]);
    route(
        Some(&exact),
        "PUT /caf%C3%A9",
        "/caf%C3%A9",
        "PUT /caf%C3%A9",
        json!({}),
    );
    let root = rule(PathPattern::exact("/").unwrap(), &[]);
    route(Some(&root), "GET /", "/", "ANY /", json!({}));
    route(Some(&template("/", &[])), "GET /", "/", "ANY /", json!({}));
    let others = [
        rule(PathPattern::prefix("/a").unwrap(), &["GET"]),
        rule(PathPattern::regex("/a.*").unwrap(), &[]),
        rule(PathPattern::Any, &["GET"]),
    ];
    for other in others.iter().map(Some).chain([None]) {
        route(
            other,
            "GET /a/%62%20c/",
            "/{proxy+}",
            "$default",
            json!({"proxy": "a/b c"}),
        );
        route(
            other,
            "GET /a/*",
            "/{proxy+}",
            "$default",
            json!({"proxy": "a/%2A"}),
        );
    }
    route(None, "GET /", "/{proxy+}", "$default", json!({}));
}

#[test]
fn the_route_that_takes_everything_has_no_parameters_in_format_2() {
    let lines = [BARE[0], (":path", "/a/b"), BARE[2]];
    let found = event(&settings(Format::Http2, Vec::new()), &request(&lines), None);
    assert_eq!(found.get("pathParameters"), None);
    let found = event(&settings(Format::Rest, Vec::new()), &request(&lines), None);
    assert_eq!(found["pathParameters"], json!({"proxy": "a/b"}));
}

fn find(sources: &[IdentitySource], request: &Request) -> Result<Vec<String>, MissingIdentity> {
    let part = |name| request.first(name).unwrap();
    let arn = MethodArn::new(&api(), part(":method"), part(":path")).unwrap();
    let route = Route::of(Some(&template("/orders/{id}", &["GET"])), &arn);
    let client = Some("203.0.113.9".parse().unwrap());
    let key = || route.key().to_owned();
    let found = Identity::find(sources, request, &arn, key, || client)?;
    Ok(found.values().iter().map(ToString::to_string).collect())
}

#[track_caller]
fn identity(sources: &[IdentitySource], lines: &[(&'static str, &str)], expected: Option<&[&str]>) {
    let base = [(":method", "GET"), (":path", "/orders/7")];
    let mut all: Vec<_> = base.to_vec();
    all.retain(|(name, _)| lines.iter().all(|(other, _)| other != name));
    all.extend(lines);
    let found = find(sources, &request(&all)).ok();
    let expected: Option<Vec<String>> =
        expected.map(|values| values.iter().map(|one| (*one).to_owned()).collect());
    assert_eq!(found, expected, "{lines:?}");
}

#[test]
fn a_header_is_there_once_and_says_something() {
    let sources = [header("X-Key")];
    identity(&sources, &[("x-key", "a")], Some(&["a"]));
    identity(&sources, &[("x-key", "a,b")], Some(&["a,b"]));
    identity(&sources, &[("x-key", "é")], Some(&["é"]));
    identity(&sources, &[], None);
    identity(&sources, &[("x-key", "")], None);
    identity(&sources, &[("x-key", " ")], None);
    identity(&sources, &[("x-key", "a"), ("x-key", "a")], None);
    identity(&sources, &[("x-key", "a"), ("x-key", "")], None);
    identity(&sources, &[("x-keys", "a")], None);
    let not_utf_8 = Request::new(vec![
        (":method".into(), b"GET".to_vec()),
        (":path".into(), b"/".to_vec()),
        ("x-key".into(), b"a\xff".to_vec()),
    ]);
    assert_eq!(find(&sources, &not_utf_8), Err(MissingIdentity));
}

#[test]
fn a_value_has_at_most_16_kib() {
    let longest = "a".repeat(MAX_IDENTITY_BYTES);
    let longer = format!("{longest}a");
    identity(
        &[header("x-key")],
        &[("x-key", &longest)],
        Some(&[&longest]),
    );
    identity(&[header("x-key")], &[("x-key", &longer)], None);
    identity(
        &[query("k")],
        &[(":path", &format!("/?k={longest}"))],
        Some(&[&longest]),
    );
    identity(&[query("k")], &[(":path", &format!("/?k={longer}"))], None);
    assert_eq!(MAX_IDENTITY_BYTES, 16_384);
}

/// Envoy joins lines of this one header.
#[test]
fn joined_credentials_are_repeated_ones() {
    let sources = [header("authorization")];
    for (value, found) in [
        ("Bearer a.b.c", true),
        ("bare", true),
        ("Bearer a.b.c,Bearer d.e.f", false),
        ("Bearer a.b.c, x", false),
        ("bare,other", false),
        ("Basic x, bearer y", false),
        ("Basic x", true),
        ("Basic x,Basic y", false),
        ("Key x,  key x", false),
        ("Key x,Key", false),
        ("Basic x,Token y", false),
        ("Basic x,y", false),
        ("Basic x,Token=y", false),
        ("Basic eA==", true),
        ("Basic eA==,Token=y", false),
        ("Key x=1,Token=y", true),
        ("Key x=1,y", true),
        ("Key x=\"1\",y=2", true),
        ("Key x=\"1,y=2", false),
        ("Digest a=\"b\", digest=c", true),
        ("Digest a = \"b, c d\", e = f", true),
        ("Digest a = \"b\", c d, e = f", false),
        ("AWS4-HMAC-SHA256 Credential=a, SignedHeaders=b", true),
    ] {
        let expected = [value];
        identity(
            &sources,
            &[("authorization", value)],
            found.then_some(&expected[..]),
        );
    }
}

#[test]
fn a_parameter_is_there_once_to_all_readers() {
    let sources = [query("tenant")];
    for (path, expected) in [
        ("/?tenant=a", Some("a")),
        ("/?x=1&tenant=a", Some("a")),
        ("/?t%65nant=a%20b", Some("a b")),
        ("/?tenant=a+b", Some("a b")),
        ("/?tenant=a%2Bb", Some("a+b")),
        ("/?tenant=%2520", Some("%20")),
        ("/?tenant", None),
        ("/?tenant=", None),
        ("/?tenant=%20", None),
        ("/?tenant=+", None),
        ("/", None),
        ("/?Tenant=a", None),
        ("/?tenants=a", None),
        ("/?tenant=a&tenant=b", None),
        ("/?tenant=a&tenant=a", None),
        ("/?tenant=a&tenant=", None),
        ("/?tenant=a&tenant", None),
        ("/?tenant=a&tenant[]=b", None),
        ("/?tenant=a&Tenant=b", None),
        ("/?tenant=a;tenant=b", None),
        ("/?x;tenant=a", None),
        ("/?tenant[]=a", None),
        ("/?tenant=%ff", None),
        ("/a%3Ftenant=b?tenant=a", None),
        ("/a%3Ftenant=b", None),
        ("/a%3Fother=b?tenant=a", Some("a")),
    ] {
        let expected = expected.map(|value| [value]);
        identity(
            &sources,
            &[(":path", path)],
            expected.as_ref().map(|one| &one[..]),
        );
    }
    let long = format!("/?tenant=a&{}", "t&".repeat(30_000));
    identity(&sources, &[(":path", &long)], None);
}

#[test]
fn all_sources_are_asked_in_order() {
    let context = |variable| IdentitySource::Context(variable);
    let sources = [
        query("tenant"),
        header("authorization"),
        context(ContextVariable::Path),
        context(ContextVariable::Method),
        context(ContextVariable::Route),
        context(ContextVariable::SourceIp),
    ];
    let lines = [(":path", "/orders/*?tenant=t"), ("authorization", "a")];
    let expected = [
        "t",
        "a",
        "/orders/%2A",
        "GET",
        "GET /orders/{id}",
        "203.0.113.9",
    ];
    identity(&sources, &lines, Some(&expected));
    identity(&sources, &lines[..1], None);
    identity(&sources, &lines[1..], None);
    identity(&[], &[], Some(&[]));
    let arn = super::arn("GET /");
    let route = Route::of(None, &arn);
    let request = request(&BARE);
    let key = || route.key().to_owned();
    let nowhere = Identity::find(&sources[5..], &request, &arn, key, || None);
    assert_eq!(nowhere, Err(MissingIdentity));
}

#[test]
fn a_key_tells_authorizers_and_values_apart() {
    let secret = KeySecret::new([1, 2]);
    let key = |authorizer: &str, values: &[&'static str]| {
        const NAMES: [&str; 3] = ["x-0", "x-1", "x-2"];
        let sources: Vec<_> = NAMES[..values.len()]
            .iter()
            .map(|name| header(name))
            .collect();
        let mut lines = BARE.to_vec();
        lines.extend(
            NAMES
                .iter()
                .zip(values)
                .map(|(name, value)| (*name, *value)),
        );
        let (arn, request) = (super::arn("GET /"), request(&lines));
        let found = Identity::find(&sources, &request, &arn, String::new, || None).unwrap();
        found.key(authorizer, None, &secret)
    };
    let keys = [
        key("a", &["b,c", "d"]),
        key("a", &["b", "c,d"]),
        key("a", &["b", "c", "d"]),
        key("a", &["b", "cd"]),
        key("ab", &["c", "d"]),
        key("a", &["bcd"]),
        key("a", &[]),
        key("b", &[]),
    ];
    for (at, one) in keys.iter().enumerate() {
        assert!(!keys[at + 1..].contains(one), "{at}");
    }
    assert_eq!(key("a", &["b", "c"]), key("a", &["b", "c"]));
    // What one VM calls an identity means nothing to another, and nobody is told the secret.
    let (arn, request) = (super::arn("GET /"), request(&BARE));
    let nobody = Identity::find(&[], &request, &arn, String::new, || None).unwrap();
    for other in [[1, 3], [2, 2]].map(KeySecret::new) {
        assert_ne!(
            nobody.key("a", None, &secret),
            nobody.key("a", None, &other)
        );
    }
    assert_eq!(format!("{secret:?}"), "KeySecret");
}
