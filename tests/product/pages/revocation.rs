//! envoy/REVOCATION.md: what it shows belongs together.

use serde_json::Value;

use crate::deploy::files;
use crate::harness::markdown::{Page, file};
use crate::pages::configurations::parse;

fn page() -> Page {
    Page::read("envoy/REVOCATION.md")
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
