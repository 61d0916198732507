//! `serve`: what the image with Envoy in it starts: a configuration from environment variables, and
//! Envoy with it, in one process.

use crate::init;
use anyhow::{Context as _, bail};
use clap::Parser as _;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

/// Becomes an Envoy that checks the tokens of a user pool, as environment variables say.
///
///   POOL       the id or the ARN of a user pool; several with commas
///   CLIENT_ID  its app clients, with commas; with several pools, POOL=ID
///   UPSTREAM   where requests go, HOST:PORT
///   USE        access, id or any; otherwise access
///   ORIGIN     web applications that may call it from another origin, with commas
///   ISSUER     original, updated or both
///   LISTEN     the port, or ADDRESS:PORT; otherwise 8080
///   CERT, KEY  files, with which it speaks TLS to clients
///
/// They are the options of `init`, which writes the same configuration to a file. The image that a
/// release has starts with this:
///
///   docker run -p 8080:8080 -e POOL=… -e CLIENT_ID=… -e UPSTREAM=host.docker.internal:3000 IMAGE
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// Print the configuration, and start nothing
    #[arg(long)]
    print: bool,
    /// The program to become
    #[arg(long, value_name = "FILE", default_value = "envoy")]
    envoy: PathBuf,
    /// What else Envoy is told
    #[arg(last = true, value_name = "ARGUMENT")]
    arguments: Vec<String>,
}

/// A variable, the option that it is, and whether it may have several values.
const VARIABLES: [(&str, &str, bool); 13] = [
    ("POOL", "--pool", true),
    ("CLIENT_ID", "--client", true),
    ("UPSTREAM", "--upstream", false),
    ("USE", "--use", false),
    ("ORIGIN", "--origin", true),
    ("ISSUER", "--issuer", false),
    ("LISTEN", "--listen", false),
    ("CERT", "--cert", false),
    ("KEY", "--key", false),
    ("MODULE", "--module", false),
    ("TRUSTED_CA", "--trusted-ca", false),
    ("ADMIN_PORT", "--admin-port", false),
    ("METRICS_PORT", "--metrics-port", false),
];

/// Without these there is nothing to serve: in a container, an upstream on the loopback is nobody.
const REQUIRED: [&str; 3] = ["POOL", "CLIENT_ID", "UPSTREAM"];

const NO_PREDECESSOR: &str = "--disable-hot-restart";

/// `init`, as if it had been called.
#[derive(clap::Parser)]
struct Called {
    #[command(flatten)]
    args: init::Args,
}

pub(crate) fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let text = init::bootstrap(&called(&|name| std::env::var(name).ok())?)?;
    if args.print {
        out.write_all(text.as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut envoy = Command::new(&args.envoy);
    envoy.args(["--config-yaml", &text]).args(&args.arguments);
    // A container has no predecessor to take over from, and often no shared memory for it.
    if !args.arguments.iter().any(|one| one == NO_PREDECESSOR) {
        envoy.arg(NO_PREDECESSOR);
    }
    become_one(envoy).with_context(|| args.envoy.display().to_string())
}

/// The arguments of `init` that variables stand for.
fn called(variable: &dyn Fn(&str) -> Option<String>) -> anyhow::Result<init::Args> {
    let value = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
    let missing = REQUIRED.iter().filter(|name| value(name).is_none());
    let missing: Vec<_> = missing.copied().collect();
    if !missing.is_empty() {
        bail!(
            "missing {}; expected environment variables: docker run -e POOL=eu-west-1_… -e CLIENT_ID=… -e UPSTREAM=HOST:PORT",
            missing.join(", ")
        );
    }
    let mut arguments = ["init", "--for", "envoy"].map(str::to_owned).to_vec();
    for (name, option, several) in VARIABLES {
        let Some(value) = value(name) else { continue };
        let values: Vec<_> = match several {
            true => value.split(',').map(str::trim).collect(),
            false => vec![value.trim()],
        };
        let given = values.into_iter().map(|value| format!("{option}={value}"));
        arguments.extend(given);
    }
    let called = Called::try_parse_from(arguments);
    // The first paragraph names the option and what is wrong with it; usage is of another command.
    let called = called.map_err(|error| {
        let text = error.to_string();
        let text = text.split("\n\n").next().unwrap_or_default();
        let text = text.trim_start_matches("error: ").to_owned();
        let option = VARIABLES
            .iter()
            .rev()
            .find(|(_, option, _)| text.contains(option));
        match option {
            Some((name, ..)) => anyhow::anyhow!("{name}: {text}"),
            None => anyhow::anyhow!(text),
        }
    })?;
    Ok(called.args)
}

/// Signals then reach Envoy itself.
#[cfg(unix)]
fn become_one(mut command: Command) -> std::io::Result<ExitCode> {
    use std::os::unix::process::CommandExt as _;
    Err(command.exec())
}

#[cfg(not(unix))]
fn become_one(mut command: Command) -> std::io::Result<ExitCode> {
    let status = command.status()?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(code.unwrap_or(crate::UNREADABLE)))
}
