//! What Istio's resources and Envoy Gateway's have in common: kubectl applies them, and shows them.

use super::Made;
use super::configuration;
use super::wanted::Wanted;

/// What the authorizer's resource says of itself: where it stands, and for whose tokens.
pub(super) fn head(place: &str, wanted: &Wanted) -> String {
    configuration::comment(&format!(
        "The authorizer {place}, for the tokens of {}. Needs keys.yaml.",
        wanted.names()
    ))
}

/// Files in the order in which they are applied, keys first: without them every token gets 503.
/// Then resources whose status says whether all is well.
pub(super) fn made(files: Vec<(String, String)>, status: Vec<String>, remark: String) -> Made {
    let names: Vec<_> = files.iter().map(|(name, _)| name.clone()).collect();
    Made {
        files,
        next: Box::new(move |path| {
            let files = names.iter().map(|name| format!(" -f {}", path(name)));
            let apply = format!("kubectl apply{}", files.collect::<String>());
            let shown = status.iter().map(|what| format!("kubectl {what}"));
            std::iter::once(apply).chain(shown).collect()
        }),
        remark,
    }
}
