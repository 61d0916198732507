//! Resources of Envoy Gateway, made of the files under `envoy/gateway`.

use super::Made;
use super::configuration;
use super::kubernetes;
use super::value::Upstream;
use super::wanted::Wanted;
use crate::endpoint::{self, Gateway};
use crate::example::{Example, scalar};
use std::net::IpAddr;

const AUTHORIZER: &str = include_str!("../../../envoy/gateway/authorizer.yaml");
const CORS: &str = include_str!("../../../envoy/gateway/cors.yaml");

pub(super) fn made(wanted: &Wanted) -> anyhow::Result<Made> {
    let gateway = &wanted.gateway;
    let mut example = Example::new(AUTHORIZER)?;
    let place = "in Envoy Gateway, in front of every route of one Gateway";
    example.head(&kubernetes::head(place, wanted))?;
    for kind in ["EnvoyExtensionPolicy", "ClientTrafficPolicy"] {
        example.set(&format!("{kind}:metadata.namespace"), &gateway.namespace)?;
        example.set(
            &format!("{kind}:spec.targetRefs[0].name"),
            &scalar(&gateway.name),
        )?;
    }
    example.set("spec.wasm[0].code.image.url", &wanted.image)?;
    configuration::fill(&mut example, "spec.wasm[0].config", wanted)?;
    let keys = endpoint::gateway(&wanted.endpoints(), &wanted.trusted_ca, gateway)?;
    let mut files = vec![
        ("keys.yaml".to_owned(), keys),
        ("authorizer.yaml".to_owned(), example.text()),
    ];
    if !wanted.origins.is_empty() {
        let mut cors = Example::new(CORS)?;
        cors.set("metadata.namespace", &gateway.namespace)?;
        cors.set("spec.targetRefs[0].name", &scalar(&gateway.name))?;
        let origins = wanted.origins.iter().map(|origin| format!("{origin:?}"));
        let origins = origins.collect::<Vec<_>>().join(", ");
        cors.replace(
            "spec.cors.allowOrigins",
            &format!("allowOrigins: [{origins}]"),
        )?;
        files.push(("cors.yaml".to_owned(), cors.text()));
    }
    if let Some(upstream) = &wanted.upstream {
        files.push(("route.yaml".to_owned(), route(upstream, gateway)));
    }
    let Gateway { name, namespace } = gateway;
    let status = vec![
        format!("-n {namespace} describe envoyextensionpolicy cognito-authorizer"),
        format!("-n {namespace} describe envoypatchpolicy cognito-keys"),
    ];
    let remark = format!(
        "The module stands before every route of the Gateway {name} in {namespace} (--gateway, --namespace). Envoy Gateway must have been told `extensionApis: {{enableEnvoyPatchPolicy: true}}`; without it there are no keys, and every token gets 503."
    );
    Ok(kubernetes::made(files, status, remark))
}

/// A route for all paths. A service of the cluster goes by its name; everything else is a Backend.
fn route(upstream: &Upstream, gateway: &Gateway) -> String {
    let Gateway { name, namespace } = gateway;
    let Upstream { host, port } = upstream;
    let labels: Vec<_> = host.split('.').collect();
    let service = match labels.as_slice() {
        [service] => Some((*service, namespace.as_str())),
        [service, of, "svc", ..] => Some((*service, *of)),
        _ => None,
    };
    let (reference, resources) = match service {
        Some((service, of)) if of == namespace => (
            format!("name: {}\n      port: {port}", scalar(service)),
            String::new(),
        ),
        Some((service, of)) => {
            let service = scalar(service);
            let of = scalar(of);
            let grant = format!(
                "\
---
# The route may lead into the service's namespace.
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata:
  name: cognito-authorizer
  namespace: {of}
spec:
  from:
  - group: gateway.networking.k8s.io
    kind: HTTPRoute
    namespace: {namespace}
  to:
  - group: \"\"
    kind: Service
    name: {service}
"
            );
            (
                format!("name: {service}\n      namespace: {of}\n      port: {port}"),
                grant,
            )
        }
        None => {
            let endpoint = match host.parse::<IpAddr>() {
                Ok(_) => format!("ip: {{address: {host:?}, port: {port}}}"),
                Err(_) => format!("fqdn: {{hostname: {}, port: {port}}}", scalar(host)),
            };
            let backend = format!(
                "\
---
# No service of the cluster. Backends are off by default: `extensionApis: {{enableBackend: true}}` in the
# configuration of Envoy Gateway.
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata:
  name: cognito-authorizer
  namespace: {namespace}
spec:
  endpoints:
  - {endpoint}
"
            );
            (
                "group: gateway.envoyproxy.io\n      kind: Backend\n      name: cognito-authorizer"
                    .to_owned(),
                backend,
            )
        }
    };
    format!(
        "\
# From outside to the service: every path of every host.
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: cognito-authorizer
  namespace: {namespace}
spec:
  parentRefs:
  - name: {name}
  rules:
  - backendRefs:
    - {reference}
{resources}"
    )
}
