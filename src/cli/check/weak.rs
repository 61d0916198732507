//! What lies below a strict rule: a spelling that the rule misses and an upstream understands falls
//! to the next rule that is wide enough, or to the default.

use super::Notes;
use super::finding;
use crate::document::{below, item};
use cognito_authorizer::policy::Policy;
use cognito_authorizer::principal::PrincipalPattern;
use cognito_authorizer::rules::Access;
use cognito_authorizer::rules::pattern::{Match, PathCase, PathPattern};
use cognito_authorizer::rules::requirement::{
    Alternative, AnyOf, AuthAge, Callers, ClaimCondition, Conditions, Listed, Narrowing, Presence,
    Requirement, WantedUse, WantedValue,
};
use std::collections::BTreeMap;

/// Expressions that match every path.
const EVERYTHING: [&str; 6] = [".*", "/.*", "^.*$", "^/.*$", ".+", "/?.*"];

/// Notes what is open to everyone at the end of the list, and what is weaker than a rule above it.
pub(super) fn check(policy: &Policy, notes: &mut Notes<'_>) {
    let case = policy.rules.path_case();
    let rules: Vec<_> = policy.rules.iter().collect();
    if matches!(policy.rules.default(), Access::Anyone) {
        let text = "what no rule matches is open to everyone";
        notes.add(&finding::OPEN_DEFAULT, "default", text);
    }
    for (at, (matches, access)) in rules.iter().enumerate() {
        if matches!(access, Access::Anyone) && is_for_everything(matches, case) {
            let path = below(&item("rules", at), "allow");
            let text = "what no rule above matches is open to everyone";
            notes.add(&finding::OPEN_DEFAULT, &path, text);
        }
    }
    // The first strict rule above each weaker one; the default is behind all.
    let mut weaker = BTreeMap::new();
    for (at, (matches, access)) in rules.iter().enumerate() {
        // What is for everything misses nothing.
        if is_for_everything(matches, case) {
            continue;
        }
        let later = rules.iter().enumerate().skip(at.saturating_add(1));
        let mut wide = later.filter(|(_, (later, _))| later.covers(matches, case));
        let (position, next) = match wide.next() {
            Some((position, (_, next))) => (position, *next),
            None => (rules.len(), policy.rules.default()),
        };
        if !is_as_strict(next, access) {
            weaker.entry(position).or_insert(at);
        }
    }
    for (position, strict) in weaker {
        let path = match position < rules.len() {
            true => below(&item("rules", position), "match"),
            false => "default".to_owned(),
        };
        let text = format!("rules[{strict}] asks for more, and what it misses falls here");
        notes.add(&finding::WEAK_DEFAULT, &path, text);
    }
}

fn is_for_everything(matches: &Match, case: PathCase) -> bool {
    let everything = Match {
        path: PathPattern::Any,
        methods: Vec::new(),
        hosts: Vec::new(),
    };
    let some = PathPattern::template("/{any+}").map(|path| Match { path, ..everything });
    let by_expression = match &matches.path {
        PathPattern::Regex(regex) => {
            matches.methods.is_empty()
                && matches.hosts.is_empty()
                && EVERYTHING.contains(&regex.as_str())
        }
        _ => false,
    };
    by_expression || some.is_ok_and(|some| matches.covers(&some, case))
}

/// Whether an access lets no request pass that the other one, above it, refuses.
fn is_as_strict(lower: &Access, upper: &Access) -> bool {
    match (upper, lower) {
        (Access::Anyone | Access::Optional(_), _) | (_, Access::Nobody) => true,
        (Access::Require(upper), Access::Require(lower)) => implies(lower, upper),
        (Access::Authorizer(upper), Access::Authorizer(lower)) => upper == lower,
        (Access::Nobody | Access::Require(_) | Access::Authorizer(_), _) => false,
    }
}

/// Whether every token that satisfies the one requirement satisfies the other.
fn implies(one: &Requirement, other: &Requirement) -> bool {
    match one.any_of.is_empty() {
        true => meets(one, other),
        false => one.any_of.iter().all(|way| meets(&with(one, way), other)),
    }
}

/// The same of a requirement without alternatives.
fn meets(one: &Requirement, other: &Requirement) -> bool {
    let callers = match (&one.callers, &other.callers) {
        (Callers::Users(one), Callers::Users(other)) => is_within(one, other),
        (Callers::Principals(one), Callers::Principals(other)) => are_among(one, other),
        (_, Callers::OfAlternatives) => true,
        // Whom the one admits the other refuses.
        (Callers::Users(_), Callers::Principals(_))
        | (Callers::Principals(_), Callers::Users(_))
        | (Callers::OfAlternatives, _) => false,
    };
    let mut others = other.any_of.iter();
    callers
        && demands(&one.conditions, &other.conditions)
        && (other.any_of.is_empty() || others.any(|other| meets(one, &alone(other))))
}

fn are_among(one: &AnyOf<PrincipalPattern>, other: &AnyOf<PrincipalPattern>) -> bool {
    match (one, other) {
        (_, AnyOf::Unrestricted) => true,
        (AnyOf::Only(one), AnyOf::Only(other)) => one
            .iter()
            .all(|one| other.iter().any(|other| other.covers(one))),
        (AnyOf::Unrestricted, AnyOf::Only(_)) => false,
    }
}

fn is_within(one: &Narrowing, other: &Narrowing) -> bool {
    (other.token_use == WantedUse::Any || one.token_use == other.token_use)
        && narrows(&one.pools, &other.pools)
        && narrows(&one.clients, &other.clients)
}

fn demands(one: &Conditions, other: &Conditions) -> bool {
    let age = match (one.max_auth_age, other.max_auth_age) {
        (_, AuthAge::Any) => true,
        (AuthAge::AtMost(one), AuthAge::AtMost(other)) => one <= other,
        (AuthAge::Any, AuthAge::AtMost(_)) => false,
    };
    let claim = |wanted: &ClaimCondition| {
        let mut claims = one.claims.iter();
        claims.any(|one| is_met_with(one, wanted))
    };
    age && lists(&one.scopes, &other.scopes)
        && lists(&one.groups, &other.groups)
        && other.claims.iter().all(claim)
}

/// Whether a claim that meets the one condition meets the other.
fn is_met_with(one: &ClaimCondition, other: &ClaimCondition) -> bool {
    let presence = match other.presence {
        Presence::Any => true,
        Presence::Absent => one.presence == Presence::Absent,
        Presence::Present => {
            one.presence == Presence::Present
                || !(one.listed.any.is_empty() && one.listed.all.is_empty())
        }
    };
    let fits = |test: &dyn Fn(&str) -> bool| {
        let known = |value: &WantedValue| match value {
            WantedValue::Literal(text) => test(text),
            WantedValue::Variable(_) | WantedValue::Header(_) => false,
        };
        let any = &one.listed.any;
        !any.is_empty() && any.iter().all(known) || one.listed.all.iter().any(known)
    };
    let (prefix, suffix) = (&other.prefix, &other.suffix);
    one.place == other.place
        && one.read_as == other.read_as
        && presence
        && lists(&one.listed, &other.listed)
        && (one.prefix.starts_with(prefix) || fits(&|text| text.starts_with(prefix)))
        && (one.suffix.ends_with(suffix) || fits(&|text| text.ends_with(suffix)))
        && other.regex.as_ref().is_none_or(|regex| {
            one.regex.as_ref() == Some(regex) || fits(&|text| regex.matches(text))
        })
}

/// Whether a list that meets the one demand meets the other.
fn lists(one: &Listed, other: &Listed) -> bool {
    let any = other.any.is_empty()
        || !one.any.is_empty() && one.any.iter().all(|value| other.any.contains(value))
        || one.all.iter().any(|value| other.any.contains(value));
    let has = |value| one.all.contains(value) || one.any.as_slice() == std::slice::from_ref(value);
    any && other.all.iter().all(has) && other.none.iter().all(|value| one.none.contains(value))
}

/// An alternative as a requirement of its own.
fn alone(alternative: &Alternative) -> Requirement {
    let Alternative {
        callers,
        conditions,
        confirmation,
    } = alternative.clone();
    Requirement {
        callers,
        conditions,
        confirmation,
        any_of: Vec::new(),
    }
}

/// An alternative with what is asked around it, but for what it narrows itself.
fn with(around: &Requirement, alternative: &Alternative) -> Requirement {
    let mut whole = alone(alternative);
    if let (Callers::Users(users), Some(all)) = (&mut whole.callers, around.callers.users()) {
        if users.token_use == WantedUse::Any {
            users.token_use = all.token_use;
        }
        if users.pools == AnyOf::Unrestricted {
            users.pools = all.pools.clone();
        }
        if users.clients == AnyOf::Unrestricted {
            users.clients = all.clients.clone();
        }
    }
    let Conditions {
        scopes,
        groups,
        claims,
        max_auth_age,
    } = around.conditions.clone();
    for (list, more) in [
        (&mut whole.conditions.scopes, scopes),
        (&mut whole.conditions.groups, groups),
    ] {
        // Of two lists of which any suffices neither is the other; one of them is enough to know.
        if list.any.is_empty() {
            list.any = more.any;
        }
        list.all.extend(more.all);
        list.none.extend(more.none);
    }
    whole.conditions.claims.extend(claims);
    if whole.conditions.max_auth_age == AuthAge::Any {
        whole.conditions.max_auth_age = max_auth_age;
    }
    whole
}

fn narrows<T: PartialEq>(one: &AnyOf<T>, other: &AnyOf<T>) -> bool {
    match (one, other) {
        (_, AnyOf::Unrestricted) => true,
        (AnyOf::Only(one), AnyOf::Only(other)) => one.iter().all(|one| other.contains(one)),
        (AnyOf::Unrestricted, AnyOf::Only(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Source;
    use crate::locate::File;

    /// The findings about rules and a default, as name and path.
    #[track_caller]
    fn found(rules: &[[&str; 2]], default: &str, expected: &[&str]) {
        let rules = rules
            .iter()
            .map(|[matches, does]| format!("- match: {{{matches}}}\n  {does}\n"));
        let rules: String = rules.collect();
        let text = format!(
            "user_pools:\n- user_pool_id: us-east-1_A\n  client_ids: [a]\n  jwks: {{cluster: c}}\n\
             token: {{use: any}}\ndefault: {default}\nrules:\n{rules}"
        );
        let file = File::new(Source::new("a.yaml", text)).unwrap();
        let located = file.only().unwrap();
        let policy = located.parse().unwrap();
        let mut notes = Notes {
            document: &located.config,
            findings: Vec::new(),
        };
        check(&policy, &mut notes);
        let found = notes.findings.iter();
        let found: Vec<_> = found
            .map(|one| format!("{} {}", one.code.name, one.path))
            .collect();
        assert_eq!(found, expected);
    }

    const ADMIN: [&str; 2] = ["prefix: /admin", "require: {groups: [admin]}"];
    const ALL: &str = "prefix: /";

    #[test]
    fn a_strict_rule_above_a_weaker_default() {
        found(&[ADMIN], "nobody", &[]);
        found(&[ADMIN], "authenticated", &["weak-default default"]);
        found(
            &[ADMIN],
            "anyone",
            &["open-default default", "weak-default default"],
        );
        found(
            &[["prefix: /a", "allow: nobody"]],
            "authenticated",
            &["weak-default default"],
        );
        found(
            &[["prefix: /a", "require: {token_use: id}"]],
            "authenticated",
            &["weak-default default"],
        );
        found(&[["path: /health", "allow: anyone"]], "authenticated", &[]);
        found(&[["path: /news", "allow: optional"]], "authenticated", &[]);
        found(&[["path: /a", ""]], "authenticated", &[]);
    }

    #[test]
    fn a_strict_rule_above_a_weaker_one() {
        let below = |does| [ADMIN, [ALL, does]];
        found(&below("allow: nobody"), "authenticated", &[]);
        found(&below("require: {groups: [admin]}"), "authenticated", &[]);
        found(
            &below("require: {groups: [admin, staff]}"),
            "nobody",
            &["weak-default rules[1].match"],
        );
        found(
            &below("allow: optional"),
            "nobody",
            &["weak-default rules[1].match"],
        );
        // One beside it takes nothing of what it misses.
        let beside = ["prefix: /orders", "require: {scopes: [read]}"];
        found(&[ADMIN, beside], "nobody", &[]);
        // The same path by another method.
        let write = [
            "prefix: /orders, methods: [POST]",
            "require: {scopes: [write]}",
        ];
        found(&[write, beside], "nobody", &["weak-default rules[1].match"]);
        let read = [
            "prefix: /orders, methods: [GET]",
            "require: {scopes: [read, write]}",
        ];
        found(
            &[read, ["prefix: /orders", "require: {scopes: [write]}"]],
            "nobody",
            &[],
        );
    }

    #[test]
    fn what_is_for_everything_is_a_default() {
        let open = "allow: anyone";
        for all in [ALL, "template: '/{proxy+}'", "regex: '.*'", "regex: '/.*'"] {
            found(&[[all, open]], "nobody", &["open-default rules[0].allow"]);
        }
        for part in [
            "prefix: /a",
            "prefix: /, methods: [GET]",
            "regex: '/a.*'",
            "template: '/{one}'",
        ] {
            found(&[[part, open]], "nobody", &[]);
        }
        found(&[[ALL, "allow: optional"]], "nobody", &[]);
    }

    #[test]
    fn requirements_that_imply_others() {
        let pair = |upper: &str, lower: &str, expected: &[&str]| {
            let (upper, lower) = (format!("require: {upper}"), format!("require: {lower}"));
            found(&[["prefix: /a", &upper], [ALL, &lower]], "nobody", expected);
        };
        let weak = ["weak-default rules[1].match"];
        pair("{max_auth_age: 15m}", "{max_auth_age: 5m}", &[]);
        pair("{max_auth_age: 5m}", "{max_auth_age: 15m}", &weak);
        pair("{max_auth_age: 5m}", "{scopes: [a]}", &weak);
        pair("{claims: {a: [x, y]}}", "{claims: {a: x, b: z}}", &[]);
        pair("{claims: {a: x}}", "{claims: {a: [x, y]}}", &weak);
        pair("{claims: {a: x}}", "{claims: {b: x}}", &weak);
        pair("{clients: [a]}", "{token_use: id}", &weak);
        pair("{token_use: id}", "{token_use: id, scopes: [a]}", &[]);
    }
}
