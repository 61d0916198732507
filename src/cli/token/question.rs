//! What the filter makes of a token: asked of the filter, as `explain` asks it.

use super::Args;
use super::contents::Contents;
use super::issuer::Issuer;
use crate::explain::{Account, Question, State, StepTaken, keys, place, policy};
use crate::locate::File;
use cognito_authorizer::config;
use cognito_authorizer::policy::Policy;
use cognito_authorizer::refusal::Reason;
use cognito_authorizer::rules::pattern::PathCase;
use cognito_authorizer::rules::requirement::{AnyOf, Callers, Requirement};
use cognito_authorizer::rules::{Access, Enforcement, Otherwise, Rules};
use cognito_authorizer::step::Step;
use cognito_authorizer::time::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

/// What this configuration makes of the token, were there no rules.
pub(super) fn put(
    args: &Args,
    config: &Path,
    compact: &str,
    contents: &Contents,
    now: Timestamp,
) -> anyhow::Result<Account> {
    let file = File::read(config)?;
    let located = file.only()?;
    let mut policy = policy(&file, located)?;
    let accounts = policy.issuers.accounts().iter();
    let of_account = accounts
        .clone()
        .any(|one| Some(one.issuer.as_str()) == contents.iss());
    policy.rules = for_anybody(of_account)?;
    let question = Question {
        headers: request(&policy, compact),
        now,
        keys: args.jwks.as_deref().map(keys::read).transpose()?,
        deny_list: None,
        answers: BTreeMap::new(),
        source_ip: None,
    };
    let mut account = Account::of(&Rc::new(policy), &located.config.value, &question);
    account.steps.retain(|taken| taken.step >= Step::Token);
    Ok(account)
}

/// No rules, and a valid token is enough.
fn for_anybody(of_account: bool) -> anyhow::Result<Rules> {
    let callers = match of_account {
        true => Callers::Principals(AnyOf::Unrestricted),
        false => Callers::default(),
    };
    let requirement = Requirement {
        callers,
        ..Requirement::default()
    };
    let otherwise = Otherwise {
        access: Access::Require(requirement.into()),
        enforcement: Enforcement::All,
    };
    Rules::new(Vec::new(), otherwise, PathCase::default())
        .map_err(|_| anyhow::anyhow!("found rules where there are none"))
}

fn request(policy: &Policy, compact: &str) -> Vec<(String, Vec<u8>)> {
    let mut headers = vec![
        (":method".to_owned(), b"GET".to_vec()),
        (":path".to_owned(), b"/".to_vec()),
        (":authority".to_owned(), b"localhost".to_vec()),
    ];
    place(&mut headers, &policy.token.sources, compact);
    headers
}

/// All that any configuration would refuse the token for, by one that waives what can be waived. The
/// filter stops at the first problem; what it would find later is found at a time that has none.
pub(super) fn problems(
    compact: &str,
    contents: &Contents,
    now: Timestamp,
) -> anyhow::Result<Vec<String>> {
    let document = lenient(contents);
    let mut policy = config::parse(document.to_string().as_bytes())?;
    policy.rules = for_anybody(document.get("aws_accounts").is_some())?;
    let policy = Rc::new(policy);
    let mut question = Question {
        headers: request(&policy, compact),
        now,
        keys: None,
        deny_list: None,
        answers: BTreeMap::new(),
        source_ip: None,
    };
    let (mut found, mut seen): (Vec<StepTaken>, Vec<Step>) = (Vec::new(), Vec::new());
    loop {
        let account = Account::of(&policy, &document, &question);
        let failed = account
            .steps
            .into_iter()
            .find_map(|taken| match taken.state {
                State::Failed(reason) => Some((taken, reason)),
                _ => None,
            });
        let Some((taken, reason)) = failed else { break };
        if seen.contains(&taken.step) {
            break;
        }
        seen.push(taken.step);
        // At another time, times are wrong that are not.
        let of_times = [Step::Expiry, Step::Start, Step::TokenAge].contains(&taken.step);
        if question.now == now || !of_times {
            found.push(taken);
        }
        let another = match reason {
            // An AWS account's may have been too old before its `exp`.
            Reason::TokenExpired => {
                let times = [contents.time("iat"), before(contents, "exp")];
                times.into_iter().flatten().min()
            }
            Reason::TokenNotYetValid => {
                let times = ["nbf", "iat"].map(|name| contents.time(name));
                times.into_iter().flatten().max()
            }
            _ => None,
        };
        match another {
            Some(time) => question.now = time,
            None => break,
        }
    }
    Ok(found.iter().map(|taken| told(taken, contents)).collect())
}

/// A second before a time.
fn before(contents: &Contents, name: &str) -> Option<Timestamp> {
    Timestamp::from_seconds(contents.time(name)?.seconds() - 1.0)
}

fn told(taken: &StepTaken, contents: &Contents) -> String {
    let code = match taken.state {
        State::Failed(reason) => format!(" ({})", reason.code()),
        _ => String::new(),
    };
    let name = taken.step.name();
    match taken.step {
        // What the configuration below expects is nobody's.
        Step::Issuer => {
            let found = contents
                .claim("iss")
                .map_or("missing".to_owned(), Value::to_string);
            format!(
                "{name}: iss is {found}; expected the URL of a user pool or an AWS account{code}"
            )
        }
        _ => format!("{name}: {}{code}", taken.text),
    }
}

/// A configuration that admits whatever can be admitted.
fn lenient(contents: &Contents) -> Value {
    let iss = contents.iss().unwrap_or_default();
    let jwks = json!({"cluster": "keys"});
    if let (Issuer::Account, Some(account)) = (Issuer::of(iss), contents.account()) {
        let audiences = match contents.claim("aud") {
            Some(Value::Array(audiences)) => audiences.clone(),
            Some(audience) => vec![audience.clone()],
            None => Vec::new(),
        };
        let document = json!({"aws_accounts": [
            {"account": account, "issuer": iss, "audiences": audiences, "jwks": jwks}
        ]});
        if config::parse(document.to_string().as_bytes()).is_ok() {
            return document;
        }
    }
    let with = |id: &str, issuer: &str| {
        json!({
            "user_pools": [
                {"user_pool_id": id, "client_ids": "any", "issuer": issuer, "jwks": jwks}
            ],
            "token": {"use": "any", "max_bytes": config::MAX_TOKEN_BYTES},
        })
    };
    let id = match Issuer::of(iss) {
        Issuer::Pool(pool, _) => pool.id().as_str().to_owned(),
        Issuer::NearlyPool(id, _) => id.as_str().to_owned(),
        Issuer::Account | Issuer::Other => "us-east-1_Unknown".to_owned(),
    };
    let document = with(&id, iss);
    match config::parse(document.to_string().as_bytes()) {
        Ok(_) => document,
        Err(_) => with(&id, "original"),
    }
}
