//! `man`: the manual, one page for the tool and one for each of its commands.

use crate::Cli;
use anyhow::Context;
use clap::CommandFactory;
use clap_mangen::Man;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Prints the manual page, or writes the pages of all commands to a directory.
#[derive(clap::Args)]
#[command(after_help = "\
To read it:
  cognito-authorizer man | man -l -")]
pub(crate) struct Args {
    /// Write cognito-authorizer.1 and a page for each command there, instead; it is made if need be.
    #[arg(long, value_name = "DIRECTORY")]
    directory: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    // A page for `help` would only list the others.
    let command = Cli::command().disable_help_subcommand(true);
    match &args.directory {
        Some(directory) => std::fs::create_dir_all(directory)
            .and_then(|()| clap_mangen::generate_to(command, directory))
            .with_context(|| format!("{}", directory.display()))?,
        None => Man::new(command).render(&mut &mut *out)?,
    }
    Ok(ExitCode::SUCCESS)
}
