//! The schema for editors, held against the reader: what is accepted is valid, and of what is refused
//! that is invalid which a schema can tell.

use crate::harness::schema::objection;
use cognito_authorizer::config::{Problems, schema};
use serde_json::Value;
use std::sync::LazyLock;

static SCHEMA: LazyLock<Value> = LazyLock::new(|| schema::schema(&|_, _| None));

/// A document that the reader takes.
#[track_caller]
pub(super) fn takes(document: &Value) {
    assert_eq!(objection(&SCHEMA, document), None, "{document}");
}

/// A document that the reader refuses. Of the 627 that these tests have, besides mutations, the schema
/// refuses 247. It always tells a problem of these kinds:
///
/// | problem | by |
/// |---|---|
/// | an unknown field | `additionalProperties` |
/// | a text without quotes, null, no boolean | `type` |
/// | a whole number beyond its bounds | `minimum`, `maximum` |
/// | no duration | `pattern` |
///
/// The other 380 are no schema's: what hangs on another place (two of which one is expected, a rule that
/// cannot be reached, a name that nothing has, a member that is required beside another), the content of
/// a text (URLs, paths, expressions, ARNs, header names), the length of a duration or of a list.
#[track_caller]
pub(super) fn refuses(document: &Value, problems: &Problems) {
    let told = [
        "found an unknown field; ",
        "; quote it",
        "; give it a value or leave it out",
        "expected true or false",
        "expected a whole number from",
        "as a number and ms, s, m or h",
    ];
    let expressible = problems
        .iter()
        .filter(|problem| !problem.text().contains("2^53"))
        .find(|problem| told.iter().any(|told| problem.text().contains(told)));
    let objection = objection(&SCHEMA, document);
    if let Some(problem) = expressible {
        assert!(objection.is_some(), "{problem}\n{document}");
    }
}
