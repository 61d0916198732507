//! The configuration from outside: a minimal document and one change at a time.
//!
//! Every refusal is compared to the letter, and has a twin that differs in one thing and is
//! accepted. Every document is read twice, as JSON and as a serialized `google.protobuf.Struct`,
//! and both must mean the same.

#[allow(dead_code, unreachable_pub, unused_qualifications)]
#[path = "common/issuer.rs"]
mod issuer;

use cognito_authorizer::bearer::TokenSource;
use cognito_authorizer::config::{self, Problems};
use cognito_authorizer::policy::{
    AudiencePolicy, Clients, Forwarding, Identity, KeyEndpoint, KeySource, MaxStale, Policy,
    Preflight, RouteChoice, SignaturePolicy,
};
use cognito_authorizer::rules::requirement::WantedUse;
use issuer::TestKey;
use prost::Message as _;
use prost_types::value::Kind;
use prost_types::{ListValue, Struct};
use serde_json::{Map, Value, json};
use std::time::Duration;

const POOL: &str = "us-east-1_AbCdEf123";

/// The least that is accepted.
fn minimal() -> Value {
    json!({
        "user_pools": [{
            "user_pool_id": POOL,
            "client_ids": ["4hq8abcd"],
            "jwks": {"cluster": "keys"},
        }],
        "token": {"use": "any"},
    })
}

/// The minimal document with changes: `/pointer` is set, `-/pointer` is taken out. An element one
/// past a list's end is appended.
fn changed(changes: &Value) -> Value {
    let mut document = minimal();
    for (change, value) in changes.as_object().unwrap() {
        let pointer = change.trim_start_matches('-');
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        match document.pointer_mut(parent).unwrap() {
            Value::Object(members) if change.starts_with('-') => {
                members.remove(name).unwrap();
            }
            Value::Object(members) => {
                members.insert(name.to_owned(), value.clone());
            }
            Value::Array(elements) => {
                let position: usize = name.parse().unwrap();
                elements.truncate(position);
                elements.push(value.clone());
            }
            other => panic!("nothing can be set in {other}"),
        }
    }
    document
}

fn to_struct(members: &Map<String, Value>) -> Struct {
    let field = |(name, value): (&String, &Value)| (name.clone(), to_protobuf(value));
    Struct {
        fields: members.iter().map(field).collect(),
    }
}

fn to_protobuf(value: &Value) -> prost_types::Value {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(value) => Kind::BoolValue(*value),
        Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap()),
        Value::String(text) => Kind::StringValue(text.clone()),
        Value::Array(elements) => Kind::ListValue(ListValue {
            values: elements.iter().map(to_protobuf).collect(),
        }),
        Value::Object(members) => Kind::StructValue(to_struct(members)),
    };
    prost_types::Value { kind: Some(kind) }
}

fn serialized(document: &Value) -> Vec<u8> {
    to_struct(document.as_object().unwrap()).encode_to_vec()
}

/// Everything that a policy says. Hash maps print their entries in any order, so lines are sorted.
fn summary(policy: &Policy) -> String {
    let printed = format!("{policy:#?}");
    let mut lines: Vec<_> = printed.lines().collect();
    lines.sort_unstable();
    lines.join("\n")
}

/// Reads a document in both forms.
#[track_caller]
fn read(document: &Value) -> Result<Policy, Problems> {
    let from_json = config::parse(document.to_string().as_bytes());
    let from_struct = config::parse(&serialized(document));
    match (&from_json, &from_struct) {
        (Ok(one), Ok(other)) => assert_eq!(summary(one), summary(other), "{document}"),
        (Err(one), Err(other)) => assert_eq!(one, other, "{document}"),
        (one, other) => panic!("JSON: {one:?}\nStruct: {other:?}\n{document}"),
    }
    from_json
}

#[track_caller]
fn accepted(changes: Value) -> Policy {
    read(&changed(&changes)).unwrap_or_else(|problems| panic!("{changes}:\n{problems}"))
}

/// One refusal with its exact text, and its accepted twin.
#[track_caller]
fn case(refused: Value, problems: &str, twin: Value) {
    match read(&changed(&refused)) {
        Ok(_) => panic!("accepted: {refused}"),
        Err(found) => assert_eq!(found.to_string(), problems, "{refused}"),
    }
    accepted(twin);
}

/// Cases that differ in the value of one field only.
#[track_caller]
fn values(field: &str, refused: &[(Value, &str)], twin: Value) {
    for (value, problem) in refused {
        case(json!({ field: value }), problem, json!({ field: twin }));
    }
}

#[test]
fn the_minimum_and_its_defaults() {
    let policy = accepted(json!({}));
    let (_, pool) = policy.pools.iter().next().unwrap();
    assert_eq!(pool.id.as_str(), POOL);
    assert_eq!(
        pool.issuer,
        format!("https://cognito-idp.us-east-1.amazonaws.com/{POOL}")
    );
    assert_eq!(pool.clients, Clients::Only(vec!["4hq8abcd".to_owned()]));
    let KeySource::Fetched(endpoint) = &pool.keys else {
        panic!("{:?}", pool.keys);
    };
    assert_eq!(
        *endpoint,
        KeyEndpoint {
            cluster: "keys".to_owned(),
            uri: format!(
                "https://cognito-idp.us-east-1.amazonaws.com/{POOL}/.well-known/jwks.json"
            ),
            scheme: "https".to_owned(),
            authority: "cognito-idp.us-east-1.amazonaws.com".to_owned(),
            path: format!("/{POOL}/.well-known/jwks.json"),
            timeout: Duration::from_secs(5),
            refresh_interval: Duration::from_secs(900),
            max_stale: MaxStale::For(Duration::from_secs(86_400)),
        }
    );
    assert_eq!(policy.token.token_use, WantedUse::Any);
    assert!(policy.token.sources.reads_authorization());
    assert!(!policy.token.sources.needs_every_header());
    assert_eq!(policy.token.clock_skew, Duration::from_secs(60));
    assert_eq!(policy.token.max_bytes, 16_384);
    assert!(matches!(policy.token.audience, AudiencePolicy::Any));
    assert_eq!(policy.token.forwarding, Forwarding::Keep);
    assert_eq!(policy.token.cache_entries, 4_096);
    assert!(policy.rules.is_empty());
    assert!(format!("{:?}", policy.rules).contains("default: Require(Requirement {"));
    assert!(policy.rules.stripped_headers().is_empty());
    assert_eq!(policy.preflight, Preflight::RequireToken);
    assert_eq!(policy.claim_headers.names().count(), 0);
    assert_eq!(policy.identity, Identity::Withhold);
    assert_eq!(policy.route, RouteChoice::Keep);
    assert_eq!(policy.signature, SignaturePolicy::Auto);
}

/// The reference's example, its placeholders filled in.
const REFERENCE: &str = r#"
user_pools:
- user_pool_id: us-east-1_AbCdEf123
  client_ids: [4hq8abcd]
  issuer: original
  jwks:
    cluster: cognito_us_east_1
    uri: https://cognito-idp.us-east-1.amazonaws.com/us-east-1_AbCdEf123/.well-known/jwks.json
    timeout: 5s
    refresh_interval: 15m
    max_stale: 24h
token:
  use: any
  from:
  - header: authorization
  - query: access_token
  - cookie: access_token
  clock_skew: 60s
  max_bytes: 16384
  aud_pattern: '^4hq8.*$'
  forward: true
  cache_entries: 4096
rules:
- match: {path: /health}
  allow: anyone
- match: {prefix: /public, methods: [GET, HEAD]}
  allow: anyone
- match: {template: '/users/{userId}', methods: [GET]}
  require: {claims: {sub: '{userId}'}}
- match: {path: /users, methods: [POST]}
  require: {token_use: access, scopes: [myapi/write, myapi/admin]}
- match: {prefix: /admin, hosts: [api.example.com]}
  require: {groups: [admin, ops], pools: [us-east-1_AbCdEf123], max_auth_age: 15m}
- match: {template: '/tenants/{tenant}/{proxy+}'}
  require: {token_use: id, claims: {'custom:tenant_id': '{tenant}'}}
default: nobody
path_case: insensitive
method_override: strip
claim_headers:
- {header: x-cognito-sub, claim: sub}
- {header: x-cognito-username, claim: ['cognito:username', username]}
- {header: x-cognito-groups, claim: 'cognito:groups', format: comma}
payload_header: x-cognito-claims
cors_preflight: require_token
log_identity: false
clear_route_cache: false
signature: auto
responses:
  style: rfc6750
  unauthorized:
    status: 302
    headers: {location: 'https://login.example.com/', www-authenticate: ''}
    body: '{"message":$context.error.messageString,"id":"$context.requestId"}'
"#;

fn reference() -> Value {
    serde_yaml_ng::from_str(REFERENCE).unwrap()
}

#[test]
fn the_reference_is_accepted() {
    let policy = read(&reference()).unwrap();
    assert_eq!(policy.rules.len(), 6);
    assert_eq!(policy.rules.stripped_headers().len(), 3);
    assert_eq!(policy.token.sources.iter().count(), 3);
    let names: Vec<_> = policy
        .claim_headers
        .names()
        .map(|name| name.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "x-cognito-sub",
            "x-cognito-username",
            "x-cognito-groups",
            "x-cognito-claims"
        ]
    );
    assert_eq!(policy.responses.unauthorized.status, Some(302));
}

#[test]
fn every_problem_is_reported_in_the_order_of_the_reference() {
    let problems = read(&json!({
        "responses": {"style": "aws"},
        "rules": [{"match": {}}, {"match": {"path": "/a"}, "require": {"groups": []}}],
        "token": {"max_bytes": 0},
        "user_pools": [{"user_pool_id": "pool", "client_id": "x", "jwks": {}}],
        "extra": 1,
    }))
    .unwrap_err();
    assert_eq!(
        problems.to_string(),
        r#"extra: found an unknown field; expected user_pools, token, rules, default, path_case, method_override, claim_headers, payload_header, cors_preflight, log_identity, clear_route_cache, signature, responses
user_pools[0].client_id: found an unknown field; did you mean client_ids?
user_pools[0].user_pool_id: found "pool"; expected a user pool id such as us-east-1_AbCdEf123
user_pools[0].client_ids: missing; expected a list of app client ids or "any"
user_pools[0].jwks.cluster: missing; expected the Envoy cluster that reaches the key endpoint, or inline keys
token.use: missing; expected id, access or any
token.max_bytes: found 0; expected a whole number from 1 to 65536
rules[0].match: found an empty object; expected an object with path, prefix, template, regex, methods or hosts; what matches everything is default
rules[1].require.groups: found an empty list; expected a list of groups
default: missing; expected nobody, authenticated or anyone, for what no rule matches
responses.style: found "aws"; expected rfc6750 or api_gateway"#
    );
    assert_eq!(problems.iter().count(), 11);
    let last = problems.iter().last().unwrap();
    assert_eq!(last.path(), "responses.style");
    assert_eq!(
        last.text(),
        "found \"aws\"; expected rfc6750 or api_gateway"
    );
}

// Documents.

#[track_caller]
fn document(bytes: &[u8], problem: &str) {
    match config::parse(bytes) {
        Ok(_) => panic!("accepted: {bytes:?}"),
        Err(problems) => assert_eq!(problems.to_string(), problem),
    }
}

const NOTHING: &str = "configuration: found nothing; expected an object with user_pools and token";
const YAML: &str = "configuration: found text that is no JSON, perhaps YAML; expected JSON text, or YAML as a google.protobuf.Struct";

#[test]
fn both_forms_are_told_apart() {
    let text = minimal().to_string();
    for around in [
        text.clone(),
        format!("\n{text}\n"),
        format!(" \r\n\t{text} "),
    ] {
        assert!(config::parse(around.as_bytes()).is_ok(), "{around:?}");
    }
    document(b"", NOTHING);
    document(b" \n\t", NOTHING);
    document(&Struct::default().encode_to_vec(), NOTHING);
    document(REFERENCE.as_bytes(), YAML);
    document(REFERENCE.trim().as_bytes(), YAML);
    document("\u{feff}{}".as_bytes(), YAML);
    document(
        b"\x08\x01\xff\x00",
        "configuration: found bytes that are neither JSON nor a google.protobuf.Struct; expected one of them",
    );
    document(
        b"[]",
        "configuration: found an empty list; expected an object with user_pools and token",
    );
    document(
        b"null",
        "configuration: found null; expected an object with user_pools and token; give it a value or leave it out",
    );
}

#[test]
fn a_struct_may_begin_like_json() {
    // A first member of 123 bytes: a newline, then `{`.
    let mut found = false;
    for length in 1..120 {
        let name = "a".repeat(length);
        let bytes = serialized(&json!({ name.as_str(): "b" }));
        if bytes.starts_with(b"\n{") {
            found = true;
            let problems = config::parse(&bytes).unwrap_err().to_string();
            assert!(problems.contains("user_pools: missing;"), "{problems}");
        }
    }
    assert!(found);
}

#[test]
fn json_is_read_strictly() {
    document(
        b"{\"token\":",
        "configuration: found JSON that cannot be read: EOF while parsing a value at line 1 column 9; expected one JSON object",
    );
    let text = minimal().to_string();
    let twice = text.replacen(r#""use":"any""#, r#""use":"any","use":"id""#, 1);
    let problems = config::parse(twice.as_bytes()).unwrap_err().to_string();
    assert!(
        problems.starts_with(r#"configuration: found JSON that cannot be read: the name "use" stands twice in one object"#),
        "{problems}"
    );
    assert!(config::parse(format!("{text}{{}}").as_bytes()).is_err());
    assert!(config::parse(text.as_bytes()).is_ok());
}

#[test]
fn documents_are_bounded() {
    let text = minimal().to_string();
    let padded = |length: usize| format!("{text}{}", " ".repeat(length - text.len()));
    assert!(config::parse(padded(config::MAX_BYTES).as_bytes()).is_ok());
    document(
        padded(config::MAX_BYTES + 1).as_bytes(),
        "configuration: found 4194305 bytes; expected at most 4194304",
    );
    let nested = |levels: usize| (1..levels).fold(json!([]), |inner, _| json!([inner]));
    // The keys of an inline key set may hold what they like, three levels further down.
    let keys = |levels: usize| {
        let mut key = TestKey::first().jwk();
        key["x"] = nested(levels);
        json!({"/user_pools/0/jwks": {"inline": {"keys": [key]}}})
    };
    let levels = config::MAX_DEPTH - 6;
    case(
        keys(levels + 2),
        &format!(
            "user_pools[0].jwks.inline.keys[0].x{}: found more than 16 levels; expected a flatter document",
            "[0]".repeat(levels)
        ),
        keys(levels),
    );
    for depth in [20, 50, 100_000] {
        assert!(config::parse("[".repeat(depth).as_bytes()).is_err());
        let mut bytes = b"\x0a\x04\x0a\x00\x12\x00".to_vec();
        for _ in 0..depth.min(1000) {
            let mut list = prost_types::Value::default().encode_to_vec();
            prost::encoding::encode_key(6, prost::encoding::WireType::LengthDelimited, &mut list);
            prost::encoding::encode_varint(bytes.len() as u64, &mut list);
            list.extend(&bytes);
            bytes = list;
        }
        let mut document = b"\x0a".to_vec();
        prost::encoding::encode_varint(bytes.len() as u64 + 10, &mut document);
        document.extend(b"\x0a\x01a\x12");
        prost::encoding::encode_varint(bytes.len() as u64, &mut document);
        document.extend(bytes);
        assert!(config::parse(&document).is_err());
    }
}

#[test]
fn a_struct_has_finite_numbers() {
    for (double, shown) in [
        (f64::NAN, "NaN"),
        (f64::INFINITY, "inf"),
        (f64::NEG_INFINITY, "-inf"),
    ] {
        let mut document = to_struct(minimal().as_object().unwrap());
        let Some(Kind::StructValue(token)) = &mut document.fields.get_mut("token").unwrap().kind
        else {
            panic!("no token");
        };
        let number = prost_types::Value {
            kind: Some(Kind::NumberValue(double)),
        };
        token.fields.insert("max_bytes".to_owned(), number);
        self::document(
            &document.encode_to_vec(),
            &format!("token.max_bytes: found {shown}; expected a finite number"),
        );
    }
    document(
        br#"{"token":{"max_bytes":1e999}}"#,
        "token.max_bytes: found a number beyond all doubles; expected a smaller one",
    );
}

#[test]
fn a_struct_value_without_a_kind_is_null() {
    let mut document = to_struct(minimal().as_object().unwrap());
    document
        .fields
        .insert("signature".to_owned(), prost_types::Value { kind: None });
    self::document(
        &document.encode_to_vec(),
        "signature: found null; expected auto or module; give it a value or leave it out",
    );
}

#[test]
fn integers_may_be_spelled_like_doubles() {
    for spelling in ["1024", "1024.0", "1.024e3"] {
        let text = minimal().to_string().replace(
            r#""use":"any""#,
            &format!(r#""use":"any","max_bytes":{spelling}"#),
        );
        assert_eq!(
            config::parse(text.as_bytes()).unwrap().token.max_bytes,
            1024,
            "{spelling}"
        );
    }
}

// user_pools.

#[test]
fn user_pools_are_one_to_a_hundred() {
    values(
        "/user_pools",
        &[
            (
                json!([]),
                "user_pools: found an empty list; expected a list of 1 to 100 user pools",
            ),
            (
                json!({}),
                "user_pools: found an empty object; expected a list of 1 to 100 user pools",
            ),
            (
                json!(null),
                "user_pools: found null; expected a list of 1 to 100 user pools; give it a value or leave it out",
            ),
            (
                json!(["x"]),
                r#"user_pools[0]: found "x"; expected an object with user_pool_id, client_ids and jwks"#,
            ),
        ],
        minimal()["user_pools"].clone(),
    );
    case(
        json!({"-/user_pools": 0}),
        "user_pools: missing; expected a list of 1 to 100 user pools",
        json!({}),
    );
    let pools = |count: usize| {
        let pool = |number| json!({"user_pool_id": format!("us-east-1_A{number}"), "client_ids": "any", "jwks": {"cluster": "c"}});
        json!({"/user_pools": (0..count).map(pool).collect::<Vec<_>>()})
    };
    case(
        pools(config::MAX_USER_POOLS + 1),
        "user_pools: found 101 user pools; expected at most 100",
        pools(config::MAX_USER_POOLS),
    );
}

#[test]
fn a_user_pool_has_one_name() {
    let arn = format!("arn:aws:cognito-idp:us-east-1:123456789012:userpool/{POOL}");
    let by_arn = json!({"-/user_pools/0/user_pool_id": 0, "/user_pools/0/user_pool_arn": arn});
    let (_, pool) = accepted(by_arn.clone())
        .pools
        .iter()
        .next()
        .map(|(at, pool)| (at, pool.id.clone()))
        .unwrap();
    assert_eq!(pool.as_str(), POOL);
    case(
        json!({"/user_pools/0/user_pool_arn": arn}),
        "user_pools[0].user_pool_arn: found beside user_pool_id; expected one of the two",
        by_arn.clone(),
    );
    case(
        json!({"-/user_pools/0/user_pool_id": 0}),
        "user_pools[0].user_pool_id: missing; expected a user pool id such as us-east-1_AbCdEf123, or user_pool_arn",
        by_arn.clone(),
    );
    case(
        json!({"-/user_pools/0/user_pool_id": 0, "/user_pools/0/user_pool_arn": arn.replace(":us-east-1:", ":us-west-2:")}),
        r#"user_pools[0].user_pool_arn: the region is "us-west-2", but the user pool id begins with "us-east-1""#,
        by_arn.clone(),
    );
    case(
        json!({"-/user_pools/0/user_pool_id": 0, "/user_pools/0/user_pool_arn": arn.replace("arn:aws:", "arn:aws-cn:")}),
        r#"user_pools[0].user_pool_arn: the partition is "aws-cn", but the region belongs to "aws""#,
        by_arn.clone(),
    );
    case(
        json!({"-/user_pools/0/user_pool_id": 0, "/user_pools/0/user_pool_arn": POOL}),
        r#"user_pools[0].user_pool_arn: found "us-east-1_AbCdEf123"; expected arn:aws:cognito-idp:us-east-1:123456789012:userpool/us-east-1_AbCdEf123"#,
        by_arn,
    );
    values(
        "/user_pools/0/user_pool_id",
        &[
            (
                json!("us-east-1"),
                r#"user_pools[0].user_pool_id: found "us-east-1"; expected a user pool id such as us-east-1_AbCdEf123"#,
            ),
            (
                json!(""),
                r#"user_pools[0].user_pool_id: found ""; expected a user pool id such as us-east-1_AbCdEf123"#,
            ),
            (
                json!(12),
                "user_pools[0].user_pool_id: found 12; expected a user pool id such as us-east-1_AbCdEf123; quote it",
            ),
            (
                json!(null),
                "user_pools[0].user_pool_id: found null; expected a user pool id such as us-east-1_AbCdEf123; give it a value or leave it out",
            ),
        ],
        json!(format!("us-east-1_{}", "a".repeat(45))),
    );
}

#[test]
fn client_ids_are_a_list_or_the_word_any() {
    case(
        json!({"-/user_pools/0/client_ids": 0}),
        "user_pools[0].client_ids: missing; expected a list of app client ids or \"any\"",
        json!({}),
    );
    values(
        "/user_pools/0/client_ids",
        &[
            (
                json!([]),
                r#"user_pools[0].client_ids: found an empty list; expected a list of app client ids or "any""#,
            ),
            (
                json!("4hq8abcd"),
                r#"user_pools[0].client_ids: found "4hq8abcd"; expected a list of app client ids or "any""#,
            ),
            (
                json!("Any"),
                r#"user_pools[0].client_ids: found "Any"; expected a list of app client ids or "any""#,
            ),
            (
                json!(["any"]),
                r#"user_pools[0].client_ids[0]: found "any" in a list; expected the bare word any"#,
            ),
            (
                json!(["a", "any"]),
                r#"user_pools[0].client_ids[1]: found "any" in a list; expected the bare word any"#,
            ),
            (
                json!([""]),
                r#"user_pools[0].client_ids[0]: found ""; expected an app client id"#,
            ),
            (
                json!([4]),
                "user_pools[0].client_ids[0]: found 4; expected an app client id; quote it",
            ),
            (
                json!([null]),
                "user_pools[0].client_ids[0]: found null; expected an app client id; give it a value or leave it out",
            ),
            (
                json!([["a"]]),
                "user_pools[0].client_ids[0]: found a list; expected an app client id",
            ),
            (
                json!(["a", "b", "a"]),
                r#"user_pools[0].client_ids[2]: found "a" as in user_pools[0].client_ids[0]; expected each once"#,
            ),
        ],
        json!("any"),
    );
    let policy = accepted(json!({"/user_pools/0/client_ids": "any"}));
    assert_eq!(policy.pools.iter().next().unwrap().1.clients, Clients::Any);
    accepted(json!({"/user_pools/0/client_ids": ["a", "b", "Any"]}));
}

#[test]
fn an_issuer_is_a_form_or_a_url() {
    values(
        "/user_pools/0/issuer",
        &[
            (
                json!("cognito"),
                r#"user_pools[0].issuer: found "cognito"; expected original, updated or an absolute URL"#,
            ),
            (
                json!("/idp"),
                r#"user_pools[0].issuer: found "/idp"; expected original, updated or an absolute URL"#,
            ),
            (
                json!("ftp://idp"),
                r#"user_pools[0].issuer: found "ftp://idp"; expected an absolute URL such as https://host/path"#,
            ),
            (
                json!("https://"),
                r#"user_pools[0].issuer: found "https://"; expected an absolute URL such as https://host/path"#,
            ),
            (
                json!("https://u@idp"),
                r#"user_pools[0].issuer: found "https://u@idp"; expected a URL without user information"#,
            ),
            (
                json!("https://idp?a"),
                r#"user_pools[0].issuer: found "https://idp?a"; expected a URL without query"#,
            ),
            (
                json!("https://idp#a"),
                r##"user_pools[0].issuer: found "https://idp#a"; expected a URL without fragment"##,
            ),
            (
                json!("https://idp:99999"),
                r#"user_pools[0].issuer: found "https://idp:99999"; expected a port from 1 to 65535"#,
            ),
            (
                json!(true),
                "user_pools[0].issuer: found true; expected original, updated or an absolute URL; quote it",
            ),
        ],
        json!("https://idp"),
    );
    let read = |issuer: &str| {
        let policy = accepted(json!({"/user_pools/0/issuer": issuer}));
        let pool = policy.pools.iter().next().unwrap().1;
        let KeySource::Fetched(endpoint) = &pool.keys else {
            panic!("{:?}", pool.keys);
        };
        (pool.issuer.clone(), endpoint.uri.clone())
    };
    let updated = format!("https://issuer-cognito-idp.us-east-1.amazonaws.com/{POOL}");
    assert_eq!(
        read("updated"),
        (updated.clone(), format!("{updated}/.well-known/jwks.json"))
    );
    // Compared to the letter, so kept to the letter.
    for issuer in [
        "http://127.0.0.1:9229/local_1",
        "https://idp.example.com/a/",
    ] {
        let uri = format!("{}/.well-known/jwks.json", issuer.trim_end_matches('/'));
        assert_eq!(read(issuer), (issuer.to_owned(), uri));
    }
}

#[test]
fn an_issuer_is_configured_once() {
    let second = |changes: Value| {
        let mut pool = minimal()["user_pools"][0].clone();
        pool.as_object_mut()
            .unwrap()
            .extend(changes.as_object().unwrap().clone());
        json!({"/user_pools/1": pool})
    };
    let original = format!("https://cognito-idp.us-east-1.amazonaws.com/{POOL}");
    case(
        second(json!({})),
        &format!(
            "user_pools[1].issuer: found the issuer of user_pools[0], {original}; expected each issuer once"
        ),
        second(json!({"issuer": "updated"})),
    );
    // Seen even where something else is wrong with the pools.
    case(
        second(json!({"issuer": original, "client_ids": []})),
        &format!(
            "user_pools[1].client_ids: found an empty list; expected a list of app client ids or \"any\"\nuser_pools[1].issuer: found the issuer of user_pools[0], {original}; expected each issuer once"
        ),
        second(json!({"issuer": format!("{original}/")})),
    );
}

#[test]
fn keys_are_fetched_or_inline() {
    let jwks = "/user_pools/0/jwks";
    case(
        json!({"-/user_pools/0/jwks": 0}),
        "user_pools[0].jwks: missing; expected an object with cluster, or with inline keys",
        json!({}),
    );
    let inline = json!({"inline": {"keys": [TestKey::first().jwk(), TestKey::small().jwk()]}});
    values(
        jwks,
        &[
            (
                json!({}),
                "user_pools[0].jwks.cluster: missing; expected the Envoy cluster that reaches the key endpoint, or inline keys",
            ),
            (
                json!("keys"),
                r#"user_pools[0].jwks: found "keys"; expected an object with cluster, or with inline keys"#,
            ),
            (
                json!({"cluster": ""}),
                r#"user_pools[0].jwks.cluster: found ""; expected the Envoy cluster that reaches the key endpoint, or inline keys"#,
            ),
            (
                json!({"cluster": 1}),
                "user_pools[0].jwks.cluster: found 1; expected the Envoy cluster that reaches the key endpoint, or inline keys; quote it",
            ),
            (
                json!({"clusters": "c", "cluster": "c"}),
                "user_pools[0].jwks.clusters: found an unknown field; did you mean cluster?",
            ),
            (
                json!({"inline": {"keys": []}}),
                "user_pools[0].jwks.inline: the key set has no usable key; expected an RSA key of 2048 to 4096 bits with a kid, for RS256 signatures",
            ),
            (
                json!({"inline": {"keys": [TestKey::small().jwk()]}}),
                "user_pools[0].jwks.inline: the key set has no usable key; expected an RSA key of 2048 to 4096 bits with a kid, for RS256 signatures",
            ),
            (
                json!({"inline": {}}),
                r#"user_pools[0].jwks.inline: found no key set; expected {"keys": [...]} (RFC 7517, section 5)"#,
            ),
            (
                json!({"inline": "{"}),
                r#"user_pools[0].jwks.inline: found no key set; expected {"keys": [...]} (RFC 7517, section 5)"#,
            ),
            (
                json!({"inline": []}),
                "user_pools[0].jwks.inline: found an empty list; expected a key set as an object or JSON text",
            ),
        ],
        inline.clone(),
    );
    let both = |name: &str, value: &str| json!({jwks: {"inline": inline["inline"], name: value}});
    for (name, value) in [
        ("cluster", "c"),
        ("uri", "https://h/"),
        ("timeout", "5s"),
        ("refresh_interval", "15m"),
        ("max_stale", "24h"),
    ] {
        case(
            both(name, value),
            &format!("user_pools[0].jwks.{name}: found beside inline; expected inline alone"),
            json!({jwks: {"cluster": "c", name: value}}),
        );
    }
    for keys in [
        inline["inline"].clone(),
        json!(inline["inline"].to_string()),
    ] {
        let policy = accepted(json!({jwks: {"inline": keys}}));
        let KeySource::Inline(keys) = &policy.pools.iter().next().unwrap().1.keys else {
            panic!("not inline");
        };
        assert_eq!((keys.len(), keys.skipped()), (1, 1));
        assert!(keys.get(TestKey::first().kid()).is_some());
    }
}

#[test]
fn a_key_uri_is_absolute() {
    let refused = |text: &str, expected: &str| {
        (
            json!(text),
            format!("user_pools[0].jwks.uri: found {text:?}; expected {expected}"),
        )
    };
    for (uri, problem) in [
        refused("", "an absolute URL such as https://host/path"),
        refused("/jwks.json", "an absolute URL such as https://host/path"),
        refused("idp/jwks.json", "an absolute URL such as https://host/path"),
        refused(
            "file:///jwks.json",
            "an absolute URL such as https://host/path",
        ),
        refused(
            "https://idp/jwks json",
            "an absolute URL such as https://host/path",
        ),
        refused(
            "https://user:pass@idp/jwks",
            "a URL without user information",
        ),
        refused("https://idp/jwks#a", "a URL without fragment"),
        refused("https://idp:0/jwks", "a port from 1 to 65535"),
    ] {
        values(
            "/user_pools/0/jwks/uri",
            &[(uri, &problem)],
            json!("https://idp/jwks"),
        );
    }
    let policy = accepted(json!({"/user_pools/0/jwks/uri": "http://127.0.0.1:5000/jwks?a=b"}));
    let KeySource::Fetched(endpoint) = &policy.pools.iter().next().unwrap().1.keys else {
        panic!("inline");
    };
    assert_eq!(endpoint.scheme, "http");
    assert_eq!(endpoint.authority, "127.0.0.1:5000");
    assert_eq!(endpoint.path, "/jwks?a=b");
}

#[test]
fn durations_have_a_unit_and_bounds() {
    let refused = |field: &str, bounds: &str, cases: &[(&str, &str)]| {
        let path = field
            .replace("/user_pools/0", "user_pools[0]")
            .replace('/', ".");
        let path = path.trim_start_matches('.');
        for (wrong, twin) in cases {
            case(
                json!({field: wrong}),
                &format!("{path}: found {wrong:?}; expected a duration {bounds}"),
                json!({field: twin}),
            );
        }
        case(
            json!({field: 60}),
            &format!(
                "{path}: found 60; expected a duration {bounds}; quote it with a unit, such as \"5s\""
            ),
            json!({field: cases[0].1}),
        );
        case(
            json!({field: "1 h"}),
            &format!(
                "{path}: found \"1 h\"; expected a duration {bounds}, as a number and ms, s, m or h"
            ),
            json!({field: cases[0].1}),
        );
    };
    let jwks = "/user_pools/0/jwks";
    refused(
        &format!("{jwks}/timeout"),
        "from 100ms to 30s",
        &[("99ms", "100ms"), ("30.1s", "30s")],
    );
    refused(
        &format!("{jwks}/refresh_interval"),
        "from 1m to 24h",
        &[("59s", "1m"), ("1441m", "1440m")],
    );
    refused(
        &format!("{jwks}/max_stale"),
        "from 1h to 720h, or forever",
        &[("0.9h", "1h"), ("721h", "720h")],
    );
    refused(
        "/token/clock_skew",
        "from 0s to 5m",
        &[("301s", "300s"), ("5.1m", "0s")],
    );
    let policy = accepted(
        json!({"/user_pools/0/jwks/max_stale": "forever", "/user_pools/0/jwks/timeout": "1.5s"}),
    );
    let KeySource::Fetched(endpoint) = &policy.pools.iter().next().unwrap().1.keys else {
        panic!("inline");
    };
    assert_eq!(endpoint.max_stale, MaxStale::Forever);
    assert_eq!(endpoint.timeout, Duration::from_millis(1500));
    case(
        json!({"/token/clock_skew": null}),
        "token.clock_skew: found null; expected a duration from 0s to 5m; give it a value or leave it out",
        json!({"/token/clock_skew": "0ms"}),
    );
}

// token.

#[test]
fn token_use_is_said() {
    case(
        json!({"-/token": 0}),
        "token.use: missing; expected id, access or any",
        json!({}),
    );
    case(
        json!({"/token": {}}),
        "token.use: missing; expected id, access or any",
        json!({}),
    );
    case(
        json!({"/token": []}),
        "token: found an empty list; expected an object with use",
        json!({}),
    );
    values(
        "/token/use",
        &[
            (
                json!("refresh"),
                r#"token.use: found "refresh"; expected id, access or any"#,
            ),
            (
                json!("ID"),
                r#"token.use: found "ID"; expected id, access or any"#,
            ),
            (
                json!(["id"]),
                "token.use: found a list; expected id, access or any",
            ),
            (
                json!(null),
                "token.use: found null; expected id, access or any; give it a value or leave it out",
            ),
        ],
        json!("id"),
    );
    case(
        json!({"/token/token_use": "id"}),
        "token.token_use: found an unknown field; expected use, from, clock_skew, max_bytes, aud_pattern, forward, cache_entries",
        json!({"/token/use": "access"}),
    );
}

#[test]
fn tokens_are_looked_for_in_distinct_places() {
    values(
        "/token/from",
        &[
            (
                json!([]),
                "token.from: found an empty list; expected a list of places: header, query or cookie",
            ),
            (
                json!({"header": "a"}),
                "token.from: found an object; expected a list of places: header, query or cookie",
            ),
            (
                json!(["authorization"]),
                r#"token.from[0]: found "authorization"; expected an object with one of header, query and cookie"#,
            ),
            (
                json!([{}]),
                "token.from[0]: found none; expected one of header, query and cookie",
            ),
            (
                json!([{"header": "a", "cookie": "a"}]),
                "token.from[0]: found header and cookie; expected one of header, query and cookie",
            ),
            (
                json!([{"form": "a", "query": "a"}]),
                "token.from[0].form: found an unknown field; expected header, query, cookie",
            ),
            (
                json!([{"header": "X-A"}, {"query": "q"}, {"header": "x-a"}]),
                "token.from[2]: found the place of token.from[0]; expected each once",
            ),
            (
                json!([{"query": "q"}, {"query": "q"}]),
                "token.from[1]: found the place of token.from[0]; expected each once",
            ),
            (
                json!([{"header": ":path"}]),
                r#"token.from[0].header: found ":path"; expected a header that can hold a token, such as authorization"#,
            ),
            (
                json!([{"header": "Cookie"}]),
                r#"token.from[0].header: found "Cookie"; expected a header that can hold a token, such as authorization"#,
            ),
            (
                json!([{"header": "connection"}]),
                r#"token.from[0].header: found "connection"; expected a header that can hold a token, such as authorization"#,
            ),
            (
                json!([{"header": "host"}]),
                r#"token.from[0].header: found "host"; expected a header that can hold a token, such as authorization"#,
            ),
            (
                json!([{"header": "x a"}]),
                r#"token.from[0].header: found "x a"; expected a header name of letters, digits and hyphens"#,
            ),
            (
                json!([{"header": null}]),
                "token.from[0].header: found null; expected the name of a header; give it a value or leave it out",
            ),
            (
                json!([{"query": ""}]),
                r#"token.from[0].query: found ""; expected the name of a query parameter"#,
            ),
            (
                json!([{"cookie": "a=b"}]),
                r#"token.from[0].cookie: found "a=b"; expected the name of a cookie"#,
            ),
            (
                json!([{"cookie": 1}]),
                "token.from[0].cookie: found 1; expected the name of a cookie; quote it",
            ),
        ],
        json!([{"header": "x-amzn-oidc-accesstoken"}, {"query": "a b"}, {"cookie": "A"}, {"cookie": "a"}]),
    );
    let policy = accepted(json!({"/token/from": [{"header": "X-Token"}, {"cookie": "T"}]}));
    let places: Vec<_> = policy.token.sources.iter().cloned().collect();
    assert!(
        matches!(&places[..], [TokenSource::Header(name), TokenSource::Cookie(cookie)]
        if name.as_str() == "x-token" && cookie == "T")
    );
}

#[test]
fn numbers_of_the_token_are_whole_and_bounded() {
    let expected = "expected a whole number from 1 to 65536";
    for (wrong, shown) in [
        (json!(0), "0"),
        (json!(65_537), "65537"),
        (json!(-1), "-1"),
        (json!(1.5), "1.5"),
        (json!(1e300), &*format!("1{}", "0".repeat(99))),
        (json!("1024"), "\"1024\""),
        (json!(true), "true"),
    ] {
        let problem = format!("token.max_bytes: found {shown}; {expected}");
        values("/token/max_bytes", &[(wrong, &problem)], json!(65_536));
    }
    case(
        json!({"/token/cache_entries": 65_537}),
        "token.cache_entries: found 65537; expected a whole number from 0 to 65536",
        json!({"/token/cache_entries": 65_536}),
    );
    case(
        json!({"/token/cache_entries": -1}),
        "token.cache_entries: found -1; expected a whole number from 0 to 65536",
        json!({"/token/cache_entries": 0}),
    );
    assert_eq!(
        accepted(json!({"/token/cache_entries": 0}))
            .token
            .cache_entries,
        0
    );
}

#[test]
fn forwarding_is_true_or_false() {
    values(
        "/token/forward",
        &[
            (
                json!("false"),
                r#"token.forward: found "false"; expected true or false"#,
            ),
            (json!(0), "token.forward: found 0; expected true or false"),
            (
                json!(null),
                "token.forward: found null; expected true or false; give it a value or leave it out",
            ),
        ],
        json!(false),
    );
    assert_eq!(
        accepted(json!({"/token/forward": false})).token.forwarding,
        Forwarding::Strip
    );
    assert_eq!(
        accepted(json!({"/token/forward": true})).token.forwarding,
        Forwarding::Keep
    );
}

#[test]
fn aud_pattern_is_anchored() {
    values(
        "/token/aud_pattern",
        &[
            (
                json!(""),
                r#"token.aud_pattern: found ""; expected a regular expression"#,
            ),
            (
                json!(4),
                "token.aud_pattern: found 4; expected a regular expression; quote it",
            ),
        ],
        json!("4"),
    );
    for broken in ["(", "a)|(?:b", "[z-a]"] {
        let problems = read(&changed(&json!({"/token/aud_pattern": broken})))
            .unwrap_err()
            .to_string();
        let expected =
            format!("token.aud_pattern: found {broken:?}; expected a regular expression: ");
        assert!(
            problems.starts_with(&expected) && problems.len() > expected.len(),
            "{problems}"
        );
    }
    case(
        json!({"/token/aud_pattern": "a".repeat(1025)}),
        "token.aud_pattern: found 1025 bytes; expected at most 1024",
        json!({"/token/aud_pattern": "a".repeat(1024)}),
    );
    for pattern in ["4hq8|x", "^4hq8|x$", "(?m)^4hq8$|x", "(?s)4hq8|x"] {
        let policy = accepted(json!({"/token/aud_pattern": pattern}));
        let AudiencePolicy::Matching(regex) = &policy.token.audience else {
            panic!("no pattern");
        };
        assert!(regex.is_match("4hq8"), "{pattern}");
        for other in ["4hq8x", "y4hq8", "xx", "y\nx", "4hq8\n"] {
            assert!(!regex.is_match(other), "{pattern} {other:?}");
        }
    }
}

// rules.

/// The minimal document with one rule.
fn rule(rule: &Value) -> Value {
    json!({"/rules": [rule], "/default": "nobody"})
}

#[track_caller]
fn rule_case(refused: Value, problem: &str, twin: Value) {
    case(rule(&refused), problem, rule(&twin));
}

#[test]
fn with_rules_the_default_is_said() {
    let open = json!([{"match": {"path": "/health"}, "allow": "anyone"}]);
    case(
        json!({"/rules": open}),
        "default: missing; expected nobody, authenticated or anyone, for what no rule matches",
        json!({"/rules": open, "/default": "authenticated"}),
    );
    case(
        json!({"/rules": open, "/default": "deny"}),
        r#"default: found "deny"; expected nobody, authenticated or anyone"#,
        json!({"/rules": open, "/default": "anyone"}),
    );
    case(
        json!({"/default": "optional"}),
        r#"default: found "optional"; expected nobody, authenticated or anyone"#,
        json!({"/default": "nobody"}),
    );
    values(
        "/rules",
        &[
            (
                json!({}),
                "rules: found an empty object; expected a list of rules\ndefault: missing; expected nobody, authenticated or anyone, for what no rule matches",
            ),
            (
                json!(null),
                "rules: found null; expected a list of rules; give it a value or leave it out\ndefault: missing; expected nobody, authenticated or anyone, for what no rule matches",
            ),
        ],
        json!([]),
    );
    for (word, access) in [
        ("nobody", "default: Nobody"),
        ("anyone", "default: Anyone"),
        ("authenticated", "default: Require("),
    ] {
        let policy = accepted(json!({"/rules": open, "/default": word}));
        assert!(format!("{:?}", policy.rules).contains(access), "{word}");
    }
}

#[test]
fn a_rule_matches_something_and_not_everything() {
    const MATCH: &str = "an object with path, prefix, template, regex, methods or hosts";
    let twin = || json!({"match": {"path": "/a"}});
    rule_case(
        json!({"allow": "anyone"}),
        &format!("rules[0].match: missing; expected {MATCH}"),
        twin(),
    );
    rule_case(
        json!({"match": null}),
        &format!("rules[0].match: found null; expected {MATCH}; give it a value or leave it out"),
        twin(),
    );
    rule_case(
        json!({"match": "/a"}),
        &format!("rules[0].match: found \"/a\"; expected {MATCH}"),
        twin(),
    );
    rule_case(
        json!({"match": {}}),
        &format!(
            "rules[0].match: found an empty object; expected {MATCH}; what matches everything is default"
        ),
        twin(),
    );
    rule_case(
        json!("x"),
        r#"rules[0]: found "x"; expected an object with match, and with allow or require"#,
        twin(),
    );
    rule_case(
        json!({"match": {"path": "/a"}, "name": "x"}),
        "rules[0].name: found an unknown field; expected match, allow, require",
        twin(),
    );
    rule_case(
        json!({"match": {"path": "/a", "paths": "/a"}}),
        "rules[0].match.paths: found an unknown field; did you mean path?",
        twin(),
    );
    rule_case(
        json!({"match": {"path": "/a", "prefix": "/a"}}),
        "rules[0].match.prefix: found prefix beside path; expected one of path, prefix, template and regex",
        json!({"match": {"prefix": "/a", "methods": ["GET"], "hosts": ["a.example.com", "*.b.example.com"]}}),
    );
    rule_case(
        json!({"match": {"path": "/a", "template": "/{a}", "regex": "/a"}}),
        "rules[0].match.template: found template beside path; expected one of path, prefix, template and regex\nrules[0].match.regex: found regex beside path; expected one of path, prefix, template and regex",
        json!({"match": {"regex": "/a|/b"}}),
    );
}

#[test]
fn the_parts_of_a_match_are_well_formed() {
    let part = |name: &str, value: Value| json!({"match": {name: value}});
    let twins = [
        ("path", json!("/a")),
        ("prefix", json!("/a")),
        ("template", json!("/{a}")),
        ("regex", json!("/a")),
        ("methods", json!(["GET"])),
        ("hosts", json!(["*.example.com"])),
    ];
    for (name, value, problem) in [
        (
            "path",
            json!("a"),
            r#"found "a"; expected a path that begins with "/""#,
        ),
        (
            "path",
            json!("/a?b"),
            r#"found "/a?b"; expected a path without query"#,
        ),
        (
            "path",
            json!(1),
            r#"found 1; expected a path that begins with "/"; quote it"#,
        ),
        (
            "prefix",
            json!("/{a}"),
            r#"found "/{a}"; expected a path without braces, or "template" for one with variables"#,
        ),
        (
            "template",
            json!("/a/x{b}"),
            r#"found "x{b}"; expected a variable to be a whole segment, as in "/users/{id}""#,
        ),
        (
            "template",
            json!("/{a}/{a}"),
            r#"found the variable "a" twice; expected each name once"#,
        ),
        (
            "regex",
            json!(""),
            "found an empty regex; expected one that matches a path",
        ),
        (
            "methods",
            json!([]),
            "found an empty list; expected a list of methods, such as [GET, HEAD]",
        ),
        (
            "methods",
            json!("GET"),
            r#"found "GET"; expected a list of methods, such as [GET, HEAD]"#,
        ),
        (
            "hosts",
            json!([]),
            "found an empty list; expected a list of hosts, such as [api.example.com]",
        ),
    ] {
        let twin = twins
            .iter()
            .find(|(twin, _)| *twin == name)
            .unwrap()
            .1
            .clone();
        rule_case(
            part(name, value),
            &format!("rules[0].match.{name}: {problem}"),
            part(name, twin),
        );
    }
    rule_case(
        part("methods", json!(["get"])),
        r#"rules[0].match.methods[0]: found "get"; expected a method in upper case, such as "GET""#,
        part("methods", json!(["GET", "POST"])),
    );
    rule_case(
        part("methods", json!(["GET", "GET"])),
        r#"rules[0].match.methods[1]: found "GET" as in rules[0].match.methods[0]; expected each once"#,
        part("methods", json!(["GET", "POST"])),
    );
    let star = read(&changed(&rule(&part("hosts", json!(["*"])))))
        .unwrap_err()
        .to_string();
    assert!(
        star.starts_with("rules[0].match.hosts[0]: found \"*\"; expected "),
        "{star}"
    );
}

#[test]
fn a_rule_allows_or_requires() {
    let with = |changes: Value| {
        let mut rule = json!({"match": {"path": "/a"}});
        rule.as_object_mut()
            .unwrap()
            .extend(changes.as_object().unwrap().clone());
        rule
    };
    rule_case(
        with(json!({"allow": "anyone", "require": {"groups": ["a"]}})),
        "rules[0].require: found beside allow; expected one of the two",
        with(json!({"require": {"groups": ["a"]}})),
    );
    rule_case(
        with(json!({"allow": "authenticated"})),
        r#"rules[0].allow: found "authenticated"; expected anyone, optional or nobody"#,
        with(json!({"allow": "optional"})),
    );
    rule_case(
        with(json!({"allow": true})),
        "rules[0].allow: found true; expected anyone, optional or nobody; quote it",
        with(json!({"allow": "nobody"})),
    );
    rule_case(
        with(json!({"require": {}})),
        "rules[0].require: found an empty object; expected a condition, or no require at all for any valid token",
        with(json!({})),
    );
    rule_case(
        with(json!({"require": null})),
        "rules[0].require: found null; expected an object of conditions; give it a value or leave it out",
        with(json!({})),
    );
    let accesses = format!("{:?}", accepted(rule(&with(json!({})))).rules);
    assert!(accesses.contains("access: [Require(Requirement { token_use: Any, pools: Unrestricted, clients: Unrestricted"), "{accesses}");
}

/// A rule with a template and this requirement.
fn requiring(requirement: Value) -> Value {
    json!({"match": {"template": "/users/{userId}/{rest+}"}, "require": requirement})
}

#[track_caller]
fn require_case(refused: Value, problem: &str, twin: Value) {
    rule_case(
        requiring(refused),
        &format!("rules[0].require.{problem}"),
        requiring(twin),
    );
}

#[test]
fn requirements_are_lists_of_texts() {
    require_case(
        json!({"group": ["a"]}),
        "group: found an unknown field; did you mean groups?",
        json!({"groups": ["a"]}),
    );
    require_case(
        json!({"groups": "a"}),
        r#"groups: found "a"; expected a list of groups"#,
        json!({"groups": ["a, b", "ü"]}),
    );
    require_case(
        json!({"groups": [""]}),
        r#"groups[0]: found ""; expected the name of a group"#,
        json!({"groups": ["a"]}),
    );
    require_case(
        json!({"groups": [7]}),
        "groups[0]: found 7; expected the name of a group; quote it",
        json!({"groups": ["7"]}),
    );
    require_case(
        json!({"scopes": []}),
        "scopes: found an empty list; expected a list of scopes",
        json!({"scopes": ["a/b.c:d"]}),
    );
    for scope in ["a b", "a\"b", "a\\b", "ä", ""] {
        require_case(
            json!({"scopes": [scope]}),
            &format!("scopes[0]: found {scope:?}; expected a scope without spaces and quotes"),
            json!({"scopes": ["a'b"]}),
        );
    }
    require_case(
        json!({"scopes": ["a", "a"]}),
        r#"scopes[1]: found "a" as in rules[0].require.scopes[0]; expected each once"#,
        json!({"scopes": ["a", "A"]}),
    );
    require_case(
        json!({"clients": []}),
        "clients: found an empty list; expected a list of app client ids",
        json!({"clients": ["4hq8abcd"]}),
    );
    for (wrong, twin) in [("0s", "1s"), ("0.5s", "8760h"), ("8761h", "15m")] {
        require_case(
            json!({"max_auth_age": wrong}),
            &format!("max_auth_age: found {wrong:?}; expected a duration from 1s to 8760h"),
            json!({"max_auth_age": twin}),
        );
    }
    require_case(
        json!({"max_auth_age": 900}),
        r#"max_auth_age: found 900; expected a duration from 1s to 8760h; quote it with a unit, such as "5s""#,
        json!({"max_auth_age": "900s"}),
    );
}

#[test]
fn wanted_claims_are_scalars_or_variables() {
    let claim = |value: Value| json!({"claims": {"sub": value}});
    let place = |name: &str| json!({"claims": {name: "a"}});
    const VALUE: &str = "expected a text, number or boolean, or a list of them";
    require_case(
        json!({"claims": {}}),
        "claims: found an empty object; expected an object of claims and their wanted values",
        claim(json!("a")),
    );
    require_case(
        json!({"claims": ["sub"]}),
        "claims: found a list; expected an object of claims and their wanted values",
        claim(json!(true)),
    );
    require_case(
        claim(json!([])),
        &format!("claims.sub: found an empty list; {VALUE}"),
        claim(json!(["a", 1, false])),
    );
    require_case(
        claim(json!({})),
        &format!("claims.sub: found an empty object; {VALUE}"),
        claim(json!(-1.5)),
    );
    require_case(
        claim(json!("")),
        &format!("claims.sub: found \"\"; {VALUE}"),
        claim(json!(" ")),
    );
    require_case(
        claim(json!(null)),
        &format!("claims.sub: found null; {VALUE}; give it a value or leave it out"),
        claim(json!("null")),
    );
    require_case(
        claim(json!([["a"]])),
        "claims.sub[0]: found a list; expected a text, number or boolean",
        claim(json!(["a"])),
    );
    require_case(
        claim(json!([1, 1])),
        "claims.sub[1]: found 1 as in rules[0].require.claims.sub[0]; expected each once",
        claim(json!([1, 2])),
    );
    require_case(
        claim(json!(9_007_199_254_740_992_u64)),
        "claims.sub: found 9007199254740992; expected a number of less than 2^53; quote it",
        claim(json!(9_007_199_254_740_991_u64)),
    );
    require_case(
        place(""),
        r#"claims[""]: found ""; expected the name of a claim, or a JSON Pointer"#,
        place("custom:tenant"),
    );
    require_case(
        place("/a~2"),
        r#"claims["/a~2"]: found "/a~2"; expected the name of a claim, or a JSON Pointer"#,
        place("/a~1b/0"),
    );
    require_case(
        claim(json!("{userid}")),
        r#"claims.sub: found "{userid}"; expected a variable of the template: {userId}, {rest}"#,
        claim(json!("{userId}")),
    );
    require_case(
        claim(json!(["a", "{rest+}"])),
        r#"claims.sub[1]: found "{rest+}"; expected a variable of the template: {userId}, {rest}"#,
        claim(json!(["a", "{rest}"])),
    );
    require_case(
        claim(json!("user-{userId}")),
        r#"claims.sub: found "user-{userId}" with {userId} in it; expected {userId} alone"#,
        claim(json!("user-{other}")),
    );
    require_case(
        claim(json!("{userId}{rest}")),
        r#"claims.sub: found "{userId}{rest}" with {userId} in it; expected {userId} alone"#,
        claim(json!("{\"userId\": 1}")),
    );
    rule_case(
        json!({"match": {"prefix": "/users"}, "require": claim(json!("{userId}"))}),
        r#"rules[0].require.claims.sub: found "{userId}"; expected a value, since match has no template with variables"#,
        json!({"match": {"template": "/users/{userId}"}, "require": claim(json!("{userId}"))}),
    );
    let policy = accepted(rule(&requiring(
        json!({"claims": {"a": [1, true, 1.5, "x"], "/b/0": "{rest}"}}),
    )));
    let printed = format!("{:?}", policy.rules);
    for part in [
        r#"Literal("1"), Literal("true"), Literal("1.5"), Literal("x")"#,
        r#"place: Pointer { first: "b", rest: "/0" }, any_of: [Variable("rest")]"#,
    ] {
        assert!(printed.contains(part), "{printed}");
    }
}

#[test]
fn a_rule_no_token_could_satisfy_is_refused() {
    let using = |token: &str, rule: &str| {
        json!({"/token/use": token, "/default": "nobody",
            "/rules": [requiring(json!({"token_use": rule}))]})
    };
    const OTHER: &str = "rules[0].require.token_use: found another use than token.use admits; expected the same, or token.use any";
    case(using("id", "access"), OTHER, using("any", "access"));
    case(using("access", "id"), OTHER, using("access", "access"));
    require_case(
        json!({"token_use": "any"}),
        r#"token_use: found "any"; expected id or access"#,
        json!({"token_use": "id"}),
    );
    require_case(
        json!({"clients": ["4hq8abcd", "other"]}),
        r#"clients[1]: found "other"; expected an app client that client_ids of a wanted user pool admits"#,
        json!({"clients": ["4hq8abcd"]}),
    );
    require_case(
        json!({"pools": ["us-east-1_Other"]}),
        r#"pools[0]: found "us-east-1_Other"; expected a user pool id of user_pools"#,
        json!({"pools": [POOL]}),
    );
}

/// The minimal document with a second user pool and a rule.
fn two_pools(requirement: Value) -> Value {
    json!({
        "/user_pools/1": {"user_pool_id": "eu-west-1_B", "client_ids": ["b"], "jwks": {"cluster": "keys"}},
        "/rules": [requiring(requirement)],
        "/default": "nobody",
    })
}

#[test]
fn with_several_pools_a_rule_says_whose_words_it_uses() {
    for (words, requirement) in [
        ("groups", json!({"groups": ["a"]})),
        ("scopes", json!({"scopes": ["a"]})),
        ("claims", json!({"claims": {"sub": "{userId}"}})),
        (
            "scopes and groups",
            json!({"groups": ["a"], "scopes": ["a"]}),
        ),
    ] {
        let mut twin = requirement.clone();
        twin["pools"] = json!("any");
        case(
            two_pools(requirement.clone()),
            &format!(
                "rules[0].require.pools: missing; expected a list of user pool ids or \"any\", since {words} may differ between user pools"
            ),
            two_pools(twin),
        );
        // With one user pool there is nothing to say.
        accepted(rule(&requiring(requirement)));
    }
    accepted(two_pools(json!({"token_use": "id"})));
    case(
        two_pools(json!({"pools": ["any"]})),
        r#"rules[0].require.pools[0]: found "any" in a list; expected the bare word any"#,
        two_pools(json!({"pools": "any"})),
    );
    case(
        two_pools(json!({"pools": [POOL, POOL]})),
        &format!(
            "rules[0].require.pools[1]: found {POOL:?} as in rules[0].require.pools[0]; expected each once"
        ),
        two_pools(json!({"pools": [POOL, "eu-west-1_B"]})),
    );
    // Each pool admits its own clients.
    case(
        two_pools(json!({"pools": [POOL], "clients": ["b"]})),
        r#"rules[0].require.clients[0]: found "b"; expected an app client that client_ids of a wanted user pool admits"#,
        two_pools(json!({"pools": ["eu-west-1_B"], "clients": ["b"]})),
    );
    accepted(two_pools(json!({"clients": ["b", "4hq8abcd"]})));
    // Two issuers of one pool share their groups.
    let mut pool = minimal()["user_pools"][0].clone();
    pool["issuer"] = json!("updated");
    accepted(
        json!({"/user_pools/1": pool, "/rules": [requiring(json!({"groups": ["a"]}))], "/default": "nobody"}),
    );
}

#[test]
fn rules_are_not_judged_by_pools_that_could_not_be_read() {
    let document = |id: &str, clients: Value| {
        json!({
            "/user_pools/0/user_pool_id": id,
            "/user_pools/0/client_ids": clients,
            "/rules": [requiring(json!({"pools": [POOL], "clients": ["x"], "groups": ["a"]}))],
            "/default": "nobody",
        })
    };
    case(
        document(POOL, json!([])),
        r#"user_pools[0].client_ids: found an empty list; expected a list of app client ids or "any""#,
        document(POOL, json!(["x"])),
    );
    case(
        document("pool", json!(["x"])),
        r#"user_pools[0].user_pool_id: found "pool"; expected a user pool id such as us-east-1_AbCdEf123"#,
        document(POOL, json!("any")),
    );
}

#[test]
fn rules_that_can_never_be_reached_are_refused() {
    let rules = |last: Value| {
        json!({"/default": "nobody", "/rules": [
            {"match": {"path": "/health"}, "allow": "anyone"},
            {"match": {"prefix": "/a"}},
            {"match": {"path": "/b"}},
            last,
        ]})
    };
    const HIDDEN: &str =
        "rules[3].match: found a match that can never be reached; rules[1] matches all of it";
    case(
        rules(json!({"match": {"path": "/a/b"}})),
        HIDDEN,
        rules(json!({"match": {"path": "/c"}})),
    );
    // Found whatever else is wrong with the rule.
    case(
        rules(json!({"match": {"path": "/a/b", "methods": ["GET"]}, "allow": "all"})),
        &format!("rules[3].allow: found \"all\"; expected anyone, optional or nobody\n{HIDDEN}"),
        rules(json!({"match": {"path": "/ab"}, "allow": "anyone"})),
    );
}

#[test]
fn rules_are_bounded() {
    let rules = |count: usize| {
        let rule = |number| json!({"match": {"path": format!("/{number}")}});
        json!({"/default": "nobody", "/rules": (0..count).map(rule).collect::<Vec<_>>()})
    };
    let refused = changed(&rules(config::MAX_RULES + 1)).to_string();
    document(
        refused.as_bytes(),
        &format!(
            "rules: found {} rules; expected at most {}",
            config::MAX_RULES + 1,
            config::MAX_RULES
        ),
    );
    let most = changed(&rules(config::MAX_RULES)).to_string();
    assert_eq!(
        config::parse(most.as_bytes()).unwrap().rules.len(),
        config::MAX_RULES
    );
}

// The rest.

#[test]
fn words_and_flags() {
    for (field, expected, twins) in [
        (
            "path_case",
            "insensitive or sensitive",
            [json!("insensitive"), json!("sensitive")],
        ),
        (
            "method_override",
            "strip or keep",
            [json!("strip"), json!("keep")],
        ),
        (
            "cors_preflight",
            "require_token or pass",
            [json!("require_token"), json!("pass")],
        ),
        (
            "signature",
            "auto or module",
            [json!("auto"), json!("module")],
        ),
        ("log_identity", "true or false", [json!(true), json!(false)]),
        (
            "clear_route_cache",
            "true or false",
            [json!(true), json!(false)],
        ),
    ] {
        let pointer = format!("/{field}");
        for twin in twins {
            case(
                json!({&pointer: "other"}),
                &format!("{field}: found \"other\"; expected {expected}"),
                json!({&pointer: twin}),
            );
        }
        case(
            json!({&pointer: null}),
            &format!("{field}: found null; expected {expected}; give it a value or leave it out"),
            json!({}),
        );
    }
    let policy = accepted(json!({
        "/cors_preflight": "pass", "/signature": "module", "/log_identity": true,
        "/clear_route_cache": true, "/method_override": "keep", "/default": "nobody",
        "/rules": [{"match": {"methods": ["GET"]}}],
    }));
    assert_eq!(policy.preflight, Preflight::Pass);
    assert_eq!(policy.signature, SignaturePolicy::Module);
    assert_eq!(policy.identity, Identity::Publish);
    assert_eq!(policy.route, RouteChoice::Anew);
    assert!(policy.rules.stripped_headers().is_empty());
}

#[test]
fn unknown_fields_are_refused() {
    case(
        json!({"/userPools": []}),
        "userPools: found an unknown field; did you mean user_pools?",
        json!({}),
    );
    case(
        json!({"/a\nb": {}}),
        r#"["a\nb"]: found an unknown field; expected user_pools, token, rules, default, path_case, method_override, claim_headers, payload_header, cors_preflight, log_identity, clear_route_cache, signature, responses"#,
        json!({}),
    );
    case(
        json!({"/user_pools/0/region": "us-east-1"}),
        "user_pools[0].region: found an unknown field; expected user_pool_id, user_pool_arn, client_ids, issuer, jwks",
        json!({}),
    );
}

#[test]
fn claim_headers_have_targets_of_their_own() {
    let header = |name: &str| json!([{"header": name, "claim": "sub"}]);
    values(
        "/claim_headers",
        &[
            (
                json!({}),
                "claim_headers: found an empty object; expected a list of claim headers",
            ),
            (
                json!(["sub"]),
                r#"claim_headers[0]: found "sub"; expected an object with header and claim"#,
            ),
            (
                json!([{}]),
                "claim_headers[0].header: missing; expected the name of a header, such as x-cognito-sub\nclaim_headers[0].claim: missing; expected the name of a claim or a JSON Pointer, or a list of them",
            ),
            (
                header(":path"),
                r#"claim_headers[0].header: ":path" is reserved; expected a header of your own, such as x-cognito-sub"#,
            ),
            (
                header("Content-Type"),
                r#"claim_headers[0].header: "Content-Type" is reserved; expected a header of your own, such as x-cognito-sub"#,
            ),
            (
                header("a b"),
                r#"claim_headers[0].header: found "a b"; expected a header name of letters, digits and hyphens"#,
            ),
            (
                header(""),
                r#"claim_headers[0].header: found ""; expected a header name of letters, digits and hyphens"#,
            ),
            (
                json!([{"header": "x-a", "claim": "a"}, {"header": "X-A", "claim": "b"}]),
                r#"claim_headers[1].header: found "x-a", the target of claim_headers[0].header; expected each target once"#,
            ),
            (
                json!([{"header": "x-a", "claim": []}]),
                "claim_headers[0].claim: found an empty list; expected the name of a claim or a JSON Pointer, or a list of them",
            ),
            (
                json!([{"header": "x-a", "claim": ""}]),
                r#"claim_headers[0].claim: found ""; expected the name of a claim or a JSON Pointer, or a list of them"#,
            ),
            (
                json!([{"header": "x-a", "claim": ["a", 1]}]),
                "claim_headers[0].claim[1]: found 1; expected the name of a claim or a JSON Pointer; quote it",
            ),
            (
                json!([{"header": "x-a", "claim": ["a", "a"]}]),
                r#"claim_headers[0].claim[1]: found "a" as in claim_headers[0].claim[0]; expected each once"#,
            ),
            (
                json!([{"header": "x-a", "claim": "/a~"}]),
                r#"claim_headers[0].claim: found "/a~"; expected a JSON Pointer, in which "~" stands before 0 or 1 only"#,
            ),
            (
                json!([{"header": "x-a", "claim": "a", "format": "csv"}]),
                r#"claim_headers[0].format: found "csv"; expected comma, space or json"#,
            ),
            (
                json!([{"header": "x-a", "claims": "a", "claim": "a"}]),
                "claim_headers[0].claims: found an unknown field; did you mean claim?",
            ),
        ],
        json!([{"header": "x-a", "claim": ["a", "/b/0"], "format": "json"}, {"header": "x-b", "claim": "a", "format": "space"}]),
    );
    case(
        json!({"/claim_headers": header("x-a"), "/payload_header": "X-A"}),
        r#"payload_header: found "x-a", the target of claim_headers[0].header; expected each target once"#,
        json!({"/claim_headers": header("x-a"), "/payload_header": "X-B"}),
    );
    case(
        json!({"/payload_header": "host"}),
        r#"payload_header: "host" is reserved; expected a header of your own, such as x-cognito-sub"#,
        json!({"/payload_header": "x-host"}),
    );
    case(
        json!({"/token/from": [{"header": "X-Token"}], "/claim_headers": header("x-token")}),
        r#"claim_headers[0].header: found "x-token", which token.from reads; expected another header"#,
        json!({"/token/from": [{"query": "x-token"}], "/claim_headers": header("x-token")}),
    );
    case(
        json!({"/token/from": [{"header": "X-Token"}], "/payload_header": "x-token"}),
        r#"payload_header: found "x-token", which token.from reads; expected another header"#,
        json!({"/token/from": [{"cookie": "x-token"}], "/payload_header": "x-token"}),
    );
    let headers = |count: usize| {
        let header = |number| json!({"header": format!("x-{number}"), "claim": "sub"});
        json!({"/claim_headers": (0..count).map(header).collect::<Vec<_>>()})
    };
    case(
        headers(config::MAX_CLAIM_HEADERS + 1),
        "claim_headers: found 101 claim headers; expected at most 100",
        headers(config::MAX_CLAIM_HEADERS),
    );
    accepted(json!({"/claim_headers": []}));
}

#[test]
fn responses_are_changed_by_kind() {
    let change = |change: Value| json!({"/responses": {"unauthorized": change}});
    let one = |refused: Value, problem: &str, twin: Value| {
        case(
            change(refused),
            &format!("responses.unauthorized{problem}"),
            change(twin),
        );
    };
    case(
        json!({"/responses": {"access_token": {}}}),
        "responses.access_token: found an unknown field; expected style, unauthorized, expired_token, access_denied, authorizer_failure, bad_request",
        json!({"/responses": {"style": "api_gateway", "access_denied": {"status": 404}}}),
    );
    case(
        json!({"/responses": {"unauthorised": {}}}),
        "responses.unauthorised: found an unknown field; did you mean unauthorized?",
        json!({"/responses": {"unauthorized": {}}}),
    );
    case(
        json!({"/responses": []}),
        "responses: found an empty list; expected an object with style and the replies to change",
        json!({"/responses": {}}),
    );
    one(
        json!(401),
        ": found 401; expected an object with status, headers or body",
        json!({"status": 401}),
    );
    one(
        json!({"code": 401}),
        ".code: found an unknown field; expected status, headers, body",
        json!({"status": 401}),
    );
    for (wrong, twin) in [(299, 300), (600, 599), (200, 302)] {
        one(
            json!({"status": wrong}),
            &format!(".status: found {wrong}; expected a status from 300 to 599"),
            json!({"status": twin}),
        );
    }
    one(
        json!({"status": 401.5}),
        ".status: found 401.5; expected a status from 300 to 599",
        json!({"status": 401.0}),
    );
    one(
        json!({"status": "401"}),
        ".status: found \"401\"; expected a status from 300 to 599",
        json!({"status": 401}),
    );
    let header = |name: &str, value: Value| json!({"headers": {name: value}});
    one(
        json!({"headers": ["location"]}),
        ".headers: found a list; expected an object of header names and values",
        header("location", json!("/sign-in")),
    );
    one(
        header("retry-after", json!(5)),
        ".headers.retry-after: found 5; expected a text, or an empty one to remove the header; quote it",
        header("retry-after", json!("5")),
    );
    one(
        header("x-a", json!("a\nb")),
        ".headers.x-a: the value has control characters; expected visible characters and spaces",
        header("x-a", json!("")),
    );
    one(
        header(":status", json!("200")),
        ".headers[\":status\"]: \":status\" is reserved; expected a header of your own, such as x-cognito-sub",
        header("content-type", json!("text/html")),
    );
    one(
        header("content-length", json!("0")),
        ".headers.content-length: \"content-length\" is reserved; expected a header of your own, such as x-cognito-sub",
        header("cache-control", json!("no-store")),
    );
    one(
        json!({"headers": {"Location": "/a", "location": "/b"}}),
        ".headers.location: found the header \"Location\" in other letters; expected each header once",
        json!({"headers": {"Location": "/a"}}),
    );
    one(
        json!({"body": {"message": "no"}}),
        ".body: found an object; expected a text",
        json!({"body": "{\"message\":\"no\"}"}),
    );
    one(
        json!({"body": "$context.identity.sourceIp"}),
        ".body: found $context.identity.sourceIp; expected $context.error.message, $context.error.messageString, $context.error.responseType or $context.requestId",
        json!({"body": "$context.requestId"}),
    );
    let policy = accepted(json!({"/responses": {
        "unauthorized": {"status": 300}, "expired_token": {"status": 301}, "access_denied": {"status": 302},
        "authorizer_failure": {"status": 303}, "bad_request": {"status": 304},
    }}));
    let responses = &policy.responses;
    let statuses = [
        &responses.unauthorized,
        &responses.expired_token,
        &responses.access_denied,
        &responses.authorizer_failure,
        &responses.bad_request,
    ];
    assert_eq!(
        statuses.map(|kind| kind.status),
        [Some(300), Some(301), Some(302), Some(303), Some(304)]
    );
}

// Anything.

/// xorshift64*: enough to shuffle bytes with, and a seed is all there is to print.
struct Random(u64);

impl Random {
    /// The seed is `CONFIG_SEED`, or the clock's.
    fn new(name: &str) -> Self {
        let clock = || {
            std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .unwrap()
                .as_nanos() as u64
        };
        let given = std::env::var("CONFIG_SEED")
            .ok()
            .map(|seed| seed.parse().unwrap());
        let seed = given.unwrap_or_else(clock) | 1;
        println!("{name}: CONFIG_SEED={seed}");
        Self(seed)
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32) as usize) % limit.max(1)
    }
}

/// No panic, and no refusal without a word.
fn survives(bytes: &[u8]) {
    if let Err(problems) = config::parse(bytes) {
        assert!(problems.iter().count() > 0);
        for problem in problems.iter() {
            assert!(!problem.path().is_empty() && !problem.text().is_empty());
            assert!(!problem.to_string().contains('\n'), "{problem}");
        }
    }
}

#[test]
fn changed_bytes_are_read_or_refused() {
    let mut random = Random::new("bytes");
    let originals = [
        reference().to_string().into_bytes(),
        serialized(&reference()),
    ];
    for round in 0..4000 {
        let mut bytes = originals[round % 2].clone();
        for _ in 0..=random.below(4) {
            let at = random.below(bytes.len());
            let end = (at + random.below(20)).min(bytes.len());
            match random.below(5) {
                0 => bytes[at] ^= 1 << random.below(8),
                1 => bytes.truncate(at.max(1)),
                2 => drop(bytes.drain(at..end)),
                3 => bytes.insert(at, random.below(256) as u8),
                _ => {
                    let copied = bytes[at..end].to_vec();
                    let to = random.below(bytes.len());
                    bytes.splice(to..to, copied);
                }
            }
            if bytes.is_empty() {
                break;
            }
        }
        survives(&bytes);
    }
}

/// Puts something else in one place of a tree.
fn disturb(value: &mut Value, random: &mut Random, depth: usize) {
    let here = depth > 0 && random.below(6) == 0;
    match value {
        Value::Array(elements) if !here && !elements.is_empty() => {
            let at = random.below(elements.len());
            if random.below(12) == 0 {
                let copy = elements[at].clone();
                elements.push(copy);
            } else {
                disturb(&mut elements[at], random, depth + 1);
            }
        }
        Value::Object(members) if !here && !members.is_empty() => {
            let name = members
                .keys()
                .nth(random.below(members.len()))
                .unwrap()
                .clone();
            match random.below(12) {
                0 => drop(members.remove(&name)),
                1 => {
                    let value = members.remove(&name).unwrap();
                    members.insert(format!("{name}s"), value);
                }
                _ => disturb(&mut members[&name], random, depth + 1),
            }
        }
        _ => {
            const TEXTS: [&str; 12] = [
                "",
                "any",
                "id",
                "{userId}",
                "/a",
                "5s",
                "*",
                "https://h",
                "\u{0}",
                "ü",
                "x-a",
                POOL,
            ];
            let values = [
                json!(null),
                json!(true),
                json!(0),
                json!(-1.5),
                json!(1e300),
                json!([]),
                json!({}),
                json!([[]]),
                json!({"any": null}),
                json!(["any"]),
                json!("(".repeat(200)),
                json!(TEXTS[random.below(TEXTS.len())]),
            ];
            *value = values[random.below(values.len())].clone();
        }
    }
}

#[test]
fn disturbed_documents_mean_the_same_in_both_forms() {
    let mut random = Random::new("trees");
    let (mut refused, mut passed) = (0, 0);
    for _ in 0..3000 {
        let mut document = reference();
        for _ in 0..=random.below(3) {
            disturb(&mut document, &mut random, 0);
        }
        if !document
            .as_object()
            .is_some_and(|members| !members.is_empty())
        {
            continue;
        }
        match read(&document) {
            Ok(_) => passed += 1,
            Err(_) => refused += 1,
        }
        survives(document.to_string().as_bytes());
    }
    assert!(
        refused > 1000 && passed > 10,
        "{refused} refused, {passed} passed"
    );
}
