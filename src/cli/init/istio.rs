//! Resources of Istio, made of the files under `envoy/istio`.

use super::Made;
use super::configuration;
use super::envoy::exactly;
use super::kubernetes;
use super::wanted::Wanted;
use crate::endpoint::{self, Gateway};
use crate::example::{Example, scalar};

const AUTHORIZER: &str = include_str!("../../../envoy/istio/gateway.yaml");
const HEADERS: &str = include_str!("../../../envoy/istio/headers.yaml");
const CORS: &str = include_str!("../../../envoy/istio/cors.yaml");
const CORS_POLICY: &str = include_str!("../../../envoy/istio/cors-policy.yaml");

pub(super) fn made(wanted: &Wanted) -> anyhow::Result<Made> {
    let gateway = &wanted.gateway;
    let mut example = Example::new(AUTHORIZER)?;
    let place = "at an Istio gateway, in front of everything behind it";
    example.head(&kubernetes::head(place, wanted))?;
    example.set("metadata.namespace", &gateway.namespace)?;
    example.set("spec.selector.matchLabels.istio", &scalar(&gateway.name))?;
    example.set("spec.url", &format!("oci://{}", wanted.image))?;
    configuration::fill(&mut example, "spec.pluginConfig", wanted)?;
    let keys = endpoint::istio(&wanted.endpoints(), &wanted.trusted_ca, gateway)?;
    let mut files = vec![
        ("keys.yaml".to_owned(), keys),
        ("headers.yaml".to_owned(), HEADERS.to_owned()),
        ("authorizer.yaml".to_owned(), example.text()),
    ];
    if !wanted.origins.is_empty() {
        files.push(("cors.yaml".to_owned(), cors(wanted)?));
    }
    if let Some(upstream) = &wanted.upstream {
        let (host, port) = (scalar(&upstream.host), upstream.port);
        let Gateway { name, namespace } = gateway;
        files.push((
            "route.yaml".to_owned(),
            format!(
                "\
# From outside to the service: everything that comes in on port 80.
apiVersion: networking.istio.io/v1
kind: Gateway
metadata:
  name: cognito-authorizer
  namespace: {namespace}
spec:
  selector: {{istio: {name}}}
  servers:
  - port: {{number: 80, name: http, protocol: HTTP}}
    hosts: [\"*\"]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: cognito-authorizer
  namespace: {namespace}
spec:
  hosts: [\"*\"]
  gateways: [cognito-authorizer]
  http:
  - route:
    - destination: {{host: {host}, port: {{number: {port}}}}}
"
            ),
        ));
    }
    let Gateway { name, namespace } = gateway;
    let status = vec![format!("-n {namespace} get wasmplugin cognito-authorizer")];
    let remark = format!(
        "The plugin stands before every route of the gateway istio={name} in {namespace} (--gateway, --namespace). headers.yaml is for the whole mesh: Istio's root namespace is taken to be istio-system."
    );
    Ok(kubernetes::made(files, status, remark))
}

/// The filter that must stand before the plugin, and the policy that it reads, for every route.
fn cors(wanted: &Wanted) -> anyhow::Result<String> {
    // What follows in the file is an example of a route.
    let filter = CORS.split("---\n").next().unwrap_or_default();
    let mut texts = Vec::new();
    for text in [filter, CORS_POLICY] {
        let mut example = Example::new(text)?;
        example.set("metadata.namespace", &wanted.gateway.namespace)?;
        example.set(
            "spec.workloadSelector.labels.istio",
            &scalar(&wanted.gateway.name),
        )?;
        if text == CORS_POLICY {
            example.replace(
                "spec.configPatches[0].patch.value.typed_per_filter_config[\"envoy.filters.http.cors\"].allow_origin_string_match",
                &format!("allow_origin_string_match: [{}]", exactly(&wanted.origins)),
            )?;
        }
        texts.push(example.text());
    }
    Ok(texts.join("---\n"))
}
