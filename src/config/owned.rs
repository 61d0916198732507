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
use std::cell::RefCell;
use std::collections::HashMap;

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

/// The headers that rules compare with claims, by what servers that fold names make of them: each with
/// the first place that names it.
#[derive(Default)]
pub(super) struct BoundHeaders(RefCell<HashMap<String, (HeaderName, String)>>);

impl BoundHeaders {
    /// What is wrong with a header that a rule compares with claims. The upstream must get what was
    /// compared: a header that the filter writes, takes off, or takes for an alias, is of no use.
    pub(super) fn problem_with(
        &self,
        header: &HeaderName,
        path: &str,
        sources: Option<&TokenSources>,
        claim_headers: Option<&ClaimHeaders>,
        aliases: HeaderAliases,
    ) -> Option<String> {
        let places = sources.into_iter().flat_map(TokenSources::iter);
        let places: Vec<_> = places.filter_map(TokenSource::header).collect();
        let places = places.iter().map(|name| (name, "token.from reads"));
        let written = claim_headers.into_iter().flat_map(ClaimHeaders::names);
        let written = written.map(|name| (name, "the filter itself writes"));
        let mut others = places.chain(written);
        let problem = others.find_map(|(name, does)| {
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
        });
        match aliases {
            HeaderAliases::Strip => problem.or_else(|| self.alias(header, path)),
            HeaderAliases::Keep => problem,
        }
    }

    /// What is wrong with a header of which a rule compares an alias: it would be taken off.
    fn alias(&self, header: &HeaderName, path: &str) -> Option<String> {
        let mut named = self.0.borrow_mut();
        let first = named.entry(header.folded());
        let (name, place) = first.or_insert_with(|| (header.clone(), path.to_owned()));
        (name != header).then(|| {
            format!(
                "found {:?}, {FOLDED} {:?}, which {place} reads; {INSTEAD}",
                header.as_str(),
                name.as_str()
            )
        })
    }
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
