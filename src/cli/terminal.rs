//! What the output goes to.

use std::io::IsTerminal;

/// Whether somebody looks at the output who wants colours (<https://no-color.org>), or asks for them
/// where nobody looks yet, as the logs of a CI job (<https://bixense.com/clicolors>).
pub(crate) fn is_coloured() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is = |name, wanted| std::env::var_os(name).is_some_and(|value| value == wanted);
    let forced = set("CLICOLOR_FORCE") && !is("CLICOLOR_FORCE", "0");
    let looked_at = std::io::stdout().is_terminal() && !is("TERM", "dumb");
    (forced || looked_at) && !set("NO_COLOR")
}
