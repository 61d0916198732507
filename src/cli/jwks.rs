//! `jwks`: where the keys of a user pool or an AWS account are, and what each proxy needs to get
//! there.

use crate::endpoint::{self, Endpoint, Gateway, Issuer, Proxy, TRUSTED_CA};
use crate::example::scalar;
use crate::pool::{self, Named};
use anyhow::ensure;
use clap::ValueEnum;
use std::io::Write;
use std::process::ExitCode;

/// Prints where the keys of a user pool or an AWS account are, and what a proxy needs to get there.
///
/// The output is YAML as a whole; --for leaves what is for one proxy, --only one part of it. Nothing
/// is fetched: all of this follows from the pool's id, or from the account's issuer.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The id of a user pool, its ARN, or what its tokens have as `iss`; or the issuer of an AWS
    /// account, which begins with https://, too.
    #[arg(value_name = "POOL|ISSUER", value_parser = keyholder)]
    keyholder: Keyholder,
    /// An app client whose tokens are meant for this API; may be repeated.
    #[arg(long = "client", value_name = "ID", value_parser = pool::client)]
    clients: Vec<String>,
    /// Which of the two issuers the pool has been set to use in tokens; both while it is switched.
    #[arg(long, value_enum)]
    issuer: Option<Issuer>,
    /// Only what is for this proxy.
    #[arg(long = "for", value_enum, value_name = "PROXY")]
    proxy: Option<Proxy>,
    /// Print only this.
    #[arg(long, value_enum)]
    only: Option<Part>,
    /// The file with certificate authorities in Envoy's container.
    #[arg(long, value_name = "FILE", default_value = TRUSTED_CA)]
    trusted_ca: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The entry of `user_pools` or `aws_accounts` in the filter's configuration.
    Pool,
    /// Envoy's cluster.
    Envoy,
    /// Istio's ServiceEntry and DestinationRule.
    Istio,
    /// Envoy Gateway's EnvoyPatchPolicy.
    Gateway,
}

/// Whose keys are wanted.
#[derive(Clone, Debug)]
enum Keyholder {
    /// With the issuer that it was named by, if it was.
    Pool(Named, Option<Issuer>),
    Account(AccountIssuer),
}

/// The issuer of an AWS account.
#[derive(Clone, Debug)]
struct AccountIssuer {
    iss: String,
    host: String,
}

fn keyholder(text: &str) -> Result<Keyholder, String> {
    if text.contains("cognito-idp.") && text.contains("://") {
        let (pool, issuer) = Named::of_issuer(text)?;
        return Ok(Keyholder::Pool(pool, Some(issuer)));
    }
    if text.contains("://") {
        return account(text).map(Keyholder::Account);
    }
    Ok(Keyholder::Pool(Named::new(text)?, None))
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

pub(crate) fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let (endpoint, iss) = match &args.keyholder {
        Keyholder::Pool(named, _) => Endpoint::of_pool(&named.pool, issuer(args)),
        Keyholder::Account(account) => {
            ensure!(
                args.issuer.is_none() && args.clients.is_empty(),
                "--issuer and --client are for user pools; an AWS account has one issuer, and no clients"
            );
            (Endpoint::of_account(&account.host), account.iss.clone())
        }
    };
    let wanted = |part| args.only.is_none_or(|only| only == part);
    let parts = [
        (Part::Envoy, Proxy::Envoy),
        (Part::Istio, Proxy::Istio),
        (Part::Gateway, Proxy::Gateway),
    ];
    let parts = parts
        .into_iter()
        .filter(|(part, proxy)| wanted(*part) && args.proxy.is_none_or(|meant| meant == *proxy));
    let parts: Vec<_> = parts.collect();
    ensure!(
        wanted(Part::Pool) || !parts.is_empty(),
        "found --only of another proxy than --for; expected one of them alone"
    );
    let entry = entry(args, &endpoint.cluster(args.proxy.unwrap_or(Proxy::Envoy)));
    if args.only.is_some() {
        if wanted(Part::Pool) {
            out.write_all(entry.as_bytes())?;
        }
        for (_, proxy) in parts {
            out.write_all(resources(&endpoint, proxy, args)?.as_bytes())?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    match &args.keyholder {
        Keyholder::Pool(Named { pool, .. }, _) => {
            writeln!(out, "# user pool        {}", pool.id().as_str())?;
            writeln!(out, "# region           {}", pool.region())?;
            writeln!(out, "# issuer original  {}", pool.original_issuer())?;
            writeln!(out, "# issuer updated   {}", pool.updated_issuer())?;
        }
        Keyholder::Account(account) => writeln!(out, "# issuer           {}", account.iss)?,
    }
    writeln!(out, "# keys             {iss}/.well-known/jwks.json\n")?;
    let elsewhere = match args.proxy {
        None => "; with Istio, see below for the cluster",
        Some(_) => "",
    };
    writeln!(
        out,
        "# In the filter's configuration{elsewhere}.\n{entry}---"
    )?;
    for (at, (_, proxy)) in parts.into_iter().enumerate() {
        let line = if at > 0 { "---\n" } else { "" };
        let comment = match proxy {
            Proxy::Envoy => "# In Envoy's configuration, among static_resources.\n".to_owned(),
            Proxy::Istio => format!(
                "# For Istio, where jwks.cluster is {:?}.\n#\n",
                endpoint.cluster(proxy)
            ),
            Proxy::Gateway => "# For Envoy Gateway.\n#\n".to_owned(),
        };
        let resources = resources(&endpoint, proxy, args)?;
        write!(out, "{line}{comment}{resources}")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What a proxy needs.
fn resources(endpoint: &Endpoint, proxy: Proxy, args: &Args) -> anyhow::Result<String> {
    let (endpoints, gateway) = (std::slice::from_ref(endpoint), Gateway::of(proxy));
    Ok(match proxy {
        Proxy::Envoy => {
            let clusters = endpoint::envoy(endpoints, &args.trusted_ca)?;
            format!("clusters:\n{clusters}")
        }
        Proxy::Istio => endpoint::istio(endpoints, &args.trusted_ca, &gateway)?,
        Proxy::Gateway => endpoint::gateway(endpoints, &args.trusted_ca, &gateway)?,
    })
}

/// Which the tokens name: as it was said, as it was named by, or as Cognito began.
fn issuer(args: &Args) -> Issuer {
    let by_name = match &args.keyholder {
        Keyholder::Pool(_, by_name) => *by_name,
        Keyholder::Account(_) => None,
    };
    args.issuer.or(by_name).unwrap_or(Issuer::Original)
}

/// The entry of the filter's configuration.
fn entry(args: &Args, cluster: &str) -> String {
    let cluster = scalar(cluster);
    let Named { field, name, .. } = match &args.keyholder {
        Keyholder::Pool(named, _) => named,
        Keyholder::Account(account) => {
            return format!(
                "\
aws_accounts:
- account: '' # its twelve digits
  issuer: {iss}
  audiences: [] # what callers have tokens made for, such as the URL of this API
  jwks:
    cluster: {cluster}
",
                iss = account.iss,
            );
        }
    };
    // `check` knows it for what it is.
    let clients = match args.clients.as_slice() {
        [] => "YOUR_CLIENT_ID".to_owned(),
        clients => pool::clients(clients),
    };
    format!(
        "\
user_pools:
- {field}: {name}
  client_ids: [{clients}]
  issuer: {issuer}
  jwks:
    cluster: {cluster}
",
        issuer = issuer(args).word(),
    )
}
