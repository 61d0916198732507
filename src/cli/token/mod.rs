//! `token`: what stands in a token, and what is wrong with it.

mod contents;
pub(crate) mod issuer;
mod paste;
mod question;

use crate::explain::safe::safe;
use crate::explain::{Account, Verdict, hangs_on, paint, read_instant, steps, unchecked};
use anyhow::Context as _;
use cognito_authorizer::time::Timestamp;
use contents::{Contents, Origin};
use paste::Paste;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Shows what stands in a token, and says what is wrong with it.
///
/// Header and claims, with times in words, and all that any configuration would refuse it for. The
/// signature is not checked without keys, and never shown; the token is sent nowhere.
///
/// With --config also whether that configuration would admit it, whatever its rules ask for; the
/// exit status is then that of `explain`, and 2 where it hangs on the signature. Otherwise it is 0 if
/// nothing is wrong with the token.
///
///   pbpaste | cognito-authorizer token -
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// A file with the token in it; - for standard input
    #[arg(value_name = "FILE|-")]
    token: String,
    /// The configuration: the filter's own (YAML or JSON), or a file of Envoy, Istio or Envoy
    /// Gateway that has it in it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The issuer's key set: a file, or the URL to fetch it from; not needed for inline keys
    #[arg(long, value_name = "FILE|URL", requires = "config")]
    jwks: Option<String>,
    /// The time to judge it at: RFC 3339, or seconds since 1970
    #[arg(long, value_name = "TIME", value_parser = read_instant)]
    now: Option<Timestamp>,
}

pub(crate) fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let paste = Paste::of(&paste::read(&args.token)?)?;
    let now = args.now.map_or_else(crate::explain::clock, Ok)?;
    let contents = Contents::of(&paste.compact);
    let mut text = contents.told(now);
    let mut wrong = paste.oddities.clone();
    let account = match &args.config {
        None => {
            wrong.extend(question::problems(&paste.compact, &contents, now)?);
            None
        }
        Some(config) => Some(question::put(args, config, &paste.compact, &contents, now)?),
    };
    for (title, lines) in [("Wrong", &wrong), ("Note", &paste.notes)] {
        if !lines.is_empty() {
            text.push_str(&format!("\n{title}\n"));
            for line in lines {
                text.push_str(&format!("  {}\n", safe(line)));
            }
        }
    }
    let status = match &account {
        Some(account) => verdict(&mut text, account),
        None if wrong.is_empty() => {
            text.push_str(
                "\nNothing is wrong with it, if its signature is good: that was not checked.\n",
            );
            text.push_str(&contents.configuration());
            0
        }
        None => crate::REFUSED,
    };
    // What would be refused as it was pasted is, whatever is said of the token in it.
    let status = match wrong.is_empty() {
        true => status,
        false => crate::REFUSED,
    };
    // A token may carry another one.
    let text = contents.secrets(&paste.compact).redact(&text);
    out.write_all(text.as_bytes())?;
    Ok(ExitCode::from(status))
}

/// Who issued the token that somebody pastes.
///
/// # Errors
/// No token, or not one of a user pool.
pub(crate) fn origin(place: &str) -> anyhow::Result<Origin> {
    let paste = Paste::of(&paste::read(place)?)?;
    let contents = Contents::of(&paste.compact);
    contents.origin().context("found no token of a user pool that names its app client; `cognito-authorizer token` shows what is in it")
}

/// What the configuration makes of the token, and the exit status for it.
fn verdict(text: &mut String, account: &Account) -> u8 {
    text.push('\n');
    steps(text, account, paint());
    let (verdict, status) = match &account.verdict {
        Verdict::Forwarded { .. } => ("ADMITTED".to_owned(), 0),
        Verdict::Unknown { lacks, .. } => (
            format!("UNKNOWN: admitted if {}", hangs_on(*lacks, "refused")),
            crate::UNREADABLE,
        ),
        Verdict::Refused { reason, unless, .. } => {
            let unless = unless.map_or("", unchecked);
            (format!("REFUSED {}{unless}", reason.code()), crate::REFUSED)
        }
        Verdict::Answered(_) => ("ANSWERED, whoever asks".to_owned(), crate::UNREADABLE),
    };
    text.push_str(&format!("\n{verdict}\n"));
    status
}
