//! `jwks`: where the keys of a user pool or an AWS account are, and what Envoy, Istio and Envoy Gateway
//! need to get there.

use anyhow::ensure;
use clap::ValueEnum;
use cognito_authorizer::pool::UserPool;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Prints where the keys of a user pool or an AWS account are, and what Envoy, Istio and Envoy Gateway
/// need to get there.
///
/// The output is YAML as a whole; --only leaves one part of it. Nothing is fetched: all of this
/// follows from the pool's id, or from the account's issuer.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The id of a user pool, or its ARN; or the issuer of an AWS account, which begins with https://.
    #[arg(value_name = "POOL|ISSUER", value_parser = keyholder)]
    keyholder: Keyholder,
    /// Which of the two issuers the pool has been set to use in tokens; both while it is switched.
    #[arg(long, value_enum, default_value_t = Issuer::Original)]
    issuer: Issuer,
    /// Print only this.
    #[arg(long, value_enum)]
    only: Option<Part>,
    /// The file with certificate authorities in Envoy's container.
    #[arg(
        long,
        value_name = "FILE",
        default_value = "/etc/ssl/certs/ca-certificates.crt"
    )]
    trusted_ca: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Issuer {
    Original,
    Updated,
    Both,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The entry of `user_pools` or `aws_accounts` in the filter's configuration, for Envoy and Envoy
    /// Gateway.
    Pool,
    /// Envoy's cluster.
    Envoy,
    /// Istio's ServiceEntry and DestinationRule.
    Istio,
    /// Envoy Gateway's EnvoyPatchPolicy, for the Gateway `eg`.
    Gateway,
}

/// Whose keys are wanted.
#[derive(Clone, Debug)]
enum Keyholder {
    /// As it was named: by its id, or its ARN.
    Pool(UserPool, String),
    Account(AccountIssuer),
}

/// The issuer of an AWS account.
#[derive(Clone, Debug)]
struct AccountIssuer {
    iss: String,
    host: String,
}

fn keyholder(text: &str) -> Result<Keyholder, String> {
    if text.contains("://") {
        return account(text).map(Keyholder::Account);
    }
    let parsed = if text.starts_with("arn:") {
        UserPool::from_arn(text)
    } else {
        UserPool::new(text)
    };
    parsed
        .map(|pool| Keyholder::Pool(pool, text.to_owned()))
        .map_err(|error| error.to_string())
}

fn account(text: &str) -> Result<AccountIssuer, String> {
    let of_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let host = text.strip_prefix("https://").filter(|host| {
        let mut labels = host.split('.');
        host.contains('.') && labels.all(|label| !label.is_empty() && label.bytes().all(of_name))
    });
    match host {
        Some(host) => Ok(AccountIssuer {
            iss: text.to_owned(),
            host: host.to_owned(),
        }),
        None => Err(format!(
            "found {text:?}; expected an issuer such as https://a1d2b0fd-1177-4468-9351-2fexample723.tokens.sts.global.api.aws"
        )),
    }
}

/// What the texts below are made of.
struct Endpoint<'a> {
    keyholder: &'a Keyholder,
    issuer: Issuer,
    host: String,
    cluster: String,
    mesh_host: String,
    trusted_ca: String,
}

pub(crate) fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    // YAML reads JSON's texts, whatever is in them.
    let trusted_ca = serde_json::to_string(&args.trusted_ca)?;
    let (issuer, endpoint) = match &args.keyholder {
        Keyholder::Pool(pool, _) => {
            let (issuer, region) = match args.issuer {
                Issuer::Original | Issuer::Both => (pool.original_issuer(), pool.region()),
                // A replica's is the pool's.
                Issuer::Updated => (pool.updated_issuer(), pool.id().region()),
            };
            let host = issuer
                .strip_prefix("https://")
                .and_then(|rest| rest.split('/').next());
            // One Envoy may need both.
            let name = match args.issuer {
                Issuer::Original | Issuer::Both => "cognito",
                Issuer::Updated => "cognito-issuer",
            };
            let endpoint = Endpoint {
                keyholder: &args.keyholder,
                issuer: args.issuer,
                host: host.unwrap_or_default().to_owned(),
                cluster: format!("{name}-{region}").replace('-', "_"),
                mesh_host: format!("{name}-keys.{region}.internal"),
                trusted_ca,
            };
            (issuer, endpoint)
        }
        Keyholder::Account(account) => {
            ensure!(
                args.issuer == Issuer::Original,
                "--issuer is for user pools; an AWS account has one"
            );
            // The beginning of its id: what tells accounts apart to people.
            let id = account.host.split(['.', '-']).next().unwrap_or_default();
            let endpoint = Endpoint {
                keyholder: &args.keyholder,
                issuer: args.issuer,
                host: account.host.clone(),
                cluster: format!("aws_tokens_{id}"),
                mesh_host: format!("aws-tokens-keys.{id}.internal"),
                trusted_ca,
            };
            (account.iss.clone(), endpoint)
        }
    };
    if args.only.is_none() {
        match &args.keyholder {
            Keyholder::Pool(pool, _) => {
                writeln!(out, "# user pool        {}", pool.id().as_str())?;
                writeln!(out, "# region           {}", pool.region())?;
                writeln!(out, "# issuer original  {}", pool.original_issuer())?;
                writeln!(out, "# issuer updated   {}", pool.updated_issuer())?;
            }
            Keyholder::Account(account) => {
                writeln!(out, "# issuer           {}", account.iss)?;
            }
        }
        writeln!(out, "# keys             {issuer}/.well-known/jwks.json\n")?;
    }
    match args.only {
        Some(Part::Pool) => endpoint.pool(out)?,
        Some(Part::Envoy) => endpoint.envoy(out)?,
        Some(Part::Istio) => endpoint.istio(out)?,
        Some(Part::Gateway) => endpoint.gateway(out)?,
        None => {
            writeln!(
                out,
                "# In the filter's configuration; with Istio, see below for the cluster."
            )?;
            endpoint.pool(out)?;
            writeln!(
                out,
                "---\n# In Envoy's configuration, among static_resources."
            )?;
            endpoint.envoy(out)?;
            writeln!(
                out,
                "---\n# For Istio, where jwks.cluster is \"outbound|443||{}\".",
                endpoint.mesh_host
            )?;
            endpoint.istio(out)?;
            writeln!(
                out,
                "---\n# For Envoy Gateway, which needs `enableEnvoyPatchPolicy: true`."
            )?;
            endpoint.gateway(out)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

impl Endpoint<'_> {
    fn pool(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let (pool, named) = match self.keyholder {
            Keyholder::Pool(pool, named) => (pool, named),
            Keyholder::Account(account) => return self.account(account, out),
        };
        let issuer = match self.issuer {
            Issuer::Original => "original",
            Issuer::Updated => "updated",
            Issuer::Both => "both",
        };
        // A replica has no id of its own.
        let (field, named) = match pool.is_replica() {
            true => ("user_pool_arn", named.as_str()),
            false => ("user_pool_id", pool.id().as_str()),
        };
        write!(
            out,
            "\
user_pools:
- {field}: {named}
  client_ids: [] # the app clients whose tokens are meant for this API
  issuer: {issuer}
  jwks:
    cluster: {cluster}
",
            cluster = self.cluster,
        )
    }

    fn account(&self, account: &AccountIssuer, out: &mut dyn Write) -> std::io::Result<()> {
        write!(
            out,
            "\
aws_accounts:
- account: '' # its twelve digits
  issuer: {iss}
  audiences: [] # what callers have tokens made for, such as the URL of this API
  jwks:
    cluster: {cluster}
",
            iss = account.iss,
            cluster = self.cluster,
        )
    }

    fn envoy(&self, out: &mut dyn Write) -> std::io::Result<()> {
        write!(out, "clusters:\n- {}", self.members("  "))
    }

    /// The members of Envoy's cluster, all but the first behind `indent`.
    ///
    /// Without `trusted_ca` Envoy accepts any certificate, and without a SAN match any name.
    fn members(&self, indent: &str) -> String {
        let members = format!(
            "\
name: {cluster}
type: LOGICAL_DNS
connect_timeout: 2s
load_assignment:
  cluster_name: {cluster}
  endpoints:
  - lb_endpoints:
    - endpoint: {{address: {{socket_address: {{address: {host}, port_value: 443}}}}}}
transport_socket:
  name: envoy.transport_sockets.tls
  typed_config:
    \"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
    sni: {host}
    common_tls_context:
      tls_params: {{tls_minimum_protocol_version: TLSv1_2}}
      validation_context:
        trusted_ca: {{filename: {ca}}}
        match_typed_subject_alt_names:
        - san_type: DNS
          matcher: {{exact: {host}}}",
            cluster = self.cluster,
            host = self.host,
            ca = self.trusted_ca,
        );
        members.replace('\n', &format!("\n{indent}")) + "\n"
    }

    /// Envoy Gateway has no reference from a module to a back end: the cluster is patched in.
    fn gateway(&self, out: &mut dyn Write) -> std::io::Result<()> {
        write!(
            out,
            "\
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyPatchPolicy
metadata:
  name: {name}
  namespace: default
spec:
  targetRef:
    group: gateway.networking.k8s.io
    kind: Gateway
    name: eg # the Gateway, and above the namespace that it is in
  type: JSONPatch
  jsonPatches:
  - type: type.googleapis.com/envoy.config.cluster.v3.Cluster
    name: {cluster}
    operation:
      op: add
      path: \"\"
      value:
        {members}",
            name = self.mesh_name(),
            cluster = self.cluster,
            members = self.members("        "),
        )
    }

    /// The name of what is made for it in Kubernetes.
    fn mesh_name(&self) -> String {
        let name = self.mesh_host.trim_end_matches(".internal");
        name.replace('.', "-")
    }

    /// The host in the mesh is not Amazon's own name: TLS would else be wrapped around the TLS of
    /// every application in the mesh that talks to Cognito itself.
    fn istio(&self, out: &mut dyn Write) -> std::io::Result<()> {
        write!(
            out,
            "\
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: {name}
  namespace: istio-system
spec:
  hosts: [{mesh_host}]
  location: MESH_EXTERNAL
  resolution: DNS
  ports:
  - {{number: 443, name: https, protocol: HTTPS}}
  endpoints:
  - address: {host}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: {name}
  namespace: istio-system
spec:
  host: {mesh_host}
  trafficPolicy:
    tls:
      mode: SIMPLE
      sni: {host}
      subjectAltNames: [{host}]
      caCertificates: {ca}
",
            name = self.mesh_name(),
            mesh_host = self.mesh_host,
            host = self.host,
            ca = self.trusted_ca,
        )
    }
}
