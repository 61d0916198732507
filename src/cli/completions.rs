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
    clap_complete::generate(args.shell, &mut command, name.clone(), &mut script);
    let script = String::from_utf8(script)?;
    let script = match args.shell {
        Shell::Bash => with_one_spelling(&script, &name),
        _ => script,
    };
    out.write_all(script.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// `clap_complete` names the state after a subcommand in two ways where a command has a hyphen in
/// its name: the one that is set is never asked for, and nothing after a subcommand is completed.
fn with_one_spelling(script: &str, name: &str) -> String {
    const BELOW: &str = "__subcmd__";
    let set = name.replace('-', "__");
    let asked = name.replace('-', BELOW);
    script.replace(&format!("{asked}{BELOW}"), &format!("{set}{BELOW}"))
}
