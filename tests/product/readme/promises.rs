//! Tables of what the filter says: reasons, replies, headers, metrics, log lines.

use std::collections::BTreeSet;
use std::time::Duration;

use cognito_authorizer::claim_headers::{ArrayFormat, ClaimHeader, ClaimHeaders, Encoding};
use cognito_authorizer::claims::{ClaimPlace, Claims};
use cognito_authorizer::header::HeaderName;
use cognito_authorizer::refusal::{ApiKind, AuthorizerCause, Reason, Refusal};
use cognito_authorizer::remote::call::Endpoint;
use cognito_authorizer::remote::failure::Failure;
use cognito_authorizer::reply::{Occasion, Reply, Responses, Style};

use crate::harness::markdown::{Page, file, span, spans};

/// A refusal for this reason, with what the page has in its examples.
fn refusal(reason: Reason) -> Refusal {
    match reason {
        Reason::InsufficientScope => {
            Refusal::InsufficientScope(vec!["a".to_owned(), "b".to_owned()])
        }
        Reason::StaleAuthentication => Refusal::StaleAuthentication(Duration::from_secs(900)),
        Reason::KeysUnavailable => Refusal::KeysUnavailable(Duration::from_secs(7)),
        Reason::RevocationUnknown => Refusal::RevocationUnknown(Duration::from_secs(7)),
        Reason::AuthorizerUnavailable => Refusal::Authorizer(
            ApiKind::Rest,
            AuthorizerCause::Unreachable(Duration::from_secs(7)),
        ),
        other => Refusal::Plain(other),
    }
}

fn reply(style: Style, reason: Reason) -> Reply {
    let responses = Responses {
        style,
        ..Responses::default()
    };
    responses.reply(&refusal(reason), &Occasion::default())
}

fn header<'a>(reply: &'a Reply, name: &str) -> Option<&'a str> {
    let found = reply.headers.iter().find(|(present, _)| present == name);
    found.map(|(_, value)| &**value)
}

#[test]
fn every_reason_has_a_row() {
    let page = Page::readme();
    let table = page.table("reasons");
    let rows: Vec<_> = table.rows.iter().map(|row| span(&row[0])).collect();
    assert_eq!(rows, Reason::ALL.map(Reason::code));
    for (row, reason) in table.rows.iter().zip(Reason::ALL) {
        let status = reply(Style::Rfc6750, reason).status;
        assert_eq!(
            row[table.column("status")],
            status.to_string(),
            "{}",
            reason.code()
        );
    }
}

#[test]
fn replies_are_the_ones_shown() {
    let page = Page::readme();
    let table = page.table("replies");
    let named: Vec<_> = table.rows.iter().flat_map(|row| spans(&row[0])).collect();
    let mut seen = 0;
    for row in &table.rows {
        let wanted = spans(&row[0]);
        let reasons = Reason::ALL
            .into_iter()
            .filter(|reason| match wanted.as_slice() {
                [] => row[0] == "any other bad token" && !named.contains(&reason.code()),
                wanted => wanted.contains(&reason.code()),
            });
        for reason in reasons {
            let reply = reply(Style::Rfc6750, reason);
            let code = reason.code();
            assert_eq!(
                row[table.column("status")],
                reply.status.to_string(),
                "{code}"
            );
            assert_eq!(span(&row[table.column("body")]), reply.body, "{code}");
            let challenge = &row[table.column("www-authenticate")];
            let expected = match challenge.strip_prefix("none") {
                Some(_) => None,
                None => Some(span(challenge)),
            };
            assert_eq!(header(&reply, "www-authenticate"), expected, "{code}");
            assert_eq!(
                header(&reply, "content-type"),
                Some("application/json"),
                "{code}"
            );
            let retry = header(&reply, "retry-after").is_some();
            assert_eq!(challenge.contains("retry-after"), retry, "{code}");
            seen += 1;
        }
    }
    assert_eq!(seen, Reason::ALL.len(), "every reason is in one row");
    let theirs = reply(Style::ApiGateway, Reason::InsufficientGroup);
    assert!(
        page.text.contains(&format!("`{}` in a 403", theirs.body)),
        "{}",
        theirs.body
    );
    assert_eq!(
        reply(Style::ApiGateway, Reason::InsufficientScope).status,
        401
    );
    assert_eq!(header(&theirs, "www-authenticate"), None);
    assert!(header(&theirs, "x-amzn-errortype").is_some());
}

/// A reply as curl prints it.
#[test]
fn the_first_reply_is_the_one_shown() {
    let page = Page::readme();
    let (snippet, code) = page.marked("reply ").next().expect("a reply");
    let reason = Reason::ALL
        .into_iter()
        .find(|reason| reason.code() == code)
        .expect(code);
    let reply = reply(Style::Rfc6750, reason);
    assert_eq!(reply.status, 401);
    let mut expected = "HTTP/1.1 401 Unauthorized\n".to_owned();
    for (name, value) in &reply.headers {
        expected.push_str(&format!("{name}: {value}\n"));
    }
    assert_eq!(snippet.text, format!("{expected}\n{}\n", reply.body));
}

#[test]
fn claims_become_headers_as_shown() {
    let page = Page::readme();
    let table = page.table("formats");
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
    let page = Page::readme();
    let table = page.table("metrics");
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
    let page = Page::readme();
    let table = page.table("log lines");
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
            let text = call.split('"').nth(1).expect("a text");
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
    let page = Page::readme();
    let table = page.table("causes");
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
    let page = Page::readme();
    let rows = page
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
    // The person who is paged follows a link to a heading of this page.
    let links = alerts
        .lines()
        .filter_map(|line| line.trim().strip_prefix("runbook_url: "));
    let base = "https://git.example.com/cognito-authorizer/blob/main/README.md";
    let wanted = names
        .iter()
        .map(|name| format!("{base}#{}", name.to_lowercase()));
    assert_eq!(links.collect::<Vec<_>>(), wanted.collect::<Vec<_>>());
    for name in names {
        assert!(page.text.contains(&format!("\n#### {name}\n")), "{name}");
    }
}
