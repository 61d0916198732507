//! The recipes: each table is what requests get under the rules before it.

use std::rc::Rc;
use std::time::Duration;

use cognito_authorizer::claims;
use cognito_authorizer::config;
use cognito_authorizer::decision::{Decision, Forward, Verdict};
use cognito_authorizer::gate::Gate;
use cognito_authorizer::header::HeaderEdit;
use cognito_authorizer::keyring::Entropy;
use cognito_authorizer::policy::Policy;
use cognito_authorizer::request::{Request, Rest};
use cognito_authorizer::rs256::Rs256;
use cognito_authorizer::rules::requirement;
use cognito_authorizer::time::Timestamp;
use serde_json::{Value, json};

use crate::harness::issuer::{TestKey, Token, key_set, now};
use crate::harness::markdown::{Block, Page, Pages, Table, spans};
use crate::pages::configurations;

/// What a client writes into every header that is not its own to write.
const SPOOFED: &str = "spoofed by the client";

/// The rules of a recipe in a complete document, with keys that are there at once.
fn policy(rules: &Value) -> Rc<Policy> {
    let mut document = rules.clone();
    if document["user_pools"].is_null() {
        document["user_pools"] = configurations::minimum()["user_pools"].take();
    }
    for pool in document["user_pools"]
        .as_array_mut()
        .expect("a list of pools")
    {
        pool["jwks"] = json!({"inline": key_set(&[TestKey::first()])});
    }
    let policy = config::parse(document.to_string().as_bytes());
    Rc::new(policy.unwrap_or_else(|problems| panic!("{problems}\n{rules}")))
}

/// The token that a cell describes: `access`, `id {"claim": "value"}`, `garbage`, or none; then
/// where it differs from others: the pool, or how long ago the user signed in.
#[track_caller]
fn token(cell: &str, pool: &str) -> Option<String> {
    if cell == "none" {
        return None;
    }
    let after = cell.rsplit('`').next().unwrap_or_default();
    let pool = after.strip_prefix(", of pool ").unwrap_or(pool);
    let mut found = spans(cell).into_iter();
    let described = found
        .next()
        .unwrap_or_else(|| panic!("{cell:?} describes no token"));
    assert_eq!(found.next(), None, "{cell}");
    let (kind, claims) = described.split_once(' ').unwrap_or((described, "{}"));
    let mut token = match kind {
        "access" => Token::access(pool),
        "id" => Token::id(pool),
        "garbage" => return Some("garbage".to_owned()),
        other => panic!("{other} is no kind of token"),
    };
    let claims: Value =
        serde_json::from_str(claims).unwrap_or_else(|error| panic!("{cell}: {error}"));
    for (name, value) in claims.as_object().expect("claims are an object") {
        token = token.claim(name, value.clone());
    }
    if let Some(ago) = after.strip_prefix(", signed in ") {
        let minutes: i64 = ago
            .strip_suffix(" minutes ago")
            .expect(cell)
            .parse()
            .expect(cell);
        token = token.claim("auth_time", now() - minutes * 60);
    } else {
        assert!(
            after.is_empty() || after.starts_with(", of pool "),
            "{cell}"
        );
    }
    Some(token.mint())
}

/// The request that a cell describes: `GET /path`, and further headers.
fn headers(cell: &str, token: Option<String>, policy: &Policy) -> Vec<(String, Vec<u8>)> {
    let mut parts = spans(cell).into_iter();
    let (method, path) = parts
        .next()
        .and_then(|line| line.split_once(' '))
        .expect(cell);
    let mut headers = vec![
        (":method".to_owned(), method.into()),
        (":path".to_owned(), path.into()),
        (":authority".to_owned(), b"api.example.com".to_vec()),
    ];
    for header in parts {
        let (name, value) = header.split_once(": ").expect(cell);
        // Of these there is one.
        headers.retain(|(known, _)| !known.starts_with(':') || known != name);
        headers.push((name.to_owned(), value.into()));
    }
    headers
        .extend(token.map(|token| ("authorization".to_owned(), format!("Bearer {token}").into())));
    let ours = policy.claim_headers.names();
    headers.extend(ours.map(|name| (name.as_str().to_owned(), SPOOFED.into())));
    headers
}

/// The values of a header once the request goes on.
fn upstream(headers: &[(String, Vec<u8>)], forward: &Forward, name: &str) -> Vec<String> {
    let text = |value: &[u8]| String::from_utf8(value.to_vec()).expect("text");
    let mut edits = forward.edits.iter().filter_map(|edit| match edit {
        HeaderEdit::Remove(changed) => (**changed == *name).then_some(None),
        HeaderEdit::Set(changed, value) => (**changed == *name).then(|| Some(text(value))),
    });
    let mut values: Vec<_> = match edits.next_back() {
        Some(value) => value.into_iter().collect(),
        None => headers
            .iter()
            .filter(|(present, _)| present == name)
            .map(|(_, value)| text(value))
            .collect(),
    };
    let claims = forward.caller.headers();
    let claims = claims.filter(|(added, _)| ***added == *name);
    values.extend(claims.map(|(_, value)| value.to_owned()));
    values
}

#[track_caller]
fn asked(policy: &Rc<Policy>, table: &Table) {
    let column = |name| table.column(name);
    let (asks, with, gets) = (column("request"), column("token"), column("answer"));
    for row in &table.rows {
        let pool = policy.issuers.pools().first().expect("a pool");
        let headers = headers(&row[asks], token(&row[with], pool.id.as_str()), policy);
        let mut gate = Gate::new(Rc::clone(policy), Rs256::module(), Entropy::new(1));
        let request = headers
            .iter()
            .map(|(name, value)| (name.clone().into(), value.clone()));
        let seconds = u64::try_from(now()).expect("a time after 1970");
        let wall = Timestamp::since_epoch(Duration::from_secs(seconds));
        let body = headers.iter().any(|(name, _)| name == "content-length");
        let rest = match body {
            true => Rest::Something,
            false => Rest::Nothing,
        };
        let request = Request::new(request.collect()).followed_by(rest);
        let (decision, _) = gate.decide(&request, wall);
        let answer = match &decision {
            Decision::Verdict(Verdict::Forward(_)) => "200".to_owned(),
            Decision::Verdict(Verdict::Refuse(refusal)) => {
                let status = policy.reply(&request, refusal).status;
                format!("{status} `{}`", refusal.reason().code())
            }
            Decision::Verdict(Verdict::Answer(reply)) => reply.status.to_string(),
            Decision::Hold(_) => "held".to_owned(),
        };
        assert_eq!(
            answer, row[gets],
            "{}: {} {}",
            table.place, row[asks], row[with]
        );
        let Decision::Verdict(Verdict::Forward(forward)) = &decision else {
            continue;
        };
        for name in policy.claim_headers.names() {
            let seen = upstream(&headers, forward, name.as_str());
            assert!(
                !seen.contains(&SPOOFED.to_owned()),
                "{}: {row:?}",
                table.place
            );
        }
        if table.has("upstream sees") {
            let cell = &row[column("upstream sees")];
            let (name, value) = match cell.strip_prefix("no ") {
                Some(name) => (name.trim_matches('`'), None),
                None => {
                    let (name, value) = cell.trim_matches('`').split_once(": ").expect(cell);
                    (name, Some(value.to_owned()))
                }
            };
            let expected: Vec<_> = value.into_iter().collect();
            assert_eq!(
                upstream(&headers, forward, name),
                expected,
                "{}: {row:?}",
                table.place
            );
        }
    }
}

#[test]
fn recipes_do_what_they_say() {
    let pages = Pages::read();
    let asked_for: Vec<_> = pages.all.iter().map(|page| run(page).0).collect();
    let (all, pages) = (
        asked_for.iter().sum::<usize>(),
        asked_for.iter().filter(|one| **one > 0),
    );
    assert!(all >= 140 && pages.count() >= 4, "{asked_for:?} requests");
}

/// `envoy/RULES.md`: every sentence about a matcher has a row, and every field a place on the page.
#[test]
fn the_page_about_rules_does_what_it_says() {
    let page = Page::read("envoy/RULES.md");
    let (asked_for, rules) = run(&page);
    assert!(
        asked_for >= 35 && rules >= 5,
        "{asked_for} requests, {rules} rules"
    );
    for (limit, text) in [
        (requirement::MAX_ALTERNATIVES, "1 to {} alternatives"),
        (requirement::MAX_MATCHED_BYTES, "beyond {} bytes"),
        (claims::MAX_LIST_BYTES, "longer than {} bytes"),
    ] {
        let digits = limit.to_string();
        let shown = match digits.len() {
            4.. => format!(
                "{},{}",
                &digits[..digits.len() - 3],
                &digits[digits.len() - 3..]
            ),
            _ => digits,
        };
        let text = text.replace("{}", &shown);
        assert!(page.text.contains(&text), "{text}");
    }
    assert_eq!(claims::MAX_WILDCARDS, 4);
    assert!(page.text.contains("at most four times"));
}

/// Asks what every table asks under the rules before it; how many requests, under how many rules.
fn run(page: &Page) -> (usize, usize) {
    let mut lists = 0;
    let mut rules = None;
    let mut wanted = false;
    let mut asked_for = 0;
    for block in &page.blocks {
        match block {
            Block::Snippet(snippet) if snippet.marker.as_deref() == Some("rules") => {
                assert!(
                    !wanted,
                    "{}: the rules before it have no table",
                    snippet.place
                );
                rules = Some(policy(&snippet.value()));
                wanted = true;
                lists += 1;
            }
            Block::Table(table) if wanted || table.marker.as_deref() == Some("more requests") => {
                asked(rules.as_ref().expect("rules before the table"), table);
                asked_for += table.rows.len();
                wanted = false;
            }
            Block::Snippet(_) | Block::Table(_) => {}
        }
    }
    assert!(!wanted, "the last rules have no table");
    (asked_for, lists)
}

/// The route that a recipe shows takes members of the group and nobody else.
#[test]
fn the_route_by_group_takes_the_group_only() {
    let pages = Pages::read();
    let (snippet, _) = pages.marked("routes").next().expect("routes");
    let routes = snippet.value();
    let header = &routes["routes"][0]["match"]["headers"][0];
    let regex = header["string_match"]["safe_regex"]["regex"]
        .as_str()
        .expect("a regex");
    // Envoy wants the whole value to match.
    let regex = regex_lite::Regex::new(&format!("^(?:{regex})$")).expect("a regex");
    for (groups, taken) in [
        ("beta", true),
        ("beta,staff", true),
        ("staff,beta", true),
        ("a,beta,b", true),
        ("alphabeta", false),
        ("beta%2Cstaff", false),
        ("betas,staff", false),
    ] {
        assert_eq!(regex.is_match(groups), taken, "{groups}");
    }
}
