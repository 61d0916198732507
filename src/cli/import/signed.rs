//! Operations that ask for signed requests (IAM): what the command line says is to stand in for them.

use anyhow::ensure;
use cognito_authorizer::arn::is_account;
use cognito_authorizer::principal::PrincipalPattern;
use serde_json::{Value, json};
use std::str::FromStr;

/// The AWS account that the command line names: `NUMBER=ISSUER`.
#[derive(Clone, Debug)]
pub(super) struct NamedAccount {
    number: String,
    issuer: String,
}

impl FromStr for NamedAccount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, issuer) = text.split_once('=').ok_or("expected NUMBER=ISSUER")?;
        if !is_account(number) {
            return Err(format!(
                "found {number:?}; expected the twelve digits of an AWS account"
            ));
        }
        Ok(Self {
            number: number.to_owned(),
            issuer: issuer.to_owned(),
        })
    }
}

/// Who may call what IAM decided about before.
#[derive(Clone, Debug)]
pub(super) struct Callers {
    account: NamedAccount,
    audiences: Vec<String>,
    principals: Vec<String>,
}

impl Callers {
    /// What the three options say together, if they were given.
    ///
    /// # Errors
    /// A principal is none. That all of it fits together, the filter's own parser says.
    pub(super) fn of(
        account: Option<&NamedAccount>,
        audiences: &[String],
        principals: &[String],
    ) -> anyhow::Result<Option<Self>> {
        let Some(account) = account else {
            return Ok(None);
        };
        for principal in principals {
            let pattern = PrincipalPattern::new(principal);
            ensure!(
                pattern.is_ok(),
                "--principals: {}",
                pattern.map_or_else(|error| error.to_string(), |_| String::new())
            );
        }
        Ok(Some(Self {
            account: account.clone(),
            audiences: audiences.to_vec(),
            principals: principals.to_vec(),
        }))
    }

    /// The entry of `aws_accounts`.
    pub(super) fn entry(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("account", json!(self.account.number)),
            ("issuer", json!(self.account.issuer)),
            ("audiences", json!(self.audiences)),
            ("jwks", json!({"cluster": self.cluster()})),
        ]
    }

    /// The account's issuer.
    pub(super) fn issuer(&self) -> &str {
        &self.account.issuer
    }

    /// The cluster as `cognito-authorizer jwks` names it.
    fn cluster(&self) -> String {
        let host = self.account.issuer.split("://").nth(1).unwrap_or_default();
        let id = host.split(['.', '-', '/', ':']).next().unwrap_or_default();
        format!("aws_tokens_{id}")
    }

    /// The principals of the rules.
    pub(super) fn principals(&self) -> &[String] {
        &self.principals
    }
}
