//! Base64url at its edges, and tokens of more or fewer parts than three.

use crate::class::Class;
use crate::class::Slot::{
    HeaderPart, HeaderText, Parts, PayloadExtra, PayloadPart, PayloadText, Signature,
};
use crate::harness::seed::Seed;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Every class of this file.
pub(crate) fn all() -> Vec<Class> {
    [signed(), signature(), parts()].concat()
}

/// Spellings that are signed as they are spelled: whoever reads them verifies them.
fn signed() -> Vec<Class> {
    vec![
        Class::bad("header-padded", &[HeaderPart, HeaderText], |draft, _| {
            // So that there is something to pad.
            draft.header_text(broken);
            draft.respell(|parts| pad(&mut parts[0]));
        }),
        Class::bad("payload-padded", &[PayloadPart, PayloadText], |draft, _| {
            draft.payload_text(broken);
            draft.respell(|parts| pad(&mut parts[1]));
        }),
        Class::bad(
            "payload-padded-for-nothing",
            &[PayloadPart, PayloadText],
            |draft, seed| {
                let padding = *seed.choose(&["=", "=="]);
                draft.payload_text(whole);
                draft.respell(move |parts| parts[1].push_str(padding));
            },
        ),
        Class::bad(
            "payload-padded-at-length",
            &[PayloadPart, PayloadText],
            |draft, seed| {
                let padding = *seed.choose(&["===", "===="]);
                draft.payload_text(whole);
                draft.respell(move |parts| parts[1].push_str(padding));
            },
        ),
        Class::bad(
            "payload-stray-bits",
            &[PayloadPart, PayloadText],
            |draft, _| {
                draft.payload_text(broken);
                draft.respell(|parts| stray(&mut parts[1]));
            },
        ),
        Class::bad(
            "header-stray-bits",
            &[HeaderPart, HeaderText],
            |draft, _| {
                draft.header_text(broken);
                draft.respell(|parts| stray(&mut parts[0]));
            },
        ),
        Class::bad(
            "payload-standard-alphabet",
            &[PayloadPart, PayloadExtra, PayloadText],
            |draft, _| {
                // Whatever the offset, these bytes need characters that differ.
                draft
                    .payload
                    .set("bytes", "\"\u{fb}\u{ff}\u{fe}>>>???~~~\"");
                draft.respell(|parts| {
                    let standard = parts[1].replace('-', "+").replace('_', "/");
                    assert_ne!(parts[1], standard, "nothing to respell");
                    parts[1] = standard;
                });
            },
        ),
        Class::bad(
            "payload-foreign-character",
            &[PayloadPart],
            |draft, seed| {
                let (at, foreign) = (
                    seed.below(40),
                    *seed.choose(&["!", "~", "*", "%41", "\"", "\\"]),
                );
                draft.respell(move |parts| insert(&mut parts[1], at, foreign));
            },
        ),
        Class::bad("header-foreign-character", &[HeaderPart], |draft, seed| {
            let (at, foreign) = (seed.below(20), *seed.choose(&["!", "~", "*", "%41", "\""]));
            draft.respell(move |parts| insert(&mut parts[0], at, foreign));
        }),
        Class::bad(
            "payload-length-impossible",
            &[PayloadPart, PayloadText],
            |draft, _| {
                draft.payload_text(whole);
                draft.respell(|parts| parts[1].push('A'));
            },
        ),
    ]
}

/// Spellings of the signature, which nobody signs.
fn signature() -> Vec<Class> {
    vec![
        Class::bad("signature-padded", &[Signature], |draft, _| {
            draft.damage(|parts| pad(&mut parts[2]));
        }),
        Class::bad("signature-padded-too-far", &[Signature], |draft, _| {
            draft.damage(|parts| parts[2].push_str("==="));
        }),
        Class::bad("signature-stray-bits", &[Signature], |draft, _| {
            draft.damage(|parts| stray(&mut parts[2]));
        }),
        Class::bad("signature-standard-alphabet", &[Signature], |draft, _| {
            // One in two hundred signatures has none of the two: it is spelled alike, and padded.
            draft.damage(|parts| {
                parts[2] = parts[2].replace('-', "+").replace('_', "/");
                pad(&mut parts[2]);
            });
        }),
        Class::bad(
            "signature-foreign-character",
            &[Signature],
            |draft, seed| {
                let (at, foreign) = (seed.below(300), *seed.choose(&["!", "~", "*", "%2D"]));
                draft.damage(move |parts| insert(&mut parts[2], at, foreign));
            },
        ),
    ]
}

fn parts() -> Vec<Class> {
    vec![
        Class::bad("parts-two", &[Parts, Signature], |draft, _| {
            draft.rearrange(|parts| drop(parts.pop()))
        }),
        Class::bad("parts-one", &[Parts, Signature], |draft, _| {
            draft.rearrange(|parts| parts.truncate(1))
        }),
        Class::bad("parts-dot-behind", &[Parts], |draft, _| {
            draft.rearrange(|parts| parts.push(String::new()));
        }),
        Class::bad("parts-dot-before", &[Parts], |draft, _| {
            draft.rearrange(|parts| parts.insert(0, String::new()));
        }),
        Class::bad("parts-four-at-end", &[Parts], |draft, seed| {
            let part = *seed.choose(&["AAAA", "e30"]);
            draft.rearrange(move |parts| parts.push(part.to_owned()));
        }),
        Class::bad("parts-four-at-start", &[Parts], |draft, seed| {
            let part = *seed.choose(&["AAAA", "e30"]);
            draft.rearrange(move |parts| parts.insert(0, part.to_owned()));
        }),
        // An encrypted token (RFC 7516, section 3.1).
        Class::bad("parts-five", &[Parts], |draft, _| {
            draft.rearrange(|parts| parts.extend(["AAAA".to_owned(), "AAAA".to_owned()]));
        }),
        Class::bad("parts-header-empty", &[Parts], |draft, _| {
            draft.rearrange(|parts| parts[0].clear())
        }),
        Class::bad("parts-payload-empty", &[Parts], |draft, _| {
            draft.rearrange(|parts| parts[1].clear())
        }),
        Class::bad("parts-exchanged", &[Parts], |draft, _| {
            draft.rearrange(|parts| parts.swap(0, 1))
        }),
        Class::bad("not-a-token", &[Parts, Signature], |draft, seed| {
            let length = 1 + seed.below(200);
            let text: String = (0..length).map(|_| character(seed)).collect();
            draft.rearrange(move |parts| *parts = vec![text]);
        }),
    ]
}

fn character(seed: &mut Seed) -> char {
    char::from(*seed.choose(ALPHABET))
}

/// Makes a text fill its last group of four characters.
fn whole(text: &mut Vec<u8>) {
    while !text.len().is_multiple_of(3) {
        text.push(b' ');
    }
}

/// Makes a text leave something to be padded.
fn broken(text: &mut Vec<u8>) {
    if text.len().is_multiple_of(3) {
        text.push(b' ');
    }
}

fn insert(part: &mut String, at: usize, text: &str) {
    part.insert_str(at.min(part.len()), text);
}

fn pad(part: &mut String) {
    while !part.len().is_multiple_of(4) {
        part.push('=');
    }
}

/// Sets a bit of the last character that stands for nothing.
fn stray(part: &mut String) {
    assert_ne!(part.len() % 4, 0, "every bit of {part} counts");
    let last = part.pop().expect("a character");
    let value = ALPHABET.iter().position(|byte| char::from(*byte) == last);
    part.push(char::from(ALPHABET[value.expect("base64url") | 1]));
}
