//! Deny lists: what the filter's reader would not take, and where it stands.
//!
//! Whether it takes a list is the reader's to say. It stops at the first thing that is wrong and
//! names its line, since a log is no place for users' ids; a file on a desk has all of them shown.

use super::Notes;
use super::finding::{self, Finding};
use crate::document::{Document, Position, Source, Span, item, member};
use cognito_authorizer::config::nearest;
use cognito_authorizer::deny_list::{DenyList, InvalidDenyList, Kind};
use cognito_authorizer::time::Timestamp;
use serde_json::{Map, Value};

const MEMBERS: [&str; 3] = ["version", "written_at", "pools"];

/// Whether a document is a deny list, or was meant to be one.
pub(super) fn is_one(document: &Document) -> bool {
    let has = |name| document.value.get(name).is_some();
    has("written_at") && (has("version") || has("pools")) || has("version") && has("pools")
}

/// What is wrong with a list, in a file of its own, at this time; `limit` is how many entries the
/// configurations take that were given with it.
pub(super) fn findings(
    source: &Source,
    document: &Document,
    limit: Option<usize>,
    now: Timestamp,
) -> Vec<Finding> {
    let mut notes = Notes {
        document,
        findings: Vec::new(),
    };
    // The filter gets the file as it is.
    if source.is_marked() {
        let text = "found a byte order mark before the list; expected none, for the filter takes no such list";
        notes.add_at(&finding::UNREADABLE, "", Span::default(), text);
    }
    let read = DenyList::parse(source.text().as_bytes());
    let read = read.and_then(|list| list.succeeds(0, now).map(|()| list.len()));
    match (read, limit) {
        (Ok(found), Some(limit)) if found > limit => {
            let error = InvalidDenyList::TooManyEntries { found, limit };
            notes.add_at_key(&finding::PROBLEM, "pools", error.to_string());
        }
        (Ok(_), _) => {}
        (Err(InvalidDenyList::Ahead), _) => {
            let text = InvalidDenyList::Ahead.to_string();
            let text = text.trim_start_matches("written_at ");
            notes.add(&finding::PROBLEM, "written_at", text);
        }
        (Err(error), _) => {
            let already = notes.findings.len();
            whole(&mut notes);
            if notes.findings.len() == already {
                let line = match error {
                    InvalidDenyList::At { line, .. } => line,
                    _ => 1,
                };
                let start = Position { line, column: 1 };
                let span = Span { start, end: start };
                notes.add_at(&finding::UNREADABLE, "", span, error.to_string());
            }
        }
    }
    notes.findings
}

fn whole(notes: &mut Notes<'_>) {
    let document = notes.document;
    let Value::Object(members) = &document.value else {
        return;
    };
    unknown(notes, "", members, &MEMBERS);
    for name in MEMBERS {
        if !members.contains_key(name) {
            notes.add(
                &finding::PROBLEM,
                name,
                "missing; expected version, written_at and pools",
            );
        }
    }
    if members
        .get("version")
        .is_some_and(|version| version.as_f64() != Some(1.0))
    {
        notes.add(
            &finding::PROBLEM,
            "version",
            "found another version; expected 1",
        );
    }
    if let Some(written_at) = members.get("written_at") {
        time(notes, "written_at", written_at);
    }
    match members.get("pools") {
        Some(Value::Object(pools)) => {
            for (pool, members) in pools {
                of_pool(notes, &member("pools", pool), members);
            }
        }
        Some(_) => expected_object(notes, "pools", "of user pools"),
        None => {}
    }
}

fn of_pool(notes: &mut Notes<'_>, path: &str, members: &Value) {
    let Value::Object(members) = members else {
        return expected_object(notes, path, "of entries");
    };
    unknown(notes, path, members, &Kind::ALL.map(Kind::name));
    for kind in Kind::ALL {
        let path = member(path, kind.name());
        let takes_list = matches!(kind, Kind::OriginJti | Kind::Jti);
        match members.get(kind.name()) {
            Some(Value::Object(times)) => {
                for (id, value) in times {
                    time(notes, &member(&path, id), value);
                }
            }
            Some(Value::Array(ids)) if takes_list => {
                let others = ids.iter().enumerate().filter(|(_, id)| !id.is_string());
                for (at, _) in others {
                    let text = "found no text; expected an id in quotes";
                    notes.add(&finding::PROBLEM, &item(&path, at), text);
                }
            }
            Some(_) if takes_list => {
                expected_object(notes, &path, "of ids and times, or a list of ids");
            }
            Some(_) => expected_object(notes, &path, "of ids and times"),
            None => {}
        }
    }
}

fn unknown(notes: &mut Notes<'_>, path: &str, members: &Map<String, Value>, known: &[&str]) {
    let unknown = members
        .keys()
        .filter(|name| !known.contains(&name.as_str()));
    for name in unknown {
        let text = match nearest(name, known) {
            Some(meant) => format!("found an unknown member; did you mean {meant}?"),
            None => format!("found an unknown member; expected {}", known.join(", ")),
        };
        notes.add_at_key(&finding::PROBLEM, &member(path, name), text);
    }
}

fn expected_object(notes: &mut Notes<'_>, path: &str, what: &str) {
    notes.add(
        &finding::PROBLEM,
        path,
        format!("expected an object {what}"),
    );
}

/// A time is a whole number, however it is written: `1795900000.0` is one.
fn time(notes: &mut Notes<'_>, path: &str, value: &Value) {
    let exact = |number: f64| Timestamp::from_seconds(number).is_some() && number.fract() == 0.0;
    if value.as_u64().is_none() && !value.as_f64().is_some_and(exact) {
        let text = format!("found {value}; expected a whole number of seconds since 1970");
        notes.add(&finding::PROBLEM, path, text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Dialect;

    /// What is wrong is shown where it stands, and what the reader takes has nothing wrong.
    #[test]
    fn what_is_shown_is_what_the_reader_would_not_take() {
        let of = |members: &str| {
            format!(r#"{{"version":1,"written_at":1,"pools":{{"p":{{{members}}}}}}}"#)
        };
        let texts = [
            (of(""), true),
            (of(r#""jti":[]"#), true),
            (of(r#""jti":["a","a"]"#), true),
            (of(r#""origin_jti":{"a":1}"#), true),
            (of(r#""clients":{"a":1.0,"b":1e3}"#), true),
            (of(r#""clients":{"a":9007199254740993}"#), true),
            (of(r#""clients":{"a":1e300}"#), false),
            (of(r#""clients":{"a":0.5}"#), false),
            (of(r#""clients":{"a":-1}"#), false),
            (of(r#""clients":{"a":null}"#), false),
            (of(r#""clients":{"a":"1"}"#), false),
            (of(r#""clients":["a"]"#), false),
            (of(r#""clients":7"#), false),
            (of(r#""issued_before":[]"#), false),
            (of(r#""signed_in_before":true"#), false),
            (of(r#""jti":[1]"#), false),
            (of(r#""jti":"a""#), false),
            (of(r#""jti":{"a":"1"}"#), false),
            (of(r#""users":{}"#), false),
            (
                r#"{"version":1,"written_at":1,"pools":{"p":7}}"#.to_owned(),
                false,
            ),
            (
                r#"{"version":1,"written_at":1,"pools":[]}"#.to_owned(),
                false,
            ),
            (r#"{"version":1,"written_at":1}"#.to_owned(), false),
            (r#"{"version":1,"pools":{}}"#.to_owned(), false),
            (r#"{"written_at":1,"pools":{}}"#.to_owned(), false),
            (
                r#"{"version":1.0,"written_at":1,"pools":{}}"#.to_owned(),
                true,
            ),
            (
                r#"{"version":2,"written_at":1,"pools":{}}"#.to_owned(),
                false,
            ),
            (
                r#"{"version":1,"written_at":"1","pools":{}}"#.to_owned(),
                false,
            ),
            (
                r#"{"version":1,"written_at":1,"pools":{},"x":1}"#.to_owned(),
                false,
            ),
        ];
        for (text, taken) in texts {
            let source = Source::new("deny.json", text.as_str());
            let documents = Document::all_in(&source, Dialect::Json).unwrap();
            let [document] = documents.as_slice() else {
                panic!("{text}");
            };
            assert!(is_one(document), "{text}");
            assert_eq!(DenyList::parse(text.as_bytes()).is_ok(), taken, "{text}");
            let mut notes = Notes {
                document,
                findings: Vec::new(),
            };
            whole(&mut notes);
            let placed = notes.findings.iter().all(|one| !one.path.is_empty());
            assert_eq!((notes.findings.is_empty(), placed), (taken, true), "{text}");
        }
    }
}
