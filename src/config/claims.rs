//! `claims`: what is asked of each claim.

use super::field::{Field, all};
use super::fields::Fields;
use super::place::quoted;
use super::problem::Parsed;
use super::wanted::{self, Elements, Names};
use crate::claims::{ClaimPlace, MAX_WILDCARDS, ReadAs};
use crate::rules::expression::Expression;
use crate::rules::requirement::{ClaimCondition, Listed, Presence};
use serde_json::Value;

const FIELDS: [&str; 8] = [
    "any", "all", "none", "prefix", "suffix", "regex", "present", "read_as",
];
/// What only a claim that is there can meet.
const OF_PRESENT_ONES: [&str; 5] = ["any", "all", "prefix", "suffix", "regex"];
const EXPECTED: &str = "a text, number or boolean, a list of them, or an object of matchers";

/// Reads `claims`.
pub(super) fn read(fields: &Fields<'_>, names: Names<'_>) -> Parsed<Vec<ClaimCondition>> {
    let Some(field) = fields.optional("claims", "an object of claims and their wanted values")
    else {
        return Ok(Vec::new());
    };
    let entries = field.entries(EXPECTED)?;
    if entries.is_empty() {
        return Err(field.wrong());
    }
    all(entries.iter().map(|(name, field)| {
        let place = place(name, field);
        let condition = match field.value() {
            Value::Object(_) => matchers(field, names),
            Value::Array(_) => wanted::any(field, Elements::Claim, names).map(listed),
            _ => wanted::value(field, names).map(|value| {
                listed(Listed {
                    any: vec![value],
                    ..Listed::default()
                })
            }),
        };
        Ok(ClaimCondition {
            place: place?,
            ..condition?
        })
    }))
}

/// A condition on a claim whose place is read elsewhere.
fn listed(listed: Listed) -> ClaimCondition {
    ClaimCondition {
        listed,
        ..ClaimCondition::on(ClaimPlace::Name(String::new()))
    }
}

fn place(name: &str, field: &Field<'_>) -> Parsed<ClaimPlace> {
    let place = ClaimPlace::new(name).ok_or_else(|| {
        field.refuse(format_args!(
            "found {}; expected the name of a claim, or a JSON Pointer",
            quoted(name)
        ))
    })?;
    if name == "/*" || name.starts_with("/*/") {
        return Err(field.refuse(format_args!(
            "found {}; expected the name of a claim before *, which stands for the elements of a list",
            quoted(name)
        )));
    }
    let wildcards = place.wildcards();
    if wildcards > MAX_WILDCARDS {
        return Err(field.refuse(format_args!(
            "found {wildcards} times * in {}; expected at most {MAX_WILDCARDS}",
            quoted(name)
        )));
    }
    Ok(place)
}

fn matchers(field: &Field<'_>, names: Names<'_>) -> Parsed<ClaimCondition> {
    let fields = field.fields(&FIELDS)?;
    if fields.is_empty() {
        return Err(field.wrong());
    }
    let listed = wanted::lists(&fields, Elements::Claim, names);
    let text = |name: &str, expected: &'static str| {
        let field = fields.optional(name, expected);
        field.map_or(Ok(String::new()), |field| wanted::part(&field))
    };
    let prefix = text("prefix", "a text that the claim begins with");
    let suffix = text("suffix", "a text that the claim ends in");
    let regex = fields
        .optional("regex", "a regular expression that the whole claim matches")
        .map(|field| field.parsed(Expression::new))
        .transpose();
    let presence = presence(&fields);
    let read_as = read_as(&fields);
    if fields.has("read_as") && fields.present(&FIELDS).len() == 1 {
        return Err(fields.refuse_at(
            "read_as",
            "found alone; expected any, all, none, prefix, suffix, regex or present beside it",
        ));
    }
    Ok(ClaimCondition {
        place: ClaimPlace::Name(String::new()),
        read_as: read_as?,
        listed: listed?,
        prefix: prefix?,
        suffix: suffix?,
        regex: regex?,
        presence: presence?,
    })
}

fn presence(fields: &Fields<'_>) -> Parsed<Presence> {
    let Some(field) = fields.optional("present", "true or false") else {
        return Ok(Presence::Any);
    };
    if field.flag()? {
        return Ok(Presence::Present);
    }
    match fields.present(&OF_PRESENT_ONES).as_slice() {
        [] => Ok(Presence::Absent),
        beside => Err(field.refuse(format_args!(
            "found false beside {}; expected true, since what is not there has no value",
            beside.join(" and ")
        ))),
    }
}

/// Reads `read_as`, here and of claim headers.
pub(super) fn read_as(fields: &Fields<'_>) -> Parsed<ReadAs> {
    fields.word(
        "read_as",
        "json, comma, space or brackets",
        &[
            ("json", ReadAs::Json),
            ("comma", ReadAs::Comma),
            ("space", ReadAs::Space),
            ("brackets", ReadAs::Brackets),
        ],
    )
}
