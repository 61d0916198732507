//! `reason`: what a reason code means, and what to do about it.

use crate::pages::{self, Row};
use crate::prose::{WIDTH, wrapped};
use anyhow::Context as _;
use clap::builder::{PossibleValuesParser, StringValueParser, TypedValueParser};
use cognito_authorizer::refusal::{Reason, Refusal};
use cognito_authorizer::reply::{Occasion, Reply, Responses};
use std::ffi::OsStr;
use std::io::Write;
use std::process::ExitCode;

/// Says what a reason code means, and what to do about it.
///
/// The code is what stands in the access log, in metrics and in Envoy's log at level debug. A
/// metric's whole name will do. Without a code, all of them are listed.
///
///   cognito-authorizer reason wrong_client
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// The code, such as token_expired, or the name of a metric that ends in it
    #[arg(value_parser = Code, hide_possible_values = true)]
    code: Option<String>,
}

/// A reason's code, alone or as the last part of a metric's name.
#[derive(Clone)]
struct Code;

impl TypedValueParser for Code {
    type Value = String;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<String, clap::Error> {
        let text = StringValueParser::new().parse_ref(command, argument, value)?;
        let code = text.rsplit(['.', '"', '\'']).find(|part| !part.is_empty());
        known().parse_ref(command, argument, OsStr::new(code.unwrap_or_default()))
    }

    fn possible_values(
        &self,
    ) -> Option<Box<dyn Iterator<Item = clap::builder::PossibleValue> + '_>> {
        let codes = Reason::ALL.map(|reason| reason.code().into());
        Some(Box::new(codes.into_iter()))
    }
}

fn known() -> PossibleValuesParser {
    PossibleValuesParser::new(Reason::ALL.map(Reason::code))
}

pub(crate) fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let Some(code) = &args.code else {
        list(out)?;
        return Ok(ExitCode::SUCCESS);
    };
    let mut reasons = Reason::ALL.into_iter();
    let reason = reasons.find(|reason| reason.code() == code);
    let reason = reason.context("found no reason of this code")?;
    let row = row(reason)?;
    let cell = |column| row.plain(column).context("found a row that ends too early");
    let (when, remedy) = (cell(WHEN)?, cell(REMEDY)?);
    let reply = reply(reason);
    writeln!(out, "{code}: {} {}\n", reply.status, reply.body)?;
    writeln!(out, "{}\n", wrapped(&format!("When: {when}"), WIDTH))?;
    let remedy = format!("What to do: {remedy}");
    writeln!(out, "{}\n", wrapped(&remedy, WIDTH))?;
    writeln!(
        out,
        "Counted in wasmcustom.cognito_authorizer.denied.{code}"
    )?;
    Ok(ExitCode::SUCCESS)
}

/// Every reason with its status, and the beginning of what the page says of it.
fn list(out: &mut dyn Write) -> anyhow::Result<()> {
    let longest = Reason::ALL.map(|reason| reason.code().len());
    let longest = longest.into_iter().max().unwrap_or_default();
    for reason in Reason::ALL {
        let when = row(reason)?.words(WHEN).unwrap_or_default();
        let status = reply(reason).status;
        let end = [". ", ", ", "; "].iter().filter_map(|end| when.find(end));
        let first = end.min().and_then(|end| when.get(..end));
        let first = first.unwrap_or_else(|| when.trim_end_matches('.'));
        let code = reason.code();
        writeln!(out, "{code:longest$}  {status}  {first}")?;
    }
    Ok(())
}

/// The columns of the table: code, status, when, and what to do.
const WHEN: usize = 2;
const REMEDY: usize = 3;

/// What the page says of a reason.
fn row(reason: Reason) -> anyhow::Result<Row> {
    let code = reason.code();
    let row = pages::table("reasons").find(|row| row.is_of(code));
    row.with_context(|| format!("found nothing about {code} on the page"))
}

/// What the client gets, unless the configuration's `responses` say otherwise.
fn reply(reason: Reason) -> Reply {
    Responses::default().reply(&Refusal::Plain(reason), &Occasion::default())
}
