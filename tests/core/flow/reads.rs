//! What of a request is read: each header costs a call of the host, and one that is not read is not
//! decided by.

use cognito_authorizer::decision::{Decision, HeaderReads, Verdict};
use cognito_authorizer::gate::Gate;
use cognito_authorizer::keyring::Entropy;
use cognito_authorizer::refusal::{Reason, Refusal};
use cognito_authorizer::request::{Request, Rest};
use cognito_authorizer::rs256::Rs256;
use cognito_authorizer::time::Timestamp;
use serde_json::{Value, json};

use crate::flow::pools::{document, policy};

fn gate(changes: &Value) -> Gate {
    let mut document = document(&["a"], &json!({}));
    for (field, value) in changes.as_object().unwrap() {
        document[field] = value.clone();
    }
    Gate::new(policy(&document), Rs256::module(), Entropy::new(1))
}

fn reads(changes: &Value) -> HeaderReads {
    gate(changes).reads().clone()
}

fn one_rule(matches: &Value) -> Value {
    json!({"rules": [{"match": matches, "allow": "anyone"}], "default": "nobody"})
}

fn from(places: &Value) -> Value {
    json!({"token": {"use": "access", "from": places}})
}

/// No more is read than something depends on. `connection` could name whatever is the filter's own, be it
/// a place of tokens alone, but is passed on with upgrades only.
#[test]
fn no_more_is_read_than_something_depends_on() {
    for (changes, names) in [
        (json!({}), vec!["authorization"]),
        (
            one_rule(&json!({"prefix": "/a"})),
            vec!["authorization", ":path"],
        ),
        (
            one_rule(&json!({"methods": ["GET"]})),
            vec!["authorization", ":path", ":method"],
        ),
        (
            one_rule(&json!({"hosts": ["a.com"]})),
            vec!["authorization", ":authority"],
        ),
        (
            json!({"cors_preflight": "pass"}),
            vec![
                "authorization",
                ":path",
                ":method",
                "origin",
                "access-control-request-method",
            ],
        ),
        (
            json!({"cors_preflight": "pass", "method_override": "keep"}),
            vec![
                "authorization",
                ":method",
                "origin",
                "access-control-request-method",
            ],
        ),
        (from(&json!([{"query": "access_token"}])), vec![":path"]),
        (
            from(&json!([{"header": "authorization"}, {"query": "access_token"}])),
            vec!["authorization", ":path"],
        ),
    ] {
        let mut kept = changes.clone();
        kept["header_aliases"] = "keep".into();
        let reads = reads(&kept);
        let read = |rest| Vec::from_iter(reads.names(rest).expect("single headers"));
        assert_eq!(read(Rest::Nothing), names, "{changes}");
        // A query is no header that `connection` could name.
        let more = match names.contains(&"authorization") {
            true => [names, vec!["connection"]].concat(),
            false => names,
        };
        assert_eq!(read(Rest::Something), more, "{changes}");
    }
}

/// An alias stands under any name, but a name of letters alone has none.
#[test]
fn all_is_read_where_the_filter_owns_a_name_that_has_aliases() {
    for changes in [
        one_rule(&json!({"prefix": "/a"})),
        one_rule(&json!({"methods": ["GET"]})),
        one_rule(&json!({"hosts": ["a.com"]})),
        json!({"cors_preflight": "pass"}),
        json!({"cors_preflight": "pass", "method_override": "keep"}),
        json!({"claim_headers": [{"header": "x-sub", "claim": "sub"}]}),
        json!({"payload_header": "x-payload"}),
    ] {
        assert_eq!(reads(&changes), HeaderReads::Everything, "{changes}");
    }
    for changes in [
        json!({}),
        json!({"claim_headers": [{"header": "subject", "claim": "sub"}]}),
        from(&json!([{"query": "access_token"}])),
    ] {
        assert_ne!(reads(&changes), HeaderReads::Everything, "{changes}");
    }
}

/// A second line hides from a look-up by name.
#[test]
fn all_is_read_for_tokens_in_other_headers() {
    for place in [json!({"header": "x-token"}), json!({"cookie": "token"})] {
        assert_eq!(reads(&from(&json!([place]))), HeaderReads::Everything);
    }
}

/// No rule is open wide enough for a request of which nothing is known.
#[test]
fn a_request_that_the_host_does_not_show_is_refused() {
    let open = json!({"default": "anyone", "payload_header": "x-payload"});
    let mut gate = gate(&open);
    assert_eq!(gate.reads(), &HeaderReads::Everything);
    let mut decide = |lines: Vec<(&'static str, &str)>| {
        let lines = lines.into_iter();
        let lines = lines.map(|(name, value)| (name.into(), value.as_bytes().to_vec()));
        let request = Request::new(lines.collect());
        gate.decide(&request, Timestamp::from_seconds(0.0).unwrap())
            .0
    };
    assert!(matches!(
        decide(vec![]),
        Decision::Verdict(Verdict::Refuse(Refusal::Plain(Reason::UnsafePath)))
    ));
    assert!(matches!(
        decide(vec![(":method", "GET")]),
        Decision::Verdict(Verdict::Forward(_))
    ));
}
