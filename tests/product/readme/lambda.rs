//! envoy/LAMBDA.md: every snippet on it is what it says it is, and every answer what the filter answers.

use std::time::Duration;

use cognito_authorizer::arn::Partition;
use cognito_authorizer::authorizer::method_arn::MethodArn;
use cognito_authorizer::refusal::{ApiKind, AuthorizerCause, Reason, Refusal};
use cognito_authorizer::reply::{Occasion, Reply, Responses};
use serde_json::{Value, json};

use crate::deploy::files;
use crate::harness::markdown::{Block, Page, spans};
use crate::readme::configurations::parse;
use crate::readme::parts::is_part;

const CONFIGURATION: &str = "lambda/authorizer.yaml";

fn page() -> Page {
    Page::read("envoy/LAMBDA.md")
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
                assert_eq!(snippet.text, written(&reply(reason)), "line {line}");
                2
            }
            "policy" => {
                let statement = &snippet.value()["Statement"][0];
                assert_eq!(statement["Action"], "lambda:InvokeFunction");
                let function = &files::document(CONFIGURATION)["authorizers"][0]["function"];
                assert_eq!(&statement["Resource"], function);
                3
            }
            "event" => {
                let event = snippet.value();
                assert_eq!(event["methodArn"], arn("/orders/7").as_str(), "line {line}");
                let members: Vec<_> = event.as_object().expect("an event").keys().collect();
                assert_eq!(members, ["authorizationToken", "methodArn", "type"]);
                4
            }
            "" if snippet.language == "sh" => 5,
            _ => panic!("line {line}: what is this?"),
        };
        counts[kind] += 1;
    }
    assert_eq!(counts, [1, 4, 1, 1, 1, 1]);
}

/// The ARN of a method of the example's API.
fn arn(path: &str) -> MethodArn {
    let policy =
        parse(&files::document(CONFIGURATION)).unwrap_or_else(|problems| panic!("{problems}"));
    let [authorizer] = policy.authorizers.as_slice() else {
        panic!("one authorizer");
    };
    assert_eq!(
        authorizer.settings.api.partition(),
        Partition::of_region("us-east-1")
    );
    MethodArn::new(&authorizer.settings.api, b"GET", path.as_bytes()).expect("an ARN")
}

/// What a client gets for this reason.
fn reply(code: &str) -> Reply {
    let reason = Reason::ALL.into_iter().find(|one| one.code() == code);
    let refusal = match reason.unwrap_or_else(|| panic!("{code} is no reason")) {
        Reason::AuthorizerUnavailable => {
            let cause = AuthorizerCause::Unreachable(Duration::from_secs(1));
            Refusal::Authorizer(ApiKind::Rest, cause)
        }
        other => Refusal::Plain(other),
    };
    Responses::default().reply(&refusal, &Occasion::default())
}

/// As the page shows it.
fn written(reply: &Reply) -> String {
    let phrase = match reply.status {
        401 => "Unauthorized",
        403 => "Forbidden",
        500 => "Internal Server Error",
        _ => "Service Unavailable",
    };
    let mut text = format!("HTTP/1.1 {} {phrase}\n", reply.status);
    for (name, value) in &reply.headers {
        text += &format!("{name}: {value}\n");
    }
    text + "\n" + &reply.body + "\n"
}

#[test]
fn answers_are_the_ones_that_are_given() {
    let mut refused = 0;
    for table in page().tables().filter(|table| table.has("reason")) {
        let (answer, reason) = (table.column("answer"), table.column("reason"));
        for row in &table.rows {
            let [code] = spans(&row[reason])[..] else {
                assert!(row[answer].starts_with("200"), "{row:?}");
                continue;
            };
            let status = reply(code).status.to_string();
            assert!(row[answer].starts_with(&status), "{row:?}: {status}");
            refused += 1;
        }
    }
    assert_eq!(refused, 10);
}

/// What is shown is a whole configuration that the filter takes, with the cluster that it names.
#[test]
fn the_files_beside_it_belong_together() {
    let configuration = files::document(CONFIGURATION);
    let policy = parse(&configuration).unwrap_or_else(|problems| panic!("{problems}"));
    let cluster = files::document("lambda/cluster.yaml")["clusters"][0].take();
    for authorizer in &policy.authorizers {
        assert_eq!(cluster["name"], authorizer.endpoint.cluster.as_str());
        let host = authorizer.endpoint.authority.as_str();
        let tls = &cluster["transport_socket"]["typed_config"];
        assert_eq!(tls["sni"], host);
        let name =
            &tls["common_tls_context"]["validation_context"]["match_typed_subject_alt_names"];
        assert_eq!(name[0]["matcher"], json!({"exact": host}));
    }
    // The function's echo of a client's wildcard matches itself and nothing else.
    assert_eq!(arn("/orders/%2A").as_str(), arn("/orders/*").as_str());
    assert!(arn("/orders/*").as_str().ends_with("/GET/orders/%2A"));
    let _: &Value = &configuration;
}
