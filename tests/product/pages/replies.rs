//! What the refused are told: the replies as they are shown, and the statuses of the tables.

use std::time::Duration;

use cognito_authorizer::refusal::{ApiKind, AuthorizerCause, Reason, Refusal};
use cognito_authorizer::reply::{Occasion, Reply, Responses, Style};

use crate::harness::markdown::{Pages, Snippet, span, spans};

/// A refusal for this reason; where scopes are lacking, these.
fn refusal(reason: Reason, scopes: &[&str]) -> Refusal {
    match reason {
        Reason::InsufficientScope => {
            Refusal::InsufficientScope(scopes.iter().map(|&scope| scope.to_owned()).collect())
        }
        Reason::StaleAuthentication => Refusal::StaleAuthentication(Duration::from_secs(900)),
        Reason::KeysUnavailable => Refusal::KeysUnavailable(Duration::from_secs(1)),
        Reason::RevocationUnknown => Refusal::RevocationUnknown(Duration::from_secs(1)),
        Reason::AuthorizerUnavailable => Refusal::Authorizer(
            ApiKind::Rest,
            AuthorizerCause::Unreachable(Duration::from_secs(1)),
        ),
        other => Refusal::Plain(other),
    }
}

/// What a client gets for it.
pub(crate) fn reply(style: Style, reason: Reason, scopes: &[&str]) -> Reply {
    let responses = Responses {
        style,
        ..Responses::default()
    };
    responses.reply(&refusal(reason, scopes), &Occasion::default())
}

#[track_caller]
pub(crate) fn reason(code: &str) -> Reason {
    let reason = Reason::ALL.into_iter().find(|reason| reason.code() == code);
    reason.unwrap_or_else(|| panic!("{code} is no reason"))
}

fn header<'a>(reply: &'a Reply, name: &str) -> Option<&'a str> {
    let found = reply.headers.iter().find(|(present, _)| present == name);
    found.map(|(_, value)| &**value)
}

/// A reply as curl prints it, for a reason and the scopes that are lacking.
pub(crate) fn reads_so(snippet: &Snippet, said: &str) {
    let words: Vec<_> = said.split(' ').collect();
    let (code, scopes) = words.split_first().expect("a reason");
    let reply = reply(Style::Rfc6750, reason(code), scopes);
    let phrase = match reply.status {
        401 => "Unauthorized",
        403 => "Forbidden",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        other => panic!("{}: {other}", snippet.place),
    };
    let mut text = format!("HTTP/1.1 {} {phrase}\n", reply.status);
    for (name, value) in &reply.headers {
        text += &format!("{name}: {value}\n");
    }
    let text = text + "\n" + &reply.body + "\n";
    assert_eq!(snippet.text, text, "{}", snippet.place);
}

#[test]
fn answers_are_the_ones_that_are_given() {
    let (mut tables, mut refused) = (0, 0);
    for table in Pages::read().tables().filter(|table| table.is("answers")) {
        let (answer, reasons) = (table.column("answer"), table.column("reason"));
        for row in &table.rows {
            let [code] = spans(&row[reasons])[..] else {
                assert!(row[answer].starts_with("200"), "{}: {row:?}", table.place);
                continue;
            };
            let status = reply(Style::Rfc6750, reason(code), &[]).status.to_string();
            assert!(row[answer].starts_with(&status), "{}: {row:?}", table.place);
            refused += 1;
        }
        tables += 1;
    }
    assert!(
        (tables, refused) >= (4, 20),
        "{tables} tables, {refused} refusals"
    );
}

#[test]
fn replies_are_the_ones_shown() {
    let pages = Pages::read();
    let table = pages.table("replies");
    let named: Vec<_> = table.rows.iter().flat_map(|row| spans(&row[0])).collect();
    let scopes = ["a", "b"];
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
            let reply = reply(Style::Rfc6750, reason, &scopes);
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
    let theirs = reply(Style::ApiGateway, Reason::InsufficientGroup, &scopes);
    let shown = format!("`{}` in a 403", theirs.body);
    let page = pages.page_of("replies");
    assert!(page.text.contains(&shown), "{shown}");
    assert_eq!(
        reply(Style::ApiGateway, Reason::InsufficientScope, &scopes).status,
        401
    );
    assert_eq!(header(&theirs, "www-authenticate"), None);
    assert!(header(&theirs, "x-amzn-errortype").is_some());
}
