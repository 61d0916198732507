//! The tables of fields, held against the parser: every field it knows, in its own words, with the
//! defaults that it has.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::harness::markdown::{Pages, Table, spans};
use crate::pages::configurations::{minimum, parse, summary};

/// The tables, and where in a document their fields stand.
const PLACES: [(&str, &str); 20] = [
    ("the document", ""),
    ("user_pools", "user_pools[0]"),
    ("aws_accounts", "aws_accounts[0]"),
    ("authorizers", "authorizers[0]"),
    ("identity", "authorizers[0].identity[0]"),
    ("cache", "authorizers[0].cache"),
    ("api", "authorizers[0].api"),
    ("context_headers", "context_headers[0]"),
    ("jwks", "user_pools[0].jwks"),
    ("confirm", "user_pools[0].confirm"),
    ("deny_list", "deny_list"),
    ("token", "token"),
    ("from", "token.from[0]"),
    ("rules", "rules[0]"),
    ("match", "rules[0].match"),
    ("require", "rules[0].require"),
    ("claim_headers", "claim_headers[0]"),
    ("responses", "responses"),
    ("unauthorized", "responses.unauthorized"),
    ("protected_resources", "protected_resources[0]"),
];

/// A document with nothing but this field in this place.
fn only(place: &str, field: &str, value: Value) -> Value {
    let mut document = json!({ field: value });
    for step in place.split('.').rev().filter(|step| !step.is_empty()) {
        document = match step.strip_suffix("[0]") {
            Some(list) => json!({ list: [document] }),
            None => json!({ step: document }),
        };
    }
    document
}

/// What the parser says about a field of a document that it refuses.
#[track_caller]
fn problem(document: &Value, path: &str) -> String {
    let problems = parse(document).expect_err("a refusal");
    let found = problems.iter().find(|problem| problem.path() == path);
    found
        .unwrap_or_else(|| panic!("nothing about {path} in:\n{problems}"))
        .text()
        .to_owned()
}

fn path(place: &str, field: &str) -> String {
    if place.is_empty() {
        field.to_owned()
    } else {
        format!("{place}.{field}")
    }
}

fn tables(pages: &Pages) -> Vec<(&'static str, &Table)> {
    let found = PLACES.map(|(name, place)| (place, pages.table(&format!("fields of {name}"))));
    found.to_vec()
}

/// The name of a row's field.
fn name(row: &[String]) -> &str {
    row[0].trim_matches('`')
}

#[test]
fn every_field_has_a_row() {
    let pages = Pages::read();
    for (place, table) in tables(&pages) {
        let told = problem(&only(place, "zzzzzzzz", json!(1)), &path(place, "zzzzzzzz"));
        let known = told
            .strip_prefix("found an unknown field; expected ")
            .expect(&told);
        let known: BTreeSet<_> = known.split(", ").collect();
        let rows: BTreeSet<_> = table.rows.iter().map(|row| name(row)).collect();
        assert_eq!(rows, known, "{}", table.place);
        assert_eq!(
            rows.len(),
            table.rows.len(),
            "{}: a field stands twice",
            table.place
        );
    }
}

#[test]
fn values_are_described_as_the_parser_describes_them() {
    let pages = Pages::read();
    for (place, table) in tables(&pages) {
        let value = table.column("value");
        for row in &table.rows {
            let told = problem(
                &only(place, name(row), Value::Null),
                &path(place, name(row)),
            );
            let told = told.strip_prefix("found null; expected ").expect(&told);
            let told = told
                .strip_suffix("; give it a value or leave it out")
                .expect(told);
            assert_eq!(
                row[value].replace('`', ""),
                told,
                "{}",
                path(place, name(row))
            );
        }
    }
    for kind in [
        "expired_token",
        "access_denied",
        "authorizer_failure",
        "authorizer_configuration_error",
        "bad_request",
    ] {
        let told = |kind: &str| {
            let place = format!("responses.{kind}");
            problem(
                &only(&place, "zzzzzzzz", json!(1)),
                &format!("{place}.zzzzzzzz"),
            )
        };
        assert_eq!(told(kind), told("unauthorized"), "each kind takes the same");
    }
}

/// The object in a place of a document.
#[track_caller]
fn object<'a>(document: &'a mut Value, place: &str) -> &'a mut Map<String, Value> {
    let mut found = document;
    for step in place.split('.').filter(|step| !step.is_empty()) {
        found = match step.strip_suffix("[0]") {
            Some(list) => &mut found[list][0],
            None => &mut found[step],
        };
        if found.is_null() {
            *found = json!({});
        }
    }
    found
        .as_object_mut()
        .unwrap_or_else(|| panic!("{place} is no object"))
}

#[test]
fn defaults_are_the_ones_shown() {
    let pages = Pages::read();
    let (mut defaults, mut required) = (0, 0);
    for (place, table) in tables(&pages)
        .into_iter()
        .filter(|(_, table)| table.has("default"))
    {
        let mut base = minimum();
        if place == "claim_headers[0]" {
            base["claim_headers"] = json!([{"header": "x-cognito-sub", "claim": "sub"}]);
        }
        if place == "aws_accounts[0]" {
            base["aws_accounts"] = json!([{
                "account": "123456789012",
                "issuer": "https://x.tokens.sts.global.api.aws",
                "audiences": ["https://api.example.com"],
                "jwks": {"cluster": "c"},
            }]);
        }
        if place.starts_with("authorizers[0]") {
            base["authorizers"] = json!([{
                "name": "partners",
                "type": "request",
                "format": "rest",
                "function": "partner-auth",
                "cluster": "c",
                "answer": "policy",
                "identity": [{"header": "authorization"}],
                "cache": {"ttl": "5m"},
                "api": {
                    "region": "us-east-1",
                    "account_id": "123456789012",
                    "api_id": "a1b2c3d4e5",
                    "stage": "prod",
                },
            }]);
        }
        if place == "context_headers[0]" {
            base["context_headers"] = json!([{"header": "x-tenant", "key": "tenantId"}]);
        }
        if place == "deny_list" {
            base["deny_list"] = json!({"cluster": "c", "uri": "https://h/d.json", "max_age": "1h", "when_stale": "refuse"});
        }
        if place == "user_pools[0].confirm" {
            base["user_pools"][0]["confirm"] = json!({"cluster": "cognito_us_east_1"});
        }
        for row in &table.rows {
            let cell = &row[table.column("default")];
            let place_of_it = path(place, name(row));
            let mut document = base.clone();
            if cell.starts_with("required") {
                object(&mut document, place)
                    .remove(name(row))
                    .expect(&place_of_it);
                let told = parse(&document).expect_err(&place_of_it).to_string();
                let at_or_below = told.contains(&format!("{place_of_it}: missing"))
                    || told.contains(&format!("{place_of_it}.use: missing"));
                assert!(at_or_below, "{told}");
                required += 1;
            } else if cell.starts_with('`') {
                let issuer = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_AbCdEf123";
                let shown = spans(cell)[0].replace("{issuer}", issuer);
                let default: Value = serde_yaml_ng::from_str(&shown).expect(&shown);
                let replaced = object(&mut document, place).insert(name(row).to_owned(), default);
                assert_eq!(replaced, None, "{place_of_it} stands in the minimum");
                let read = |document| {
                    summary(&parse(document).unwrap_or_else(|problems| panic!("{problems}")))
                };
                assert_eq!(read(&document), read(&base), "{place_of_it}: {shown}");
                defaults += 1;
            } else {
                let other = [
                    "none",
                    "this or the ARN",
                    "this or the id",
                    "this or the URI",
                    "this or the function",
                ];
                assert!(other.contains(&cell.as_str()), "{place_of_it}: {cell}");
            }
        }
    }
    assert!(
        (defaults, required) >= (20, 6),
        "{defaults} defaults, {required} required"
    );
}
