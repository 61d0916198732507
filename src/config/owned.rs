//! `method_override`, `host_override`, `path_override` and `header_aliases`: which headers are the
//! filter's own.

use super::fields::Fields;
use super::problem::Parsed;
use crate::bearer::{TokenSource, TokenSources};
use crate::claim_headers::ClaimHeaders;
use crate::header::HeaderName;
use crate::owned::{
    HOST_OVERRIDES, HeaderAliases, METHOD_OVERRIDES, Override, PATH_OVERRIDES, Purpose,
    preflight_headers,
};
use crate::policy::{
    Authorizer, Preflight, decides_by_hosts, decides_by_methods, decides_by_paths,
};
use crate::resource::Resources;
use crate::rules::Rules;
use std::collections::HashSet;

/// What becomes of headers that name another method, host or path.
#[derive(Clone, Copy)]
pub(super) struct Overrides {
    pub(super) method: Override,
    host: Override,
    path: Override,
}

/// Reads the three words.
pub(super) fn overrides(fields: &Fields<'_>) -> Parsed<Overrides> {
    let word = |name| {
        let words = [("strip", Override::Strip), ("keep", Override::Keep)];
        fields.word(name, "strip or keep", &words)
    };
    let (method, host, path) = (
        word("method_override"),
        word("host_override"),
        word("path_override"),
    );
    Ok(Overrides {
        method: method?,
        host: host?,
        path: path?,
    })
}

/// Reads `header_aliases`, and refuses two places of tokens of which one is an alias of the other:
/// it would be taken off.
pub(super) fn aliases(
    fields: &Fields<'_>,
    sources: Option<&TokenSources>,
) -> Parsed<HeaderAliases> {
    let aliases = fields.word(
        "header_aliases",
        "strip or keep",
        &[
            ("strip", HeaderAliases::Strip),
            ("keep", HeaderAliases::Keep),
        ],
    )?;
    let mut places: Vec<(usize, &HeaderName)> = Vec::new();
    for (position, place) in sources.into_iter().flat_map(TokenSources::iter).enumerate() {
        let TokenSource::Header(name, _) = place else {
            continue;
        };
        let mut earlier = places.iter();
        if aliases == HeaderAliases::Strip
            && let Some((at, _)) =
                earlier.find(|(_, earlier)| name != *earlier && name.folds_to(earlier.as_str()))
        {
            return Err(fields.refuse_below(
                &format!("token.from[{position}].header"),
                format_args!(
                    "found {:?}, {FOLDED} the place of token.from[{at}]; {INSTEAD}",
                    name.as_str()
                ),
            ));
        }
        places.push((position, name));
    }
    Ok(aliases)
}

/// What is wrong with a header that a rule compares with claims. The upstream must get what was
/// compared: a header that the filter writes, takes off, or takes for an alias, is of no use.
pub(super) fn problem_with_bound(
    header: &HeaderName,
    sources: Option<&TokenSources>,
    claim_headers: Option<&ClaimHeaders>,
    aliases: HeaderAliases,
) -> Option<String> {
    let places = sources.into_iter().flat_map(TokenSources::iter);
    let places: Vec<_> = places.filter_map(TokenSource::header).collect();
    let places = places.iter().map(|name| (name, "token.from reads"));
    let written = claim_headers.into_iter().flat_map(ClaimHeaders::names);
    let written = written.map(|name| (name, "the filter itself writes"));
    places.chain(written).find_map(|(name, does)| {
        let (found, name) = (header.as_str(), name.as_str());
        if found == name {
            Some(format!(
                "found {found:?}, which {does}; expected another header"
            ))
        } else if aliases == HeaderAliases::Strip && header.folds_to(name) {
            Some(format!(
                "found {found:?}, {FOLDED} {name:?}, which {does}; {INSTEAD}"
            ))
        } else {
            None
        }
    })
}

/// Refuses rules that compare two headers of which one is an alias of the other: it would be taken
/// off.
pub(super) fn told_apart(fields: &Fields<'_>, rules: &Rules, aliases: HeaderAliases) -> Parsed<()> {
    // Most rules name the same one.
    let mut seen = HashSet::new();
    let bound = rules.bound_headers().filter(|header| seen.insert(*header));
    let bound: Vec<_> = bound.collect();
    for (at, header) in bound.iter().enumerate() {
        let mut earlier = bound.iter().take(at);
        if aliases == HeaderAliases::Strip
            && let Some(other) =
                earlier.find(|other| *other != header && header.folds_to(other.as_str()))
        {
            return Err(fields.refuse_at(
                "rules",
                format_args!(
                    "found {{header.{}}}, {FOLDED} {{header.{}}}; {INSTEAD}",
                    header.as_str(),
                    other.as_str()
                ),
            ));
        }
    }
    Ok(())
}

/// How a problem says that a name is an alias of what it names next.
pub(super) const FOLDED: &str = "which servers that fold header names take for";

/// What a problem expects instead of an alias.
pub(super) const INSTEAD: &str = "expected another header, or header_aliases: keep";

impl Overrides {
    /// The headers that are the filter's own under this configuration.
    pub(super) fn owned(
        &self,
        rules: &Rules,
        resources: &Resources,
        preflight: Preflight,
        claim_headers: &ClaimHeaders,
        sources: &TokenSources,
        authorizers: &[Authorizer],
    ) -> Vec<(HeaderName, Purpose)> {
        let by_method = decides_by_methods(rules, resources, preflight);
        let mut owned = Vec::new();
        let mut add = |names: &[&'static str], purpose| {
            let names = names.iter().map(|name| HeaderName::known(name));
            owned.extend(names.map(|name| (name, purpose)));
        };
        if by_method && self.method == Override::Strip {
            add(&METHOD_OVERRIDES, Purpose::Method);
        }
        if decides_by_hosts(rules, resources) && self.host == Override::Strip {
            add(&HOST_OVERRIDES, Purpose::Host);
        }
        if decides_by_paths(rules, resources) && self.path == Override::Strip {
            add(&PATH_OVERRIDES, Purpose::Path);
        }
        let claims = claim_headers.names().cloned();
        owned.extend(claims.map(|name| (name, Purpose::Claim)));
        let places = sources.iter().filter_map(TokenSource::header);
        owned.extend(places.map(|name| (name, Purpose::Token)));
        // What an authorizer judged under this name the upstream must not find under another.
        let identities = authorizers.iter().flat_map(Authorizer::identity_headers);
        owned.extend(identities.map(|name| (name.clone(), Purpose::Token)));
        let bound = rules.bound_headers().cloned();
        owned.extend(bound.map(|name| (name, Purpose::Bound)));
        if preflight == Preflight::Pass {
            let names = preflight_headers().map(HeaderName::known);
            owned.extend(names.map(|name| (name, Purpose::Preflight)));
        }
        owned
    }
}
