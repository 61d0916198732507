//! `rules` and `default`.

use super::field::{Field, all};
use super::fields::Fields;
use super::matching;
use super::problem::{Parsed, Reported};
use super::require::{self, Context};
use crate::rules::index::Unreachable;
use crate::rules::pattern::{Match, PathCase};
use crate::rules::{Access, Enforcement, InvalidToken, Otherwise, Rule, Rules};

/// The most rules. Each is compared with all before it, to find the ones that can never be reached:
/// for this many some tenths of a second, in which a worker serves no request. API Gateway takes a
/// few hundred resources per API.
pub const MAX_RULES: usize = 5_000;

const RULE_FIELDS: [&str; 6] = [
    "match",
    "allow",
    "invalid_token",
    "require",
    "authorizer",
    "enforce",
];

const AUTHORIZER: &str = "the name of one of authorizers";
const ENFORCE: &str = "all or report";
const ENFORCEMENTS: [(&str, Enforcement); 2] =
    [("all", Enforcement::All), ("report", Enforcement::Report)];

/// Reads `rules`, `default`, `enforce` and `path_case`.
pub(super) fn read(fields: &Fields<'_>, context: &Context<'_>) -> Parsed<Rules> {
    let enforcement = fields.word("enforce", ENFORCE, &ENFORCEMENTS);
    let rules = match fields.optional("rules", "a list of rules") {
        None => Ok(Vec::new()),
        Some(field) => entries(&field, context),
    };
    let default = default(fields, context, rules.as_ref().is_ok_and(Vec::is_empty));
    let path_case = fields.word(
        "path_case",
        "insensitive or sensitive",
        &[
            ("insensitive", PathCase::Insensitive),
            ("sensitive", PathCase::Sensitive),
        ],
    );
    let (matches, outcomes): (Vec<_>, Vec<_>) = rules?.into_iter().unzip();
    let matches = all(matches.into_iter())?;
    // Rules that can never be reached are found by their matches, whatever else is wrong with them:
    // what could not be read lets nothing in, and is refused below.
    let readable = |access: &Parsed<Access>| access.clone().unwrap_or(Access::Nobody);
    // What holds for all, where a rule has no word of its own.
    let for_all = enforcement.unwrap_or_default();
    let rules = matches
        .into_iter()
        .zip(&outcomes)
        .map(|(matches, (access, own))| Rule {
            matches,
            access: readable(access),
            enforcement: own.unwrap_or_default().unwrap_or(for_all),
        });
    let otherwise = Otherwise {
        access: readable(&default),
        enforcement: for_all,
    };
    let enforced = refuse_reports(fields, for_all, &outcomes, &default);
    let compiled = Rules::new(rules.collect(), otherwise, path_case.unwrap_or_default());
    let compiled = compiled.map_err(|rules| unreachable_rules(fields, &rules));
    enforced?;
    all(outcomes.into_iter().map(|(access, own)| {
        own?;
        access
    }))?;
    default?;
    enforcement?;
    path_case?;
    compiled
}

/// What an authorizer refuses is never only reported: requests would go on for which nobody answered.
/// So would unsafe ones under the word for all, whatever the authorizer's own rule says.
fn refuse_reports(
    fields: &Fields<'_>,
    for_all: Enforcement,
    outcomes: &[Outcome],
    default: &Parsed<Access>,
) -> Parsed<()> {
    let asks = |access: &Parsed<Access>| matches!(access, Ok(Access::Authorizer(_)));
    let asking = || {
        let rules = outcomes.iter().enumerate();
        let asking = rules.filter(|(_, (access, _))| asks(access));
        asking.map(|(at, (_, own))| (format!("rules[{at}].authorizer"), own))
    };
    let own = asking().filter(|(_, own)| matches!(own, Ok(Some(Enforcement::Report))));
    let own = own.map(|(place, _)| {
        Err(fields.refuse_below(
            &place,
            "found where enforce is report; expected enforce: all, for an authorizer is always obeyed",
        ))
    });
    let own = all(own).map(|_: Vec<()>| ());
    let default = asks(default).then(|| "default.authorizer".to_owned());
    let mut places = asking().map(|(place, _)| place).chain(default);
    match places.next().filter(|_| for_all == Enforcement::Report) {
        Some(place) => Err(fields.refuse_at(
            "enforce",
            format_args!(
                "found report, with {place}; expected enforce: report on rules without an authorizer alone, for unsafe requests go on under the word for all, and an authorizer is always obeyed"
            ),
        )),
        None => own,
    }
}

fn unreachable_rules(fields: &Fields<'_>, rules: &[Unreachable]) -> Reported {
    let mut reported = None;
    for Unreachable { rule, hidden_by } in rules {
        reported = Some(fields.refuse_below(
            &format!("rules[{rule}].match"),
            format_args!(
                "found a match that can never be reached; rules[{hidden_by}] matches all of it"
            ),
        ));
    }
    reported.unwrap_or_else(|| {
        fields.refuse_at(
            "rules",
            "found rules that cannot be compiled; expected others",
        )
    })
}

/// What a rule says, its two halves apart: what it matches, and what it does with that.
type Halves = (Parsed<Match>, Outcome);

/// What a rule does, and its own word on whether refusals are carried out.
type Outcome = (Parsed<Access>, Parsed<Option<Enforcement>>);

fn entries(field: &Field<'_>, context: &Context<'_>) -> Parsed<Vec<Halves>> {
    let entries = field.list("an object with match, and with allow, require or authorizer")?;
    if entries.len() > MAX_RULES {
        let found = entries.len();
        return Err(field.refuse(format_args!(
            "found {found} rules; expected at most {MAX_RULES}"
        )));
    }
    Ok(entries.iter().map(|entry| rule(entry, context)).collect())
}

fn rule(entry: &Field<'_>, context: &Context<'_>) -> Halves {
    let fields = match entry.fields(&RULE_FIELDS) {
        Ok(fields) => fields,
        Err(reported) => return (Err(reported), (Err(reported), Err(reported))),
    };
    let matches = matching::read(&fields);
    let known = matches.as_ref().map_err(|reported| *reported);
    let allow = fields
        .optional("allow", "anyone, optional or nobody")
        .map(|field| {
            let words = [
                ("anyone", Allow::Anyone),
                ("optional", Allow::Optional),
                ("nobody", Allow::Nobody),
            ];
            field.word(&words)
        });
    let require = fields
        .optional("require", "an object of conditions")
        .map(|field| (require::read(&field, known, context), field));
    let invalid_token = invalid_token(&fields, allow);
    let own = fields.optional("enforce", ENFORCE);
    let own = own.map(|field| field.word(&ENFORCEMENTS)).transpose();
    if let Some(field) = fields.optional("authorizer", AUTHORIZER) {
        // The others were read for their problems.
        let mut beside = ["allow", "require", "invalid_token"].into_iter();
        let access = match beside.find(|name| fields.has(name)) {
            Some(name) => {
                Err(field.refuse(format_args!("found beside {name}; expected one of the two")))
            }
            None => context.authorizers.one(&field).map(Access::Authorizer),
        };
        return (matches, (access, own));
    }
    let access = match (allow, require) {
        // Neither: any valid token.
        (None, None) => Ok(Access::Require(Box::default())),
        (None, Some((requirement, _))) => requirement.map(Box::new).map(Access::Require),
        (Some(allow), None) => allow.and_then(|allow| {
            Ok(match allow {
                Allow::Anyone => Access::Anyone,
                Allow::Optional => Access::Optional(invalid_token?),
                Allow::Nobody => Access::Nobody,
            })
        }),
        (Some(_), Some((_, field))) => {
            Err(field.refuse("found beside allow; expected one of the two"))
        }
    };
    // A word beside the wrong `allow` is a problem of its own.
    let access = access.and_then(|access| invalid_token.map(|_| access));
    (matches, (access, own))
}

/// Reads `invalid_token`, which is a word about tokens where none would do.
fn invalid_token(fields: &Fields<'_>, allow: Option<Parsed<Allow>>) -> Parsed<InvalidToken> {
    let Some(field) = fields.optional("invalid_token", "refuse or ignore") else {
        return Ok(InvalidToken::default());
    };
    let word = field.word(&[
        ("refuse", InvalidToken::Refuse),
        ("ignore", InvalidToken::Ignore),
    ])?;
    match allow {
        // Of an `allow` that could not be read nothing more is said.
        Some(Ok(Allow::Optional) | Err(_)) => Ok(word),
        Some(Ok(Allow::Anyone | Allow::Nobody)) | None => {
            Err(field.refuse("found without allow: optional; expected it beside that alone"))
        }
    }
}

/// The words of `allow`.
#[derive(Clone, Copy)]
enum Allow {
    Anyone,
    Optional,
    Nobody,
}

/// Reads `default`. Where there are rules, what none of them matches is no afterthought: it has to
/// be said. Where there are none, the filter asks every request for a token.
fn default(fields: &Fields<'_>, context: &Context<'_>, no_rules: bool) -> Parsed<Access> {
    #[derive(Clone, Copy)]
    enum Default {
        Nobody,
        Authenticated,
        Anyone,
    }
    const EXPECTED: &str = "nobody, authenticated, anyone or an object with authorizer";
    let field = match fields.optional("default", EXPECTED) {
        Some(field) => field,
        None if no_rules => return Ok(Access::Require(Box::default())),
        None => fields.required("default", format!("{EXPECTED}, for what no rule matches"))?,
    };
    if field.value().is_object() {
        let fields = field.fields(&["authorizer"])?;
        let field = fields.required("authorizer", AUTHORIZER)?;
        return context.authorizers.one(&field).map(Access::Authorizer);
    }
    let words = [
        ("nobody", Default::Nobody),
        ("authenticated", Default::Authenticated),
        ("anyone", Default::Anyone),
    ];
    field.word(&words).map(|default| match default {
        Default::Nobody => Access::Nobody,
        Default::Authenticated => Access::Require(Box::default()),
        Default::Anyone => Access::Anyone,
    })
}
