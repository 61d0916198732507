//! `completions`: what a shell needs to know to complete a command line.

use crate::Cli;
use clap::CommandFactory;
use clap_complete::Shell;
use std::io::Write;
use std::process::ExitCode;

/// Prints the completion script of a shell.
#[derive(clap::Args)]
#[command(after_help = "\
For example, for all users' bash:
  cognito-authorizer completions bash > /etc/bash_completion.d/cognito-authorizer")]
pub(crate) struct Args {
    shell: Shell,
}

pub(crate) fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    // The generator panics when its writer fails; memory does not.
    let mut script = Vec::new();
    let mut command = Cli::command();
    let name = command.get_name().to_owned();
    clap_complete::generate(args.shell, &mut command, name, &mut script);
    out.write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}
