//! The configuration from outside: a minimal document and one change at a time.
//!
//! Every refusal is compared to the letter, and has a twin that differs in one thing and is
//! accepted. Every document is read twice, as JSON and as a serialized `google.protobuf.Struct`,
//! and both must mean the same.

mod accounts;
mod alternatives;
mod authorizers;
mod confirm;
mod documents;
mod durations;
mod forms;
mod headers;
mod matchers;
mod mutations;
mod pools;
mod require;
mod resources;
mod responses;
mod revocation;
mod rules;
#[cfg(feature = "cli")]
mod schema;
mod settings;
mod token;

use cognito_authorizer::bearer::TokenSources;
use cognito_authorizer::config::{self, Problems};
use cognito_authorizer::owned::{HOST_OVERRIDES, METHOD_OVERRIDES, PATH_OVERRIDES};
use cognito_authorizer::policy::{
    AudiencePolicy, Forwarding, Identity, KeySource, Policy, Preflight, RouteChoice,
    SignaturePolicy,
};
use cognito_authorizer::remote::call::Endpoint;
use cognito_authorizer::remote::schedule::{MaxStale, Refresh};
use cognito_authorizer::rules::Access;
use cognito_authorizer::rules::requirement::{AnyOf, WantedUse};
use forms::{serialized, summary, to_struct};
use serde_json::{Value, json};
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
    #[cfg(feature = "cli")]
    match &from_json {
        Ok(_) => schema::takes(document),
        Err(problems) => schema::refuses(document, problems),
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
    let pool = &policy.issuers.pools()[0];
    assert_eq!(pool.id.as_str(), POOL);
    assert_eq!(
        pool.issuer,
        format!("https://cognito-idp.us-east-1.amazonaws.com/{POOL}")
    );
    assert_eq!(pool.clients, AnyOf::Only(vec!["4hq8abcd".to_owned()]));
    let KeySource::Fetched(source) = &pool.keys else {
        panic!("{:?}", pool.keys);
    };
    assert_eq!(
        source.endpoint,
        Endpoint {
            cluster: "keys".to_owned(),
            uri: format!(
                "https://cognito-idp.us-east-1.amazonaws.com/{POOL}/.well-known/jwks.json"
            ),
            scheme: "https".to_owned(),
            authority: "cognito-idp.us-east-1.amazonaws.com".to_owned(),
            path: format!("/{POOL}/.well-known/jwks.json"),
            timeout: Duration::from_secs(5),
        }
    );
    assert_eq!(
        source.refresh,
        Refresh {
            interval: Duration::from_secs(900),
            max_stale: MaxStale::For(Duration::from_secs(86_400)),
        }
    );
    assert_eq!(policy.token.token_use, WantedUse::Any);
    assert_eq!(policy.token.sources, TokenSources::authorization());
    assert_eq!(policy.token.clock_skew, Duration::from_secs(60));
    assert_eq!(policy.token.max_bytes, 16_384);
    assert!(matches!(policy.token.audience, AudiencePolicy::Any));
    assert_eq!(policy.token.forwarding, Forwarding::Keep);
    assert_eq!(policy.token.cache_entries, 4_096);
    assert!(policy.rules.is_empty());
    assert!(matches!(policy.rules.default(), Access::Require(_)));
    assert!(!policy.rules.opens_doors());
    assert!(policy.owned.owns(b"authorization"));
    for name in METHOD_OVERRIDES
        .iter()
        .chain(&HOST_OVERRIDES)
        .chain(&PATH_OVERRIDES)
    {
        assert!(!policy.owned.owns(name.as_bytes()), "{name}");
    }
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
host_override: strip
path_override: strip
claim_headers:
- {header: x-cognito-sub, claim: sub}
- {header: x-cognito-username, claim: ['cognito:username', username]}
- {header: x-cognito-groups, claim: 'cognito:groups', format: comma}
payload_header: x-cognito-claims
header_aliases: strip
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
    assert!(!policy.rules.is_empty());
    for name in METHOD_OVERRIDES
        .iter()
        .chain(&HOST_OVERRIDES)
        .chain(&PATH_OVERRIDES)
    {
        assert!(policy.owned.owns(name.as_bytes()), "{name}");
    }
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
        r#"extra: found an unknown field; expected user_pools, aws_accounts, authorizers, deny_list, token, rules, default, enforce, path_case, method_override, host_override, path_override, claim_headers, payload_header, principal_headers, context_headers, header_aliases, cors_preflight, log_identity, clear_route_cache, signature, responses, protected_resources
user_pools[0].client_id: found an unknown field; did you mean client_ids?
user_pools[0].user_pool_id: found "pool"; expected a user pool id such as us-east-1_AbCdEf123
user_pools[0].client_ids: missing; expected a list of app client ids or "any"
user_pools[0].jwks.cluster: missing; expected the Envoy cluster that reaches the key endpoint, or inline keys
token.use: missing; expected id, access or any
token.max_bytes: found 0; expected a whole number from 1 to 65536
rules[0].match: found an empty object; expected an object with path, prefix, template, regex, methods or hosts; what matches everything is default
rules[1].require.groups: found an empty list; expected a list of groups, or an object with any, all or none
default: missing; expected nobody, authenticated, anyone or an object with authorizer, for what no rule matches
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

#[track_caller]
fn document(bytes: &[u8], problem: &str) {
    match config::parse(bytes) {
        Ok(_) => panic!("accepted: {bytes:?}"),
        Err(problems) => assert_eq!(problems.to_string(), problem),
    }
}
