//! Istio's and Envoy Gateway's resources: what their schemas cannot know.
//!
//! `make test-formats` holds the files against the published schemas. Here they are held against
//! each other, and what they give to Envoy and to the filter is given to a real one.

use serde_json::{Value, json};

use crate::deploy::bootstrap::{KEY_CLUSTER, MANAGER, PLUGIN};
use crate::deploy::configurations::filter_configurations;
use crate::deploy::files::{self, of_kind};
use crate::deploy::stack::{GENUINE, Stack, reader};
use crate::harness::client::Request;

const ENDPOINT: &str = "cognito-idp.us-east-1.amazonaws.com";

/// Every resource with the version that its group serves, and the fields without which the API
/// server, or the controller, refuses it.
const KINDS: [(&str, &str, &[&str]); 9] = [
    (
        "WasmPlugin",
        "extensions.istio.io/v1alpha1",
        &["/spec/url", "/spec/pluginConfig"],
    ),
    (
        "ServiceEntry",
        "networking.istio.io/v1",
        &[
            "/spec/hosts/0",
            "/spec/ports/0/number",
            "/spec/ports/0/name",
            "/spec/resolution",
        ],
    ),
    (
        "DestinationRule",
        "networking.istio.io/v1",
        &["/spec/host", "/spec/trafficPolicy/tls/mode"],
    ),
    (
        "VirtualService",
        "networking.istio.io/v1",
        &["/spec/hosts/0", "/spec/http/0/route/0/destination/host"],
    ),
    (
        "EnvoyFilter",
        "networking.istio.io/v1alpha3",
        &[
            "/spec/configPatches/0/applyTo",
            "/spec/configPatches/0/patch/operation",
        ],
    ),
    (
        "EnvoyExtensionPolicy",
        "gateway.envoyproxy.io/v1alpha1",
        &[
            "/spec/targetRefs/0/name",
            "/spec/wasm/0/code/image/url",
            "/spec/wasm/0/config",
        ],
    ),
    (
        "EnvoyPatchPolicy",
        "gateway.envoyproxy.io/v1alpha1",
        &[
            "/spec/targetRef/name",
            "/spec/type",
            "/spec/jsonPatches/0/operation/op",
        ],
    ),
    (
        "ClientTrafficPolicy",
        "gateway.envoyproxy.io/v1alpha1",
        &["/spec/targetRefs/0/name"],
    ),
    (
        "SecurityPolicy",
        "gateway.envoyproxy.io/v1alpha1",
        &["/spec/targetRefs/0/name", "/spec/cors/allowOrigins/0"],
    ),
];

fn manifests() -> Vec<(String, Value)> {
    let paths = files::all().into_iter();
    let paths = paths.filter(|path| {
        let folder = path.starts_with("istio/") || path.starts_with("gateway/");
        folder && !path.ends_with("kustomization.yaml")
    });
    paths
        .flat_map(|path| {
            let documents = files::documents(&path).into_iter();
            documents.map(move |document| (path.clone(), document))
        })
        .collect()
}

#[test]
fn resources_have_what_their_kind_asks_for() {
    let manifests = manifests();
    for (path, manifest) in &manifests {
        let kind = manifest["kind"].as_str().expect(path);
        let known = KINDS.iter().find(|(name, ..)| *name == kind);
        let (_, version, fields) = known.unwrap_or_else(|| panic!("{path}: a {kind}"));
        assert_eq!(manifest["apiVersion"], *version, "{path}: {kind}");
        for field in ["/metadata/name", "/metadata/namespace"]
            .iter()
            .chain(*fields)
        {
            let value = manifest.pointer(field).unwrap_or(&Value::Null);
            assert!(!value.is_null(), "{path}: {kind}{field}");
        }
    }
    for (kind, ..) in KINDS {
        let exists = manifests
            .iter()
            .any(|(_, manifest)| manifest["kind"] == kind);
        assert!(exists, "no {kind} any more");
    }
}

/// A tag can be moved to another module; a plugin that fails must let nobody in.
#[test]
fn modules_are_pinned_and_fail_closed() {
    let mut urls = Vec::new();
    for path in ["istio/gateway.yaml", "istio/sidecar.yaml"] {
        let plugin = of_kind(path, "WasmPlugin");
        assert_eq!(plugin["spec"]["failStrategy"], "FAIL_CLOSE", "{path}");
        assert_eq!(plugin["spec"]["phase"], "AUTHN", "{path}");
        let url = plugin["spec"]["url"].as_str().expect(path);
        urls.push(url.strip_prefix("oci://").expect(path).to_owned());
    }
    let sidecar = of_kind("istio/sidecar.yaml", "WasmPlugin");
    assert_eq!(sidecar["spec"]["match"], json!([{"mode": "SERVER"}]));
    let policy = of_kind("gateway/authorizer.yaml", "EnvoyExtensionPolicy");
    let module = &policy["spec"]["wasm"][0];
    assert_eq!(module["failOpen"], false);
    assert_eq!(module["code"]["type"], "Image");
    urls.push(
        module["code"]["image"]["url"]
            .as_str()
            .expect("a URL")
            .to_owned(),
    );
    for url in urls {
        let (name, digest) = url.split_once("@sha256:").expect("an image by digest");
        assert!(name.ends_with("/cognito-authorizer"), "{url}");
        let is_digest = digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
        assert!(is_digest, "{url}");
    }
}

/// Three resources must agree on one name, and a typing error in it shows only as 503.
#[test]
fn istio_reaches_the_key_endpoint_and_nobody_else() {
    let entry = &of_kind("istio/keys.yaml", "ServiceEntry")["spec"];
    let rule = &of_kind("istio/keys.yaml", "DestinationRule")["spec"];
    let host = entry["hosts"][0].as_str().expect("a host");
    let cluster = format!("outbound|{}||{host}", entry["ports"][0]["number"]);
    for path in ["istio/gateway.yaml", "istio/sidecar.yaml"] {
        let configuration = filter_configurations(path).remove(0);
        assert_eq!(
            configuration["user_pools"][0]["jwks"]["cluster"], cluster,
            "{path}"
        );
    }
    assert_eq!(entry["endpoints"], json!([{"address": ENDPOINT}]));
    assert_eq!(entry["resolution"], "DNS");
    assert_eq!(rule["host"], host);
    let tls = json!({
        "mode": "SIMPLE",
        "sni": ENDPOINT,
        "subjectAltNames": [ENDPOINT],
        "caCertificates": "/etc/ssl/certs/ca-certificates.crt",
    });
    assert_eq!(rule["trafficPolicy"]["tls"], tls);
}

/// Envoy Gateway is given the very cluster that is tested with production.yaml.
#[test]
fn envoy_gateway_is_given_the_cluster_of_production() {
    let policy = of_kind("gateway/keys.yaml", "EnvoyPatchPolicy");
    let patch = &policy["spec"]["jsonPatches"][0];
    let production = files::document("production.yaml");
    let cluster = production.pointer(KEY_CLUSTER).expect("a cluster");
    assert_eq!(&patch["operation"]["value"], cluster);
    assert_eq!(patch["operation"]["op"], "add");
    assert_eq!(patch["operation"]["path"], "");
    assert_eq!(
        patch["type"],
        "type.googleapis.com/envoy.config.cluster.v3.Cluster"
    );
    assert_eq!(patch["name"], cluster["name"]);
    let configuration = filter_configurations("gateway/authorizer.yaml").remove(0);
    assert_eq!(
        configuration["user_pools"][0]["jwks"]["cluster"],
        cluster["name"]
    );
    let extension = of_kind("gateway/authorizer.yaml", "EnvoyExtensionPolicy");
    let traffic = of_kind("gateway/authorizer.yaml", "ClientTrafficPolicy");
    let gateway = &policy["spec"]["targetRef"];
    let cors = of_kind("gateway/cors.yaml", "SecurityPolicy");
    assert_eq!(&cors["spec"]["targetRefs"][0], gateway);
    assert_eq!(&extension["spec"]["targetRefs"][0], gateway);
    assert_eq!(&traffic["spec"]["targetRefs"][0], gateway);
}

/// Both are given the cluster of `envoy/lambda/cluster.yaml`: what signs the calls, and whom it trusts.
#[test]
fn functions_are_invoked_as_with_envoy_alone() {
    const ENDPOINT: &str = "lambda.us-east-1.amazonaws.com";
    let cluster = files::document("lambda/cluster.yaml")["clusters"][0].take();
    let policy = of_kind("gateway/lambda.yaml", "EnvoyPatchPolicy");
    let keys = of_kind("gateway/keys.yaml", "EnvoyPatchPolicy");
    assert_eq!(policy["spec"]["targetRef"], keys["spec"]["targetRef"]);
    let patch = &policy["spec"]["jsonPatches"][0];
    assert_eq!(patch["operation"]["value"], cluster);
    assert_eq!(patch["operation"]["op"], "add");
    assert_eq!(patch["operation"]["path"], "");
    assert_eq!(patch["name"], cluster["name"]);

    let entry = &of_kind("istio/lambda.yaml", "ServiceEntry")["spec"];
    let rule = &of_kind("istio/lambda.yaml", "DestinationRule")["spec"];
    let filter = of_kind("istio/lambda.yaml", "EnvoyFilter");
    let patch = &filter["spec"]["configPatches"][0];
    let host = &entry["hosts"][0];
    assert_eq!(&rule["host"], host);
    assert_eq!(&patch["match"]["cluster"]["service"], host);
    let named = format!("# outbound|443||{}\n", host.as_str().expect("a host"));
    assert!(files::text("istio/lambda.yaml").contains(&named), "{named}");
    assert_eq!(entry["endpoints"], json!([{"address": ENDPOINT}]));
    let policy = &rule["trafficPolicy"];
    assert_eq!(policy["tls"]["sni"], ENDPOINT);
    assert_eq!(policy["tls"]["subjectAltNames"], json!([ENDPOINT]));
    assert!(policy["tls"]["caCertificates"].is_string());
    let threshold = &cluster["circuit_breakers"]["thresholds"][0]["max_connections"];
    assert_eq!(
        &policy["connectionPool"]["tcp"]["maxConnections"],
        threshold
    );
    assert_eq!(patch["applyTo"], "CLUSTER");
    assert_eq!(patch["patch"]["operation"], "MERGE");
    let options = "typed_extension_protocol_options";
    assert_eq!(patch["patch"]["value"], json!({options: cluster[options]}));
}

/// What Istio merges into its connection managers stands in production.yaml as well.
#[test]
fn istio_refuses_underscores_as_production_does() {
    let production = files::document("production.yaml");
    let manager = production.pointer(MANAGER).expect("a connection manager");
    let filter = of_kind("istio/headers.yaml", "EnvoyFilter");
    let patches = filter["spec"]["configPatches"].as_array().expect("patches");
    let mut contexts = Vec::new();
    for patch in patches {
        contexts.push(patch["match"]["context"].as_str().expect("a context"));
        let merged = &patch["patch"]["value"]["typed_config"];
        assert_eq!(merged["@type"], manager["@type"]);
        let option = "/common_http_protocol_options/headers_with_underscores_action";
        assert_eq!(merged.pointer(option), manager.pointer(option));
        assert_eq!(merged.pointer(option), Some(&json!("REJECT_REQUEST")));
    }
    assert_eq!(contexts, ["GATEWAY", "SIDECAR_INBOUND"]);
}

/// What Istio's pilot makes of a route's `corsPolicy`.
#[track_caller]
fn translated(policy: &Value) -> Value {
    let joined = |name: &str| {
        let words = policy[name].as_array().expect(name).iter();
        let words: Vec<_> = words.map(|word| word.as_str().expect(name)).collect();
        json!(words.join(","))
    };
    let minutes = policy["maxAge"]
        .as_str()
        .and_then(|age| age.strip_suffix('m'));
    let minutes: u32 = minutes.and_then(|age| age.parse().ok()).expect("minutes");
    json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy",
        "allow_origin_string_match": policy["allowOrigins"],
        "allow_methods": joined("allowMethods"),
        "allow_headers": joined("allowHeaders"),
        "expose_headers": joined("exposeHeaders"),
        "max_age": (minutes * 60).to_string(),
    })
}

/// What browsers are told is the same behind every proxy.
#[test]
fn browsers_are_told_the_same() {
    let route = &of_kind("istio/cors.yaml", "VirtualService")["spec"]["http"][0];
    let mut policy = of_kind("gateway/cors.yaml", "SecurityPolicy")["spec"]["cors"].clone();
    let exact = |origin: &Value| json!({"exact": origin});
    let origins = policy["allowOrigins"].as_array().expect("origins").iter();
    policy["allowOrigins"] = origins.map(exact).collect();
    assert_eq!(policy, route["corsPolicy"]);
}

/// The chain that Istio makes: its own CORS filter behind the authorizer, and the inserted one first.
#[test]
fn browsers_are_answered_behind_istio() {
    const CORS: &str = "envoy.filters.http.cors";
    const ORIGIN: &str = "access-control-allow-origin";
    let patch = &of_kind("istio/cors.yaml", "EnvoyFilter")["spec"]["configPatches"][0];
    assert_eq!(patch["applyTo"], "HTTP_FILTER");
    assert_eq!(patch["match"]["context"], "GATEWAY");
    assert_eq!(patch["patch"]["operation"], "INSERT_FIRST");
    let inserted = &patch["patch"]["value"];
    assert_eq!(inserted["name"], CORS);
    let route = &of_kind("istio/cors.yaml", "VirtualService")["spec"]["http"][0];
    let policy = translated(&route["corsPolicy"]);
    let of_ours = &files::document("production.yaml");
    let of_ours = of_ours.pointer(MANAGER).expect("a connection manager");
    let of_ours = &of_ours["route_config"]["virtual_hosts"][0]["typed_per_filter_config"][CORS];
    for (member, value) in policy.as_object().expect("a policy") {
        let without_spaces = |value: &Value| value.to_string().replace(", ", ",");
        assert_eq!(
            without_spaces(&of_ours[member]),
            without_spaces(value),
            "{member}"
        );
    }
    for (first, preflight, readable) in [(true, 200, true), (false, 401, false)] {
        let mut stack = Stack::start(GENUINE, |setup| {
            let manager = setup.at(MANAGER);
            manager["route_config"]["virtual_hosts"][0]["typed_per_filter_config"][CORS] =
                policy.clone();
            let filters = manager["http_filters"].as_array_mut().expect("filters");
            filters.insert(2, inserted.clone());
            if !first {
                // The place of the inserted one stays taken, by a filter that does nothing.
                filters[0] = json!({
                    "name": "nothing",
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer",
                        "max_request_bytes": 65536,
                    },
                });
            }
        });
        let origin = "https://app.example.com";
        let asked = Request::new("OPTIONS", "/orders")
            .header("origin", origin)
            .header("access-control-request-method", "PATCH");
        let answer = match first {
            true => stack.send_undecided(&asked),
            false => stack.send(&asked),
        };
        assert_eq!(answer.status, preflight);
        if first {
            let methods = answer.header("access-control-allow-methods");
            assert_eq!(methods, Some("GET,HEAD,POST,PUT,PATCH,DELETE"));
            assert_eq!(answer.header("access-control-max-age"), Some("600"));
        }
        let valid = reader().mint();
        for (request, status, readable) in [
            (Request::get("/orders"), 401, readable),
            (Request::new("PUT", "/orders").bearer(&valid), 403, readable),
            (Request::get("/orders").bearer(&valid), 200, true),
        ] {
            let answer = stack.send(&request.header("origin", origin));
            assert_eq!(answer.status, status);
            let origins = answer.headers.iter().filter(|(name, _)| name == ORIGIN);
            let origins: Vec<_> = origins.map(|(_, value)| value.as_str()).collect();
            let expected: &[&str] = if readable { &[origin] } else { &[] };
            assert_eq!(origins, expected, "first: {first}, {status}");
            if readable {
                let exposed = answer.header("access-control-expose-headers");
                assert_eq!(exposed, Some("www-authenticate,retry-after"));
            }
        }
        stack.finish();
    }
}

/// Both controllers hand the configuration to Envoy as JSON text, and set no `vm_id`.
#[test]
fn configurations_serve_as_the_controllers_send_them() {
    for path in [
        "istio/gateway.yaml",
        "istio/sidecar.yaml",
        "gateway/authorizer.yaml",
    ] {
        let configuration = filter_configurations(path).remove(0);
        let cluster = configuration["user_pools"][0]["jwks"]["cluster"].clone();
        let mut stack = Stack::start(GENUINE, |setup| {
            let plugin = setup.at(PLUGIN);
            plugin["configuration"] = json!({
                "@type": "type.googleapis.com/google.protobuf.StringValue",
                "value": configuration.to_string(),
            });
            plugin["vm_config"]
                .as_object_mut()
                .expect("an object")
                .remove("vm_id");
            // Istio keeps Envoy's default.
            plugin["allow_on_headers_stop_iteration"] = json!(false);
            let keys = setup.at(KEY_CLUSTER);
            keys["name"] = cluster.clone();
            keys["load_assignment"]["cluster_name"] = cluster;
        });
        let valid = reader().mint();
        for (what, request, status) in [
            ("an open place", Request::get("/health"), 200),
            ("no token", Request::get("/orders"), 401),
            ("a valid token", Request::get("/orders").bearer(&valid), 200),
            (
                "a scope that reads",
                Request::new("PUT", "/orders").bearer(&valid),
                403,
            ),
            ("no rule", Request::get("/elsewhere").bearer(&valid), 403),
        ] {
            assert_eq!(stack.send(&request).status, status, "{path}: {what}");
        }
        stack.finish();
    }
}
