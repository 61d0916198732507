//! `rules` and `default`.

use super::field::{Field, all};
use super::fields::Fields;
use super::matching;
use super::problem::{Parsed, Reported};
use super::require::{self, Context};
use crate::rules::index::Unreachable;
use crate::rules::pattern::{Match, PathCase};
use crate::rules::{Access, Rule, Rules};

/// The most rules. Each is compared with all before it, to find the ones that can never be reached:
/// for this many some tenths of a second, in which a worker serves no request. API Gateway takes a
/// few hundred resources per API.
pub const MAX_RULES: usize = 5_000;

const RULE_FIELDS: [&str; 3] = ["match", "allow", "require"];

/// Reads `rules`, `default` and `path_case`.
pub(super) fn read(fields: &Fields<'_>, context: &Context<'_>) -> Parsed<Rules> {
    let rules = match fields.optional("rules", "a list of rules") {
        None => Ok(Vec::new()),
        Some(field) => entries(&field, context),
    };
    let default = default(fields, rules.as_ref().is_ok_and(Vec::is_empty));
    let path_case = fields.word(
        "path_case",
        "insensitive or sensitive",
        &[
            ("insensitive", PathCase::Insensitive),
            ("sensitive", PathCase::Sensitive),
        ],
    );
    let (matches, access): (Vec<_>, Vec<_>) = rules?.into_iter().unzip();
    let matches = all(matches.into_iter())?;
    // Rules that can never be reached are found by their matches, whatever else is wrong with them:
    // what could not be read lets nothing in, and is refused below.
    let readable = |access: &Parsed<Access>| access.clone().unwrap_or(Access::Nobody);
    let rules = matches
        .into_iter()
        .zip(&access)
        .map(|(matches, access)| Rule {
            matches,
            access: readable(access),
        });
    let compiled = Rules::new(
        rules.collect(),
        readable(&default),
        path_case.unwrap_or_default(),
    );
    let compiled = compiled.map_err(|rules| unreachable_rules(fields, &rules));
    all(access.into_iter())?;
    default?;
    path_case?;
    compiled
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

/// What a rule says, its two halves apart.
type Halves = (Parsed<Match>, Parsed<Access>);

fn entries(field: &Field<'_>, context: &Context<'_>) -> Parsed<Vec<Halves>> {
    let entries = field.list("an object with match, and with allow or require")?;
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
        Err(reported) => return (Err(reported), Err(reported)),
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
    let access = match (allow, require) {
        // Neither: any valid token.
        (None, None) => Ok(Access::Require(Box::default())),
        (None, Some((requirement, _))) => requirement.map(Box::new).map(Access::Require),
        (Some(allow), None) => allow.map(|allow| match allow {
            Allow::Anyone => Access::Anyone,
            Allow::Optional => Access::Optional,
            Allow::Nobody => Access::Nobody,
        }),
        (Some(_), Some((_, field))) => {
            Err(field.refuse("found beside allow; expected one of the two"))
        }
    };
    (matches, access)
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
fn default(fields: &Fields<'_>, no_rules: bool) -> Parsed<Access> {
    #[derive(Clone, Copy)]
    enum Default {
        Nobody,
        Authenticated,
        Anyone,
    }
    const EXPECTED: &str = "nobody, authenticated or anyone";
    let field = match fields.optional("default", EXPECTED) {
        Some(field) => field,
        None if no_rules => return Ok(Access::Require(Box::default())),
        None => fields.required("default", format!("{EXPECTED}, for what no rule matches"))?,
    };
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
