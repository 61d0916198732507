//! envoy/REVOCATION.md: every snippet on it is what it says it is.

use std::time::Duration;

use cognito_authorizer::deny_list::DenyList;
use cognito_authorizer::refusal::{Reason, Refusal};
use cognito_authorizer::reply::{Occasion, Responses, Style};
use serde_json::Value;

use crate::deploy::files;
use crate::harness::markdown::{Block, Page, file};
use crate::readme::configurations::parse;
use crate::readme::parts::is_part;

fn page() -> Page {
    Page::read("envoy/REVOCATION.md")
}

/// No snippet escapes: each has a marker, or is a command.
#[test]
fn every_snippet_of_the_page_is_checked() {
    let mut counts = [0; 6];
    for block in &page().blocks {
        let Block::Snippet(snippet) = block else {
            continue;
        };
        let marker = snippet.marker.as_deref().unwrap_or_default();
        let line = snippet.line;
        let kind = match marker.split(' ').next().unwrap_or_default() {
            "configuration" => {
                let parsed = parse(&snippet.value());
                assert!(parsed.is_ok(), "line {line}:\n{}", parsed.unwrap_err());
                0
            }
            "part" => {
                let path = marker.strip_prefix("part of ").expect("a file");
                is_part(snippet, &snippet.value(), path);
                1
            }
            "reply" => {
                let reason = marker.strip_prefix("reply ").expect("a reason");
                assert_eq!(snippet.text, reply(reason), "line {line}");
                2
            }
            "deny" => {
                let list = DenyList::parse(snippet.text.trim().as_bytes());
                assert_eq!(list.map(|list| list.len()), Ok(1), "line {line}");
                3
            }
            // What the tool prints: tests/desk/deny.rs.
            "tool" => 4,
            "" if snippet.language == "sh" => 5,
            _ => panic!("line {line}: what is this?"),
        };
        counts[kind] += 1;
    }
    assert_eq!(counts, [1, 4, 3, 1, 1, 3]);
}

/// The list that the README shows has an entry of each kind.
#[test]
fn the_list_of_the_readme_is_one() {
    let page = Page::readme();
    let mut lists = page.marked("deny list");
    let (snippet, _) = lists.next().expect("a list");
    let list = DenyList::parse(snippet.text.as_bytes());
    assert_eq!(list.map(|list| list.len()), Ok(5));
    assert!(lists.next().is_none());
}

/// What a client gets for this reason, as the page shows it.
fn reply(reason: &str) -> String {
    let reason = Reason::ALL.into_iter().find(|one| one.code() == reason);
    let refusal = match reason.expect("a reason") {
        Reason::RevocationUnknown => Refusal::RevocationUnknown(Duration::from_secs(1)),
        Reason::InsufficientScope => {
            Refusal::InsufficientScope(vec!["aws.cognito.signin.user.admin".to_owned()])
        }
        other => Refusal::Plain(other),
    };
    let responses = Responses {
        style: Style::Rfc6750,
        ..Responses::default()
    };
    let reply = responses.reply(&refusal, &Occasion::default());
    let phrase = match reply.status {
        401 => "Unauthorized",
        403 => "Forbidden",
        _ => "Service Unavailable",
    };
    let mut text = format!("HTTP/1.1 {} {phrase}\n", reply.status);
    for (name, value) in &reply.headers {
        text += &format!("{name}: {value}\n");
    }
    text + "\n" + &reply.body + "\n"
}

/// What is shown is a whole configuration that the filter takes, with the cluster that it names.
#[test]
fn the_files_beside_it_belong_together() {
    let configuration = files::document("revocation/authorizer.yaml");
    let policy = parse(&configuration).unwrap_or_else(|problems| panic!("{problems}"));
    let list = policy.deny_list.expect("a deny list");
    let cluster = files::document("revocation/cluster.yaml")["clusters"][0].take();
    assert_eq!(cluster["name"], list.source.endpoint.cluster.as_str());
    let host = list.source.endpoint.authority.as_str();
    let tls = &cluster["transport_socket"]["typed_config"];
    assert_eq!(tls["sni"], host);
    // The rule asks for what the function takes in, and for nothing else.
    let template = files::document("revocation/template.yaml");
    let rule = &template["Resources"]["Rule"]["Properties"]["EventPattern"];
    let names = rule["detail"]["eventName"].as_array().expect("names");
    let function = file("envoy/revocation/function/feeder.py");
    let (_, taken) = function.split_once("SIGNED_OUT = {").expect("names");
    let (taken, _) = taken.split_once('}').expect("names");
    let taken: Vec<_> = taken.split('"').skip(1).step_by(2).collect();
    assert_eq!(
        names.iter().filter_map(Value::as_str).collect::<Vec<_>>(),
        taken
    );
    assert_eq!(rule["source"][0], "aws.cognito-idp");
    assert_eq!(rule["detail-type"][0], "AWS API Call via CloudTrail");
    let page = page();
    for name in taken {
        assert!(page.text.contains(&format!("`{name}`")), "{name}");
    }
}

/// What the function may do is what it does: two calls on one object, its queue, its log.
#[test]
fn the_function_may_do_nothing_but_its_work() {
    let template = files::document("revocation/template.yaml");
    let resources = &template["Resources"];
    let policies = resources["FeederRole"]["Properties"]["Policies"].as_array();
    let statements = policies.expect("policies").iter().flat_map(|policy| {
        let statements = policy["PolicyDocument"]["Statement"].as_array();
        statements.expect("statements").iter()
    });
    let allowed: Vec<_> = statements
        .map(|statement| {
            assert_eq!(statement["Effect"], "Allow");
            (statement["Action"].clone(), statement["Resource"].clone())
        })
        .collect();
    let object = serde_json::json!({"Fn::Sub": "${Bucket.Arn}/deny.json"});
    let queue = serde_json::json!({"Fn::GetAtt": ["Queue", "Arn"]});
    assert_eq!(allowed.len(), 3);
    assert_eq!(
        allowed[0].0,
        serde_json::json!(["s3:GetObject", "s3:PutObject"])
    );
    assert_eq!((&allowed[0].1, &allowed[1].1), (&object, &queue));
    let text = allowed.iter().map(|(action, _)| action.to_string());
    assert!(text.into_iter().all(|action| !action.contains('*')));
    // Envoy reads the object, and nobody does anything without TLS.
    let bucket = &resources["BucketPolicy"]["Properties"]["PolicyDocument"]["Statement"];
    assert_eq!(
        (&bucket[0]["Action"], &bucket[0]["Resource"]),
        (&"s3:GetObject".into(), &object)
    );
    assert_eq!(bucket[1]["Effect"], "Deny");
    let access = &resources["Bucket"]["Properties"]["PublicAccessBlockConfiguration"];
    assert!(
        access
            .as_object()
            .is_some_and(|all| all.len() == 4 && all.values().all(|one| *one == true))
    );
}
