//! Rules that rest on what users write themselves, or on claims that the wanted tokens lack.

use super::Notes;
use super::finding;
use crate::document::{below, item, member};
use cognito_authorizer::claims::{ClaimPlace, PointerStep, STS, TokenUse};
use cognito_authorizer::policy::Policy;
use cognito_authorizer::principal::PrincipalPattern;
use cognito_authorizer::rules::Access;
use cognito_authorizer::rules::requirement::{AnyOf, Callers, Requirement, WantedUse};
use serde_json::{Map, Value};

/// The standard attributes of a user pool (OpenID Connect Core, section 5.1). A new app client may
/// write all of them, and users through it.
const STANDARD_ATTRIBUTES: [&str; 17] = [
    "address",
    "birthdate",
    "email",
    "family_name",
    "gender",
    "given_name",
    "locale",
    "middle_name",
    "name",
    "nickname",
    "phone_number",
    "picture",
    "preferred_username",
    "profile",
    "updated_at",
    "website",
    "zoneinfo",
];

/// Attributes that Cognito marks as verified once the user has shown to have them.
const VERIFIABLE: [(&str, &str); 2] = [
    ("email", "email_verified"),
    ("phone_number", "phone_number_verified"),
];

/// The names that users choose when they sign up or later, as they stand in either kind of token.
const CHOSEN_NAMES: [&str; 7] = [
    "username",
    "cognito:username",
    "preferred_username",
    "email",
    "name",
    "nickname",
    "phone_number",
];

/// What only access tokens have.
const OF_ACCESS_TOKENS: [&str; 3] = ["client_id", "scope", "username"];

/// Notes rules that are open to those who write the attribute, or closed to everyone.
pub(super) fn check(policy: &Policy, notes: &mut Notes<'_>) {
    let document = notes.document;
    let of_all = policy.token.token_use;
    let rules = document.get("rules").and_then(Value::as_array);
    let rules = rules.into_iter().flatten().zip(policy.rules.iter());
    for (at, (rule, (_, access))) in rules.enumerate() {
        let Some(require) = rule.get("require").and_then(Value::as_object) else {
            continue;
        };
        let path = below(&item("rules", at), "require");
        let Access::Require(requirement) = access else {
            continue;
        };
        let Requirement {
            callers, any_of, ..
        } = &**requirement;
        let around = Around {
            of_all,
            claims: &Map::new(),
            hosts: rule.get("match").and_then(|it| it.get("hosts")),
        };
        of_conditions(callers, require, &path, &around, notes);
        let inner = Around {
            of_all: callers
                .users()
                .map_or(of_all, |users| narrowed(users.token_use, of_all)),
            claims: claims_of(require).unwrap_or(around.claims),
            hosts: around.hosts,
        };
        let written = require.get("any_of").and_then(Value::as_array);
        let alternatives = written.into_iter().flatten().zip(any_of).enumerate();
        for (at, (written, alternative)) in alternatives {
            if let Some(written) = written.as_object() {
                let path = item(&below(&path, "any_of"), at);
                of_conditions(&alternative.callers, written, &path, &inner, notes);
            }
        }
    }
    let headers = document.get("claim_headers").and_then(Value::as_array);
    for (at, header) in headers.into_iter().flatten().enumerate() {
        let names = match header.get("claim") {
            Some(Value::String(name)) => vec![name.as_str()],
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            _ => continue,
        };
        let lacks: Option<Vec<_>> = names.iter().map(|name| lacking(name, of_all)).collect();
        if let Some(token) = lacks.and_then(|lacks| lacks.first().copied()) {
            let path = below(&item("claim_headers", at), "claim");
            let text = format!(
                "{token} tokens have no {}, so that the header is never set",
                names.join(" and no ")
            );
            notes.add(&finding::ABSENT_CLAIM, &path, text);
        }
    }
}

/// What conditions stand in.
struct Around<'a> {
    /// The kind of token that is wanted there.
    of_all: WantedUse,
    /// What is asked of claims there as well.
    claims: &'a Map<String, Value>,
    /// The hosts of the rule, as they are written.
    hosts: Option<&'a Value>,
}

impl Around<'_> {
    /// What of the request a variable stands for.
    fn place(&self, variable: &str) -> &'static str {
        let hosts = self.hosts.and_then(Value::as_array);
        let is_hosts = |host: &Value| host.as_str().is_some_and(|host| host.contains(variable));
        match hosts.is_some_and(|hosts| hosts.iter().any(is_hosts)) {
            _ if variable.starts_with("{header.") => "header",
            true => "host",
            false => "path",
        }
    }
}

fn narrowed(here: WantedUse, around: WantedUse) -> WantedUse {
    match here {
        WantedUse::Any => around,
        narrowed @ WantedUse::Only(_) => narrowed,
    }
}

fn claims_of(conditions: &Map<String, Value>) -> Option<&Map<String, Value>> {
    conditions.get("claims").and_then(Value::as_object)
}

/// Notes what there is to say about a `require` or an alternative.
fn of_conditions(
    callers: &Callers,
    conditions: &Map<String, Value>,
    path: &str,
    around: &Around<'_>,
    notes: &mut Notes<'_>,
) {
    let users = match callers {
        Callers::Users(users) => users.token_use,
        // What alternatives for users and principals have in common is asked of users too.
        Callers::OfAlternatives => WantedUse::Any,
        Callers::Principals(principals) => {
            // What users may write is of no matter to AWS principals.
            of_principals(principals, conditions, path, notes);
            return;
        }
    };
    let wanted = narrowed(users, around.of_all);
    if needs_scopes(conditions.get("scopes")) && wanted == WantedUse::Only(TokenUse::Id) {
        let text = "id tokens have no scopes, so that nobody gets in";
        notes.add(&finding::ABSENT_CLAIM, &below(path, "scopes"), text);
    }
    if let Some(claims) = claims_of(conditions) {
        of_claims(claims, wanted, &below(path, "claims"), around, notes);
    }
}

/// Whether some scope must be there: `none` alone holds without any.
fn needs_scopes(scopes: Option<&Value>) -> bool {
    match scopes {
        Some(Value::Object(lists)) => lists.contains_key("any") || lists.contains_key("all"),
        scopes => scopes.is_some(),
    }
}

/// Whether a claim that is not there can meet what is asked of it.
fn holds_without(wanted: &Value) -> bool {
    wanted.as_object().is_some_and(|matchers| {
        let mut names = matchers.iter();
        names.all(|(name, value)| match name.as_str() {
            "none" | "read_as" => true,
            "present" => *value == Value::Bool(false),
            _ => false,
        })
    })
}

/// Notes what admits more principals than it seems to, or rests on what they write themselves.
fn of_principals(
    principals: &AnyOf<PrincipalPattern>,
    require: &Map<String, Value>,
    path: &str,
    notes: &mut Notes<'_>,
) {
    let path_of = below(path, "principals");
    match principals {
        AnyOf::Unrestricted => {
            let text = "every role and user of every account of aws_accounts is admitted";
            notes.add(&finding::ANY_PRINCIPAL, &path_of, text);
        }
        AnyOf::Only(patterns) => {
            let wide = patterns.iter().enumerate();
            for (at, pattern) in wide.filter(|(_, pattern)| pattern.is_everyone()) {
                let text = format!("{pattern} is everyone of {}", pattern.account());
                notes.add(&finding::ANY_PRINCIPAL, &item(&path_of, at), text);
            }
        }
    }
    let claims = require.get("claims").and_then(Value::as_object);
    for name in claims.into_iter().flat_map(Map::keys) {
        let place = ClaimPlace::new(name);
        if let Some(ClaimPlace::Pointer { first, rest }) = place
            && first == STS
            && rest.first() == Some(&PointerStep::To("request_tags".to_owned()))
        {
            let path = member(&below(path, "claims"), name);
            let text = "the caller writes request_tags itself";
            notes.add_at_key(&finding::CALLERS_OWN_TAGS, &path, text);
        }
    }
}

fn of_claims(
    claims: &Map<String, Value>,
    wanted: WantedUse,
    path: &str,
    around: &Around<'_>,
    notes: &mut Notes<'_>,
) {
    for (name, wanted_value) in claims {
        let path = member(path, name);
        let claim = top(name);
        if let Some(token) = lacking(name, wanted) {
            let who = match holds_without(wanted_value) {
                true => "everybody",
                false => "nobody",
            };
            let text = format!("{token} tokens have no {claim}, so that {who} gets in");
            notes.add_at_key(&finding::ABSENT_CLAIM, &path, text);
        }
        let proof = VERIFIABLE.iter().find(|(attribute, _)| *attribute == claim);
        let proven = proof.is_some_and(|(_, proof)| {
            let proofs = [claims.get(*proof), around.claims.get(*proof)];
            proofs.into_iter().flatten().any(is_true)
        });
        if CHOSEN_NAMES.contains(&claim)
            && !proven
            && let Some(variable) = variable(wanted_value)
        {
            let place = around.place(variable);
            let opened = match place {
                "header" => "what they may say in the header".to_owned(),
                place => format!("the {place} that they may enter"),
            };
            let text = format!("users choose their {claim}, and so {opened}");
            notes.add_at_key(&finding::USER_CHOSEN_NAME, &path, text);
            continue;
        }
        if !users_write(claim) {
            continue;
        }
        let text = match proof {
            Some(_) if proven => continue,
            Some((_, proof)) => {
                format!("a user may change it to another's; expected {proof}: true beside it")
            }
            None if wanted_value.get("none").is_some() => {
                "users may write this attribute themselves, and out of it what is not to be there"
                    .to_owned()
            }
            None => "users may write this attribute themselves".to_owned(),
        };
        notes.add_at_key(&finding::MUTABLE_ATTRIBUTE, &path, text);
    }
}

/// What the request has in place of a wanted value, or of one of several.
fn variable(wanted: &Value) -> Option<&str> {
    match wanted {
        Value::String(wanted) => {
            let is_variable = wanted.starts_with('{') && wanted.ends_with('}');
            is_variable.then_some(wanted.as_str())
        }
        Value::Array(wanted) => wanted.iter().find_map(variable),
        // Of what must not be equal nobody gains by a name.
        Value::Object(matchers) => ["any", "all"]
            .into_iter()
            .find_map(|list| variable(matchers.get(list)?)),
        _ => None,
    }
}

/// The claim that a name or JSON Pointer begins with.
fn top(name: &str) -> &str {
    match name.strip_prefix('/') {
        Some(pointer) => pointer.split('/').next().unwrap_or_default(),
        None => name,
    }
}

/// `dev:custom:` attributes take developer credentials to write.
fn users_write(claim: &str) -> bool {
    claim.starts_with("custom:") || STANDARD_ATTRIBUTES.contains(&claim)
}

/// A condition that only a verified attribute satisfies.
fn is_true(wanted: &Value) -> bool {
    match wanted {
        Value::Bool(wanted) => *wanted,
        Value::String(wanted) => wanted == "true",
        Value::Array(wanted) => wanted.iter().all(is_true),
        Value::Object(matchers) => {
            let lists = ["any", "all"].map(|list| matchers.get(list));
            lists.into_iter().flatten().any(is_true)
        }
        _ => false,
    }
}

/// The kind of token that is wanted, if it does not have the claim unless a trigger adds it.
fn lacking(name: &str, wanted: WantedUse) -> Option<&'static str> {
    let claim = top(name);
    match wanted {
        WantedUse::Only(TokenUse::Id) if OF_ACCESS_TOKENS.contains(&claim) => Some("id"),
        WantedUse::Only(TokenUse::Access) => {
            let of_id_tokens = users_write(claim)
                || claim.starts_with("dev:custom:")
                || matches!(claim, "cognito:username" | "identities")
                || VERIFIABLE.iter().any(|(_, proof)| *proof == claim);
            of_id_tokens.then_some("access")
        }
        WantedUse::Only(TokenUse::Id) | WantedUse::Any => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Source;
    use crate::locate::File;
    use serde_json::json;

    #[test]
    fn claims_that_tokens_lack() {
        let id = WantedUse::Only(TokenUse::Id);
        let access = WantedUse::Only(TokenUse::Access);
        for claim in ["scope", "client_id", "username"] {
            assert_eq!(lacking(claim, id), Some("id"), "{claim}");
            assert_eq!(lacking(claim, access), None, "{claim}");
        }
        for claim in [
            "email",
            "email_verified",
            "custom:a",
            "dev:custom:a",
            "cognito:username",
            "/address/country",
        ] {
            assert_eq!(lacking(claim, access), Some("access"), "{claim}");
            assert_eq!(lacking(claim, id), None, "{claim}");
        }
        for claim in ["sub", "cognito:groups", "from_a_trigger"] {
            assert_eq!(lacking(claim, id), None, "{claim}");
            assert_eq!(lacking(claim, access), None, "{claim}");
        }
        assert_eq!(lacking("email", WantedUse::Any), None);
    }

    #[test]
    fn names_that_users_choose_are_no_paths() {
        let found = |claims: Value| {
            let text = "user_pools:\n- user_pool_id: us-east-1_A\n  client_ids: [a]\n  \
                        jwks: {cluster: c}\ntoken: {use: any}\n";
            let file = File::new(Source::new("a.yaml", text.to_owned())).unwrap();
            let located = file.only().unwrap();
            let mut notes = Notes {
                document: &located.config,
                findings: Vec::new(),
            };
            let around = Around {
                of_all: WantedUse::Any,
                claims: &Map::new(),
                hosts: Some(&json!(["{tenant}.example.com"])),
            };
            let claims = claims.as_object().unwrap();
            of_claims(claims, WantedUse::Any, "a", &around, &mut notes);
            let found = notes.findings.iter().map(|one| one.code.name);
            found.collect::<Vec<_>>()
        };
        for name in CHOSEN_NAMES {
            assert_eq!(
                found(json!({name: "{user}"})),
                ["user-chosen-name"],
                "{name}"
            );
            assert_eq!(
                found(json!({name: ["a", "{user}"]})),
                ["user-chosen-name"],
                "{name}"
            );
        }
        assert_eq!(found(json!({"username": "alice"})), [""; 0]);
        let long = json!({"username": {"any": ["a", "{user}"], "prefix": "b"}});
        assert_eq!(found(long), ["user-chosen-name"]);
        assert_eq!(found(json!({"username": {"none": ["{user}"]}})), [""; 0]);
        assert_eq!(found(json!({"sub": "{user}"})), [""; 0]);
        let proven = json!({"email": "{user}", "email_verified": true});
        assert_eq!(found(proven), [""; 0]);
    }

    #[test]
    fn variables_stand_for_path_host_and_header() {
        let around = Around {
            of_all: WantedUse::Any,
            claims: &Map::new(),
            hosts: Some(&json!(["{tenant}.example.com"])),
        };
        assert_eq!(around.place("{tenant}"), "host");
        assert_eq!(around.place("{user}"), "path");
        assert_eq!(around.place("{header.x-org-id}"), "header");
    }

    #[test]
    fn what_an_absent_claim_meets() {
        for wanted in [json!({"none": ["a"]}), json!({"present": false})] {
            assert!(holds_without(&wanted), "{wanted}");
        }
        for wanted in [
            json!("a"),
            json!(["a"]),
            json!({"none": ["a"], "present": true}),
            json!({"none": ["a"], "suffix": "b"}),
        ] {
            assert!(!holds_without(&wanted), "{wanted}");
        }
        assert!(needs_scopes(Some(&json!(["a"]))) && !needs_scopes(None));
        assert!(needs_scopes(Some(&json!({"all": ["a"], "none": ["b"]}))));
        assert!(!needs_scopes(Some(&json!({"none": ["b"]}))));
    }

    #[test]
    fn attributes_that_users_write() {
        for claim in ["email", "name", "custom:tenant"] {
            assert!(users_write(claim), "{claim}");
        }
        for claim in [
            "sub",
            "dev:custom:tenant",
            "cognito:groups",
            "email_verified",
        ] {
            assert!(!users_write(claim), "{claim}");
        }
        assert!(
            is_true(&json!(true)) && is_true(&json!("true")) && is_true(&json!(["true", true]))
        );
        assert!(!is_true(&json!([true, false])) && !is_true(&json!(1)));
        assert!(is_true(&json!({"any": [true]})) && !is_true(&json!({"none": [true]})));
    }
}
