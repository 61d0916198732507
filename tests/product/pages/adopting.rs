//! `envoy/ADOPTING.md`: its configurations are accepted, and each request of its table gets, under report
//! and under all, what the page says.

use std::rc::Rc;

use cognito_authorizer::config;
use cognito_authorizer::decision::{Caller, Decision, Despite, Verdict};
use cognito_authorizer::gate::Gate;
use cognito_authorizer::keyring::Entropy;
use cognito_authorizer::policy::Policy;
use cognito_authorizer::request::Request;
use cognito_authorizer::rs256::Rs256;
use cognito_authorizer::time::Timestamp;
use serde_json::{Value, json};

use crate::harness::issuer::{TestKey, Token, key_set, now};
use crate::harness::markdown::{Page, Snippet, spans};
use crate::pages::replies;

const POOL: &str = "us-east-1_AbCdEf123";

fn page() -> Page {
    Page::read("envoy/ADOPTING.md")
}

/// The configuration of this name, with keys in it.
fn configuration(name: &str) -> Value {
    let page = page();
    let marker = format!("configuration {name}");
    let (snippet, _) = page.marked(&marker).next().expect(name);
    let mut document = snippet.value();
    document["user_pools"][0]["jwks"] = json!({"inline": key_set(&[TestKey::first()])});
    document
}

fn policy(document: &Value) -> Rc<Policy> {
    let policy = config::parse(document.to_string().as_bytes());
    Rc::new(policy.unwrap_or_else(|problems| panic!("{problems}")))
}

/// A token of the page's app client, in no group.
fn genuine() -> Token {
    Token::access(POOL)
        .claim("client_id", "web")
        .without("cognito:groups")
}

/// What becomes of a request, in the words of the page.
fn told(policy: &Rc<Policy>, line: &str, token: &str) -> String {
    let (method, path) = line.split_once(' ').expect("a method and a path");
    let compact = match token {
        "good" => Some(genuine().mint()),
        "expired" => Some(genuine().claim("exp", now() - 3600).mint()),
        "none" => None,
        other => panic!("no token is called {other}"),
    };
    let header = |name: &'static str, value: String| (name.into(), value.into_bytes());
    let mut headers = vec![
        header(":method", method.to_owned()),
        header(":path", path.to_owned()),
        header(":authority", "api.example.com".to_owned()),
    ];
    headers.extend(compact.map(|token| header("authorization", format!("Bearer {token}"))));
    let request = Request::new(headers);
    let mut gate = Gate::new(Rc::clone(policy), Rs256::module(), Entropy::new(1));
    let wall = Timestamp::from_seconds(f64::from(u32::try_from(now()).unwrap())).unwrap();
    match gate.decide(&request, wall).0 {
        Decision::Verdict(Verdict::Refuse(refusal)) => {
            let reply = policy.reply(&request, &refusal);
            format!("{} `{}`", reply.status, refusal.reason().code())
        }
        Decision::Verdict(Verdict::Forward(forward)) => match (forward.despite, forward.caller) {
            (Some(Despite::Reported(reason)), Caller::Anonymous) => {
                format!("anonymous, reported `{}`", reason.code())
            }
            (Some(Despite::Reported(reason)), Caller::Known(_)) => {
                format!("allowed, reported `{}`", reason.code())
            }
            (None, Caller::Anonymous) => "anonymous".to_owned(),
            (None, Caller::Known(_)) => "allowed".to_owned(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn requests_get_what_the_page_says() {
    let page = page();
    let table = page.tables().find(|table| table.has("under report"));
    let table = table.expect("the table");
    let report = policy(&configuration("report"));
    let mut enforced = configuration("report");
    enforced.as_object_mut().unwrap().remove("enforce");
    let all = policy(&enforced);
    let by_rule = policy(&configuration("rule"));
    assert!(report.rules.opens_doors() && by_rule.rules.opens_doors());
    assert!(!all.rules.opens_doors());
    let column = |name: &str| table.column(name);
    let mut differ = 0;
    for row in &table.rows {
        let [line] = spans(&row[column("request")])[..] else {
            panic!("{row:?}");
        };
        let token = &row[column("token")];
        assert_eq!(told(&report, line, token), row[column("under report")]);
        assert_eq!(told(&all, line, token), row[column("under all")]);
        let rule = match line.contains("/admin/") {
            true => "under all",
            false => "under report",
        };
        assert_eq!(told(&by_rule, line, token), row[column(rule)], "{line}");
        differ += usize::from(row[column("under report")] != row[column("under all")]);
    }
    assert!(differ >= 4, "{differ} differ");
}

/// Counters of what is reported, as the admin port prints them.
pub(crate) fn statistics(snippet: &Snippet, _: &str) {
    for line in snippet.text.lines() {
        let (name, value) = line.split_once(": ").expect("a value");
        let reason = name.strip_prefix("wasmcustom.cognito_authorizer.reported.");
        replies::reason(reason.expect(line));
        assert!(value.parse::<u32>().is_ok(), "{line}");
    }
}
