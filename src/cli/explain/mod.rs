//! `explain`: what becomes of a request, step by step, and why.

mod account;
mod answers;
mod deny_list;
pub(crate) mod keys;
mod question;

use crate::locate::{File, Located};
pub(crate) use account::read_instant;
pub(crate) use account::safe;
pub(crate) use account::{
    Account, Question, Secrets, State, StepTaken, Verdict, hangs_on, instant, span, steps, text,
    unchecked,
};
use account::{Paint, human, json};
use cognito_authorizer::policy::Policy;
use cognito_authorizer::time::Timestamp;
use question::HeaderLine;
pub(crate) use question::{clock, place};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;

/// Says why a request passes or is refused, step by step.
///
/// Each step of the decision with its verdict and cause, and then the reply that the client gets or
/// the headers that the upstream sees.
///
/// The decision is made by the code that makes it in Envoy. The token is sent nowhere, its
/// signature is never shown, and only a URL given to --jwks touches the network. What Envoy itself
/// does before the filter (normalize_path, its own 400s) is not part of the account.
///
///   pbpaste | cognito-authorizer explain --config authorizer.yaml --jwks jwks.json \
///       --token - --method GET --path /users/42
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// The configuration: the filter's own (YAML or JSON), or a file of Envoy, Istio or Envoy
    /// Gateway that has it in it; - for standard input
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The issuer's key set: a file, or the URL to fetch it from; not needed for inline keys. Without
    /// it the signature is not checked, and the verdict may be unknown
    #[arg(long, value_name = "FILE|URL")]
    jwks: Option<String>,
    /// The deny list: a file, as it is at `deny_list.uri`. Without it nobody looks whether the token is
    /// on it, and the verdict may be unknown
    #[arg(long, value_name = "FILE")]
    deny_list: Option<PathBuf>,
    /// What an authorizer has answered: a file, with the function's policy, its isAuthorized, or its error
    /// as Lambda tells of it. Without it the event is printed with which the authorizer would be asked,
    /// and the verdict may be unknown; may be given several times
    #[arg(long = "answer", value_name = "NAME=FILE")]
    answers: Vec<answers::NamedAnswer>,
    /// The client's address, by which a policy may decide, and which an event names
    #[arg(long, value_name = "IP")]
    source_ip: Option<std::net::IpAddr>,
    /// The token, which is put where the configuration looks first; - for standard input. Without
    /// it the request has none, unless a --header brings one
    #[arg(long, value_name = "TOKEN|-")]
    token: Option<String>,
    /// The request's method
    #[arg(long, default_value = "GET")]
    method: String,
    /// The request's path, with its query; or a URL, whose host is then the request's authority
    #[arg(long, value_name = "PATH|URL")]
    path: String,
    /// The request's authority; localhost unless --path or a header says otherwise
    #[arg(long)]
    host: Option<String>,
    /// A header of the request; may be given several times
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = HeaderLine::read)]
    headers: Vec<HeaderLine>,
    /// The time to decide at: RFC 3339, or seconds since 1970
    #[arg(long, value_name = "TIME", value_parser = read_instant)]
    now: Option<Timestamp>,
    /// For people, or for scripts
    ///
    /// JSON is one object: `verdict` (forwarded, refused, answered or unknown), `reason` (the reason code, or null),
    /// `metric` (the counter that grows, after wasmcustom.cognito_authorizer.), `reply` (status,
    /// headers, body) or `upstream` (headers; changes, each with its cause), `rule` (name, index,
    /// match, variables), `steps` (step, state: passed, failed, not_asked, not_checked or not_reached, reason,
    /// text, found, wanted), `request`, `now`, `notes`, `event` (what an authorizer is told, or null), and `enforced`: false where a refusal is only
    /// reported. Members may be added; none is renamed or
    /// taken away, but the wording of `text` and `notes` is free to change
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Human,
    Json,
}

pub(crate) fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let from_stdin = [
        args.config == Path::new("-"),
        args.token.as_deref() == Some("-"),
    ];
    anyhow::ensure!(
        from_stdin != [true, true],
        "found - for --config and for --token; expected one of them"
    );
    let file = File::read(&args.config)?;
    let located = file.only()?;
    let policy = policy(&file, located)?;
    if args.token.as_deref().is_some_and(|token| token != "-") {
        // If even this cannot be written, the account is still worth having.
        let _ = writeln!(
            std::io::stderr(),
            "warning: a token on the command line stays in the shell's history and shows in the list of processes; --token - reads it from standard input"
        );
    }
    let question = question::question(args, &policy)?;
    let account = Account::of(&Rc::new(policy), &located.config.value, &question);
    let text = match args.format {
        Format::Human => human(&account, paint()),
        Format::Json => json(&account),
    };
    out.write_all(text.as_bytes())?;
    Ok(match account.verdict {
        Verdict::Forwarded { .. } | Verdict::Answered(_) => ExitCode::SUCCESS,
        Verdict::Refused { .. } => ExitCode::from(crate::REFUSED),
        Verdict::Unknown { .. } => ExitCode::from(crate::UNREADABLE),
    })
}

/// Reads a configuration as the filter does, or says all that is wrong with it.
pub(crate) fn policy(file: &File, located: &Located) -> anyhow::Result<Policy> {
    located.parse().map_err(|problems| {
        let problems = problems.iter().map(|problem| match problem.path.as_str() {
            "" => format!("\n  {}", problem.text),
            path => format!("\n  {path}: {}", problem.text),
        });
        let problems: String = problems.collect();
        anyhow::anyhow!(
            "{}: the filter refuses this configuration{problems}",
            file.source.name()
        )
    })
}

/// Colours are for terminals, and for those who do not mind.
pub(crate) fn paint() -> Paint {
    match crate::terminal::is_coloured() {
        true => Paint::Colours,
        false => Paint::Plain,
    }
}
