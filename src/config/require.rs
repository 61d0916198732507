//! `require`: what a rule asks of a token, beyond that it is valid.
//!
//! A rule that no token could ever satisfy is refused: it was meant to open a door.

use super::accounts::KnownAccounts;
use super::authorizers::KnownAuthorizers;
use super::duration::Bounds;
use super::field::{Field, all};
use super::fields::Fields;
use super::place::quoted;
use super::pools::KnownPools;
use super::problem::Parsed;
use crate::claims::{Claim, ClaimPlace, TokenUse};
use crate::pool::UserPoolId;
use crate::principal::PrincipalPattern;
use crate::rules::pattern::PathPattern;
use crate::rules::requirement::{
    AnyOf, AuthAge, Callers, ClaimCondition, Conditions, Confirmation, Narrowing, Requirement,
    WantedUse, WantedValue,
};
use serde_json::Value;
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

const FIELDS: [&str; 9] = [
    "principals",
    "token_use",
    "pools",
    "clients",
    "scopes",
    "groups",
    "claims",
    "max_auth_age",
    "confirmed_within",
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
}

/// Reads `require` of a rule with this path.
pub(super) fn read(
    field: &Field<'_>,
    path: Parsed<&PathPattern>,
    context: &Context<'_>,
) -> Parsed<Requirement> {
    let fields = field.fields(&FIELDS)?;
    if fields.is_empty() {
        return Err(fields.refuse(
            "found an empty object; expected a condition, or no require at all for any valid token",
        ));
    }
    if let Some(field) = fields.optional("principals", PRINCIPALS) {
        return of_principals(&fields, &field, path, context);
    }
    let token_use = token_use(&fields, context.wanted);
    let pools = pools(&fields, context.pools);
    let clients = clients(&fields, pools.as_ref().ok(), context.pools);
    let scopes = texts(&fields, "scopes", "a list of scopes", scope);
    let groups = texts(&fields, "groups", "a list of groups", |item| {
        whole(item, item.text()?)
    });
    let claims = claims(&fields, path);
    let max_auth_age = fields
        .optional("max_auth_age", format!("a duration {MAX_AUTH_AGE}"))
        .map_or(Ok(AuthAge::Any), |field| {
            field.duration(MAX_AUTH_AGE).map(AuthAge::AtMost)
        });
    let confirmation = confirmation(
        &fields,
        token_use.as_ref().ok().copied(),
        pools.as_ref().ok(),
        context,
    );
    let narrows = Narrowing {
        token_use: token_use?,
        pools: pools?,
        clients: clients?,
    };
    let conditions = Conditions {
        scopes: scopes?,
        groups: groups?,
        claims: claims?,
        max_auth_age: max_auth_age?,
    };
    Ok(Requirement {
        callers: Callers::Users(narrows),
        conditions,
        confirmation: confirmation?,
    })
}

const PRINCIPALS: &str = "a list of ARNs of roles and users, or \"any\"";

/// Reads a `require` for AWS principals: they, and what their claims must say.
fn of_principals(
    fields: &Fields<'_>,
    field: &Field<'_>,
    path: Parsed<&PathPattern>,
    context: &Context<'_>,
) -> Parsed<Requirement> {
    // A condition on users beside them would let nobody pass, and was meant as another way in.
    let beside = all(fields.present(&OF_USERS).into_iter().map(|name| {
        Err::<(), _>(fields.refuse_at(
            name,
            "found beside principals, of which it says nothing; expected claims alone beside them",
        ))
    }));
    let principals = principals(field, context.accounts);
    let claims = claims(fields, path);
    beside?;
    Ok(Requirement {
        callers: Callers::Principals(principals?),
        conditions: Conditions {
            claims: claims?,
            ..Conditions::default()
        },
        confirmation: Confirmation::Waived,
    })
}

fn principals(field: &Field<'_>, accounts: &KnownAccounts) -> Parsed<AnyOf<PrincipalPattern>> {
    let principals = field.any_or_each("the ARN of a role or user", |item| {
        let pattern = item.parsed(PrincipalPattern::new)?;
        match accounts.problem_with(&pattern) {
            Some(problem) => {
                Err(item.refuse(format_args!("found {:?}; {problem}", pattern.to_string())))
            }
            None => Ok(pattern),
        }
    })?;
    if principals == AnyOf::Unrestricted && accounts.is_empty() {
        return Err(field.refuse(
            "found \"any\", but there are no aws_accounts; expected one whose principals are meant",
        ));
    }
    Ok(principals)
}

/// Reads `confirmed_within`. A pool can be asked about access tokens only, and has to say how: a rule
/// that could never be met is refused.
fn confirmation(
    fields: &Fields<'_>,
    token_use: Option<WantedUse>,
    pools: Option<&AnyOf<UserPoolId>>,
    context: &Context<'_>,
) -> Parsed<Confirmation> {
    let expected = format!("a duration {CONFIRMED_WITHIN}");
    let Some(field) = fields.optional("confirmed_within", expected) else {
        return Ok(Confirmation::Waived);
    };
    let within = field.duration(CONFIRMED_WITHIN);
    let mut fits = Ok(());
    const ACCESS: WantedUse = WantedUse::Only(TokenUse::Access);
    let uses = [token_use, context.wanted.ok()];
    if uses.iter().all(Option::is_some) && !uses.contains(&Some(ACCESS)) {
        fits = Err(field.refuse(
            "found without token_use access; expected it beside this or as token.use, since a user pool can be asked about access tokens only",
        ));
    }
    let unasked = pools.map(|pools| context.pools.without_confirm(pools));
    for position in unasked.unwrap_or_default() {
        fits = Err(field.refuse(format_args!(
            "found for user_pools[{position}], which has no confirm; expected one in each user pool that the rule admits"
        )));
    }
    fits?;
    within.map(Confirmation::Within)
}

fn token_use(fields: &Fields<'_>, wanted: Parsed<WantedUse>) -> Parsed<WantedUse> {
    let Some(field) = fields.optional("token_use", "id or access") else {
        return Ok(WantedUse::Any);
    };
    let narrowed = field.word(&[("id", TokenUse::Id), ("access", TokenUse::Access)])?;
    match wanted {
        Ok(all) if !all.admits(narrowed) => Err(field.refuse(
            "found another use than token.use admits; expected the same, or token.use any",
        )),
        _ => Ok(WantedUse::Only(narrowed)),
    }
}

/// Reads `pools`. A group, scope or claim of one pool means nothing in another, where any user may
/// have been given it: with several pools, the rule has to say whose words they are.
fn pools(fields: &Fields<'_>, known: &KnownPools) -> Parsed<AnyOf<UserPoolId>> {
    const EXPECTED: &str = "a list of user pool ids or \"any\"";
    let known = known.ids();
    let several = known.as_ref().is_some_and(|ids| ids.len() > 1);
    let Some(field) = fields.optional("pools", EXPECTED) else {
        let words = fields.present(&POOL_WORDS);
        if several && !words.is_empty() {
            return Err(fields.refuse_at(
                "pools",
                format_args!(
                    "missing; expected {EXPECTED}, since {} may differ between user pools",
                    words.join(" and ")
                ),
            ));
        }
        return Ok(AnyOf::Unrestricted);
    };
    field.any_or_each("a user pool id", |item| {
        let id = item.parsed(UserPoolId::new)?;
        match &known {
            Some(known) if !known.contains(&&id) => Err(item.refuse(format_args!(
                "found {:?}; expected a user pool id of user_pools",
                id.as_str()
            ))),
            _ => Ok(id),
        }
    })
}

fn clients(
    fields: &Fields<'_>,
    pools: Option<&AnyOf<UserPoolId>>,
    known: &KnownPools,
) -> Parsed<AnyOf<String>> {
    texts(fields, "clients", "a list of app client ids", |item| {
        let client = item.text()?;
        if pools.is_some_and(|pools| !known.admit(client, pools)) {
            return Err(item.refuse(format_args!(
                "found {}; expected an app client that client_ids of a wanted user pool admits",
                quoted(client)
            )));
        }
        Ok(client)
    })
}

/// RFC 6749, section 3.3: visible ASCII but `"` and `\`. The scopes of a refused request are
/// repeated in `www-authenticate`, in quotes.
pub(super) fn scope<'doc>(item: &Field<'doc>) -> Parsed<&'doc str> {
    let scope = item.text()?;
    let allowed = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
    if !scope.bytes().all(allowed) {
        return Err(item.wrong());
    }
    whole(item, scope)
}

/// A wanted value without the signs by which other systems mean "not" and "anything". Values are
/// compared to the letter: with such a sign none would ever match, or worse, one that a user may
/// choose.
fn whole<'doc>(item: &Field<'_>, text: &'doc str) -> Parsed<&'doc str> {
    let sign = match (
        text.strip_prefix('!'),
        text.starts_with('*'),
        text.ends_with('*'),
    ) {
        (Some(_), ..) => "! at its beginning",
        (None, true, _) | (None, _, true) => "* at its ends",
        (None, false, false) => return Ok(text),
    };
    Err(item.refuse(format_args!(
        "found {}; expected a value without {sign}: it is compared to the letter",
        quoted(text)
    )))
}

/// Reads a list of texts.
fn texts<'doc>(
    fields: &Fields<'doc>,
    name: &str,
    expected: &'static str,
    read: impl Fn(&Field<'doc>) -> Parsed<&'doc str>,
) -> Parsed<AnyOf<String>> {
    let one = match name {
        "scopes" => "a scope without spaces and quotes",
        "groups" => "the name of a group",
        _ => "an app client id",
    };
    fields
        .optional(name, expected)
        .map_or(Ok(AnyOf::Unrestricted), |field| {
            field
                .each(one, |item| read(item).map(str::to_owned))
                .map(AnyOf::Only)
        })
}

fn claims(fields: &Fields<'_>, path: Parsed<&PathPattern>) -> Parsed<Vec<ClaimCondition>> {
    let Some(field) = fields.optional("claims", "an object of claims and their wanted values")
    else {
        return Ok(Vec::new());
    };
    let entries = field.entries("a text, number or boolean, or a list of them")?;
    if entries.is_empty() {
        return Err(field.wrong());
    }
    all(entries.iter().map(|(name, field)| {
        let place = ClaimPlace::new(name).ok_or_else(|| {
            field.refuse(format_args!(
                "found {}; expected the name of a claim, or a JSON Pointer",
                quoted(name)
            ))
        });
        let any_of = match field.value() {
            Value::Array(_) => field.each("a text, number or boolean", |item| value(item, path)),
            _ => value(field, path).map(|value| vec![value]),
        };
        Ok(ClaimCondition {
            place: place?,
            any_of: any_of?,
        })
    }))
}

fn value(field: &Field<'_>, path: Parsed<&PathPattern>) -> Parsed<WantedValue> {
    match field.value() {
        Value::Number(number) => {
            // 2^53: from there on neighbouring whole numbers are one double.
            let exact = number
                .as_f64()
                .is_some_and(|double| double.abs() < 9_007_199_254_740_992.0);
            if !exact {
                return Err(field.refuse(format_args!(
                    "found {number}; expected a number of less than 2^53; quote it"
                )));
            }
        }
        Value::String(text) if !text.is_empty() => return text_value(field, text, path),
        _ => {}
    }
    let text = Claim::from(field.value())
        .scalar_text()
        .filter(|text| !text.is_empty());
    let text = text.ok_or_else(|| field.wrong())?;
    Ok(WantedValue::Literal(text.into_owned()))
}

/// Reads a text: `{name}` is a variable of the rule's template, and nothing else is.
fn text_value(field: &Field<'_>, text: &str, path: Parsed<&PathPattern>) -> Parsed<WantedValue> {
    // What the variables are is not known, and has been reported.
    let path = path?;
    let variables: Vec<&str> = match path {
        PathPattern::Template(template) => template.variables().collect(),
        PathPattern::Any
        | PathPattern::Exact(_)
        | PathPattern::Prefix(_)
        | PathPattern::Regex(_) => Vec::new(),
    };
    let inner = text
        .strip_prefix('{')
        .and_then(|text| text.strip_suffix('}'));
    if let Some(name) = inner.filter(|name| looks_like_a_name(name)) {
        return if variables.contains(&name) {
            Ok(WantedValue::Variable(name.to_owned()))
        } else {
            let expected = match variables.as_slice() {
                [] => "a value, since match has no template with variables".to_owned(),
                names => format!("a variable of the template: {{{}}}", names.join("}, {")),
            };
            Err(field.refuse(format_args!("found {}; expected {expected}", quoted(text))))
        };
    }
    // Taken as text it would never match; the variable was meant.
    if let Some(name) = variables
        .iter()
        .find(|name| text.contains(&format!("{{{name}}}")))
    {
        return Err(field.refuse(format_args!(
            "found {} with {{{name}}} in it; expected {{{name}}} alone",
            quoted(text)
        )));
    }
    Ok(WantedValue::Literal(whole(field, text)?.to_owned()))
}

/// Whether a text in braces was meant as a variable; `{"a":1}` was not.
fn looks_like_a_name(text: &str) -> bool {
    let name = |byte: u8| byte.is_ascii_alphanumeric() || b"._-+".contains(&byte);
    !text.is_empty() && text.bytes().all(name)
}
