//! `require`: what a rule asks of a token, beyond that it is valid.
//!
//! A rule that no token could ever satisfy is refused: it was meant to open a door.

use super::accounts::KnownAccounts;
use super::authorizers::KnownAuthorizers;
use super::callers::{self, Surroundings, Users};
use super::claims;
use super::duration::Bounds;
use super::field::{Field, all};
use super::fields::Fields;
use super::pools::KnownPools;
use super::problem::Parsed;
use super::wanted::{self, Elements, Names};
use crate::claims::TokenUse;
use crate::header::HeaderName;
use crate::rules::pattern::Match;
use crate::rules::requirement::{
    Alternative, AuthAge, Callers, Conditions, Confirmation, MAX_ALTERNATIVES, Narrowing,
    Requirement, WantedUse,
};
use std::time::Duration;

/// `max_auth_age`: the client is told it in whole seconds, and a year is as good as no limit.
const MAX_AUTH_AGE: Bounds = Bounds {
    min: Duration::from_secs(1),
    max: Duration::from_secs(8760 * 3600),
};

/// `confirmed_within`: in less than a second every request would ask; an access token lives for an
/// hour, unless its app client says otherwise.
const CONFIRMED_WITHIN: Bounds = Bounds {
    min: Duration::from_secs(1),
    max: Duration::from_secs(3600),
};

const FIELDS: [&str; 10] = [
    "principals",
    "token_use",
    "pools",
    "clients",
    "scopes",
    "groups",
    "claims",
    "max_auth_age",
    "confirmed_within",
    "any_of",
];
/// Conditions whose words are a pool's own.
const POOL_WORDS: [&str; 3] = ["scopes", "groups", "claims"];

/// What says nothing of an AWS principal.
const OF_USERS: [&str; 7] = [
    "token_use",
    "pools",
    "clients",
    "scopes",
    "groups",
    "max_auth_age",
    "confirmed_within",
];

/// What `require` is read against.
pub(super) struct Context<'a> {
    /// The configured pools.
    pub(super) pools: &'a KnownPools,
    /// The configured AWS accounts.
    pub(super) accounts: &'a KnownAccounts,
    /// The configured authorizers.
    pub(super) authorizers: &'a KnownAuthorizers,
    /// What `token.use` says.
    pub(super) wanted: Parsed<WantedUse>,
    /// What is wrong with a header that a rule would read at this path, if anything is.
    pub(super) problem_with: &'a dyn Fn(&HeaderName, &str) -> Option<String>,
}

/// Reads `require` of a rule with this match.
pub(super) fn read(
    field: &Field<'_>,
    matches: Parsed<&Match>,
    context: &Context<'_>,
) -> Parsed<Requirement> {
    let fields = field.fields(&FIELDS)?;
    if fields.is_empty() {
        return Err(fields.refuse(
            "found an empty object; expected a condition, or no require at all for any valid token",
        ));
    }
    let variables: Parsed<Vec<String>> = matches.map(Match::variables);
    let names = Names {
        variables: match &variables {
            Ok(variables) => Ok(variables.as_slice()),
            Err(reported) => Err(*reported),
        },
        hosts: matches.map_or(&[], |matches| &matches.hosts),
        problem_with: context.problem_with,
    };
    let around = Surroundings {
        wanted: context.wanted,
        require: None,
        pools: context.pools,
    };
    let items = fields
        .optional(
            "any_of",
            format!("a list of 1 to {MAX_ALTERNATIVES} objects of conditions"),
        )
        .map_or(Ok(Vec::new()), |field| alternatives_of(&field));
    let of_principals = items
        .as_ref()
        .is_ok_and(|items| items.iter().any(callers::are_principals));
    let words = match fields.has("principals") || of_principals {
        // It cannot name pools, which principals have none of: each alternative names its own.
        true => Vec::new(),
        false => fields.present(&POOL_WORDS),
    };
    let pools = callers::name_their_pools(&fields, &words, &around);
    let whole = conditions(&fields, names, &around, context);
    // What is unknown narrows nothing: it has been reported.
    let everyone = Narrowing::default();
    let whole_users = whole.as_ref().ok().and_then(|whole| whole.callers.users());
    let within = Within {
        fields: &fields,
        around: Surroundings {
            wanted: context.wanted,
            require: Some(whole_users.unwrap_or(&everyone)),
            pools: context.pools,
        },
        qualifies_words: of_principals && !fields.present(&POOL_WORDS).is_empty(),
    };
    let any_of = items.and_then(|items| {
        let read = items
            .iter()
            .map(|item| within.alternative(item, names, context));
        let any_of = all(read)?;
        each_once(&items, &any_of)?;
        Ok(any_of)
    });
    if fields.has("principals") && fields.has("any_of") {
        return Err(fields.refuse_at(
            "any_of",
            "found beside principals; expected principals in an alternative",
        ));
    }
    let Alternative {
        callers,
        conditions,
        confirmation,
    } = whole?;
    pools?;
    Ok(Requirement {
        callers: match of_principals {
            true => Callers::OfAlternatives,
            false => callers,
        },
        conditions,
        confirmation,
        any_of: any_of?,
    })
}

fn alternatives_of<'doc>(field: &Field<'doc>) -> Parsed<Vec<Field<'doc>>> {
    let items = field.items("an object of conditions")?;
    match items.len() > MAX_ALTERNATIVES {
        true => Err(field.refuse(format_args!(
            "found {} alternatives; expected at most {MAX_ALTERNATIVES}",
            items.len()
        ))),
        false => Ok(items),
    }
}

/// What an alternative stands in.
struct Within<'a> {
    /// The fields of the `require` around it.
    fields: &'a Fields<'a>,
    around: Surroundings<'a>,
    /// Whether the words around it are without pools, and left for it to say whose they are.
    qualifies_words: bool,
}

impl Within<'_> {
    fn alternative(
        &self,
        item: &Field<'_>,
        names: Names<'_>,
        context: &Context<'_>,
    ) -> Parsed<Alternative> {
        let fields = item.fields(alternative_fields())?;
        if fields.is_empty() {
            return Err(fields.refuse(
                "found an empty object; expected a condition, since one that always holds leaves the others nothing to say",
            ));
        }
        if fields.has("principals") {
            let of_users = self.fields.present(&OF_USERS);
            if !of_users.is_empty() {
                return Err(fields.refuse_at(
                    "principals",
                    format_args!(
                        "found below {}, which no AWS principal meets; expected that in the other alternatives",
                        of_users.join(" and ")
                    ),
                ));
            }
        }
        let mut words = fields.present(&POOL_WORDS);
        if self.qualifies_words {
            words = POOL_WORDS
                .into_iter()
                .filter(|word| fields.has(word) || self.fields.has(word))
                .collect();
        }
        let named = fields.has("principals") || self.fields.has("pools");
        let pools = match named {
            true => Ok(()),
            false => callers::name_their_pools(&fields, &words, &self.around),
        };
        let read = conditions(&fields, names, &self.around, context);
        pools?;
        read
    }
}

const fn alternative_fields() -> &'static [&'static str] {
    match FIELDS.split_last() {
        Some((_, others)) => others,
        None => &[],
    }
}

/// Two that are one: another was meant.
fn each_once(items: &[Field<'_>], any_of: &[Alternative]) -> Parsed<()> {
    let twice = |(at, one): (usize, &Alternative)| {
        let earlier = any_of.iter().take(at).position(|earlier| earlier == one)?;
        let item = items.get(at)?;
        Some(Err(item.refuse(format_args!(
            "found the same as any_of[{earlier}]; expected each once"
        ))))
    };
    all(any_of.iter().enumerate().filter_map(twice)).map(|_: Vec<()>| ())
}

/// Reads what `require` and its alternatives have in common.
fn conditions(
    fields: &Fields<'_>,
    names: Names<'_>,
    around: &Surroundings<'_>,
    context: &Context<'_>,
) -> Parsed<Alternative> {
    if let Some(principals) = callers::principals(fields, context.accounts) {
        // A condition on users beside them would let nobody pass, and was meant as another way in.
        let beside = all(fields.present(&OF_USERS).into_iter().map(|name| {
            Err::<(), _>(fields.refuse_at(
                name,
                "found beside principals, of which it says nothing; expected claims alone beside them",
            ))
        }));
        let claims = claims::read(fields, names);
        beside?;
        return Ok(Alternative {
            callers: Callers::Principals(principals?),
            conditions: Conditions {
                claims: claims?,
                ..Conditions::default()
            },
            confirmation: Confirmation::Waived,
        });
    }
    let users = callers::users(fields, around);
    let scopes = wanted::list(fields, "scopes", Elements::Scopes, names);
    let groups = wanted::list(fields, "groups", Elements::Groups, names);
    let claims = claims::read(fields, names);
    let max_auth_age = fields
        .optional("max_auth_age", format!("a duration {MAX_AUTH_AGE}"))
        .map_or(Ok(AuthAge::Any), |field| {
            field.duration(MAX_AUTH_AGE).map(AuthAge::AtMost)
        });
    let confirmation = confirmation(fields, &users, around);
    let callers = users.narrowing();
    Ok(Alternative {
        conditions: Conditions {
            scopes: scopes?,
            groups: groups?,
            claims: claims?,
            max_auth_age: max_auth_age?,
        },
        callers: Callers::Users(callers?),
        confirmation: confirmation?,
    })
}

/// Reads `confirmed_within`. A pool can be asked about access tokens only, and has to say how: a rule
/// that could never be met is refused.
fn confirmation(
    fields: &Fields<'_>,
    users: &Users,
    around: &Surroundings<'_>,
) -> Parsed<Confirmation> {
    let expected = format!("a duration {CONFIRMED_WITHIN}");
    let Some(field) = fields.optional("confirmed_within", expected) else {
        return Ok(Confirmation::Waived);
    };
    let within = field.duration(CONFIRMED_WITHIN);
    let mut fits = Ok(());
    const ACCESS: WantedUse = WantedUse::Only(TokenUse::Access);
    let uses = [
        users.token_use.ok(),
        around.wanted.ok(),
        Some(
            around
                .require
                .map_or(WantedUse::Any, |around| around.token_use),
        ),
    ];
    if uses.iter().all(Option::is_some) && !uses.contains(&Some(ACCESS)) {
        fits = Err(field.refuse(
            "found without token_use access; expected it beside this or as token.use, since a user pool can be asked about access tokens only",
        ));
    }
    let pools = users.admitted.as_ref().ok();
    let unasked = pools.map(|pools| around.pools.without_confirm(pools));
    for position in unasked.unwrap_or_default() {
        fits = Err(field.refuse(format_args!(
            "found for user_pools[{position}], which has no confirm; expected one in each user pool that the rule admits"
        )));
    }
    fits?;
    within.map(Confirmation::Within)
}
