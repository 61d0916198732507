//! Where Lambda authorizers are called, as under `envoy/lambda`. What they answer is tested in
//! `e2e/lambda.rs`, through the same cluster.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::deploy::bootstrap::{PLUGIN, Setup};
use crate::deploy::files;
use crate::deploy::production::validate;
use crate::deploy::stack::GENUINE;
use crate::harness::ministack::{self, Credentials};

const OPTIONS: &str =
    "/typed_extension_protocol_options/envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

fn cluster() -> Value {
    files::document("lambda/cluster.yaml")["clusters"][0].take()
}

/// production.yaml with the authorizer of authorizer.yaml for what is below `/partners`, through the
/// cluster of cluster.yaml, which leads here instead.
pub(crate) fn with_authorizer(setup: &mut Setup, lambda: SocketAddr) {
    let credentials = Credentials {
        key: "AKIDEXAMPLE".to_owned(),
        secret: "example-secret".to_owned(),
    };
    setup.push("clusters", ministack::cluster(lambda, Some(&credentials)));
    let example = files::document("lambda/authorizer.yaml");
    let value = format!("{PLUGIN}/configuration/value");
    let configuration = setup.at(&value);
    for member in ["authorizers", "context_headers"] {
        configuration[member] = example[member].clone();
    }
    let rules = configuration["rules"].as_array_mut().expect("rules");
    rules.push(json!({"match": {"prefix": "/partners"}, "authorizer": "partners"}));
}

/// Envoy builds the cluster with all its filters, and sees what is wrong with one.
#[test]
fn the_cluster_is_one_that_envoy_takes() {
    let with = |cluster: Value| {
        let mut setup = Setup::production(1, 1, GENUINE);
        setup.push("clusters", cluster);
        validate(&setup)
    };
    let (valid, log) = with(cluster());
    assert!(valid, "{log}");
    let mut unsent = cluster();
    let filters = unsent.pointer_mut(&format!("{OPTIONS}/http_filters"));
    let filters = filters.and_then(Value::as_array_mut).expect("filters");
    filters.pop();
    let (valid, log) = with(unsent);
    assert!(!valid, "the filter that sends the call is not missed");
    assert!(log.contains("terminal"), "{log}");
}

/// One place names the region in each of its forms, and every such place is marked.
#[test]
fn every_place_to_change_is_marked() {
    for path in ["lambda/cluster.yaml", "lambda/authorizer.yaml"] {
        let text = files::text(path);
        let settings = text
            .lines()
            .filter(|line| !line.trim_start().starts_with('#'));
        let mut marked = 0;
        for line in settings {
            let name = line.contains("name: lambda_us_east_1");
            let example = line.contains("us-east-1") || line.contains("us_east_1") && !name;
            let example = example && !line.contains("cluster_name");
            assert!(!example || line.ends_with("# <--"), "not marked: {line}");
            marked += usize::from(line.ends_with("# <--"));
        }
        assert!(marked >= 5, "{path}: {marked} places");
    }
}

/// What Envoy adds for its own use is not signed: a proxy on the way may take it off.
#[test]
fn calls_are_signed_for_lambda_and_sent_in_bounds() {
    let cluster = cluster();
    let filters = cluster.pointer(&format!("{OPTIONS}/http_filters"));
    let signing = &filters.expect("filters")[0]["typed_config"];
    assert_eq!(signing["service_name"], "lambda");
    let excluded = json!([{"prefix": "x-envoy"}, {"prefix": "x-forwarded"}]);
    assert_eq!(signing["match_excluded_headers"], excluded);
    // The body decides who gets in: it is part of what is signed.
    assert_eq!(signing.get("use_unsigned_payload"), None);
    let threshold = &cluster["circuit_breakers"]["thresholds"][0];
    for bound in ["max_connections", "max_pending_requests", "max_requests"] {
        assert_eq!(threshold[bound], 256, "{bound}");
    }
}
