//! `claim_headers` and `payload_header`: what the upstream is told.

use super::field::{Field, all};
use super::fields::Fields;
use super::place::quoted;
use super::problem::Parsed;
use crate::bearer::{TokenSource, TokenSources};
use crate::claim_headers::{ArrayFormat, ClaimHeader, ClaimHeaders, Encoding};
use crate::claims::ClaimPlace;
use crate::header::HeaderName;

/// The most claim headers: Envoy forwards a hundred headers in all unless told otherwise
/// (`max_headers_count`).
pub const MAX_CLAIM_HEADERS: usize = 100;

const FIELDS: [&str; 4] = ["header", "claim", "format", "encoding"];
const HEADER: &str = "the name of a header, such as x-cognito-sub";
const CLAIM: &str = "the name of a claim or a JSON Pointer, or a list of them";

/// The targets so far, each with its path. Two that write one header would each undo the other.
struct Targets<'s> {
    sources: Option<&'s TokenSources>,
    taken: Vec<(HeaderName, String)>,
}

/// Reads both fields; `sources` are the places that `token.from` reads, as far as they are known.
pub(super) fn read(fields: &Fields<'_>, sources: Option<&TokenSources>) -> Parsed<ClaimHeaders> {
    let mut targets = Targets {
        sources,
        taken: Vec::new(),
    };
    let headers = match fields.optional("claim_headers", "a list of claim headers") {
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
    Ok(ClaimHeaders {
        headers: headers?,
        payload: payload?,
    })
}

fn headers(field: &Field<'_>, targets: &mut Targets<'_>) -> Parsed<Vec<ClaimHeader>> {
    let items = field.list("an object with header and claim")?;
    if items.len() > MAX_CLAIM_HEADERS {
        let found = items.len();
        return Err(field.refuse(format_args!(
            "found {found} claim headers; expected at most {MAX_CLAIM_HEADERS}"
        )));
    }
    all(items.iter().map(|item| {
        let fields = item.fields(&FIELDS)?;
        let header = fields
            .required("header", HEADER)
            .and_then(|field| targets.take(&field));
        let claims = fields
            .required("claim", CLAIM)
            .and_then(|field| claims(&field));
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
        Ok(ClaimHeader {
            header: header?,
            claims: claims?,
            format: format?,
            encoding: encoding?,
        })
    }))
}

impl Targets<'_> {
    fn take(&mut self, field: &Field<'_>) -> Parsed<HeaderName> {
        let header = field.parsed(HeaderName::claim_target)?;
        let holds_tokens = self.sources.is_some_and(|sources| {
            sources
                .iter()
                .any(|source| matches!(source, TokenSource::Header(name) if *name == header))
        });
        if holds_tokens {
            return Err(field.refuse(format_args!(
                "found {:?}, which token.from reads; expected another header",
                header.as_str()
            )));
        }
        if let Some((_, earlier)) = self.taken.iter().find(|(name, _)| *name == header) {
            return Err(field.refuse(format_args!(
                "found {:?}, the target of {earlier}; expected each target once",
                header.as_str()
            )));
        }
        self.taken.push((header.clone(), field.path().to_owned()));
        Ok(header)
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
    ClaimPlace::new(text).ok_or_else(|| {
        // RFC 6901, section 3.
        field.refuse(format_args!(
            "found {}; expected a JSON Pointer, in which \"~\" stands before 0 or 1 only",
            quoted(text)
        ))
    })
}
