//! Every configuration of the filter under `envoy/`, read by the filter's own parser.

use std::time::Duration;

use cognito_authorizer::config;
use serde_json::Value;

use crate::deploy::files;

/// Where a file keeps configurations of the filter.
#[track_caller]
pub(crate) fn filter_configurations(path: &str) -> Vec<Value> {
    let mut found = Vec::new();
    for document in files::documents(path) {
        match document["kind"].as_str() {
            Some("WasmPlugin") => found.push(document["spec"]["pluginConfig"].clone()),
            Some("EnvoyExtensionPolicy") => {
                let modules = document["spec"]["wasm"].as_array();
                let modules = modules.expect("an EnvoyExtensionPolicy has modules");
                found.extend(modules.iter().map(|module| module["config"].clone()));
            }
            _ => {
                let plugin = |value: &Value| value["vm_config"].is_object();
                for plugin in files::search(&document, &plugin) {
                    found.push(plugin["configuration"]["value"].clone());
                }
            }
        }
    }
    found
}

#[test]
fn every_configuration_is_accepted() {
    let mut count = 0;
    for path in files::all() {
        for configuration in filter_configurations(&path) {
            let parsed = config::parse(configuration.to_string().as_bytes());
            assert!(parsed.is_ok(), "{path}:\n{}", parsed.unwrap_err());
            count += 1;
        }
    }
    assert_eq!(
        count, 5,
        "envoy.yaml, production.yaml, Istio's two and Envoy Gateway's"
    );
}

/// The same with one letter too many: the parser does look.
#[test]
fn a_misspelled_configuration_is_refused() {
    let mut configuration = filter_configurations("production.yaml").remove(0);
    let token = configuration["token"].take();
    configuration["tokens"] = token;
    let problems = config::parse(configuration.to_string().as_bytes()).expect_err("tokens");
    assert!(problems.to_string().contains("tokens"), "{problems}");
}

/// What is shown for production closes what it does not mention, and takes access tokens only.
#[test]
fn production_configurations_are_strict() {
    for path in [
        "production.yaml",
        "istio/gateway.yaml",
        "istio/sidecar.yaml",
        "gateway/authorizer.yaml",
    ] {
        for configuration in filter_configurations(path) {
            assert_eq!(configuration["default"], "nobody", "{path}");
            assert_eq!(configuration["token"]["use"], "access", "{path}");
            assert_eq!(configuration["token"]["clock_skew"], "30s", "{path}");
            assert!(
                configuration["user_pools"][0]["client_ids"].is_array(),
                "{path}: clients are named"
            );
            let parsed = config::parse(configuration.to_string().as_bytes()).expect(path);
            assert_eq!(parsed.token.clock_skew, Duration::from_secs(30), "{path}");
        }
    }
}
