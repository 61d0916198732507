//! Lambda authorizers, unchanged, behind the filter: real functions in Node.js and Python, which Envoy
//! calls through the shipped cluster, signed. API Gateway's emulator has the same functions in front of
//! the same paths, and is asked the same.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::harness::bootstrap::{Listener, MAIN, Setup};
use crate::harness::client::{Request, Response};
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::keyserver::KeyServer;
use crate::harness::ministack::{
    ACCOUNT, Api, CLUSTER, Credentials, Furniture, Ministack, REGION, cluster, signature,
};
use crate::harness::table::Table;
use crate::harness::upstream::{Seen, Upstream};

/// What the upstream is told: a header for each key that some function puts into its context.
const CONTEXT: [&str; 10] = [
    "principalId",
    "tenantId",
    "level",
    "internal",
    "roles",
    "limits",
    "path",
    "stringKey",
    "numberKey",
    "booleanKey",
];

/// A function in front of an API, as the gateway is told of it and as the filter is.
struct Front {
    name: &'static str,
    file: &'static str,
    /// Of the gateway's authorizer, beside the function.
    gateway: Value,
    /// Of the filter's, beside the function and the API.
    filter: Value,
}

impl Front {
    /// A TOKEN authorizer of a REST API.
    fn token(name: &'static str, file: &'static str, ttl: u32) -> Self {
        Self {
            name,
            file,
            gateway: json!({
                "type": "TOKEN",
                "identitySource": "method.request.header.Authorization",
                "authorizerResultTtlInSeconds": ttl,
            }),
            filter: json!({
                "type": "token",
                "answer": "policy",
                "identity": [{"header": "Authorization"}],
                "cache": {"ttl": format!("{ttl}s"), "entries": 100},
            }),
        }
    }

    /// A REQUEST authorizer of an HTTP API.
    fn http(name: &'static str, file: &'static str, format: &str, answer: &str) -> Self {
        Self {
            name,
            file,
            gateway: json!({
                "identitySource": ["$request.header.Authorization"],
                "authorizerPayloadFormatVersion": format,
                "authorizerResultTtlInSeconds": 0,
                "enableSimpleResponses": answer == "simple",
            }),
            filter: json!({
                "type": "request",
                "format": format,
                "answer": answer,
                "identity": [{"header": "authorization"}],
                "cache": {"ttl": "0s", "entries": 100},
            }),
        }
    }

    fn is_rest(&self) -> bool {
        self.gateway["type"].is_string()
    }

    /// The configuration of the filter.
    fn document(&self, arn: &str, api: &str) -> Value {
        let mut authorizer = self.filter.clone();
        authorizer["name"] = json!(self.name);
        authorizer["function"] = json!(arn);
        authorizer["cluster"] = json!(CLUSTER);
        // A function that is called for the first time is a program that starts.
        authorizer["timeout"] = json!("30s");
        let stage = if self.is_rest() { "prod" } else { "$default" };
        let mut place = json!({
            "region": REGION, "account_id": ACCOUNT, "api_id": api, "stage": stage,
        });
        if let Some(variables) = self.gateway.get("stageVariables") {
            place["stage_variables"] = variables.clone();
        }
        authorizer["api"] = place;
        let context =
            CONTEXT.map(|key| json!({"header": header(key), "key": key, "format": "json"}));
        let event = json!({"header": "x-event", "key": "event"});
        json!({
            "authorizers": [authorizer],
            "default": {"authorizer": self.name},
            "rules": [{"match": {"path": "/open"}, "allow": "anyone"}],
            "context_headers": context.into_iter().chain([event]).collect::<Vec<_>>(),
            "responses": {"style": "api_gateway"},
        })
    }
}

fn header(key: &str) -> String {
    format!("x-context-{}", key.to_lowercase())
}

fn fronts() -> Vec<Front> {
    let mut patterned = Front::token("patterned", "tokens.py", 0);
    patterned.gateway["identityValidationExpression"] = json!("[a-z]+");
    patterned.filter["pattern"] = json!("[a-z]+");
    let sources = "method.request.header.HeaderAuth1, method.request.querystring.QueryString1";
    let request = Front {
        name: "request",
        file: "request.js",
        gateway: json!({
            "type": "REQUEST",
            "identitySource": sources,
            "authorizerResultTtlInSeconds": 300,
            "stageVariables": {"StageVar1": "stageValue1"},
        }),
        filter: json!({
            "type": "request",
            "format": "rest",
            "answer": "policy",
            "identity": [{"header": "HeaderAuth1"}, {"query": "QueryString1"}],
            "cache": {"ttl": "300s", "entries": 100},
        }),
    };
    vec![
        Front::token("policy", "policy.js", 0),
        Front::token("remembered", "policy.js", 300),
        patterned,
        Front::token("network", "network.py", 0),
        Front::token("answers", "answers.py", 0),
        request,
        Front::http("network-1.0", "network.py", "1.0", "policy"),
        Front::http("network-2.0", "network.py", "2.0", "policy"),
        Front::http("simple", "simple.mjs", "2.0", "simple"),
        Front::http("policy-2.0", "simple.mjs", "2.0", "policy"),
        Front::http("answers-2.0", "answers.py", "2.0", "simple"),
    ]
}

/// What a function is called after its file.
fn stem(file: &'static str) -> &'static str {
    file.split('.').next().unwrap_or(file)
}

/// Puts the functions of all fronts into the account, with the APIs, one caller who may call all,
/// and one who may call none.
fn furnish(lambda: &Ministack, fronts: &[Front]) -> Furniture {
    let mut functions = json!({"backend": "backend.py"});
    let mut apis = json!({});
    for front in fronts {
        functions[stem(front.file)] = json!(front.file);
        let mut authorizer = front.gateway.clone();
        authorizer["function"] = json!(stem(front.file));
        let kind = if front.is_rest() { "rest" } else { "http" };
        apis[front.name] = json!({"kind": kind, "authorizer": authorizer, "backend": "backend"});
    }
    let names: Vec<_> = functions
        .as_object()
        .expect("functions")
        .keys()
        .cloned()
        .collect();
    let callers = json!({"envoy": names, "stranger": []});
    lambda.furnish(json!({"functions": functions, "callers": callers, "apis": apis}))
}

/// A request, and what becomes of it at both.
struct Row {
    front: &'static str,
    token: Option<String>,
    target: &'static str,
    /// Another header.
    also: Option<(&'static str, &'static str)>,
    gateway: u16,
    filter: u16,
    /// Who is right, where they differ.
    why: &'static str,
}

impl Row {
    fn headers(&self) -> Vec<(&str, &str)> {
        let token = self.token.as_deref();
        let mut headers: Vec<_> = token
            .map(|token| ("authorization", token))
            .into_iter()
            .collect();
        headers.extend(self.also);
        headers
    }
}

fn both(front: &'static str, token: &str, target: &'static str, status: u16) -> Row {
    differ(front, token, target, [status; 2], "")
}

fn differ(
    front: &'static str,
    token: &str,
    target: &'static str,
    [gateway, filter]: [u16; 2],
    why: &'static str,
) -> Row {
    let token = (!token.is_empty()).then(|| token.to_owned());
    Row {
        front,
        token,
        target,
        also: None,
        gateway,
        filter,
        why,
    }
}

/// Of each format: who may, who may not, and what fails.
fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for front in ["policy", "remembered"] {
        for (token, orders, secret, other) in [
            ("", 401, 401, 401),
            ("Bearer admin", 200, 200, 200),
            ("Bearer reader", 200, 403, 403),
            ("Bearer nobody", 403, 403, 403),
            ("Bearer expired", 401, 401, 401),
            ("Bearer stranger", 500, 500, 500),
        ] {
            rows.push(both(front, token, "/orders/1", orders));
            rows.push(both(front, token, "/orders/secret", secret));
            rows.push(both(front, token, "/other?orders/1", other));
        }
    }
    // The answer is kept, and judged anew: who allows the one method that was asked for allows no other.
    rows.push(both("policy", "Bearer here", "/orders/1", 200));
    rows.push(both("policy", "Bearer here", "/orders/2", 200));
    rows.push(both("remembered", "Bearer here", "/orders/1", 200));
    rows.push(both("remembered", "Bearer here", "/orders/2", 403));
    rows.push(both("remembered", "Bearer here", "/orders/1", 200));
    for (token, status) in [
        ("allow", 200),
        ("deny", 403),
        ("unauthorized", 401),
        ("crash", 500),
        // Of another pattern: nobody calls.
        ("Allow", 401),
        ("allow2", 401),
    ] {
        rows.push(both("patterned", token, "/orders/1", status));
    }
    const IGNORED: &str = "the emulator ignores conditions";
    for front in ["network", "network-1.0", "network-2.0"] {
        rows.push(both(front, "loopback", "/orders", 200));
        rows.push(differ(front, "office", "/orders", [200, 403], IGNORED));
        rows.push(both(front, "elsewhere", "/orders", 403));
        // What is not understood can only close, and AWS has no such tags for a caller either.
        rows.push(differ(front, "tagged", "/orders", [200, 403], IGNORED));
        rows.push(both(front, "untagged", "/orders", 403));
        let ignored = "the emulator passes over NotResource";
        rows.push(differ(front, "others", "/orders", [200, 403], ignored));
        rows.push(both(front, "others", "/other/1", 200));
        let ignored = "the emulator ignores Action";
        rows.push(differ(front, "storage", "/orders", [200, 403], ignored));
        rows.push(both(front, "capital", "/orders", 200));
    }
    for (token, simple, policy) in [
        ("", 401, 401),
        ("yes", 200, 500),
        ("no", 403, 500),
        ("maybe", 500, 500),
        ("policy", 500, 200),
        ("stranger", 500, 500),
    ] {
        rows.push(both("simple", token, "/a/b", simple));
        rows.push(both("policy-2.0", token, "/a/b", policy));
    }
    // The emulator spells names of headers in lower case, so that this function does not find its own.
    let lower = "API Gateway hands names on as they were sent; the emulator does not";
    for (target, value, gateway, filter) in [
        ("/a?QueryString1=queryValue1", "headerValue1", 401, 200),
        ("/a?QueryString1=another", "headerValue1", 401, 401),
        ("/a?QueryString1=queryValue1", "another", 401, 401),
        ("/a", "headerValue1", 401, 401),
        ("/a?QueryString1=", "headerValue1", 401, 401),
    ] {
        let why = if gateway == filter { "" } else { lower };
        rows.push(Row {
            also: Some(("HeaderAuth1", value)),
            ..differ("request", "", target, [gateway, filter], why)
        });
    }
    rows.extend(answers());
    rows
}

/// Answers that the test makes up.
fn answers() -> Vec<Row> {
    let allow = json!({"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "*"});
    let with = |member: &str, value: Value| {
        let mut statement = allow.clone();
        statement[member] = value;
        statement
    };
    let policy = |statements: Value| {
        let document = json!({"Version": "2012-10-17", "Statement": statements});
        json!({"principalId": "user", "policyDocument": document})
    };
    let context = |value: Value| {
        let mut answer = policy(json!([allow]));
        answer["context"] = value;
        answer
    };
    let anybody = json!({"policyDocument": {"Statement": [allow]}});
    let unlike = "an effect is Allow or Deny, to the letter: AWS takes no such policy";
    let nested = "the emulator drops it; the documentation says that it is not valid";
    let rest = [
        (policy(json!([allow])), [200, 200], ""),
        (policy(json!(allow)), [200, 200], ""),
        (policy(json!([])), [403, 403], ""),
        (anybody, [200, 200], ""),
        (json!({"principalId": "user"}), [500, 500], ""),
        (json!([1]), [500, 500], ""),
        (json!("Allow"), [500, 500], ""),
        (Value::Null, [500, 500], ""),
        (
            policy(json!([with("Effect", json!("allow"))])),
            [403, 500],
            unlike,
        ),
        (policy(json!([with("Resource", json!([]))])), [403, 403], ""),
        (
            policy(json!([with(
                "Resource",
                json!("arn:aws:execute-api:*:*:*/prod/GET/?")
            )])),
            [200, 200],
            "",
        ),
        (
            policy(json!([with(
                "Resource",
                json!("arn:aws:execute-api:*:*:*/prod/get/a")
            )])),
            [403, 403],
            "",
        ),
        (
            context(json!({"level": 1.5, "internal": false, "path": "", "roles": null})),
            [200, 200],
            "",
        ),
        (context(Value::Null), [200, 200], ""),
        (context(json!({"limits": {"a": 1}})), [200, 500], nested),
        (context(json!({"roles": ["a"]})), [200, 500], nested),
    ];
    let simple = [
        (json!({"isAuthorized": true}), 200),
        (json!({"isAuthorized": false}), 403),
        (json!({"isAuthorized": 1}), 500),
        (json!({}), 500),
        (
            json!({"isAuthorized": true, "context": {"roles": [1], "limits": {"a": true}}}),
            200,
        ),
    ];
    let coded = |answer: &Value| URL_SAFE_NO_PAD.encode(answer.to_string());
    let rest = rest
        .iter()
        .map(|(answer, statuses, why)| differ("answers", &coded(answer), "/a", *statuses, why));
    let simple = simple
        .iter()
        .map(|(answer, status)| both("answers-2.0", &coded(answer), "/a", *status));
    rest.chain(simple).collect()
}

/// The gateway's answer, and what its backend was told.
fn at_gateway(api: &Api, row: &Row) -> (Response, BTreeMap<String, String>) {
    let response = api.send("GET", row.target, &row.headers());
    let mut told = BTreeMap::new();
    if response.status == 200 {
        let body: Value = serde_json::from_str(&response.body).expect("JSON");
        let context = body.get("lambda").unwrap_or(&body);
        for (key, value) in context.as_object().into_iter().flatten() {
            let text = match value {
                Value::String(text) => text.clone(),
                value => value.to_string(),
            };
            told.insert(key.clone(), text);
        }
    }
    (response, told)
}

/// What the upstream was told.
fn told(seen: &Seen) -> BTreeMap<String, String> {
    let of_key = |key: &&str| Some(((*key).to_owned(), seen.value(&header(key))?));
    CONTEXT.iter().filter_map(of_key).collect()
}

/// One account, one gateway, and one Envoy, with a listener for each front, and one for all calls that
/// Lambda may refuse.
#[test]
fn functions_of_api_gateway_work_unchanged() {
    let lambda = Ministack::start();
    let fronts: Vec<_> = fronts().into_iter().chain(echoes()).collect();
    let furniture = furnish(&lambda, &fronts);
    let (keys, upstream) = (KeyServer::start(), Upstream::start());
    let credentials = furniture.caller("envoy");
    let setup = Setup::new(&keys, &upstream)
        .workers(1)
        .resource("clusters", cluster(lambda.address(), Some(&credentials)));
    let setup = fronts.iter().fold(setup, |setup, front| {
        let arn = furniture.function(stem(front.file));
        let document = front.document(&arn, &furniture.api(front.name).id);
        setup.listener(Listener::new(front.name, document))
    });
    let calls = calls(&furniture);
    let setup = calls.iter().fold(setup, |setup, call| {
        let credentials = call.credentials.as_ref();
        setup.resource("clusters", named(call.name, lambda.address(), credentials))
    });
    let functions: Vec<_> = calls
        .iter()
        .map(|call| (call.name, call.function.clone()))
        .collect();
    let aws = Upstream::start();
    let setup = setup
        .listener(Listener::new(MAIN, by_path(&functions)))
        .resource("clusters", named("signed", aws.address(), Some(&example())))
        .listener(Listener::new(
            "signed",
            by_path(&[("signed", FUNCTION.to_owned())]),
        ));
    let envoy = EnvoyUnderTest::start(&setup);
    let requests = a_call_that_lambda_refuses_is_no_verdict(&calls, &envoy, &upstream)
        + the_gateway_and_the_filter_agree(&furniture, &envoy, &upstream)
        + functions_are_told_the_same(&furniture, &envoy, &upstream)
        + the_call_is_signed_as_aws_wants_it(envoy.at("signed"), &aws);
    envoy.finish(requests);
}

/// A request of the table, as the filter gets it.
fn at_filter(api: &Api, row: &Row) -> Request {
    let request = Request::get(row.target).host(&api.host());
    let with = |request: Request, (name, value): &(&str, &str)| request.header(name, value);
    row.headers().iter().fold(request, with)
}

/// The same requests to API Gateway's emulator and to the filter: the same answers, to the byte of JSON
/// and of `x-amzn-errortype`, and the same said to what is behind.
fn the_gateway_and_the_filter_agree(
    furniture: &Furniture,
    envoy: &EnvoyUnderTest,
    upstream: &Upstream,
) -> usize {
    let mut wrong = Vec::new();
    let rows = rows();
    for row in &rows {
        let api = furniture.api(row.front);
        let (gateway, context) = at_gateway(&api, row);
        let request = at_filter(&api, row);
        let filter = request.send(envoy.at(row.front));
        let mut note = |what: String| {
            wrong.push(format!(
                "{} {:?} {}: {what}",
                row.front, row.token, row.target
            ));
        };
        if gateway.status != row.gateway {
            note(format!(
                "the gateway answers {gateway:?}, not {}",
                row.gateway
            ));
        }
        if filter.status != row.filter {
            note(format!("the filter answers {filter:?}, not {}", row.filter));
        }
        assert_eq!(row.gateway == row.filter, row.why.is_empty(), "{}", row.why);
        if gateway.status != filter.status {
            continue;
        }
        if filter.status == 200 {
            let seen = upstream.seen(request.case());
            let told = seen.first().map(told).unwrap_or_default();
            let sent = context
                .into_iter()
                .filter(|(key, value)| CONTEXT.contains(&key.as_str()) && !value.is_empty());
            let sent: BTreeMap<_, _> = sent.collect();
            if told != sent {
                note(format!("the gateway tells {sent:?}, the filter {told:?}"));
            }
            continue;
        }
        let json = |response: &Response| serde_json::from_str::<Value>(&response.body).ok();
        let kind = |response: &Response| response.header("x-amzn-errortype").map(str::to_owned);
        let said = |response: &Response| (json(response), kind(response));
        if said(&gateway) != said(&filter) {
            note(format!(
                "the gateway says {gateway:?}, the filter {filter:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    rows.len()
}

/// A configuration with an authorizer for each of these, by its path: its cluster, and its function.
fn by_path(authorizers: &[(&str, String)]) -> Value {
    let place = json!({
        "region": REGION, "account_id": ACCOUNT, "api_id": "a1b2c3d4e5", "stage": "prod",
    });
    let entries = authorizers.iter().map(|(name, function)| {
        json!({
            "name": name,
            "type": "token",
            "function": function,
            "cluster": name,
            "timeout": "30s",
            "answer": "policy",
            "identity": [{"header": "authorization"}],
            "cache": {"ttl": "5m"},
            "api": place,
        })
    });
    let rules = authorizers
        .iter()
        .map(|(name, _)| json!({"match": {"prefix": format!("/{name}")}, "authorizer": name}));
    json!({
        "authorizers": entries.collect::<Vec<_>>(),
        "rules": rules.collect::<Vec<_>>(),
        "default": "nobody",
    })
}

/// The shipped cluster under another name.
fn named(name: &str, lambda: SocketAddr, credentials: Option<&Credentials>) -> Value {
    let mut cluster = cluster(lambda, credentials);
    cluster["name"] = json!(name);
    cluster["load_assignment"]["cluster_name"] = json!(name);
    cluster
}

/// How a function is called: by whom, and under which name.
struct Call {
    /// Of the cluster, the authorizer and the path.
    name: &'static str,
    credentials: Option<Credentials>,
    function: String,
}

fn calls(furniture: &Furniture) -> [Call; 7] {
    let right = furniture.caller("envoy");
    let forged = Credentials {
        secret: "another-secret".to_owned(),
        ..right.clone()
    };
    let root = Credentials {
        key: "root".to_owned(),
        secret: "root-secret".to_owned(),
    };
    let function = furniture.function("policy");
    let call = |name, credentials: Option<&Credentials>, function: &str| Call {
        name,
        credentials: credentials.cloned(),
        function: function.to_owned(),
    };
    let absent = format!("{function}-of-another-name");
    [
        call("right", Some(&right), &function),
        call("forged", Some(&forged), &function),
        call("stranger", Some(&furniture.caller("stranger")), &function),
        call("unsigned", None, &function),
        call("absent", Some(&root), &absent),
        // By its name, and by an alias that there is not.
        call("by-name", Some(&right), "policy"),
        call("alias", Some(&root), &format!("{function}:live")),
    ]
}

/// Lambda's own 403 and 404 say that Envoy's call was wrong, and nothing about the caller: 503, and the
/// log has the status. What is right but for that is let in.
fn a_call_that_lambda_refuses_is_no_verdict(
    calls: &[Call],
    envoy: &EnvoyUnderTest,
    upstream: &Upstream,
) -> usize {
    let mut table = Table::new(envoy, upstream);
    for Call { name, .. } in calls {
        let request = Request::get(&format!("/{name}/orders")).bearer("admin");
        if ["right", "by-name"].contains(name) {
            table.accepted(MAIN, name, &request);
        } else {
            table.refused(MAIN, name, &request, "authorizer_unavailable");
        }
    }
    let requests = table.done();
    let log = envoy.log();
    for (name, status) in [
        ("forged", 403),
        ("stranger", 403),
        ("unsigned", 403),
        ("absent", 404),
        ("alias", 404),
    ] {
        let warned = log.lines().any(|line| {
            line.contains("[warning]")
                && line.contains(&format!("{name:?}"))
                && line.contains(&format!(" {status} "))
        });
        assert!(warned, "{name}: no warning with {status}:\n{log}");
    }
    requests
}

/// Credentials, and a function, that no account has.
const FUNCTION: &str = "arn:aws:lambda:us-east-1:123456789012:function:partner-auth:live";

fn example() -> Credentials {
    Credentials {
        key: "AKIDEXAMPLE".to_owned(),
        secret: "example-secret".to_owned(),
    }
}

/// AWS's own library makes the signature again, over what Envoy sent.
fn the_call_is_signed_as_aws_wants_it(to: SocketAddr, lambda: &Upstream) -> usize {
    let credentials = example();
    let request = Request::get("/signed/orders?q=1").bearer("admin");
    // What answers is no function: it greets.
    assert_eq!(request.send(to).status, 500);
    let calls = lambda.everything();
    let [call] = calls.as_slice() else {
        panic!("{calls:?}")
    };
    let value = |name: &str| call.value(name).unwrap_or_else(|| panic!("no {name}"));
    let path = format!("/2015-03-31/functions/{FUNCTION}/invocations");
    assert_eq!(
        (call.method.as_str(), call.path.as_str()),
        ("POST", path.as_str())
    );
    let host = format!("lambda.{REGION}.amazonaws.com");
    assert_eq!(value("host"), host);
    let event: Value = serde_json::from_slice(&call.body).expect("JSON");
    let arn = format!("arn:aws:execute-api:{REGION}:{ACCOUNT}:a1b2c3d4e5/prod/GET/signed/orders");
    let expected = json!({
        "type": "TOKEN", "methodArn": arn, "authorizationToken": "Bearer admin",
    });
    assert_eq!(event, expected);
    let authorization = value("authorization");
    let part = |name: &str| {
        let (_, after) = authorization.split_once(name).expect(name);
        after.split(',').next().expect("a value").to_owned()
    };
    assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"));
    assert!(part("Credential=").ends_with(&format!("/{REGION}/lambda/aws4_request")));
    let signed = part("SignedHeaders=");
    let names: Vec<_> = signed.split(';').collect();
    assert!(
        names.iter().all(|name| !name.starts_with("x-envoy")),
        "{signed}"
    );
    let headers: BTreeMap<_, _> = names.iter().map(|name| (*name, value(name))).collect();
    let made = |body: &[u8]| {
        let body = String::from_utf8_lossy(body).into_owned();
        signature(&json!({
            "key": credentials.key, "secret": credentials.secret, "method": "POST",
            "url": format!("https://{host}{path}"), "headers": headers, "body": body,
        }))
    };
    assert_eq!(made(&call.body), part("Signature="));
    let without_hash = headers.contains_key("x-amz-content-sha256");
    assert!(without_hash, "the body is part of what is signed: {signed}");
    1
}

/// Every place at which two values differ, with what stands there.
fn differences(one: &Value, other: &Value, path: &str, found: &mut Vec<String>) {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            for (name, value) in one {
                let absent = Value::String("absent".to_owned());
                let theirs = other.get(name).unwrap_or(&absent);
                differences(value, theirs, &format!("{path}.{name}"), found);
            }
            let more = other.keys().filter(|name| !one.contains_key(*name));
            found.extend(more.map(|name| format!("{path}.{name}: only the filter's")));
        }
        _ if one == other => {}
        _ => found.push(format!("{path}: {one} and {other}")),
    }
}

/// The same function in each form, which answers with what it is told.
fn echoes() -> [Front; 4] {
    let mut rest = Front::token("rest", "echo.py", 0);
    rest.gateway["type"] = json!("REQUEST");
    rest.filter["type"] = json!("request");
    rest.filter["format"] = json!("rest");
    [
        Front::token("token", "echo.py", 0),
        rest,
        Front::http("http-1.0", "echo.py", "1.0", "policy"),
        Front::http("http-2.0", "echo.py", "2.0", "policy"),
    ]
}

/// What the same function is told by API Gateway's emulator and by the filter, in each form. What
/// differs is listed, and who is right: captures of AWS's own events say so (tests/core/authorizer).
fn functions_are_told_the_same(
    furniture: &Furniture,
    envoy: &EnvoyUnderTest,
    upstream: &Upstream,
) -> usize {
    let fronts = echoes();
    let parse = |text: &str| serde_json::from_str::<Value>(text).expect("an event");
    let target = "/orders/7?q=1&q=2&r=x%20y";
    let mut all = Vec::new();
    for front in &fronts {
        let api = furniture.api(front.name);
        let headers = [("authorization", "secret"), ("user-agent", "test")];
        let answer = api.send("GET", target, &headers);
        assert_eq!(answer.status, 200, "{}: {}", front.name, answer.body);
        let told = parse(&answer.body);
        let told = told.get("lambda").unwrap_or(&told);
        let gateway = parse(told["event"].as_str().expect("an event"));
        let request = Request::get(target).host(&api.host());
        let with = |request: Request, (name, value): &(&str, &str)| request.header(name, value);
        let request = headers.iter().fold(request, with);
        assert_eq!(request.send(envoy.at(front.name)).status, 200);
        let seen = upstream.seen(request.case());
        let filter = seen[0].value("x-event").expect("an event");
        let filter = parse(&filter);
        let mut found = Vec::new();
        differences(&gateway, &filter, "", &mut found);
        // Each request has its own, and Envoy adds some of its headers.
        let own = [
            "requestId",
            "extendedRequestId",
            "requestTime",
            "requestTimeEpoch",
            ".time",
            "timeEpoch",
            "resourceId",
            "deploymentId",
            ".headers",
            ".multiValueHeaders",
        ];
        found.retain(|one| {
            !own.iter().any(|name| {
                one.split(':')
                    .next()
                    .is_some_and(|path| path.contains(name))
            })
        });
        let found = found.into_iter().map(|one| format!("{}{one}", front.name));
        all.extend(found);
    }
    assert_eq!(all, KNOWN, "{}", all.join("\n"));
    fronts.len()
}

/// Where the emulator differs from AWS.
const KNOWN: [&str; 32] = [
    // Of several values the last, as AWS has it; the emulator has the first.
    r#"rest.queryStringParameters.q: "1" and "2""#,
    // Captured events have all of these, and the emulator a part.
    "rest.requestContext.identity.accessKey: only the filter's",
    "rest.requestContext.identity.accountId: only the filter's",
    "rest.requestContext.identity.caller: only the filter's",
    "rest.requestContext.identity.cognitoAuthenticationProvider: only the filter's",
    "rest.requestContext.identity.cognitoAuthenticationType: only the filter's",
    "rest.requestContext.identity.cognitoIdentityId: only the filter's",
    "rest.requestContext.identity.cognitoIdentityPoolId: only the filter's",
    "rest.requestContext.identity.principalOrgId: only the filter's",
    "rest.requestContext.identity.user: only the filter's",
    "rest.requestContext.identity.userArn: only the filter's",
    "rest.requestContext.domainName: only the filter's",
    "rest.requestContext.domainPrefix: only the filter's",
    "rest.requestContext.path: only the filter's",
    "rest.requestContext.protocol: only the filter's",
    // Nothing is an empty object to the functions of REST APIs, and absent in format 2.0; never null.
    "rest.stageVariables: null and {}",
    // The emulator tells no route of its catch-all, and leaves out what makes a form 1.0 of it.
    r#"http-1.0.pathParameters: null and {"proxy":"orders/7"}"#,
    r#"http-1.0.queryStringParameters.q: "1" and "2""#,
    r#"http-1.0.requestContext.resourcePath: "/orders/7" and "/{proxy+}""#,
    "http-1.0.requestContext.domainName: only the filter's",
    "http-1.0.requestContext.domainPrefix: only the filter's",
    "http-1.0.requestContext.identity: only the filter's",
    "http-1.0.requestContext.path: only the filter's",
    "http-1.0.requestContext.protocol: only the filter's",
    r#"http-1.0.resource: "/orders/7" and "/{proxy+}""#,
    "http-1.0.stageVariables: null and {}",
    "http-1.0.authorizationToken: only the filter's",
    "http-1.0.identitySource: only the filter's",
    "http-1.0.version: only the filter's",
    r#"http-2.0.pathParameters: null and "absent""#,
    "http-2.0.requestContext.domainPrefix: only the filter's",
    r#"http-2.0.stageVariables: null and "absent""#,
];
