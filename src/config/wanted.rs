//! Values that claims are compared with, alone and in lists.

use super::field::Field;
use super::fields::Fields;
use super::place::quoted;
use super::problem::Parsed;
use crate::claims::Claim;
use crate::header::HeaderName;
use crate::rules::pattern::HostPattern;
use crate::rules::requirement::{Listed, WantedValue, is_scope};
use serde_json::Value;

/// Where a rule's values are taken from.
#[derive(Clone, Copy)]
pub(super) struct Names<'a> {
    /// The variables of the rule's match; unknown if that could not be read.
    pub(super) variables: Parsed<&'a [String]>,
    /// The hosts of the rule's match, of which some may lack a variable that others have.
    pub(super) hosts: &'a [HostPattern],
    /// What is wrong with a header that a rule would read at this path, if anything is.
    pub(super) problem_with: &'a dyn Fn(&HeaderName, &str) -> Option<String>,
}

/// Whose elements are listed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Elements {
    Scopes,
    Groups,
    Claim,
}

/// In which of the three lists a value stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum List {
    Any,
    All,
    None,
}

/// The fields of a list with more than values of which any suffices.
pub(super) const LISTS: [&str; 3] = ["any", "all", "none"];
const ITEMS: &str = "a list that is not empty";

impl Elements {
    const fn one(self) -> &'static str {
        match self {
            Self::Scopes => "a scope without spaces and quotes",
            Self::Groups => "the name of a group",
            Self::Claim => "a text, number or boolean",
        }
    }

    /// How a pattern over texts is asked of them.
    fn matcher(self, matcher: &str) -> String {
        match self {
            Self::Scopes => format!("claims: {{scope: {{read_as: space, {matcher}}}}}"),
            Self::Groups => format!("claims: {{\"cognito:groups\": {{{matcher}}}}}"),
            Self::Claim => format!("{{{matcher}}}"),
        }
    }
}

/// Reads `scopes` or `groups`: a list, of which any one suffices, or an object of lists.
pub(super) fn list(
    fields: &Fields<'_>,
    name: &str,
    elements: Elements,
    names: Names<'_>,
) -> Parsed<Listed> {
    let expected = format!("a list of {name}, or an object with any, all or none");
    let Some(field) = fields.optional(name, expected) else {
        return Ok(Listed::default());
    };
    match field.value() {
        Value::Object(_) => {
            let fields = field.fields(&LISTS)?;
            if fields.is_empty() {
                return Err(field.wrong());
            }
            lists(&fields, elements, names)
        }
        _ => any(&field, elements, names),
    }
}

/// Reads a list of values of which any one suffices.
pub(super) fn any(field: &Field<'_>, elements: Elements, names: Names<'_>) -> Parsed<Listed> {
    Ok(Listed {
        any: values(field, List::Any, elements, names)?,
        ..Listed::default()
    })
}

/// Reads the three lists of an object.
pub(super) fn lists(fields: &Fields<'_>, elements: Elements, names: Names<'_>) -> Parsed<Listed> {
    let list = |name, list| {
        let field = fields.optional(name, ITEMS);
        field.map_or(Ok(Vec::new()), |field| {
            values(&field, list, elements, names)
        })
    };
    let (any, all, none) = (
        list("any", List::Any),
        list("all", List::All),
        list("none", List::None),
    );
    let listed = Listed {
        any: any?,
        all: all?,
        none: none?,
    };
    // It could never be met, or not by this value.
    let wanted = [("any", &listed.any), ("all", &listed.all)];
    for (name, values) in wanted {
        if let Some(at) = values.iter().position(|value| listed.none.contains(value)) {
            return Err(fields.refuse_item(
                name,
                at,
                "found a value that none refuses; expected it in one of the two",
            ));
        }
    }
    Ok(listed)
}

fn values(
    field: &Field<'_>,
    list: List,
    elements: Elements,
    names: Names<'_>,
) -> Parsed<Vec<WantedValue>> {
    field.each(elements.one(), |item| value_in(item, list, elements, names))
}

/// Reads a value that a claim must have.
pub(super) fn value(field: &Field<'_>, names: Names<'_>) -> Parsed<WantedValue> {
    value_in(field, List::Any, Elements::Claim, names)
}

fn value_in(
    field: &Field<'_>,
    list: List,
    elements: Elements,
    names: Names<'_>,
) -> Parsed<WantedValue> {
    match (field.value(), elements) {
        (Value::Number(number), Elements::Claim) => {
            // 2^53: from there on neighbouring whole numbers are one double.
            let exact = number
                .as_f64()
                .is_some_and(|double| double.abs() < 9_007_199_254_740_992.0);
            if !exact {
                return Err(field.refuse(format_args!(
                    "found {number}; expected a number of less than 2^53; quote it"
                )));
            }
        }
        (Value::String(text), _) if !text.is_empty() => {
            if let Some(variable) = variable(field, text, names) {
                return variable;
            }
            if elements == Elements::Scopes && !is_scope(text) {
                return Err(field.wrong());
            }
            return literal(field, text, list, elements);
        }
        (_, Elements::Scopes | Elements::Groups) => {
            return field.text().and_then(|_| Err(field.wrong()));
        }
        (_, Elements::Claim) => {}
    }
    let text = Claim::from(field.scalar())
        .scalar_text()
        .filter(|text| !text.is_empty());
    let text = text.ok_or_else(|| field.wrong())?;
    Ok(WantedValue::Literal(text.into_owned()))
}

/// Reads a scope that stands for itself alone (RFC 6749, section 3.3): the scopes that are wanted are
/// repeated in `www-authenticate`, in quotes.
pub(super) fn scope<'doc>(item: &Field<'doc>) -> Parsed<&'doc str> {
    let scope = item.text()?;
    if !is_scope(scope) {
        return Err(item.wrong());
    }
    literal(item, scope, List::Any, Elements::Scopes)?;
    Ok(scope)
}

/// A value without the signs by which other systems mean "not" and "anything". Values are
/// compared to the letter: with such a sign none would ever match, or worse, one that a user may
/// choose.
fn literal(field: &Field<'_>, text: &str, list: List, elements: Elements) -> Parsed<WantedValue> {
    let meant = match (text.strip_prefix('!'), list) {
        (Some(rest), List::None) => Some(format!("{{any: [{}]}}", quoted(rest))),
        (Some(rest), List::Any | List::All) => Some(format!("{{none: [{}]}}", quoted(rest))),
        // A matcher would admit whom the list is to keep out.
        (None, List::None) => pattern(text).map(|_| match text.trim_matches('*') {
            "" => elements.matcher("present: false"),
            _ => "whole values, since no pattern can stand under none".to_owned(),
        }),
        (None, List::Any | List::All) => pattern(text).map(|matcher| elements.matcher(&matcher)),
    };
    match meant {
        None => Ok(WantedValue::Literal(text.to_owned())),
        Some(meant) => Err(field.refuse(format_args!(
            "found {}; expected {meant}: a value is compared to the letter",
            quoted(text)
        ))),
    }
}

/// The matcher that was meant by a text with `*` at its ends.
fn pattern(text: &str) -> Option<String> {
    let inner = text.trim_matches('*');
    match (text.starts_with('*'), text.ends_with('*')) {
        (false, false) => None,
        (true, true) if inner.is_empty() => Some("present: true".to_owned()),
        (true, false) => Some(format!("suffix: {}", quoted(inner))),
        (false, true) => Some(format!("prefix: {}", quoted(inner))),
        (true, true) => Some(format!("regex: {}", quoted(&format!(".*{inner}.*")))),
    }
}

/// Reads a text that some part of a claim must be, without anything that stands for another text.
pub(super) fn part(field: &Field<'_>) -> Parsed<String> {
    let text = field.text()?;
    if let Some(inner) = text
        .strip_prefix('{')
        .and_then(|text| text.strip_suffix('}'))
        && looks_like_a_name(inner)
    {
        return Err(field.refuse(format_args!(
            "found {}; expected a text: variables stand in any, all and none",
            quoted(text)
        )));
    }
    if pattern(text).is_some() {
        return Err(field.refuse(format_args!(
            "found {}; expected {} alone: a text is compared to the letter",
            quoted(text),
            quoted(text.trim_matches('*'))
        )));
    }
    Ok(text.to_owned())
}

/// Reads a text that stands for what the request has: `{name}` for a variable of the rule's match,
/// `{header.name}` for a header, and nothing else does.
fn variable(field: &Field<'_>, text: &str, names: Names<'_>) -> Option<Parsed<WantedValue>> {
    // What the variables are is not known, and has been reported.
    let variables = match names.variables {
        Ok(variables) => variables,
        Err(reported) => return Some(Err(reported)),
    };
    let inner = text
        .strip_prefix('{')
        .and_then(|text| text.strip_suffix('}'));
    if let Some(name) = inner.filter(|name| looks_like_a_name(name)) {
        if let Some(header) = name.strip_prefix(HEADER) {
            return Some(bound(field, header, names));
        }
        if variables.iter().any(|known| known == name) {
            return Some(Ok(WantedValue::Variable(name.to_owned())));
        }
        let mut of_hosts = names.hosts.iter().flat_map(HostPattern::variables);
        let expected = match variables {
            _ if of_hosts.any(|known| known == name) => {
                "a variable that every one of the hosts has".to_owned()
            }
            [] => "a value, since match has no template or host with variables".to_owned(),
            names => format!("a variable of match: {{{}}}", names.join("}, {")),
        };
        return Some(Err(field.refuse(format_args!(
            "found {}; expected {expected}",
            quoted(text)
        ))));
    }
    // Taken as text it would never match; the variable was meant.
    let mut variables = variables.iter().map(|name| format!("{{{name}}}"));
    let within = variables
        .find(|name| text.contains(name))
        .or_else(|| text.contains("{header.").then(|| "{header.…}".to_owned()))?;
    Some(Err(field.refuse(format_args!(
        "found {} with {within} in it; expected {within} alone",
        quoted(text)
    ))))
}

/// What the name of a header stands behind, where it stands for its value.
pub(super) const HEADER: &str = "header.";

fn bound(field: &Field<'_>, name: &str, names: Names<'_>) -> Parsed<WantedValue> {
    let header = HeaderName::claim_target(name).map_err(|error| field.refuse(error))?;
    match (names.problem_with)(&header, field.path()) {
        Some(problem) => Err(field.refuse(problem)),
        None => Ok(WantedValue::Header(header)),
    }
}

/// Whether a text in braces was meant as a variable; `{"a":1}` was not.
fn looks_like_a_name(text: &str) -> bool {
    let name = |byte: u8| byte.is_ascii_alphanumeric() || b"._-+".contains(&byte);
    !text.is_empty() && text.bytes().all(name)
}
