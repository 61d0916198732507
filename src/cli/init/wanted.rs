//! What is to be written, with everything decided.

use super::Args;
use super::value::{Client, Listen, Upstream};
use crate::endpoint::{Endpoint, Gateway, Issuer, Proxy, TRUSTED_CA};
use crate::pool::{Named, TokenUse};
use crate::token;
use anyhow::{Context as _, bail, ensure};
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

/// The name of the module's file.
const MODULE: &str = "cognito_authorizer.wasm";

/// Where it is if it is nowhere here.
const MODULE_AT: &str = "/etc/envoy/cognito_authorizer.wasm";

/// Where other systems than the usual ones have certificate authorities.
const OTHER_CA: [&str; 3] = [
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// A pool, and its app clients.
pub(super) struct Pool {
    pub(super) named: Named,
    pub(super) clients: Vec<String>,
}

/// Everything that the files are made of.
pub(super) struct Wanted {
    pub(super) proxy: Proxy,
    pub(super) pools: Vec<Pool>,
    pub(super) issuer: Issuer,
    pub(super) token_use: TokenUse,
    pub(super) upstream: Option<Upstream>,
    pub(super) origins: Vec<String>,
    /// There if the proxy needs it.
    pub(super) image: String,
    pub(super) module: String,
    pub(super) listen: Listen,
    pub(super) admin_port: u16,
    pub(super) metrics_port: u16,
    pub(super) tls: Option<(String, String)>,
    pub(super) trusted_ca: String,
    pub(super) gateway: Gateway,
}

impl Wanted {
    /// What the arguments ask for.
    ///
    /// # Errors
    /// What they leave open, and what contradicts itself.
    pub(super) fn of(args: &Args) -> anyhow::Result<Self> {
        let origin = args.token.as_deref().map(token::origin).transpose()?;
        let proxy = args
            .proxy
            .context("missing --for; expected envoy, istio or gateway")?;
        let (mut pools, mut clients) = (args.pools.clone(), args.clients.clone());
        if let Some(origin) = &origin {
            if !pools.contains(&origin.pool) {
                pools.push(origin.pool.clone());
            }
            let client = Client {
                pool: Some(origin.pool.name.clone()),
                id: origin.client.clone(),
            };
            clients.push(client);
        }
        let issuer = args.issuer.or(origin.as_ref().map(|origin| origin.issuer));
        let token_use = origin.as_ref().map(|origin| origin.token_use);
        if let (Some(asked), Some(found)) = (args.token_use, token_use) {
            ensure!(
                asked == found || asked == TokenUse::Any,
                "found --use {} beside an {} token; expected tokens such as that one",
                asked.word(),
                found.word()
            );
        }
        let image = match (proxy, &args.image) {
            (Proxy::Envoy, _) => String::new(),
            (_, Some(image)) => image.clone(),
            (_, None) => bail!(
                "missing --image; expected where the module is fetched from, HOST/NAME@sha256:DIGEST: `make image` makes it and prints the digest, skopeo, crane or oras push it"
            ),
        };
        let usual = Gateway::of(proxy);
        let tls = args.cert.clone().zip(args.key.clone());
        let listen = args.listen.clone().unwrap_or(Listen {
            address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            port: if tls.is_some() { 8443 } else { 8080 },
        });
        if proxy == Proxy::Envoy {
            each_its_own([
                ("--listen", listen.port),
                ("--admin-port", args.admin_port),
                ("--metrics-port", args.metrics_port),
            ])?;
        }
        Ok(Self {
            proxy,
            pools: with_clients(pools, clients)?,
            issuer: issuer.unwrap_or(Issuer::Original),
            // An API takes access tokens.
            token_use: args.token_use.or(token_use).unwrap_or(TokenUse::Access),
            upstream: args.upstream.clone(),
            origins: args.origins.clone(),
            image,
            module: args.module.clone().unwrap_or_else(module),
            listen,
            admin_port: args.admin_port,
            metrics_port: args.metrics_port,
            tls,
            trusted_ca: args.trusted_ca.clone().unwrap_or_else(|| trusted_ca(proxy)),
            gateway: Gateway {
                name: args.gateway.clone().unwrap_or(usual.name),
                namespace: args.namespace.clone().unwrap_or(usual.namespace),
            },
        })
    }

    /// Where the keys of all pools are, each server once.
    pub(super) fn endpoints(&self) -> Vec<Endpoint> {
        let mut endpoints = Vec::new();
        for pool in &self.pools {
            let endpoint = self.endpoint(pool);
            if !endpoints.contains(&endpoint) {
                endpoints.push(endpoint);
            }
        }
        endpoints
    }

    /// Where the keys of a pool are.
    pub(super) fn endpoint(&self, pool: &Pool) -> Endpoint {
        Endpoint::of_pool(&pool.named.pool, self.issuer).0
    }

    /// All pools, for people.
    pub(super) fn names(&self) -> String {
        let names = self.pools.iter().map(|pool| pool.named.name.as_str());
        names.collect::<Vec<_>>().join(", ")
    }
}

/// Envoy does not start where one of its ports is taken by another.
fn each_its_own(ports: [(&str, u16); 3]) -> anyhow::Result<()> {
    let [listen, admin, metrics] = ports;
    for ((one, port), (other, same)) in [(listen, admin), (listen, metrics), (admin, metrics)] {
        ensure!(
            port != same,
            "found the port {port} for {one} and for {other}; expected one for each"
        );
    }
    Ok(())
}

/// Each pool with its clients.
fn with_clients(pools: Vec<Named>, clients: Vec<Client>) -> anyhow::Result<Vec<Pool>> {
    let pools = pools.into_iter().map(|named| Pool {
        named,
        clients: Vec::new(),
    });
    let mut pools: Vec<_> = pools.collect();
    ensure!(
        !pools.is_empty(),
        "missing --pool; expected the id of a user pool, or a token of it by --token"
    );
    let several = pools.len() > 1;
    for client in clients {
        let is_named = |pool: &&mut Pool| match &client.pool {
            Some(name) => *name == pool.named.name || name == pool.named.pool.id().as_str(),
            None => !several,
        };
        let pool = pools.iter_mut().find(is_named);
        let pool = pool.with_context(|| match &client.pool {
            Some(pool) => format!(
                "found --client {pool}={}; expected a pool named by --pool",
                client.id
            ),
            None => format!(
                "found --client {} beside several pools; expected --client POOL={}",
                client.id, client.id
            ),
        })?;
        if !pool.clients.contains(&client.id) {
            pool.clients.push(client.id);
        }
    }
    let bare = pools.iter().find(|pool| pool.clients.is_empty());
    if let Some(bare) = bare {
        let of = if several {
            format!("{}=", bare.named.name)
        } else {
            String::new()
        };
        bail!(
            "missing --client {of}ID; expected an app client whose tokens are meant for this API"
        );
    }
    Ok(pools)
}

/// Where the module is, if it is somewhere here.
pub(super) fn module() -> String {
    let program = std::env::current_exe().and_then(std::fs::canonicalize);
    let folder = program
        .ok()
        .and_then(|program| Some(program.parent()?.to_owned()));
    let beside = folder.as_ref().map(|folder| folder.join(MODULE));
    // In a clone, the tool is in target/release or target/debug.
    let built = folder
        .as_ref()
        .and_then(|folder| Some(folder.parent()?.join("wasm32-wasip1/release").join(MODULE)));
    let found = beside.into_iter().chain(built).find(|path| path.is_file());
    let shown = |path: PathBuf| path.to_str().map(str::to_owned);
    found
        .and_then(shown)
        .unwrap_or_else(|| MODULE_AT.to_owned())
}

/// The certificate authorities: of the proxy's image, or for an Envoy on this machine those here.
fn trusted_ca(proxy: Proxy) -> String {
    let here = |path: &&str| Path::new(path).exists();
    let other = OTHER_CA.iter().copied().find(here);
    match other {
        Some(other) if proxy == Proxy::Envoy && !here(&TRUSTED_CA) => other.to_owned(),
        _ => TRUSTED_CA.to_owned(),
    }
}
