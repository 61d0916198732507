//! What a host shows of a request.

use cognito_authorizer::decision::{Decision, Verdict};
use cognito_authorizer::gate::Gate;
use cognito_authorizer::keyring::Entropy;
use cognito_authorizer::refusal::{Reason, Refusal};
use cognito_authorizer::request::Request;
use cognito_authorizer::rs256::Rs256;
use cognito_authorizer::time::Timestamp;
use serde_json::json;

use crate::flow::pools::{document, policy};

/// No rule is open wide enough for a request of which nothing is known.
#[test]
fn a_request_that_the_host_does_not_show_is_refused() {
    for owned in [json!({}), json!({"payload_header": "x-payload"})] {
        let mut document = document(&["a"], &json!({}));
        document["default"] = "anyone".into();
        document
            .as_object_mut()
            .unwrap()
            .extend(owned.as_object().unwrap().clone());
        let mut gate = Gate::new(policy(&document), Rs256::module(), Entropy::new(1));
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
}
