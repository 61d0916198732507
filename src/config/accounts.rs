//! `aws_accounts`: whose IAM principals are admitted, and where their accounts' keys come from.

use super::duration::Bounds;
use super::field::{Field, all};
use super::fields::Fields;
use super::issuer::{self, Taken};
use super::jwks;
use super::place::quoted;
use super::problem::Parsed;
use crate::arn::is_account;
use crate::jwks::KeyKinds;
use crate::policy::Account;
use crate::principal::{PrincipalPattern, partition_of};
use crate::rules::requirement::AnyOf;
use std::time::Duration;

/// The most entries of `aws_accounts`: each has keys to fetch and to hold. From the reference.
pub const MAX_AWS_ACCOUNTS: usize = 100;

/// `max_token_age`: a caller asks for 60 s at least, and STS gives an hour at most.
const MAX_TOKEN_AGE: Bounds = Bounds {
    min: Duration::from_secs(60),
    max: Duration::from_secs(3600),
};
const DEFAULT_MAX_TOKEN_AGE: Duration = Duration::from_secs(3600);

const FIELDS: [&str; 6] = [
    "account",
    "issuer",
    "audiences",
    "jwks",
    "organization",
    "max_token_age",
];

const ISSUER: &str = "the account's issuer, such as https://a1d2b0fd-1177-4468-9351-2fexample723.tokens.sts.global.api.aws";
const AUDIENCES: &str = "a list of audiences such as https://api.example.com";

/// What rules may refer to. About a part that was refused nothing is known, and nothing is said.
#[derive(Debug)]
pub(super) struct KnownAccounts(Parsed<Vec<Parsed<(String, &'static str)>>>);

impl KnownAccounts {
    /// Whether there is none at all.
    pub(super) fn is_empty(&self) -> bool {
        self.0.as_ref().is_ok_and(Vec::is_empty)
    }

    /// What stands in the way of a principal that is to be of a configured account.
    pub(super) fn problem_with(&self, pattern: &PrincipalPattern) -> Option<String> {
        let known = self.0.as_ref().ok()?;
        let known: Vec<_> = known
            .iter()
            .map(Result::as_ref)
            .collect::<Result<_, _>>()
            .ok()?;
        let mut of_account = known
            .into_iter()
            .filter(|(number, _)| number == pattern.account())
            .map(|(_, partition)| *partition);
        let Some(partition) = of_account.next() else {
            return Some("expected a principal of an account of aws_accounts".to_owned());
        };
        let fits =
            partition == pattern.partition() || of_account.any(|it| it == pattern.partition());
        (!fits).then(|| {
            format!(
                "expected arn:{partition}:iam::{}:…, by the host of the account's issuer",
                pattern.account()
            )
        })
    }
}

/// Reads `aws_accounts`, and what rules need to know of them even if some of it is wrong.
pub(super) fn read(
    fields: &Fields<'_>,
    taken: &mut Taken,
) -> (Parsed<Vec<Account>>, KnownAccounts) {
    let entries = match entries(fields) {
        Ok(entries) => entries,
        Err(reported) => return (Err(reported), KnownAccounts(Err(reported))),
    };
    let mut known = Vec::new();
    let accounts = all(entries.iter().map(|entry| {
        let fields = entry.fields(&FIELDS);
        let parts = fields.as_ref().map_err(|reported| *reported);
        let number = parts.and_then(number);
        let issuer = parts.and_then(|fields| issuer::url(&fields.required("issuer", ISSUER)?));
        let partition = issuer.as_ref().map(|(_, parts)| partition_of(parts.host()));
        let partition = partition.map_err(|reported| *reported);
        known.push(number.clone().and_then(|number| Ok((number, partition?))));
        let fields = parts?;
        let unique = match &issuer {
            Ok((issuer, _)) => taken.take(entry, fields, issuer),
            Err(reported) => Err(*reported),
        };
        let audiences = audiences(fields);
        let organization = organization(fields);
        let max_token_age = fields.duration("max_token_age", MAX_TOKEN_AGE, DEFAULT_MAX_TOKEN_AGE);
        let issuer = issuer.map(|(issuer, _)| issuer);
        let issuer_known = issuer.as_deref().map_err(|reported| *reported);
        let keys = jwks::read(fields, issuer_known, KeyKinds::RsaAndP384);
        unique?;
        Ok(Account {
            number: number?,
            partition: partition?,
            issuer: issuer?,
            audiences: audiences?,
            organization: organization?,
            max_token_age: max_token_age?,
            keys: keys?,
        })
    }));
    (accounts, KnownAccounts(Ok(known)))
}

fn entries<'doc>(fields: &Fields<'doc>) -> Parsed<Vec<Field<'doc>>> {
    let expected = format!("a list of at most {MAX_AWS_ACCOUNTS} AWS accounts");
    let Some(field) = fields.optional("aws_accounts", expected) else {
        return Ok(Vec::new());
    };
    let entries = field.list("an object with account, issuer, audiences and jwks")?;
    if entries.len() > MAX_AWS_ACCOUNTS {
        let found = entries.len();
        return Err(field.refuse(format_args!(
            "found {found} AWS accounts; expected at most {MAX_AWS_ACCOUNTS}"
        )));
    }
    Ok(entries)
}

fn number(fields: &Fields<'_>) -> Parsed<String> {
    let field = fields.required("account", "the twelve digits of an AWS account, in quotes")?;
    let text = field.any_text()?;
    match is_account(text) {
        true => Ok(text.to_owned()),
        false => Err(field.wrong()),
    }
}

/// Without an audience, a token that a caller had made for another service would be as good here.
fn audiences(fields: &Fields<'_>) -> Parsed<Vec<String>> {
    let field = fields.required("audiences", AUDIENCES)?;
    field.each("an audience such as https://api.example.com", |item| {
        let audience = item.text()?;
        if audience == "any" || audience.contains('*') {
            return Err(item.refuse(format_args!(
                "found {}; expected an audience that is compared to the letter: this check is never waived",
                quoted(audience)
            )));
        }
        Ok(audience.to_owned())
    })
}

fn organization(fields: &Fields<'_>) -> Parsed<AnyOf<String>> {
    let expected = "the id of an AWS organization such as o-abc1234567";
    let Some(field) = fields.optional("organization", expected) else {
        return Ok(AnyOf::Unrestricted);
    };
    let id = field.text()?;
    let is_id = id.strip_prefix("o-").is_some_and(|rest| {
        let of_id = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        // AWS: ten to 32 characters.
        (1..=32).contains(&rest.len()) && rest.bytes().all(of_id)
    });
    match is_id {
        true => Ok(AnyOf::Only(vec![id.to_owned()])),
        false => Err(field.wrong()),
    }
}
