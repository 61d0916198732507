//! Tables of what the filter says: reasons, headers, metrics, log lines, alerts.

use std::collections::BTreeSet;
use std::time::Duration;

use cognito_authorizer::claim_headers::{ArrayFormat, ClaimHeader, ClaimHeaders, Encoding};
use cognito_authorizer::claims::{ClaimPlace, Claims};
use cognito_authorizer::header::HeaderName;
use cognito_authorizer::refusal::Reason;
use cognito_authorizer::remote::call::Endpoint;
use cognito_authorizer::remote::failure::Failure;
use cognito_authorizer::reply::Style;

use crate::harness::markdown::{Pages, file, span};
use crate::pages::replies::reply;

#[test]
fn every_reason_has_a_row() {
    let pages = Pages::read();
    let table = pages.table("reasons");
    let rows: Vec<_> = table.rows.iter().map(|row| span(&row[0])).collect();
    assert_eq!(rows, Reason::ALL.map(Reason::code));
    for (row, reason) in table.rows.iter().zip(Reason::ALL) {
        let status = reply(Style::Rfc6750, reason, &[]).status;
        assert_eq!(
            row[table.column("status")],
            status.to_string(),
            "{}",
            reason.code()
        );
    }
}

#[test]
fn claims_become_headers_as_shown() {
    let pages = Pages::read();
    let table = pages.table("formats");
    let formats = [
        ("comma", ArrayFormat::Comma),
        ("space", ArrayFormat::Space),
        ("json", ArrayFormat::Json),
    ];
    for row in &table.rows {
        for (name, format) in formats {
            let headers = ClaimHeaders {
                headers: vec![ClaimHeader {
                    header: HeaderName::new("x-claim").unwrap(),
                    claims: vec![ClaimPlace::new("c").unwrap()],
                    read_as: cognito_authorizer::claims::ReadAs::Text,
                    format,
                    encoding: Encoding::Utf8,
                }],
                ..ClaimHeaders::default()
            };
            let claims = Claims::parse(format!(r#"{{"c":{}}}"#, span(&row[0])).as_bytes()).unwrap();
            let value = headers.headers[0].value(&claims);
            assert_eq!(
                value.as_deref(),
                Some(span(&row[table.column(name)])),
                "{} {name}",
                row[0]
            );
        }
    }
}

#[test]
fn every_metric_has_a_row() {
    let pages = Pages::read();
    let table = pages.table("metrics");
    let rows = table
        .rows
        .iter()
        .map(|row| (span(&row[0]).to_owned(), row[table.column("kind")].clone()));
    let source = file("src/host/metrics.rs");
    let mut defined = BTreeSet::new();
    for kind in ["counter", "gauge"] {
        for call in source.split(&format!("{kind}(\"")).skip(1) {
            let name = call.split('"').next().unwrap();
            defined.insert((format!("cognito_authorizer.{name}"), kind.to_owned()));
        }
    }
    for kind in ["denied", "reported", "ignored"] {
        assert!(source.contains(&format!(r#"Reasons::define("{kind}", define)"#)));
        let name = format!("cognito_authorizer.{kind}.<reason>");
        defined.insert((name, "counter".to_owned()));
    }
    for name in ["issuer.jwks_keys", "issuer.jwks_age_seconds"] {
        assert!(source.contains(&format!(r#"gauge(&format!("{name}.{{id}}"))"#)));
        let name = format!("cognito_authorizer.{name}.<id>");
        defined.insert((name, "gauge".to_owned()));
    }
    for name in ["called", "remembered", "failed"] {
        assert!(source.contains(&format!(r#"format!("authorizer.{{name}}.{name}")"#)));
        let name = format!("cognito_authorizer.authorizer.<name>.{name}");
        defined.insert((name, "counter".to_owned()));
    }
    assert_eq!(rows.collect::<BTreeSet<_>>(), defined);
}

/// Every line that the filter logs, with `…` for what differs: those of the host, and the reports that it
/// prints for the core.
#[test]
fn every_log_line_has_a_row() {
    let pages = Pages::read();
    let table = pages.table("log lines");
    let rows = table
        .rows
        .iter()
        .map(|row| (span(&row[0]).to_owned(), row[1].clone()));
    let rows: BTreeSet<_> = rows.collect();
    assert_eq!(rows.len(), table.rows.len());
    let mut logged = BTreeSet::new();
    for (path, mark, bracket) in [
        ("src/host/mod.rs", "log::", "!("),
        ("src/host/root.rs", "log::", "!("),
        ("src/host/worker.rs", "log::", "!("),
        ("src/host/start.rs", "Report::", "("),
        ("src/host/stream.rs", "stream.", "(format_args!("),
        ("src/gate/doors.rs", "Report::", "("),
        ("src/keyring.rs", "Report::", "("),
        ("src/revocation.rs", "Report::", "("),
        ("src/confirmation/mod.rs", "Report::", "("),
        ("src/authorization.rs", "Report::", "("),
    ] {
        for call in file(path).split(mark).skip(1) {
            let Some((level, call)) = call.split_once(bracket) else {
                continue;
            };
            if call.starts_with(r#""{report}""#) {
                continue;
            }
            let level = if level == "warn" { "warning" } else { level };
            // One whose parts are joined, where a format would cost too much.
            let (before, _) = call.split_once('"').expect("a text");
            let joined = call.split_once("].concat()").map(|(parts, _)| parts);
            let text = match joined.filter(|_| before.contains('[')) {
                Some(parts) => parts
                    .split('"')
                    .skip(1)
                    .step_by(2)
                    .collect::<Vec<_>>()
                    .join("{}"),
                None => call.split('"').nth(1).expect("a text").to_owned(),
            };
            let mut parts = text.split(['{', '}']);
            let mut line = parts.next().unwrap().to_owned();
            while let (Some(_), Some(after)) = (parts.next(), parts.next()) {
                line.push('…');
                line.push_str(after);
            }
            logged.insert((line, level.to_owned()));
        }
    }
    assert_eq!(rows, logged);
}

/// Every cause of a failed fetch, in the order of the code.
#[test]
fn every_cause_of_a_failed_fetch_has_a_row() {
    let pages = Pages::read();
    let table = pages.table("causes");
    let endpoint = Endpoint {
        cluster: "k".to_owned(),
        uri: String::new(),
        scheme: String::new(),
        authority: String::new(),
        path: String::new(),
        timeout: Duration::from_secs(5),
    };
    let causes = [
        Failure::UnknownCluster,
        Failure::NoHosts,
        Failure::NotSent,
        Failure::NoConnection("…".to_owned()),
        Failure::Certificate("…".to_owned()),
        Failure::TimedOut,
        Failure::BrokenOff,
        Failure::Status(403),
        Failure::Invalid("…"),
    ];
    let texts = causes.map(|cause| {
        let text = cause.at(&endpoint).to_string();
        text.replace("403", "…").replace("5s", "…")
    });
    let rows: Vec<_> = table.rows.iter().map(|row| span(&row[0])).collect();
    assert_eq!(rows, texts);
}

#[test]
fn every_alert_has_a_row() {
    let pages = Pages::read();
    let rows = pages
        .table("alerts")
        .rows
        .iter()
        .map(|row| span(&row[0]).to_owned());
    let alerts = file("envoy/prometheus/alerts.yaml");
    let names = alerts
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "));
    let names: Vec<_> = names.collect();
    assert_eq!(rows.collect::<Vec<_>>(), names);
    // The person who is paged follows a link to a heading.
    let links = alerts
        .lines()
        .filter_map(|line| line.trim().strip_prefix("runbook_url: "));
    let base = "https://git.example.com/cognito-authorizer/blob/main/envoy/RUNBOOK.md";
    let wanted = names
        .iter()
        .map(|name| format!("{base}#{}", name.to_lowercase()));
    assert_eq!(links.collect::<Vec<_>>(), wanted.collect::<Vec<_>>());
    let runbook = file("envoy/RUNBOOK.md");
    for name in names {
        let heading = |line: &str| line.trim_start_matches('#') == format!(" {name}");
        assert!(runbook.lines().any(heading), "{name}");
    }
}
