//! `responses`: what the refused are told.

use super::field::{Field, all};
use super::fields::Fields;
use super::place::quoted;
use super::problem::Parsed;
use crate::header::{HeaderName, InvalidHeader, is_header_value};
use crate::reply::{NOT_MODIFIED, Override, ReplyKind, Responses, Style, Template};
use std::collections::HashMap;
use std::ops::RangeInclusive;

/// `status`: a refusal is no success, and Envoy sends no informational status as a reply. 302 leads
/// browsers to the sign-in page.
const STATUS: RangeInclusive<usize> = 300..=599;

const OVERRIDE_FIELDS: [&str; 4] = ["status", "headers", "body", "navigation"];
const OVERRIDE: &str = "an object with status, headers or body";

/// Reads `responses`.
pub(super) fn read(fields: &Fields<'_>) -> Parsed<Responses> {
    let Some(field) = fields.optional(
        "responses",
        "an object with style and the replies to change",
    ) else {
        return Ok(Responses::default());
    };
    let mut known = vec!["style"];
    known.extend(ReplyKind::ALL.map(ReplyKind::name));
    let fields = field.fields(&known)?;
    let style = fields.word(
        "style",
        "rfc6750 or api_gateway",
        &[
            ("rfc6750", Style::Rfc6750),
            ("api_gateway", Style::ApiGateway),
        ],
    );
    let [
        unauthorized,
        expired_token,
        access_denied,
        authorizer_failure,
        authorizer_configuration_error,
        bad_request,
    ] = ReplyKind::ALL.map(|kind| {
        fields
            .optional(kind.name(), OVERRIDE)
            .map_or_else(|| Ok(Override::default()), |field| changed(&field))
    });
    Ok(Responses {
        style: style?,
        unauthorized: unauthorized?,
        expired_token: expired_token?,
        access_denied: access_denied?,
        authorizer_failure: authorizer_failure?,
        authorizer_configuration_error: authorizer_configuration_error?,
        bad_request: bad_request?,
    })
}

fn changed(field: &Field<'_>) -> Parsed<Override> {
    let fields = field.fields(&OVERRIDE_FIELDS)?;
    let status = status(&fields);
    let usual = replaced(&fields, status, status);
    let navigation = fields
        .optional("navigation", OVERRIDE)
        .map(|field| {
            let [own, headers, body, _] = OVERRIDE_FIELDS;
            let fields = field.fields(&[own, headers, body])?;
            let own = self::status(&fields);
            // Without a status of its own it has that of the usual reply.
            let sent = match own {
                Ok(None) => status,
                own => own,
            };
            replaced(&fields, own, sent).map(Box::new)
        })
        .transpose();
    Ok(Override {
        navigation: navigation?,
        ..usual?
    })
}

fn status(fields: &Fields<'_>) -> Parsed<Option<u16>> {
    let expected = format!("a status from {} to {}", STATUS.start(), STATUS.end());
    fields
        .optional("status", expected)
        .map(|field| {
            let status = field.integer(&STATUS)?;
            u16::try_from(status).map_err(|_| field.wrong())
        })
        .transpose()
}

/// Reads the rest of what replaces a reply: beside its own status, of what is sent with that one.
fn replaced(
    fields: &Fields<'_>,
    status: Parsed<Option<u16>>,
    sent: Parsed<Option<u16>>,
) -> Parsed<Override> {
    let headers = fields
        .optional("headers", "an object of header names and values")
        .map_or(Ok(Vec::new()), |field| headers(&field));
    let body = fields
        .optional("body", "a text")
        .map(|field| {
            if matches!(sent, Ok(Some(NOT_MODIFIED))) {
                return Err(field.refuse(
                    "found a body beside status 304; expected none, for a reply of that status has none",
                ));
            }
            field.parsed(Template::new)
        })
        .transpose();
    Ok(Override {
        status: status?,
        headers: headers?,
        body: body?,
        navigation: None,
    })
}

/// Reads headers; an empty value, which takes one of ours away, is fine.
fn headers(field: &Field<'_>) -> Parsed<Vec<(HeaderName, Template)>> {
    let mut seen = HashMap::new();
    let entries = field.entries("a text, or an empty one to remove the header")?;
    all(entries.iter().map(|(name, field)| {
        let header = reply_header(name).map_err(|error| field.refuse(error));
        // Names that differ in letter case alone are two members, but one header.
        let unique = match &header {
            Ok(header) => match seen.insert(header.clone(), *name) {
                None => Ok(()),
                Some(earlier) => Err(field.refuse(format_args!(
                    "found the header {earlier:?} in other letters; expected each header once"
                ))),
            },
            Err(reported) => Err(*reported),
        };
        let value = field.parsed(|text| {
            if is_header_value(text) {
                Template::new(text).map_err(|unknown| unknown.to_string())
            } else {
                Err(InvalidHeader::Value.to_string())
            }
        });
        unique?;
        Ok((header?, value?))
    }))
}

/// A header that a reply may carry: neither a pseudo-header nor one that frames the message.
fn reply_header(name: &str) -> Result<HeaderName, String> {
    HeaderName::reply(name).map_err(|error| match error {
        InvalidHeader::Reserved(_) => format!(
            "found {}; expected a header that is not Envoy's own to write",
            quoted(name)
        ),
        InvalidHeader::Name(_) | InvalidHeader::Value => error.to_string(),
    })
}
