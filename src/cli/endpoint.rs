//! Where keys are fetched, and what each proxy needs to get there: the parts of the files under
//! `envoy/` that are about it.

use crate::example::{Example, scalar};
use clap::ValueEnum;
use cognito_authorizer::pool::UserPool;

/// Where the files for each proxy have it.
pub(crate) const ENVOY: &str = include_str!("../../envoy/production.yaml");
pub(crate) const ENVOY_CLUSTER: &str = "static_resources.clusters[1]";
const ISTIO: &str = include_str!("../../envoy/istio/keys.yaml");
const GATEWAY: &str = include_str!("../../envoy/gateway/keys.yaml");

/// What stands in them for the endpoint, its clusters, and the authorities that are trusted.
const HOST: &str = "cognito-idp.us-east-1.amazonaws.com";
const CLUSTER: &str = "cognito_us_east_1";
const MESH_HOST: &str = "cognito-keys.us-east-1.internal";
const MESH_NAME: &str = "cognito-keys.us-east-1";
/// Where distributions of Linux, and the images of Envoy and Istio, have the authorities that are
/// trusted.
pub(crate) const TRUSTED_CA: &str = "/etc/ssl/certs/ca-certificates.crt";

/// What runs the module, and fetches what it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Proxy {
    /// Envoy with a configuration of its own
    Envoy,
    /// Istio
    Istio,
    /// Envoy Gateway
    Gateway,
}

/// A gateway, by its name, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gateway {
    pub(crate) name: String,
    pub(crate) namespace: String,
}

impl Gateway {
    /// The one that a proxy's own pages begin with, as the files under `envoy/` do.
    pub(crate) fn of(proxy: Proxy) -> Self {
        let (name, namespace) = match proxy {
            Proxy::Istio => ("ingressgateway", "istio-system"),
            Proxy::Envoy | Proxy::Gateway => ("eg", "default"),
        };
        Self {
            name: name.to_owned(),
            namespace: namespace.to_owned(),
        }
    }
}

/// Which of the two issuers a pool has been set to use in tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Issuer {
    /// https://cognito-idp.REGION.…
    Original,
    /// https://issuer-cognito-idp.REGION.…
    Updated,
    /// Both, while a pool is switched.
    Both,
}

impl Issuer {
    /// The word of the configuration.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Original => "original",
            Self::Updated => "updated",
            Self::Both => "both",
        }
    }
}

/// A server that has keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    host: String,
    cluster: String,
    /// Not the server's own name: TLS would else be wrapped around the TLS of every application in
    /// the mesh that talks to it itself.
    mesh_host: String,
}

impl Endpoint {
    /// Where a pool's keys are, and the issuer that they are named for.
    pub(crate) fn of_pool(pool: &UserPool, issuer: Issuer) -> (Self, String) {
        // One Envoy may need both.
        let (issuer, region, name) = match issuer {
            Issuer::Original | Issuer::Both => (pool.original_issuer(), pool.region(), "cognito"),
            // A replica's is the pool's.
            Issuer::Updated => (pool.updated_issuer(), pool.id().region(), "cognito-issuer"),
        };
        let host = issuer
            .strip_prefix("https://")
            .and_then(|rest| rest.split('/').next());
        let endpoint = Self {
            host: host.unwrap_or_default().to_owned(),
            cluster: format!("{name}-{region}").replace('-', "_"),
            mesh_host: format!("{name}-keys.{region}.internal"),
        };
        (endpoint, issuer)
    }

    /// Where an AWS account's keys are, by the host of its issuer.
    pub(crate) fn of_account(host: &str) -> Self {
        // The beginning of its id: what tells accounts apart to people.
        let id = host.split(['.', '-']).next().unwrap_or_default();
        Self {
            host: host.to_owned(),
            cluster: format!("aws_tokens_{id}"),
            mesh_host: format!("aws-tokens-keys.{id}.internal"),
        }
    }

    /// The name of the cluster, which the configuration's `jwks.cluster` must be.
    pub(crate) fn cluster(&self, proxy: Proxy) -> String {
        match proxy {
            Proxy::Envoy | Proxy::Gateway => self.cluster.clone(),
            Proxy::Istio => format!("outbound|443||{}", self.mesh_host),
        }
    }

    fn named(&self, text: &str, trusted_ca: &str) -> String {
        let mesh_name = self.mesh_host.trim_end_matches(".internal");
        text.replace(HOST, &self.host)
            .replace(CLUSTER, &self.cluster)
            .replace(MESH_HOST, &self.mesh_host)
            .replace(MESH_NAME, mesh_name)
            .replace(TRUSTED_CA, &scalar(trusted_ca))
    }
}

/// Elements of Envoy's `clusters`.
pub(crate) fn envoy(endpoints: &[Endpoint], trusted_ca: &str) -> anyhow::Result<String> {
    let cluster = Example::new(ENVOY)?.part(ENVOY_CLUSTER)?;
    let clusters = endpoints.iter().map(|one| one.named(&cluster, trusted_ca));
    Ok(clusters.collect::<Vec<_>>().join("\n"))
}

/// Istio's ServiceEntries and DestinationRules.
pub(crate) fn istio(
    endpoints: &[Endpoint],
    trusted_ca: &str,
    gateway: &Gateway,
) -> anyhow::Result<String> {
    let mut example = Example::new(ISTIO)?;
    for kind in ["ServiceEntry", "DestinationRule"] {
        example.set(&format!("{kind}:metadata.namespace"), &gateway.namespace)?;
    }
    let resources = example.text();
    let resources = endpoints
        .iter()
        .map(|one| one.named(&resources, trusted_ca));
    Ok(resources.collect::<Vec<_>>().join("---\n"))
}

/// Envoy Gateway's EnvoyPatchPolicy.
pub(crate) fn gateway(
    endpoints: &[Endpoint],
    trusted_ca: &str,
    gateway: &Gateway,
) -> anyhow::Result<String> {
    const PATCHES: &str = "spec.jsonPatches";
    let mut example = Example::new(GATEWAY)?;
    let patch = example.part(&format!("{PATCHES}[0]"))?;
    let patches = endpoints.iter().map(|one| one.named(&patch, trusted_ca));
    let patches: String = patches.collect();
    example.replace(PATCHES, &format!("jsonPatches:\n{patches}"))?;
    example.set("metadata.namespace", &gateway.namespace)?;
    example.set("spec.targetRef.name", &gateway.name)?;
    Ok(example.text())
}
