//! Times: at the borders, beyond them, and what is no time.
//!
//! Borders keep a distance of seconds, since the judges read their clocks one after the other.

use crate::class::Class;
use crate::class::Slot::{AuthTime, Exp, Iat, Nbf};
use crate::harness::seed::Seed;

/// Seconds between these.
fn seconds(seed: &mut Seed, least: i64, most: i64) -> i64 {
    let width = usize::try_from(most - least).expect("least comes first");
    least + i64::try_from(seed.below(width)).expect("a small number")
}

/// Every class of this file.
pub(crate) fn all() -> Vec<Class> {
    [expiry(), beginning(), issue()].concat()
}

fn expiry() -> Vec<Class> {
    vec![
        Class::good("exp-within-the-skew", &[Exp], |draft, seed| {
            let exp = draft.now - seconds(seed, 0, 15);
            draft.payload.set("exp", exp.to_string());
        }),
        Class::bad("exp-past", &[Exp], |draft, seed| {
            let exp = draft.now - seconds(seed, 65, 1_000_000);
            draft.payload.set("exp", exp.to_string());
        }),
        Class::bad("exp-zero", &[Exp], |draft, seed| {
            draft.payload.set("exp", *seed.choose(&["0", "0.0", "1"]));
        }),
        Class::good("exp-fraction", &[Exp], |draft, seed| {
            let exp = draft.now + seconds(seed, 1000, 5000);
            draft
                .payload
                .set("exp", format!("{exp}.{}", seed.below(1000)));
        }),
        Class::bad("exp-fraction-past", &[Exp], |draft, seed| {
            let exp = draft.now - seconds(seed, 65, 5000);
            draft.payload.set("exp", format!("{exp}.5"));
        }),
        Class::good("exp-exponent", &[Exp], |draft, seed| {
            draft
                .payload
                .set("exp", *seed.choose(&["1e10", "0.5e11", "1E+12"]));
        }),
        Class::good("exp-far", &[Exp], |draft, seed| {
            draft
                .payload
                .set("exp", *seed.choose(&["9007199254740992", "99999999999"]));
        }),
        Class::bad("exp-over-2-53", &[Exp], |draft, seed| {
            draft.payload.set(
                "exp",
                *seed.choose(&["9007199254740994", "1152921504606846976"]),
            );
        }),
        Class::bad("exp-over-2-64", &[Exp], |draft, seed| {
            draft.payload.set(
                "exp",
                *seed.choose(&["18446744073709551616", "1e30", "1e300"]),
            );
        }),
        Class::bad("exp-overflowing", &[Exp], |draft, seed| {
            draft
                .payload
                .set("exp", *seed.choose(&["1e400", "1e99999"]));
        }),
        Class::bad("exp-missing", &[Exp], |draft, _| {
            draft.payload.remove("exp")
        }),
        Class::bad("exp-null", &[Exp], |draft, _| {
            draft.payload.set("exp", "null")
        }),
        Class::bad("exp-negative", &[Exp], |draft, seed| {
            draft
                .payload
                .set("exp", *seed.choose(&["-1", "-1.5", "-99999999999"]));
        }),
        Class::bad("exp-text", &[Exp], |draft, seed| {
            let exp = format!("\"{}\"", draft.now + 1000);
            let texts = [exp.as_str(), "\"\"", "\"never\""];
            draft.payload.set("exp", *seed.choose(&texts));
        }),
        Class::bad("exp-no-number", &[Exp], |draft, seed| {
            draft
                .payload
                .set("exp", *seed.choose(&["true", "[9999999999]", "{\"a\":1}"]));
        }),
        Class::bad("exp-twice-past-first", &[Exp], |draft, _| {
            draft.payload.first("exp", "1")
        }),
        Class::bad("exp-twice-past-last", &[Exp], |draft, _| {
            draft.payload.last("exp", "1")
        }),
        Class::bad("exp-twice-by-escape", &[Exp], |draft, _| {
            let exp = draft.payload.raw("exp");
            draft.payload.last("e\\u0078p", exp);
        }),
        Class::good("exp-name-escaped", &[Exp], |draft, _| {
            draft.payload.respell("exp", "\\u0065xp");
        }),
    ]
}

fn beginning() -> Vec<Class> {
    vec![
        Class::good("nbf-past", &[Nbf], |draft, seed| {
            let nbf = draft.now - seconds(seed, 0, 1_000_000);
            draft.payload.set("nbf", nbf.to_string());
        }),
        Class::good("nbf-within-the-skew", &[Nbf], |draft, seed| {
            let nbf = draft.now + seconds(seed, 0, 55);
            draft.payload.set("nbf", nbf.to_string());
        }),
        Class::bad("nbf-future", &[Nbf], |draft, seed| {
            let nbf = draft.now + seconds(seed, 300, 1_000_000);
            draft.payload.set("nbf", nbf.to_string());
        }),
        Class::bad("nbf-fraction-future", &[Nbf], |draft, seed| {
            let nbf = draft.now + seconds(seed, 300, 1_000_000);
            draft.payload.set("nbf", format!("{nbf}.25"));
        }),
        Class::bad("nbf-text", &[Nbf], |draft, seed| {
            draft
                .payload
                .set("nbf", *seed.choose(&["\"1\"", "\"\"", "\"99999999999\""]));
        }),
        Class::bad("nbf-null", &[Nbf], |draft, _| {
            draft.payload.set("nbf", "null")
        }),
        Class::bad("nbf-no-number", &[Nbf], |draft, seed| {
            draft
                .payload
                .set("nbf", *seed.choose(&["true", "[1]", "{}"]));
        }),
        Class::bad("nbf-negative", &[Nbf], |draft, _| {
            draft.payload.set("nbf", "-1")
        }),
        Class::bad("nbf-over-2-64", &[Nbf], |draft, _| {
            draft.payload.set("nbf", "1e300")
        }),
        Class::bad("nbf-twice-future-first", &[Nbf], |draft, _| {
            draft.payload.first("nbf", "99999999999");
            draft.payload.last("nbf", "1");
        }),
        Class::bad("nbf-twice-future-last", &[Nbf], |draft, _| {
            draft.payload.first("nbf", "1");
            draft.payload.last("nbf", "99999999999");
        }),
    ]
}

fn issue() -> Vec<Class> {
    vec![
        Class::good("iat-missing", &[Iat], |draft, _| {
            draft.payload.remove("iat")
        }),
        Class::good("iat-long-ago", &[Iat], |draft, seed| {
            draft
                .payload
                .set("iat", *seed.choose(&["0", "1", "1000000000.5"]));
        }),
        Class::bad("iat-future", &[Iat], |draft, seed| {
            let iat = draft.now + seconds(seed, 300, 1_000_000);
            draft.payload.set("iat", iat.to_string());
        }),
        Class::bad("iat-null", &[Iat], |draft, _| {
            draft.payload.set("iat", "null")
        }),
        Class::bad("iat-no-number", &[Iat], |draft, seed| {
            draft
                .payload
                .set("iat", *seed.choose(&["\"1\"", "true", "[1]", "{}"]));
        }),
        Class::bad("iat-negative", &[Iat], |draft, _| {
            draft.payload.set("iat", "-1")
        }),
        Class::good("auth-time-missing", &[AuthTime], |draft, _| {
            draft.payload.remove("auth_time");
        }),
        Class::good("auth-time-future", &[AuthTime], |draft, _| {
            draft.payload.set("auth_time", "99999999999");
        }),
        Class::bad("auth-time-no-number", &[AuthTime], |draft, seed| {
            draft.payload.set(
                "auth_time",
                *seed.choose(&["\"1\"", "true", "[1]", "null", "-1"]),
            );
        }),
    ]
}
