//! `cognito-authorizer`: the filter's own core at a desk. What it says of a configuration or a
//! token is what Envoy will do, because it is the same code that says it.

mod check;
mod completions;
mod deny;
mod document;
mod endpoint;
mod example;
mod explain;
mod import;
mod init;
mod jwks;
mod locate;
mod man;
mod pages;
mod pool;
mod prose;
mod reason;
mod schema;
mod serve;
mod server;
mod status;
mod terminal;
mod token;

use clap::{Parser, Subcommand};
use std::io::{ErrorKind, Write};
use std::process::ExitCode;

/// What a script learns from the exit status, as every help page says it.
const EXIT_STATUS: &str = "\
Exit status:
  0  all is well: nothing is wrong with the configuration, the request would pass
  1  the answer is no, or something is listed: problems, losses, a refusal
  2  no answer: wrong usage, input that cannot be read, nothing of the authorizer in it,
     no keys by which to tell";

/// The answer is no.
const REFUSED: u8 = 1;
/// There is no answer. clap's own status for wrong usage is the same.
const UNREADABLE: u8 = 2;

/// Checks configurations of the Amazon Cognito authorizer for Envoy, explains its decisions, and
/// writes configurations for it. No token and no file leaves this machine.
#[derive(Parser)]
#[command(name = "cognito-authorizer", version, after_help = EXIT_STATUS)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    #[command(after_help = EXIT_STATUS)]
    Init(init::Args),
    #[command(after_help = EXIT_STATUS)]
    Check(check::Args),
    #[command(after_help = EXIT_STATUS)]
    Explain(explain::Args),
    #[command(after_help = EXIT_STATUS)]
    Token(token::Args),
    #[command(after_help = EXIT_STATUS)]
    Reason(reason::Args),
    #[command(after_help = EXIT_STATUS)]
    Import(import::Args),
    #[command(after_help = EXIT_STATUS)]
    Jwks(jwks::Args),
    #[command(after_help = EXIT_STATUS)]
    Deny(deny::Args),
    #[command(after_help = EXIT_STATUS)]
    Status(status::Args),
    Serve(serve::Args),
    #[command(after_help = EXIT_STATUS)]
    Schema(schema::Args),
    Completions(completions::Args),
    Man(man::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut out = std::io::stdout().lock();
    let outcome = match &cli.command {
        Command::Init(args) => init::run(args, &mut out),
        Command::Check(args) => check::run(args, &mut out),
        Command::Explain(args) => explain::run(args, &mut out),
        Command::Token(args) => token::run(args, &mut out),
        Command::Reason(args) => reason::run(args, &mut out),
        Command::Import(args) => import::run(args, &mut out),
        Command::Jwks(args) => jwks::run(args, &mut out),
        Command::Status(args) => status::run(args, &mut out),
        Command::Serve(args) => serve::run(args, &mut out),
        Command::Schema(args) => schema::run(args, &mut out),
        Command::Deny(args) => deny::run(args, &mut out),
        Command::Completions(args) => completions::run(args, &mut out),
        Command::Man(args) => man::run(args, &mut out),
    };
    let outcome = outcome.and_then(|status| {
        out.flush()?;
        Ok(status)
    });
    match outcome {
        Ok(status) => status,
        // A reader that has seen enough (`| head`) is no failure of ours.
        Err(error) if closed(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // If even this cannot be written, the exit status is all that is left to say.
            let text = format!("error: {error:#}");
            for line in text.lines() {
                let _ = writeln!(std::io::stderr(), "{}", explain::safe::safe(line));
            }
            ExitCode::from(UNREADABLE)
        }
    }
}

fn closed(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}
