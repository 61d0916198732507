//! The answers of authorizers for the desk: files, each with what a function has answered.

use anyhow::{Context as _, anyhow, bail, ensure};
use cognito_authorizer::authorizer::answer::{FUNCTION_ERROR_HEADER, MAX_ANSWER_BYTES};
use cognito_authorizer::policy::Policy;
use cognito_authorizer::remote::call::Answer;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::PathBuf;
use std::str::FromStr;

/// An answer that the command line names: `NAME=FILE`.
#[derive(Clone, Debug)]
pub(super) struct NamedAnswer {
    authorizer: String,
    file: PathBuf,
}

impl FromStr for NamedAnswer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // No name of an authorizer has the sign in it.
        let (authorizer, file) = text.split_once('=').ok_or("expected NAME=FILE")?;
        Ok(Self {
            authorizer: authorizer.to_owned(),
            file: PathBuf::from(file),
        })
    }
}

/// The answers by the names of their authorizers. Whether one is any good, the filter says.
pub(super) fn read(
    named: &[NamedAnswer],
    policy: &Policy,
) -> anyhow::Result<BTreeMap<String, Answer>> {
    let mut answers = BTreeMap::new();
    for NamedAnswer { authorizer, file } in named {
        let known = policy.authorizers.iter();
        let known: Vec<_> = known.map(|one| one.name.as_str()).collect();
        if known.is_empty() {
            bail!("found --answer {authorizer}, but the configuration has no authorizers");
        }
        ensure!(
            known.contains(&authorizer.as_str()),
            "--answer {authorizer}: expected one of {}",
            known.join(", ")
        );
        let name = file.display();
        let mut body = Vec::new();
        // One byte more than an answer may have: what is longer is no answer.
        let limit = u64::try_from(MAX_ANSWER_BYTES).unwrap_or(u64::MAX);
        let opened = std::fs::File::open(file).with_context(|| name.to_string())?;
        let read = opened.take(limit.saturating_add(1)).read_to_end(&mut body);
        read.with_context(|| name.to_string())?;
        let failed = is_error(&body);
        let failed = failed.then(|| (FUNCTION_ERROR_HEADER, b"Unhandled".to_vec()));
        let answer = Answer::Response {
            status: 200,
            headers: failed.into_iter().collect(),
            body: Some(body),
        };
        if answers.insert(authorizer.clone(), answer).is_some() {
            return Err(anyhow!(
                "found --answer {authorizer} twice; expected it once"
            ));
        }
    }
    Ok(answers)
}

/// Whether this is how Lambda tells of a function that failed, beside its header.
fn is_error(body: &[u8]) -> bool {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let has = |name: &str| value.get(name).is_some();
    has("errorMessage") && !has("policyDocument") && !has("isAuthorized")
}
