//! `claim_headers`, `payload_header`, `principal_headers` and `context_headers`: what the upstream is told.

use super::claims::read_as;
use super::field::{Field, all};
use super::fields::Fields;
use super::owned::{FOLDED, INSTEAD};
use super::place::quoted;
use super::problem::Parsed;
use crate::authorizer::identity::IdentitySource;
use crate::bearer::{PROTOCOLS, TokenSource, TokenSources};
use crate::claim_headers::{ArrayFormat, ClaimHeader, ClaimHeaders, ContextHeader, Encoding};
use crate::claims::ClaimPlace;
use crate::header::HeaderName;
use crate::owned::HeaderAliases;
use crate::policy::Authorizer;

/// The most claim headers: Envoy forwards a hundred headers in all unless told otherwise
/// (`max_headers_count`).
pub const MAX_CLAIM_HEADERS: usize = 100;

const FIELDS: [&str; 5] = ["header", "claim", "read_as", "format", "encoding"];
const CONTEXT_FIELDS: [&str; 4] = ["header", "key", "format", "encoding"];
const HEADER: &str = "the name of a header, such as x-cognito-sub";
const CLAIM: &str = "the name of a claim or a JSON Pointer, or a list of them";

/// The targets so far, each with its path. Two that write one header would each undo the other.
struct Targets<'s> {
    sources: Option<&'s TokenSources>,
    authorizers: &'s [Authorizer],
    aliases: HeaderAliases,
    taken: Vec<(HeaderName, String)>,
}

/// Reads the four fields; `sources` and `authorizers` read headers themselves, as far as they are known.
pub(super) fn read(
    fields: &Fields<'_>,
    sources: Option<&TokenSources>,
    authorizers: &[Authorizer],
    aliases: HeaderAliases,
) -> Parsed<ClaimHeaders> {
    let mut targets = Targets {
        sources,
        authorizers,
        aliases,
        taken: Vec::new(),
    };
    let claimed = match fields.optional("claim_headers", "a list of claim headers") {
        None => Ok(Vec::new()),
        Some(field) => headers(&field, &mut targets),
    };
    let payload = fields
        .optional(
            "payload_header",
            "the name of a header, such as x-cognito-claims",
        )
        .map(|field| targets.take(&field))
        .transpose();
    let principals = match fields.optional("principal_headers", "a list of principal headers") {
        None => Ok(Vec::new()),
        Some(field) => headers(&field, &mut targets),
    };
    let context = match fields.optional("context_headers", "a list of context headers") {
        None => Ok(Vec::new()),
        Some(field) => context(&field, &mut targets),
    };
    Ok(ClaimHeaders {
        headers: claimed?,
        payload: payload?,
        principals: principals?,
        context: context?,
    })
}

fn context(field: &Field<'_>, targets: &mut Targets<'_>) -> Parsed<Vec<ContextHeader>> {
    let items = listed(field, "an object with header and key")?;
    all(items.iter().map(|item| {
        let fields = item.fields(&CONTEXT_FIELDS)?;
        let header = fields
            .required("header", HEADER)
            .and_then(|field| targets.take(&field));
        let key = fields
            .required("key", "a key of the answer's context, or principalId")
            .and_then(|field| field.text().map(str::to_owned));
        let (format, encoding) = writing(&fields);
        Ok(ContextHeader {
            header: header?,
            key: key?,
            format: format?,
            encoding: encoding?,
        })
    }))
}

fn listed<'doc>(field: &Field<'doc>, expected: &'static str) -> Parsed<Vec<Field<'doc>>> {
    let items = field.list(expected)?;
    if items.len() > MAX_CLAIM_HEADERS {
        let found = items.len();
        return Err(field.refuse(format_args!(
            "found {found} claim headers; expected at most {MAX_CLAIM_HEADERS}"
        )));
    }
    Ok(items)
}

fn writing(fields: &Fields<'_>) -> (Parsed<ArrayFormat>, Parsed<Encoding>) {
    let format = fields.word(
        "format",
        "comma, space or json",
        &[
            ("comma", ArrayFormat::Comma),
            ("space", ArrayFormat::Space),
            ("json", ArrayFormat::Json),
        ],
    );
    let encoding = fields.word(
        "encoding",
        "utf8 or percent",
        &[("utf8", Encoding::Utf8), ("percent", Encoding::Percent)],
    );
    (format, encoding)
}

fn headers(field: &Field<'_>, targets: &mut Targets<'_>) -> Parsed<Vec<ClaimHeader>> {
    let items = listed(field, "an object with header and claim")?;
    all(items.iter().map(|item| {
        let fields = item.fields(&FIELDS)?;
        let header = fields
            .required("header", HEADER)
            .and_then(|field| targets.take(&field));
        let claims = fields
            .required("claim", CLAIM)
            .and_then(|field| claims(&field));
        let read_as = read_as(&fields);
        let (format, encoding) = writing(&fields);
        Ok(ClaimHeader {
            header: header?,
            claims: claims?,
            read_as: read_as?,
            format: format?,
            encoding: encoding?,
        })
    }))
}

impl Targets<'_> {
    fn take(&mut self, field: &Field<'_>) -> Parsed<HeaderName> {
        let header = field.parsed(HeaderName::claim_target)?;
        let found = header.as_str();
        let places = self.sources.into_iter().flat_map(TokenSources::iter);
        for place in places {
            match place {
                TokenSource::Header(name, _) if *name == header => {
                    return Err(field.refuse(format_args!(
                        "found {found:?}, which token.from reads; expected another header"
                    )));
                }
                TokenSource::WebSocket(_) if header.as_str() == PROTOCOLS => {
                    return Err(field.refuse(format_args!(
                        "found {found:?}, which token.from reads; expected another header"
                    )));
                }
                TokenSource::Header(name, _) if self.are_one(name, &header) => {
                    return Err(field.refuse(format_args!(
                        "found {found:?}, {FOLDED} {:?}, which token.from reads; {INSTEAD}",
                        name.as_str()
                    )));
                }
                TokenSource::Header(..)
                | TokenSource::Query(_)
                | TokenSource::Cookie(_)
                | TokenSource::WebSocket(_)
                | TokenSource::Amplify(_) => {}
            }
        }
        let identities = self.authorizers.iter().enumerate();
        for (position, authorizer) in identities {
            for source in &authorizer.settings.identity {
                let IdentitySource::Header(identity) = source else {
                    continue;
                };
                let by = format!("authorizers[{position}].identity");
                if identity.name == header {
                    return Err(field.refuse(format_args!(
                        "found {found:?}, which {by} reads; expected another header"
                    )));
                }
                if self.are_one(&identity.name, &header) {
                    return Err(field.refuse(format_args!(
                        "found {found:?}, {FOLDED} {:?}, which {by} reads; {INSTEAD}",
                        identity.name.as_str()
                    )));
                }
            }
        }
        for (name, earlier) in &self.taken {
            if *name == header {
                return Err(field.refuse(format_args!(
                    "found {found:?}, the target of {earlier}; expected each target once"
                )));
            }
            if self.are_one(name, &header) {
                return Err(field.refuse(format_args!(
                    "found {found:?}, {FOLDED} {:?}, the target of {earlier}; {INSTEAD}",
                    name.as_str()
                )));
            }
        }
        self.taken.push((header.clone(), field.path().to_owned()));
        Ok(header)
    }

    /// Whether two names are one to servers that fold names, which is of no matter with `keep`.
    fn are_one(&self, name: &HeaderName, other: &HeaderName) -> bool {
        self.aliases == HeaderAliases::Strip && name.folds_to(other.as_str())
    }
}

fn claims(field: &Field<'_>) -> Parsed<Vec<ClaimPlace>> {
    if field.as_text().is_some() {
        return claim(field).map(|place| vec![place]);
    }
    field.each("the name of a claim or a JSON Pointer", claim)
}

fn claim(field: &Field<'_>) -> Parsed<ClaimPlace> {
    let text = field.text()?;
    let place = ClaimPlace::new(text).ok_or_else(|| {
        // RFC 6901, section 3.
        field.refuse(format_args!(
            "found {}; expected a JSON Pointer, in which \"~\" stands before 0 or 1 only",
            quoted(text)
        ))
    })?;
    if place.wildcards() > 0 {
        return Err(field.refuse(format_args!(
            "found {}; expected the number of an element: a header has the value of one claim",
            quoted(text)
        )));
    }
    Ok(place)
}
