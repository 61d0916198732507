//! Whose tokens a rule admits: `token_use`, `pools`, `clients`, `principals`.

use super::accounts::KnownAccounts;
use super::field::Field;
use super::fields::Fields;
use super::place::quoted;
use super::pools::KnownPools;
use super::problem::Parsed;
use crate::claims::TokenUse;
use crate::pool::UserPoolId;
use crate::principal::PrincipalPattern;
use crate::rules::requirement::{AnyOf, Narrowing, WantedUse};

const PRINCIPALS: &str = "a list of ARNs of roles and users, or \"any\"";
/// What names a rule's user pools.
pub(super) const POOLS: &str = "a list of user pool ids or \"any\"";

/// What an object of conditions narrows further.
pub(super) struct Surroundings<'a> {
    /// What `token.use` says.
    pub(super) wanted: Parsed<WantedUse>,
    /// What the `require` around an alternative says.
    pub(super) require: Option<&'a Narrowing>,
    pub(super) pools: &'a KnownPools,
}

impl Surroundings<'_> {
    /// Which pools are admitted where an alternative names none.
    pub(super) fn pools(&self) -> AnyOf<UserPoolId> {
        self.require
            .map_or(AnyOf::Unrestricted, |require| require.pools.clone())
    }
}

/// Reads `principals`, if it is there.
pub(super) fn principals(
    fields: &Fields<'_>,
    accounts: &KnownAccounts,
) -> Option<Parsed<AnyOf<PrincipalPattern>>> {
    let field = fields.optional("principals", PRINCIPALS)?;
    let principals = field.any_or_each("the ARN of a role or user", |item| {
        let pattern = item.parsed(PrincipalPattern::new)?;
        match accounts.problem_with(&pattern) {
            Some(problem) => {
                Err(item.refuse(format_args!("found {:?}; {problem}", pattern.to_string())))
            }
            None => Ok(pattern),
        }
    });
    Some(principals.and_then(|principals| {
        if principals == AnyOf::Unrestricted && accounts.is_empty() {
            return Err(field.refuse(
                "found \"any\", but there are no aws_accounts; expected one whose principals are meant",
            ));
        }
        Ok(principals)
    }))
}

/// Reads the three fields about users.
pub(super) fn users(fields: &Fields<'_>, around: &Surroundings<'_>) -> Users {
    let pools = pools(fields, around);
    let admitted = match &pools {
        Ok(AnyOf::Unrestricted) => Ok(around.pools()),
        pools => pools.clone(),
    };
    Users {
        token_use: token_use(fields, around),
        clients: clients(fields, admitted.as_ref().ok(), around),
        pools,
        admitted,
    }
}

/// Which users are admitted, each part by itself.
pub(super) struct Users {
    pub(super) token_use: Parsed<WantedUse>,
    pools: Parsed<AnyOf<UserPoolId>>,
    clients: Parsed<AnyOf<String>>,
    /// The pools of this object or of the one around it.
    pub(super) admitted: Parsed<AnyOf<UserPoolId>>,
}

impl Users {
    pub(super) fn narrowing(self) -> Parsed<Narrowing> {
        Ok(Narrowing {
            token_use: self.token_use?,
            pools: self.pools?,
            clients: self.clients?,
        })
    }
}

fn token_use(fields: &Fields<'_>, around: &Surroundings<'_>) -> Parsed<WantedUse> {
    let Some(field) = fields.optional("token_use", "id or access") else {
        return Ok(WantedUse::Any);
    };
    let narrowed = field.word(&[("id", TokenUse::Id), ("access", TokenUse::Access)])?;
    if around.wanted.is_ok_and(|all| !all.admits(narrowed)) {
        return Err(field.refuse(
            "found another use than token.use admits; expected the same, or token.use any",
        ));
    }
    if around
        .require
        .is_some_and(|around| !around.token_use.admits(narrowed))
    {
        return Err(field.refuse(
            "found another use than the require around it admits; expected the same, or none there",
        ));
    }
    Ok(WantedUse::Only(narrowed))
}

fn pools(fields: &Fields<'_>, around: &Surroundings<'_>) -> Parsed<AnyOf<UserPoolId>> {
    let known = around.pools.ids();
    let Some(field) = fields.optional("pools", POOLS) else {
        return Ok(AnyOf::Unrestricted);
    };
    field.any_or_each("a user pool id", |item| {
        let id = item.parsed(UserPoolId::new)?;
        let found = |expected: &str| {
            Err(item.refuse(format_args!("found {:?}; expected {expected}", id.as_str())))
        };
        match &known {
            Some(known) if !known.contains(&id) => found("a user pool id of user_pools"),
            _ if around
                .require
                .is_some_and(|around| !around.pools.admits(&id)) =>
            {
                found("a user pool id that the require around it admits")
            }
            _ => Ok(id),
        }
    })
}

fn clients(
    fields: &Fields<'_>,
    pools: Option<&AnyOf<UserPoolId>>,
    around: &Surroundings<'_>,
) -> Parsed<AnyOf<String>> {
    let Some(field) = fields.optional("clients", "a list of app client ids") else {
        return Ok(AnyOf::Unrestricted);
    };
    let clients = field.each("an app client id", |item| {
        let client = item.text()?;
        let found = |expected: &str| {
            Err(item.refuse(format_args!(
                "found {}; expected {expected}",
                quoted(client)
            )))
        };
        if pools.is_some_and(|pools| !around.pools.admit(client, pools)) {
            return found("an app client that client_ids of a wanted user pool admits");
        }
        if around
            .require
            .is_some_and(|around| !around.clients.admits(client))
        {
            return found("an app client that the require around it admits");
        }
        Ok(client.to_owned())
    });
    clients.map(AnyOf::Only)
}

/// A group, scope or claim of one pool means nothing in another, where any user may have been given
/// it: with several pools, a rule with such `words` has to say whose they are.
pub(super) fn name_their_pools(
    fields: &Fields<'_>,
    words: &[&str],
    around: &Surroundings<'_>,
) -> Parsed<()> {
    let several = around.pools.ids().is_some_and(|ids| ids.len() > 1);
    if !several || words.is_empty() || fields.has("pools") {
        return Ok(());
    }
    Err(fields.refuse_at(
        "pools",
        format_args!(
            "missing; expected {POOLS}, since {} may differ between user pools",
            words.join(" and ")
        ),
    ))
}

/// The word of what AWS principals are admitted by.
pub(super) fn are_principals(field: &Field<'_>) -> bool {
    field.value().get("principals").is_some()
}
