//! Findings as SARIF 2.1.0 (OASIS), which code hosts show beside the lines of a change.

use super::Report;
use super::finding::{self, Code, Finding, Severity};
use crate::document::{Source, Span};
use crate::explain::safe::safe_json;
use cognito_authorizer::percent;
use serde_json::{Value, json};
use std::io::Write;

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json";

/// Writes one run.
pub(super) fn write(reports: &[Report], out: &mut dyn Write) -> anyhow::Result<()> {
    let results = reports.iter().flat_map(|report| {
        let results = report.findings.iter();
        results.map(|finding| result(&report.source, finding))
    });
    let log = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": env!("CARGO_PKG_NAME"),
                "version": env!("CARGO_PKG_VERSION"),
                "rules": finding::ALL.iter().map(|code| rule(code)).collect::<Vec<_>>(),
            }},
            // Columns are counted in characters.
            "columnKind": "unicodeCodePoints",
            "results": results.collect::<Vec<_>>(),
        }],
    });
    writeln!(out, "{}", safe_json(&format!("{log:#}")))?;
    Ok(())
}

fn level(code: &Code) -> &'static str {
    match code.severity {
        Severity::Problem => "error",
        Severity::Warning => "warning",
    }
}

fn rule(code: &Code) -> Value {
    let mut rule = json!({
        "id": code.name,
        "shortDescription": {"text": code.summary},
        "defaultConfiguration": {"level": level(code)},
    });
    if let (Some(members), false) = (rule.as_object_mut(), code.help.is_empty()) {
        members.insert("help".to_owned(), json!({"text": code.help}));
    }
    rule
}

fn result(source: &Source, finding: &Finding) -> Value {
    let Span { start, end } = finding.span;
    let mut region = json!({"startLine": start.line, "startColumn": start.column});
    if let (Some(members), true) = (region.as_object_mut(), end > start) {
        members.insert("endLine".to_owned(), json!(end.line));
        members.insert("endColumn".to_owned(), json!(end.column));
    }
    let rule = finding::ALL.iter().position(|code| *code == finding.code);
    json!({
        "ruleId": finding.code.name,
        "ruleIndex": rule,
        "level": level(finding.code),
        "message": {"text": finding.message()},
        "locations": [{"physicalLocation": {
            "artifactLocation": {"uri": uri(source.name())},
            "region": region,
        }}],
    })
}

/// The name of a file as a URI reference (RFC 3986, section 4.1).
fn uri(name: &str) -> String {
    percent::encoded(name.as_bytes(), |byte| {
        percent::is_unreserved(byte) || byte == b'/'
    })
}

#[cfg(test)]
mod tests {
    use super::uri;

    #[test]
    fn names_of_files_are_uris() {
        assert_eq!(uri("envoy/envoy.yaml"), "envoy/envoy.yaml");
        assert_eq!(uri("a b:ü"), "a%20b%3A%C3%BC");
    }
}
