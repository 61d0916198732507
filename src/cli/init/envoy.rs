//! A bootstrap of Envoy, made of `envoy/production.yaml`.

use super::Made;
use super::configuration;
use super::value::Upstream;
use super::wanted::Wanted;
use crate::endpoint;
use crate::example::{Example, scalar};

const FILE: &str = "envoy.yaml";

/// The pool of the example.
const POOL: &str = "us-east-1_AbCdEf123";

/// The parts of production.yaml that are about its example.
const SOCKET: &str = "static_resources.listeners[0].address.socket_address";
const ADMIN: &str = "admin.address.socket_address.port_value";
const ADMIN_CLUSTER: &str = "static_resources.clusters[2].load_assignment.endpoints[0].lb_endpoints[0].endpoint.address.socket_address";
const METRICS: &str = "static_resources.listeners[1].address.socket_address.port_value";
const CHAIN: &str = "static_resources.listeners[0].filter_chains[0]";
const CERTIFICATES: &str = "transport_socket.typed_config.common_tls_context.tls_certificates[0]";
const MANAGER: &str = "filters[0].typed_config";
const CORS_POLICY: &str = "route_config.virtual_hosts[0].typed_per_filter_config";
const CORS: &str = "http_filters[0]";
const WASM: &str = "http_filters[1].typed_config.config";
const UPSTREAM: &str = "static_resources.clusters[0].load_assignment.endpoints[0].lb_endpoints[0].endpoint.address.socket_address";

/// Where an application under development often listens.
const DEFAULT_UPSTREAM: (&str, u16) = ("127.0.0.1", 3000);

pub(super) fn made(wanted: &Wanted) -> anyhow::Result<Made> {
    let upstream = wanted.upstream.clone().unwrap_or_else(|| {
        let (host, port) = DEFAULT_UPSTREAM;
        Upstream {
            host: host.to_owned(),
            port,
        }
    });
    let mut example = Example::new(endpoint::ENVOY)?;
    example.head(&head(wanted, &upstream))?;
    example.set(
        &format!("{SOCKET}.address"),
        &scalar(&wanted.listen.address.to_string()),
    )?;
    example.set(
        &format!("{SOCKET}.port_value"),
        &wanted.listen.port.to_string(),
    )?;
    let admin = wanted.admin_port.to_string();
    example.set(ADMIN, &admin)?;
    example.set(&format!("{ADMIN_CLUSTER}.port_value"), &admin)?;
    example.set(METRICS, &wanted.metrics_port.to_string())?;
    match &wanted.tls {
        None => example.remove(&format!("{CHAIN}.transport_socket"))?,
        Some((certificate, key)) => {
            let pair = format!("{CHAIN}.{CERTIFICATES}");
            example.set(
                &format!("{pair}.certificate_chain.filename"),
                &scalar(certificate),
            )?;
            example.set(&format!("{pair}.private_key.filename"), &scalar(key))?;
        }
    }
    let manager = format!("{CHAIN}.{MANAGER}");
    let policy = format!("{manager}.{CORS_POLICY}");
    match wanted.origins.as_slice() {
        [] => {
            example.remove(&policy)?;
            example.remove(&format!("{manager}.{CORS}"))?;
        }
        origins => example.replace(
            &format!("{policy}[\"envoy.filters.http.cors\"].allow_origin_string_match"),
            &format!("allow_origin_string_match: [{}]", exactly(origins)),
        )?,
    }
    let wasm = format!("{manager}.{WASM}");
    example.set(
        &format!("{wasm}.vm_config.code.local.filename"),
        &scalar(&wanted.module),
    )?;
    configuration::fill(&mut example, &format!("{wasm}.configuration.value"), wanted)?;
    example.set(&format!("{UPSTREAM}.address"), &scalar(&upstream.host))?;
    example.set(
        &format!("{UPSTREAM}.port_value"),
        &upstream.port.to_string(),
    )?;
    let clusters = endpoint::envoy(&wanted.endpoints(), &wanted.trusted_ca)?;
    example.put(endpoint::ENVOY_CLUSTER, &clusters)?;

    // Its comments name a pool as well.
    let pool = wanted
        .pools
        .first()
        .map(|pool| pool.named.pool.id().as_str());
    let pool = pool.unwrap_or(POOL);
    let scheme = if wanted.tls.is_some() {
        "https"
    } else {
        "http"
    };
    let port = wanted.listen.port;
    Ok(Made {
        files: vec![(FILE.to_owned(), example.text().replace(POOL, pool))],
        next: Box::new(move |path| {
            let file = path(FILE);
            vec![
                format!("envoy --mode validate -c {file}"),
                format!("envoy -c {file}"),
                format!("curl -i {scheme}://localhost:{port}/"),
            ]
        }),
        remark: remark(wanted, &upstream),
    })
}

/// Origins as CorsPolicy has them.
pub(super) fn exactly(origins: &[String]) -> String {
    let origins = origins
        .iter()
        .map(|origin| format!("{{exact: {origin:?}}}"));
    origins.collect::<Vec<_>>().join(", ")
}

fn head(wanted: &Wanted, upstream: &Upstream) -> String {
    let tls = match wanted.tls {
        Some(_) => "TLS towards clients",
        None => "no TLS towards clients, so for a place behind a load balancer that has it",
    };
    let text = configuration::comment(&format!(
        "An Envoy that checks the tokens of {}, as `cognito-authorizer init` wrote it: {tls}; keys from Amazon over verified TLS; metrics on a port of their own.",
        wanted.names()
    ));
    let upstream = upstream.shown();
    let Wanted {
        admin_port,
        metrics_port,
        listen,
        ..
    } = wanted;
    let port = listen.port;
    format!(
        "{text}#\n#   {port} listener   {metrics_port} metrics   {admin_port} admin (this machine only)\n#   upstream {upstream}\n\n"
    )
}

/// What was assumed, and what a first request gets.
fn remark(wanted: &Wanted, upstream: &Upstream) -> String {
    let mut remark = format!(
        "A request without a token gets 401, one with a token goes to {}",
        upstream.shown()
    );
    if wanted.upstream.is_none() {
        remark.push_str(" (--upstream says where else)");
    }
    remark.push_str(&format!(". The module is {} (--module)", wanted.module));
    if !std::path::Path::new(&wanted.module).is_file() {
        remark.push_str(", which is not on this machine: `make build` makes it");
    }
    remark.push('.');
    remark
}
