//! `protected_resources`: whose metadata the filter answers for (RFC 9728).

use super::field::{Field, all};
use super::fields::Fields;
use super::issuer;
use super::matching;
use super::place::quoted;
use super::problem::{Parsed, Reported};
use super::wanted;
use crate::policy::Pool;
use crate::resource::{Clash, METHODS, Resource, Resources, WELL_KNOWN};
use crate::rules::pattern::{Match, Method, PathCase, PathPattern};
use std::collections::HashSet;

/// The most protected resources: as many as there may be claim headers, and more than one Envoy
/// has services worth a metadata document of their own.
pub const MAX_RESOURCES: usize = 100;

const FIELDS: [&str; 4] = [
    "match",
    "resource",
    "authorization_servers",
    "scopes_supported",
];

const ENTRY: &str = "an object with match, resource and authorization_servers";
const RESOURCE: &str = "the URL of the resource, such as https://api.example.com/mcp";
const SERVERS: &str = "a list of URLs, or of the word pools for the issuers of user_pools";

/// Reads `protected_resources`. Of pools that could not be read nothing is said.
pub(super) fn read(
    fields: &Fields<'_>,
    path_case: PathCase,
    pools: Option<&[Pool]>,
) -> Parsed<Resources> {
    let expected = format!("a list of at most {MAX_RESOURCES} protected resources");
    let Some(field) = fields.optional("protected_resources", expected) else {
        return Ok(Resources::default());
    };
    let entries = field.list(ENTRY)?;
    if entries.len() > MAX_RESOURCES {
        let found = entries.len();
        return Err(field.refuse(format_args!(
            "found {found} protected resources; expected at most {MAX_RESOURCES}"
        )));
    }
    let resources = all(entries.iter().map(|entry| resource(entry, pools)))?;
    Resources::new(&resources, path_case).map_err(|clashes| refused(fields, &clashes))
}

fn resource(entry: &Field<'_>, pools: Option<&[Pool]>) -> Parsed<Resource> {
    let fields = entry.fields(&FIELDS)?;
    let matches = matching::read(&fields);
    let identifier = fields
        .required("resource", RESOURCE)
        .and_then(|field| identifier(&field));
    let authorization_servers = fields
        .required("authorization_servers", SERVERS)
        .and_then(|field| servers(&field, pools));
    let scopes = fields
        .optional("scopes_supported", "a list of scopes")
        .map_or(Ok(Vec::new()), |field| {
            let one = "a scope without spaces and quotes";
            field.each(one, |item| wanted::scope(item).map(str::to_owned))
        });
    let (identifier, metadata_url, metadata) = identifier?;
    Ok(Resource {
        matches: matches?,
        metadata,
        metadata_url,
        identifier,
        authorization_servers: authorization_servers?,
        scopes_supported: scopes?,
    })
}

/// Reads `resource`, which is kept to the letter: the identifier, the URL of its metadata, and the
/// requests for that.
///
/// RFC 9728, section 1.2, wants https; http is for a desk. A query would have to be part of every
/// request for the metadata.
fn identifier(field: &Field<'_>) -> Parsed<(String, String, Match)> {
    let parts = field.parsed(issuer::absolute)?;
    if parts.path.contains('?') {
        return Err(field.refuse(format_args!(
            "found {}; expected a URL without query",
            quoted(&parts.uri)
        )));
    }
    // It is repeated in `www-authenticate`, in quotes.
    if parts.uri.contains('"') {
        return Err(field.refuse(format_args!(
            "found {}; expected a URL without quotes",
            quoted(&parts.uri)
        )));
    }
    // The slash of a URL that is a host alone stands before nothing.
    let below = match parts.path.as_str() {
        "/" => "",
        path => path,
    };
    let path = format!("{WELL_KNOWN}{below}");
    let metadata_url = format!("{}://{}{path}", parts.scheme, parts.authority);
    let path = PathPattern::exact(&path).map_err(|error| field.refuse(error))?;
    let methods = METHODS.iter().map(|method| Method::new(method));
    let metadata = Match {
        path,
        methods: methods
            .collect::<Result<_, _>>()
            .map_err(|error| field.refuse(error))?,
        hosts: Vec::new(),
    };
    Ok((parts.uri, metadata_url, metadata))
}

/// Reads `authorization_servers`, with the issuers in place of the word for them.
fn servers(field: &Field<'_>, pools: Option<&[Pool]>) -> Parsed<Vec<String>> {
    let named = field.each("a URL, or the word pools", |item| {
        if item.any_text()? != "pools" {
            return issuer::url(item).map(|(url, _)| vec![url]);
        }
        match pools {
            Some([]) => Err(item.refuse(
                "found pools, but there are no user_pools; expected the URL of an authorization server",
            )),
            Some(pools) => Ok(pools
                .iter()
                .flat_map(|pool| [Some(pool.issuer.clone()), pool.second_issuer.clone()])
                .flatten()
                .collect()),
            // They were refused, so that there is no configuration.
            None => Ok(Vec::new()),
        }
    })?;
    let mut seen = HashSet::new();
    let servers = named.into_iter().flatten();
    Ok(servers
        .filter(|server| seen.insert(server.clone()))
        .collect())
}

fn refused(fields: &Fields<'_>, clashes: &[Clash]) -> Reported {
    let mut reported = None;
    for clash in clashes {
        reported = Some(match clash {
            Clash::Metadata(one) => fields.refuse_below(
                &format!("protected_resources[{}].resource", one.rule),
                format_args!(
                    "found the path of protected_resources[{}], whose metadata would be answered; expected another, or other hosts",
                    one.hidden_by
                ),
            ),
            Clash::Match(one) => fields.refuse_below(
                &format!("protected_resources[{}].match", one.rule),
                format_args!(
                    "found a match that can never be reached; protected_resources[{}] matches all of it",
                    one.hidden_by
                ),
            ),
        });
    }
    reported.unwrap_or_else(|| {
        fields.refuse_at(
            "protected_resources",
            "found resources that cannot be compiled; expected others",
        )
    })
}
