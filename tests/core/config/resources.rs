//! `protected_resources`.

use crate::config::{POOL, accepted, case, changed, read};
use cognito_authorizer::config::MAX_RESOURCES;
use cognito_authorizer::refusal::{Reason, Refusal};
use cognito_authorizer::request::Request;
use cognito_authorizer::resource::Asked;
use cognito_authorizer::rules::index::Target;
use cognito_authorizer::rules::work::Work;
use serde_json::{Value, json};

fn entry(changes: Value) -> Value {
    let mut entry = json!({
        "match": {"prefix": "/mcp"},
        "resource": "https://api.example.com/mcp",
        "authorization_servers": ["pools"],
    });
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(entry.as_object_mut().unwrap().remove(name)),
            _ => drop(
                entry
                    .as_object_mut()
                    .unwrap()
                    .insert(name.clone(), value.clone()),
            ),
        }
    }
    entry
}

fn resources(entries: &[Value]) -> Value {
    json!({"/protected_resources": entries})
}

#[track_caller]
fn one(changes: Value, problem: &str, twin: Value) {
    case(
        resources(&[entry(changes)]),
        &format!("protected_resources[0]{problem}"),
        resources(&[entry(twin)]),
    );
}

#[test]
fn resources_are_read_part_by_part() {
    one(
        json!({"match": null}),
        ".match: missing; expected an object with path, prefix, template, regex, methods or hosts",
        json!({}),
    );
    one(
        json!({"resource": null}),
        ".resource: missing; expected the URL of the resource, such as https://api.example.com/mcp",
        json!({}),
    );
    one(
        json!({"authorization_servers": null}),
        ".authorization_servers: missing; expected a list of URLs, or of the word pools for the issuers of user_pools",
        json!({}),
    );
    one(
        json!({"scopes": ["a"]}),
        ".scopes: found an unknown field; expected match, resource, authorization_servers, scopes_supported",
        json!({"scopes_supported": ["a"]}),
    );
    one(
        json!({"scopes_supported": ["a b"]}),
        ".scopes_supported[0]: found \"a b\"; expected a scope without spaces and quotes",
        json!({"scopes_supported": ["a", "b"]}),
    );
    one(
        json!({"authorization_servers": []}),
        ".authorization_servers: found an empty list; expected a list of URLs, or of the word pools for the issuers of user_pools",
        json!({"authorization_servers": ["https://auth.example.com"]}),
    );
    one(
        json!({"authorization_servers": ["pool"]}),
        ".authorization_servers[0]: found \"pool\"; expected an absolute URL such as https://host/path",
        json!({"authorization_servers": ["pools"]}),
    );
}

#[test]
fn a_resource_is_a_url_whose_metadata_has_a_safe_path() {
    for (url, problem) in [
        ("/mcp", "expected an absolute URL such as https://host/path"),
        (
            "https://api.example.com/mcp#x",
            "expected a URL without fragment",
        ),
        (
            "https://api.example.com/mcp?x=1",
            "expected a URL without query",
        ),
        (
            "https://api.example.com/\"mcp",
            "expected a URL without quotes",
        ),
        (
            "https://me@api.example.com/mcp",
            "expected a URL without user information",
        ),
    ] {
        one(
            json!({"resource": url}),
            &format!(".resource: found {url:?}; {problem}"),
            json!({"resource": "https://api.example.com/mcp/v1"}),
        );
    }
    for path in ["/mcp//x", "/mcp/../x", "/mcp%2Fx", "/mcp;x", "/*"] {
        let url = format!("https://api.example.com{path}");
        let problems = read(&changed(&resources(&[entry(json!({"resource": url}))]))).unwrap_err();
        let problems = problems.to_string();
        let found = format!(
            "protected_resources[0].resource: found \"/.well-known/oauth-protected-resource{path}\""
        );
        assert!(problems.starts_with(&found), "{problems}");
    }
}

#[test]
fn resources_that_could_never_count_are_refused() {
    let other = |changes| entry(changes);
    case(
        resources(&[
            entry(json!({})),
            other(json!({"match": {"path": "/mcp/x"}})),
        ]),
        "protected_resources[1].match: found a match that can never be reached; protected_resources[0] matches all of it",
        resources(&[
            other(json!({"match": {"path": "/mcp/x"}})),
            entry(json!({})),
        ]),
    );
    let scoped = |path: &str| other(json!({"match": {"prefix": path}, "scopes_supported": ["x"]}));
    case(
        resources(&[entry(json!({})), scoped("/sse")]),
        "protected_resources[1].resource: found the path of protected_resources[0], whose metadata would be answered; expected another, or other hosts",
        // One resource in two parts of the tree has one document.
        resources(&[
            entry(json!({})),
            other(json!({"match": {"prefix": "/sse"}})),
        ]),
    );
    let at = |host: &str, scope: &str| {
        let matches = json!({"prefix": "/mcp", "hosts": [host]});
        entry(json!({"match": matches, "scopes_supported": [scope]}))
    };
    case(
        resources(&[at("*.example.com", "a"), at("api.example.com", "b")]),
        "protected_resources[1].resource: found the path of protected_resources[0], whose metadata would be answered; expected another, or other hosts\nprotected_resources[1].match: found a match that can never be reached; protected_resources[0] matches all of it",
        resources(&[at("api.example.com", "b"), at("*.example.com", "a")]),
    );
}

#[test]
fn the_number_of_resources_is_limited() {
    let many = |number: usize| {
        let entries: Vec<_> = (0..number)
            .map(|number| {
                let path = format!("/mcp{number}");
                let url = format!("https://api.example.com{path}");
                entry(json!({"match": {"prefix": path}, "resource": url}))
            })
            .collect();
        resources(&entries)
    };
    case(
        many(MAX_RESOURCES + 1),
        "protected_resources: found 101 protected resources; expected at most 100",
        many(MAX_RESOURCES),
    );
    accepted(json!({"/protected_resources": []}));
    case(
        json!({"/protected_resources": {}}),
        "protected_resources: found an empty object; expected a list of at most 100 protected resources",
        json!({"/protected_resources": []}),
    );
}

/// What the metadata says, and where it stands.
#[test]
fn metadata_is_made_of_what_is_configured() {
    let policy = accepted(resources(&[
        entry(json!({"scopes_supported": ["mcp/read"]})),
        entry(json!({
            "match": {"prefix": "/"},
            "resource": "https://api.example.com",
            "authorization_servers": ["https://auth.example.com/x", "pools"],
        })),
    ]));
    let asked = |path: &str, method: &str| {
        let target = Target {
            path: Some(path.as_bytes()),
            method: Some(method.as_bytes()),
            authority: Some(b"api.example.com"),
        };
        let asked = policy.resources.asked(&target, &mut Work::default());
        format!("{:?}", asked.unwrap())
    };
    let issuer = format!("https://cognito-idp.us-east-1.amazonaws.com/{POOL}");
    let metadata = |text: &str| format!("{:?}", Asked::Metadata(text));
    let under = |url: &str| format!("{:?}", Asked::Under(url));
    let whole = "https://api.example.com/.well-known/oauth-protected-resource";
    for method in ["GET", "HEAD", "OPTIONS"] {
        assert_eq!(
            asked("/.well-known/oauth-protected-resource/mcp", method),
            metadata(&format!(
                r#"{{"authorization_servers":["{issuer}"],"resource":"https://api.example.com/mcp","scopes_supported":["mcp/read"]}}"#
            ))
        );
        assert_eq!(
            asked("/.well-known/oauth-protected-resource", method),
            metadata(&format!(
                r#"{{"authorization_servers":["https://auth.example.com/x","{issuer}"],"resource":"https://api.example.com"}}"#
            ))
        );
    }
    assert_eq!(
        asked("/.well-known/oauth-protected-resource/mcp", "POST"),
        under(whole)
    );
    assert_eq!(asked("/mcp/x", "GET"), under(&format!("{whole}/mcp")));
    assert_eq!(asked("/x", "GET"), under(whole));
    assert!(!policy.decides_by_methods());
    assert!(policy.decides_by_paths());
    assert!(!policy.decides_by_hosts());
    let told = accepted(resources(&[entry(
        json!({"match": {"prefix": "/mcp", "methods": ["POST"], "hosts": ["a.example.com"]}}),
    )]));
    assert!(told.decides_by_methods() && told.decides_by_hosts());
}

/// Which alternative a client will meet cannot be told before it has a token: it is told the scopes of
/// all, each once.
#[test]
fn a_challenge_names_the_scopes_of_its_rule() {
    const HINT: &str = r#"Bearer resource_metadata="https://api.example.com/.well-known/oauth-protected-resource/mcp""#;
    for (require, scopes) in [
        (json!({"token_use": "access"}), ""),
        (json!({"scopes": ["b", "a"]}), "b a"),
        (
            json!({"scopes": {"all": ["a"], "any": ["b"], "none": ["c"]}}),
            "a b",
        ),
        (json!({"scopes": ["{header.x-scope}"]}), ""),
        (
            json!({"any_of": [{"groups": ["admin"]}, {"scopes": ["a"]}, {"scopes": {"any": ["b", "a"], "none": ["c"]}}]}),
            "a b",
        ),
        (
            json!({"scopes": ["b"], "any_of": [{"scopes": ["a", "b"]}, {"groups": ["admin"]}]}),
            "b a",
        ),
    ] {
        let policy = accepted(json!({
            "/protected_resources": [entry(json!({}))],
            "/rules": [{"match": {"prefix": "/mcp"}, "require": require}],
            "/default": "nobody",
        }));
        let request = Request::new(vec![(":path".into(), "/mcp".into())]);
        let challenge = |refusal: Refusal| {
            let reply = policy.reply(&request, &refusal);
            let mut headers = reply.headers.into_iter();
            let found = headers.find(|(name, _)| name == "www-authenticate");
            found.map(|(_, value)| value.into_owned())
        };
        let scope = match scopes {
            "" => String::new(),
            scopes => format!(r#", scope="{scopes}""#),
        };
        let missing = challenge(Refusal::Plain(Reason::MissingToken));
        assert_eq!(missing, Some(format!("{HINT}{scope}")), "{require}");
    }
}
