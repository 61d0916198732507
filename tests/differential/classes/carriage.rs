//! How a token stands in the `authorization` header. Only who reads requests can judge these.

use crate::class::Class;
use crate::class::Slot::Carriage;

/// Every class of this file.
pub(crate) fn all() -> Vec<Class> {
    vec![
        Class::good("scheme-in-another-case", &[Carriage], |draft, seed| {
            let scheme = *seed.choose(&["bearer", "BEARER", "bEaReR"]);
            draft.carry_as(move |token| format!("{scheme} {token}"));
        }),
        Class::good("scheme-and-spaces", &[Carriage], |draft, seed| {
            let spaces = *seed.choose(&["  ", "   ", "      "]);
            draft.carry_as(move |token| format!("Bearer{spaces}{token}"));
        }),
        Class::bad("scheme-and-tab", &[Carriage], |draft, _| {
            draft.carry_as(|token| format!("Bearer\t{token}"));
        }),
        Class::good("scheme-missing", &[Carriage], |draft, _| {
            draft.carry_as(str::to_owned)
        }),
        Class::bad("scheme-glued", &[Carriage], |draft, _| {
            draft.carry_as(|token| format!("Bearer{token}"));
        }),
        Class::bad("scheme-colon", &[Carriage], |draft, _| {
            draft.carry_as(|token| format!("Bearer: {token}"));
        }),
        Class::bad("scheme-other", &[Carriage], |draft, seed| {
            let scheme = *seed.choose(&["Basic", "Token", "JWT", "DPoP", "Bearer2"]);
            draft.carry_as(move |token| format!("{scheme} {token}"));
        }),
        Class::bad("scheme-twice", &[Carriage], |draft, _| {
            draft.carry_as(|token| format!("Bearer Bearer {token}"));
        }),
        Class::good("spaces-around", &[Carriage], |draft, _| {
            draft.carry_as(|token| format!("  Bearer {token}  "));
        }),
        Class::bad("token-in-quotes", &[Carriage], |draft, _| {
            draft.carry_as(|token| format!("Bearer \"{token}\""));
        }),
        Class::bad("word-behind-the-token", &[Carriage], |draft, _| {
            draft.carry_as(|token| format!("Bearer {token} x"));
        }),
        Class::bad("list-of-one-and-nothing", &[Carriage], |draft, _| {
            draft.carry_as(|token| format!("Bearer {token},"));
        }),
        Class::bad("list-of-the-same", &[Carriage], |draft, _| {
            draft.carry_as(|token| format!("Bearer {token}, Bearer {token}"));
        }),
        Class::bad("list-bad-one-last", &[Carriage], |draft, _| {
            draft.carry_as(|token| format!("Bearer {token}, Bearer x.y.z"));
        }),
        Class::bad("list-bad-one-first", &[Carriage], |draft, _| {
            draft.carry_as(|token| format!("Bearer x.y.z, Bearer {token}"));
        }),
        Class::bad("list-behind-basic", &[Carriage], |draft, _| {
            draft.carry_as(|token| format!("Basic eDp5, Bearer {token}"));
        }),
        Class::bad("lines-two-alike", &[Carriage], |draft, _| {
            draft.carry(|token| {
                let line = format!("Bearer {token}").into_bytes();
                vec![line.clone(), line]
            });
        }),
        Class::bad("lines-bad-one-last", &[Carriage], |draft, _| {
            draft.carry(|token| {
                vec![
                    format!("Bearer {token}").into_bytes(),
                    b"Bearer x.y.z".to_vec(),
                ]
            });
        }),
        Class::bad("byte-that-is-no-text", &[Carriage], |draft, _| {
            draft.carry(|token| vec![[b"Bearer ", token.as_bytes(), b"\xff"].concat()]);
        }),
        Class::bad("line-empty", &[Carriage], |draft, _| {
            draft.carry_as(|_| String::new())
        }),
        Class::bad("scheme-alone", &[Carriage], |draft, _| {
            draft.carry_as(|_| "Bearer ".to_owned())
        }),
    ]
}
