//! What is asked on a terminal, if nothing was said.

use super::Args;
use super::value;
use crate::endpoint::Proxy;
use crate::explain::safe::safe;
use crate::pool::Named;
use anyhow::bail;
use clap::ValueEnum as _;
use std::io::{IsTerminal as _, Write as _};

/// Whether there is somebody to ask who has said nothing yet.
pub(super) fn is_bare(args: &Args) -> bool {
    let bare = args.pools.is_empty()
        && args.clients.is_empty()
        && args.proxy.is_none()
        && args.token.is_none();
    bare && std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks for what `init` needs.
///
/// # Errors
/// The end of input.
pub(super) fn ask(args: &Args) -> anyhow::Result<Args> {
    let mut args = args.clone();
    args.pools = vec![asked("User pool, its id or ARN", "", Named::new)?];
    args.clients = asked(
        "App client whose tokens are meant; several with commas",
        "",
        |text| {
            let ids = text.split(',').map(|id| value::client(id.trim()));
            ids.collect::<Result<Vec<_>, _>>()
        },
    )?;
    let proxy = asked("Proxy: envoy, istio or gateway", "envoy", |text| {
        Proxy::from_str(text, true)
            .map_err(|_| format!("found {text:?}; expected envoy, istio or gateway"))
    })?;
    args.proxy = Some(proxy);
    if proxy == Proxy::Envoy {
        let question = "Where requests go, HOST:PORT";
        args.upstream = Some(asked(question, "127.0.0.1:3000", value::upstream)?);
    } else {
        let question =
            "Image of the module, HOST/NAME@sha256:DIGEST (`make image` prints the digest)";
        args.image = Some(asked(question, "", value::image)?);
    }
    let question =
        "Web application that calls it from another origin, such as https://app.example.com";
    args.origins = asked(question, "none", |text| match text {
        "none" => Ok(Vec::new()),
        text => Ok(vec![value::origin(text)?]),
    })?;
    Ok(args)
}

/// Asks until the answer will do. What is asked goes to where errors go: the output may be a file.
fn asked<T>(
    question: &str,
    default: &str,
    read: impl Fn(&str) -> Result<T, String>,
) -> anyhow::Result<T> {
    let mut terminal = std::io::stderr();
    loop {
        match default {
            "" => write!(terminal, "{question}: ")?,
            default => write!(terminal, "{question} [{default}]: ")?,
        }
        terminal.flush()?;
        let mut line = String::new();
        if std::io::stdin().read_line(&mut line)? == 0 {
            bail!("found the end of input; expected an answer");
        }
        let answer = match line.trim() {
            "" => default,
            answer => answer,
        };
        if answer.is_empty() {
            continue;
        }
        match read(answer) {
            Ok(value) => return Ok(value),
            Err(error) => writeln!(terminal, "  {}", safe(&error))?,
        }
    }
}
