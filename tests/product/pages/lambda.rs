//! envoy/LAMBDA.md: what it shows belongs together.

use cognito_authorizer::arn::Partition;
use cognito_authorizer::authorizer::method_arn::MethodArn;
use serde_json::json;

use crate::deploy::files;
use crate::harness::markdown::Page;
use crate::pages::configurations::parse;

const CONFIGURATION: &str = "lambda/authorizer.yaml";

fn page() -> Page {
    Page::read("envoy/LAMBDA.md")
}

/// What the function may be called with, and the event that it gets, are those of the example.
#[test]
fn policy_and_event_are_of_the_example() {
    let page = page();
    let (policy, _) = page
        .marked("policy lambda:InvokeFunction")
        .next()
        .expect("a policy");
    let function = &files::document(CONFIGURATION)["authorizers"][0]["function"];
    assert_eq!(&policy.value()["Statement"][0]["Resource"], function);
    let (event, _) = page.marked("event").next().expect("an event");
    let event = event.value();
    assert_eq!(event["methodArn"], arn("/orders/7").as_str());
    let members: Vec<_> = event.as_object().expect("an event").keys().collect();
    assert_eq!(members, ["authorizationToken", "methodArn", "type"]);
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
}
