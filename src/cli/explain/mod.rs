/// Placeholder
#[derive(clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: &Args, _out: &mut dyn std::io::Write) -> anyhow::Result<std::process::ExitCode> {
    anyhow::bail!("not there yet")
}
