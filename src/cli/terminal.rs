//! What the output goes to.

use std::io::IsTerminal;

/// Whether somebody looks at the output who wants colours (<https://no-color.org>).
pub(crate) fn is_coloured() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
    std::io::stdout().is_terminal() && !set("NO_COLOR") && !dumb
}
