//! `init`: from a user pool to files that a proxy starts with. They are the files under `envoy/`, with
//! what was in them about their example taken out, and what was asked for put in.

mod asked;
mod configuration;
mod envoy;
mod gateway;
mod istio;
mod kubernetes;
mod value;
mod wanted;

use crate::check;
use crate::endpoint::{Issuer, Proxy};
use crate::explain::safe::safe;
use crate::pool::{Named, TokenUse};
use crate::prose::{WIDTH, wrapped};
use anyhow::{Context as _, bail};
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use value::{Client, Listen, Upstream};
use wanted::Wanted;

/// Writes the files with which a proxy checks the tokens of a user pool.
///
/// They are complete: `check` finds nothing in them, and nothing in them is left to be filled in.
/// Every request then needs a valid token; rules say where more is asked for, or less. Called bare
/// on a terminal, it asks for what it needs.
///
///   cognito-authorizer init --pool eu-west-1_AbCdEf123 --client 1h57kf5c --for envoy
///
/// With several pools, each client is named with its own: --client eu-west-1_AbCdEf123=1h57kf5c.
#[derive(Clone, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// The id or the ARN of a user pool; may be repeated
    #[arg(long = "pool", value_name = "ID|ARN", value_parser = Named::new)]
    pools: Vec<Named>,
    /// An app client whose tokens are meant for this API; may be repeated
    #[arg(long = "client", value_name = "[POOL=]ID", value_parser = value::client)]
    clients: Vec<Client>,
    /// The proxy
    #[arg(long = "for", value_enum, value_name = "PROXY")]
    proxy: Option<Proxy>,
    /// The tokens that are taken: those for APIs, unless --token says otherwise
    #[arg(long = "use", value_enum, value_name = "USE")]
    token_use: Option<TokenUse>,
    /// A file with a token, or - for standard input: its pool, its app client and its use are meant
    #[arg(long, value_name = "FILE|-")]
    token: Option<String>,
    /// Which of the two issuers the pool has been set to use in tokens [default: original]
    #[arg(long, value_enum)]
    issuer: Option<Issuer>,
    /// Where requests go: for Envoy 127.0.0.1:3000 if not given, for the others a route is written
    /// only if it is
    #[arg(long, value_name = "HOST:PORT", value_parser = value::upstream)]
    upstream: Option<Upstream>,
    /// A web application whose scripts may call the API from another origin; may be repeated
    #[arg(long = "origin", value_name = "URL", value_parser = value::origin)]
    origins: Vec<String>,
    /// For Istio and Envoy Gateway, required: where they fetch the module, by digest. `make image`
    /// makes it and prints the digest
    #[arg(long, value_name = "HOST/NAME@sha256:DIGEST", value_parser = value::image)]
    image: Option<String>,
    /// For Envoy: the file that is the module [default: cognito_authorizer.wasm beside this program
    /// or where `make build` puts it, otherwise /etc/envoy/cognito_authorizer.wasm]
    #[arg(long, value_name = "FILE", value_parser = value::file)]
    module: Option<String>,
    /// For Envoy: where it listens [default: 8080, with --cert 8443, on every address]
    #[arg(long, value_name = "[ADDRESS:]PORT", value_parser = value::listen)]
    listen: Option<Listen>,
    /// For Envoy: the certificate, with which it speaks TLS to clients
    #[arg(long, value_name = "FILE", requires = "key", value_parser = value::file)]
    cert: Option<String>,
    /// For Envoy: the private key of the certificate
    #[arg(long, value_name = "FILE", requires = "cert", value_parser = value::file)]
    key: Option<String>,
    /// For Envoy: where its admin interface listens, for this machine only
    #[arg(long, value_name = "PORT", default_value_t = 9901, value_parser = clap::value_parser!(u16).range(1..))]
    admin_port: u16,
    /// For Envoy: where Prometheus finds the statistics
    #[arg(long, value_name = "PORT", default_value_t = 9902, value_parser = clap::value_parser!(u16).range(1..))]
    metrics_port: u16,
    /// The certificate authorities where the proxy runs [default:
    /// /etc/ssl/certs/ca-certificates.crt]
    #[arg(long, value_name = "FILE", value_parser = value::file)]
    trusted_ca: Option<String>,
    /// The gateway: for Envoy Gateway the name of the Gateway, for Istio the label `istio` of its pods
    /// [default: eg, ingressgateway]
    #[arg(long, value_name = "NAME", value_parser = value::name)]
    gateway: Option<String>,
    /// The namespace of the gateway [default: default, with Istio istio-system]
    #[arg(long, value_name = "NAME", value_parser = value::name)]
    namespace: Option<String>,
    /// The folder to write to; - for standard output, everything in one
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    output: PathBuf,
    /// Write over files that are there
    #[arg(long)]
    force: bool,
}

/// What is written, and what to do then.
struct Made {
    /// Names and texts, in the order in which they are applied.
    files: Vec<(String, String)>,
    /// The command lines that follow, by how each file is named there.
    next: Next,
    /// What else there is to know.
    remark: String,
}

type Next = Box<dyn Fn(&dyn Fn(&str) -> String) -> Vec<String>>;

pub(crate) fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let wanted = match asked::is_bare(args) {
        true => Wanted::of(&asked::ask(args)?)?,
        false => Wanted::of(args)?,
    };
    let made = match wanted.proxy {
        Proxy::Envoy => envoy::made(&wanted)?,
        Proxy::Istio => istio::made(&wanted)?,
        Proxy::Gateway => gateway::made(&wanted)?,
    };
    // What was asked for may be unwise (an example's pool), or more than the filter takes.
    let (refused, found) = check::of_written(&made.files)?;
    if refused {
        bail!("what was asked for makes no configuration:\n{found}");
    }
    let status = match found.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(crate::REFUSED),
    };
    if args.output == Path::new("-") {
        let texts = made.files.iter().map(|(_, text)| text.as_str());
        write!(out, "{}", texts.collect::<Vec<_>>().join("---\n"))?;
        if !found.is_empty() {
            let _ = writeln!(std::io::stderr(), "{}", found.trim_end());
        }
        return Ok(status);
    }
    write_files(&args.output, args.force, &made.files)?;
    let path = |name: &str| match args.output == Path::new(".") {
        true => name.to_owned(),
        false => safe(&args.output.join(name).display().to_string()),
    };
    let names = made.files.iter().map(|(name, _)| path(name));
    let names: Vec<_> = names.collect();
    writeln!(out, "Wrote {}.", names.join(", "))?;
    let check = format!("cognito-authorizer check {}", names.join(" "));
    writeln!(out, "\nNext:\n  {check}")?;
    for command in (made.next)(&path) {
        writeln!(out, "  {command}")?;
    }
    if !made.remark.is_empty() {
        writeln!(out, "\n{}", wrapped(&safe(&made.remark), WIDTH))?;
    }
    if !found.is_empty() {
        write!(out, "\n{found}")?;
    }
    Ok(status)
}

/// A bootstrap of Envoy alone, in which `check` finds no problem.
///
/// # Errors
/// Arguments that leave something open, or make no configuration.
pub(crate) fn bootstrap(args: &Args) -> anyhow::Result<String> {
    let made = envoy::made(&Wanted::of(args)?)?;
    let (refused, found) = check::of_written(&made.files)?;
    if refused {
        bail!("what was asked for makes no configuration:\n{found}");
    }
    Ok(made.files.into_iter().map(|(_, text)| text).collect())
}

/// Writes all of the files, or none if one of them is there.
fn write_files(folder: &Path, force: bool, files: &[(String, String)]) -> anyhow::Result<()> {
    let shown = |path: &Path| path.display().to_string();
    let paths = files.iter().map(|(name, text)| (folder.join(name), text));
    let paths: Vec<_> = paths.collect();
    for (path, _) in &paths {
        // A link that leads nowhere is there, too.
        if !force && path.symlink_metadata().is_ok() {
            bail!("{}: is there; --force writes over it", shown(path));
        }
    }
    std::fs::create_dir_all(folder).with_context(|| shown(folder))?;
    for (path, text) in &paths {
        let mut options = OpenOptions::new();
        options.write(true);
        match force {
            true => options.create(true).truncate(true),
            false => options.create_new(true),
        };
        let written = options
            .open(path)
            .and_then(|mut file| file.write_all(text.as_bytes()));
        written.with_context(|| shown(path))?;
    }
    Ok(())
}
