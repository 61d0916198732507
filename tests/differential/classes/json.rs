//! JSON at its edges: what is not quite an object, and what an object may well hold.

use crate::class::Class;
use crate::class::Slot::{Alg, AuthTime, HeaderText, Kid, PayloadExtra, PayloadText};
use crate::harness::seed::Seed;
use crate::token_builder::Draft;

/// Every class of this file.
pub(crate) fn all() -> Vec<Class> {
    [payload(), header(), values()].concat()
}

fn payload() -> Vec<Class> {
    vec![
        Class::bad("payload-bom", &[PayloadText], |draft, _| {
            draft.payload_text(|text| prefix(text, b"\xef\xbb\xbf"));
        }),
        Class::good("payload-white-space", &[PayloadText], |draft, seed| {
            let space = *seed.choose(&[&b" "[..], b"\n", b"\r\n\t "]);
            draft.payload_text(move |text| {
                prefix(text, space);
                text.extend_from_slice(space);
            });
        }),
        Class::bad("payload-trailing-data", &[PayloadText], |draft, seed| {
            let after = *seed.choose(&[&b"x"[..], b"{}", b" {}", b"}", b",", b"null"]);
            draft.payload_text(move |text| text.extend_from_slice(after));
        }),
        Class::bad("payload-trailing-nul", &[PayloadText], |draft, _| {
            draft.payload_text(|text| text.push(0));
        }),
        Class::bad("payload-trailing-comma", &[PayloadText], |draft, _| {
            draft.payload_text(|text| before_end(text, b","));
        }),
        Class::bad("payload-comment", &[PayloadText], |draft, seed| {
            let comment = *seed.choose(&[&b"/* x */"[..], b"// x\n"]);
            draft.payload_text(move |text| before_end(text, comment));
        }),
        Class::bad("payload-single-quotes", &[PayloadText], |draft, _| {
            draft.payload_text(|text| before_end(text, b",'a':'b'"));
        }),
        Class::bad("payload-not-a-number", &[PayloadText], |draft, seed| {
            let number = *seed.choose(&[
                "NaN",
                "Infinity",
                "-Infinity",
                "+1",
                "01",
                ".5",
                "1.",
                "0x10",
            ]);
            draft.payload_text(move |text| before_end(text, format!(",\"n\":{number}").as_bytes()));
        }),
        Class::bad("payload-raw-control", &[PayloadText], |draft, seed| {
            let byte = *seed.choose(&[0, 1, 9, 10, 13, 31]);
            draft.payload_text(move |text| {
                before_end(text, &[b",\"c\":\"a".as_slice(), &[byte], b"b\""].concat());
            });
        }),
        Class::bad("payload-no-utf-8", &[PayloadText], |draft, seed| {
            // A lone continuation, an overlong slash, a surrogate, what is beyond Unicode.
            let bytes = [
                &b"\xff"[..],
                b"\x80",
                b"\xc0\xaf",
                b"\xed\xa0\x80",
                b"\xf5\x80\x80\x80",
            ];
            let bytes = *seed.choose(&bytes);
            draft.payload_text(move |text| {
                before_end(text, &[b",\"u\":\"", bytes, b"\""].concat());
            });
        }),
        Class::bad("payload-lone-surrogate", &[PayloadText], |draft, seed| {
            let escape = *seed.choose(&["\\ud800", "\\udc00", "\\ud800x", "\\udc00\\ud800"]);
            draft.payload_text(move |text| {
                before_end(text, format!(",\"u\":\"{escape}\"").as_bytes())
            });
        }),
        Class::bad("payload-broken-escape", &[PayloadText], |draft, seed| {
            let escape = *seed.choose(&["\\x41", "\\u12", "\\0"]);
            draft.payload_text(move |text| {
                before_end(text, format!(",\"u\":\"{escape}\"").as_bytes())
            });
        }),
        Class::bad("payload-escaped-quote", &[PayloadText], |draft, _| {
            draft.payload_text(|text| before_end(text, b",\"u\":\"\\'\""));
        }),
        Class::bad("payload-cut", &[PayloadText], |draft, _| {
            draft.payload_text(|text| text.truncate(text.len() - 1));
        }),
        Class::bad("payload-empty", &[PayloadText], |draft, _| {
            draft.payload_text(Vec::clear)
        }),
        Class::bad("payload-no-object", &[PayloadText], |draft, seed| {
            let other = *seed.choose(&[&b"[]"[..], b"null", b"1", b"\"x\"", b"true"]);
            draft.payload_text(move |text| *text = other.to_vec());
        }),
        Class::bad("payload-in-a-list", &[PayloadText], |draft, _| {
            draft.payload_text(|text| {
                prefix(text, b"[");
                text.push(b']');
            });
        }),
        Class::bad("payload-empty-object", &[PayloadText], |draft, _| {
            draft.payload_text(|text| *text = b"{}".to_vec());
        }),
        Class::bad("payload-deep", &[PayloadText], |draft, seed| {
            let depth = 200 + seed.below(1500);
            draft.payload_text(move |text| before_end(text, &nested(depth)));
        }),
        Class::good("payload-nested", &[PayloadText], |draft, seed| {
            let depth = 1 + seed.below(60);
            draft.payload_text(move |text| before_end(text, &nested(depth)));
        }),
        Class::bad("payload-over-16-kib", &[PayloadText], |draft, seed| {
            // Twice in one header it still fits into what Envoy takes.
            let length = 13_000 + seed.below(3000);
            draft.payload_text(move |text| {
                before_end(
                    text,
                    format!(",\"pad\":\"{}\"", "x".repeat(length)).as_bytes(),
                );
            });
        }),
        Class::good("payload-8-kib", &[PayloadText], |draft, seed| {
            let length = 1000 + seed.below(7000);
            draft.payload_text(move |text| {
                before_end(
                    text,
                    format!(",\"pad\":\"{}\"", "x".repeat(length)).as_bytes(),
                );
            });
        }),
    ]
}

fn header() -> Vec<Class> {
    vec![
        Class::bad("header-bom", &[HeaderText], |draft, _| {
            draft.header_text(|text| prefix(text, b"\xef\xbb\xbf"));
        }),
        Class::good("header-white-space", &[HeaderText], |draft, seed| {
            let space = *seed.choose(&[&b" "[..], b"\n", b"\r\n\t "]);
            draft.header_text(move |text| {
                prefix(text, space);
                text.extend_from_slice(space);
            });
        }),
        Class::good("header-reversed", &[HeaderText, Alg, Kid], |draft, _| {
            draft.header.reverse()
        }),
        Class::bad("header-trailing-data", &[HeaderText], |draft, seed| {
            let after = *seed.choose(&[&b"x"[..], b"{}", b"}", b","]);
            draft.header_text(move |text| text.extend_from_slice(after));
        }),
        Class::bad("header-trailing-nul", &[HeaderText], |draft, _| {
            draft.header_text(|text| text.push(0));
        }),
        Class::bad("header-trailing-comma", &[HeaderText], |draft, _| {
            draft.header_text(|text| before_end(text, b","));
        }),
        Class::bad("header-comment", &[HeaderText], |draft, _| {
            draft.header_text(|text| before_end(text, b"/* x */"));
        }),
        Class::bad("header-no-utf-8", &[HeaderText], |draft, seed| {
            let bytes = *seed.choose(&[&b"\xff"[..], b"\x80", b"\xc0\xaf", b"\xed\xa0\x80"]);
            draft.header_text(move |text| before_end(text, &[b",\"u\":\"", bytes, b"\""].concat()));
        }),
        Class::bad("header-duplicate-unknown", &[HeaderText], |draft, _| {
            draft.header_text(|text| before_end(text, b",\"x\":1,\"x\":1"));
        }),
        Class::bad("header-cut", &[HeaderText], |draft, _| {
            draft.header_text(|text| text.truncate(text.len() - 1));
        }),
        Class::bad("header-empty", &[HeaderText], |draft, _| {
            draft.header_text(Vec::clear)
        }),
        Class::bad("header-no-object", &[HeaderText], |draft, seed| {
            let other = *seed.choose(&[&b"[]"[..], b"null", b"1", b"\"RS256\""]);
            draft.header_text(move |text| *text = other.to_vec());
        }),
    ]
}

fn values() -> Vec<Class> {
    fn extra(draft: &mut Draft, seed: &mut Seed, values: &[&str]) {
        let name = format!("custom:x{}", seed.below(100));
        draft.payload.set(&name, *seed.choose(values));
    }
    vec![
        Class::good("claim-of-any-kind", &[PayloadExtra], |draft, seed| {
            let values = [
                "null",
                "true",
                "0",
                "-1.5e-3",
                "\"\"",
                "[]",
                "{}",
                "[null,{\"a\":[1]}]",
            ];
            extra(draft, seed, &values);
        }),
        Class::good("claim-of-any-text", &[PayloadExtra], |draft, seed| {
            let values = [
                "\"\u{e9}\u{4e2d}\u{1f600}\"",
                "\"\\ud83d\\ude00\"",
                "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
                "\"<script>\"",
                "\"\u{7f}\u{2028}\u{feff}\"",
            ];
            extra(draft, seed, &values);
        }),
        Class::good("claim-escaped-nul", &[PayloadExtra], |draft, seed| {
            extra(draft, seed, &["\"\\u0000\"", "\"a\\u0000b\""]);
        }),
        Class::good("claim-big-integer", &[PayloadExtra], |draft, seed| {
            extra(
                draft,
                seed,
                &["18446744073709551616", "123456789012345678901234567890"],
            );
        }),
        Class::good(
            "claim-number-overflowing",
            &[PayloadExtra],
            |draft, seed| {
                extra(draft, seed, &["1e400", "-1e9999", "[1e309]"]);
            },
        ),
        Class::good(
            "claim-number-underflowing",
            &[PayloadExtra],
            |draft, seed| {
                extra(
                    draft,
                    seed,
                    &["1e-400", "-0", "0.0000000000000000000000000000001"],
                );
            },
        ),
        Class::good("claim-nested-duplicate", &[PayloadExtra], |draft, seed| {
            extra(draft, seed, &["{\"a\":1,\"a\":2}", "[{\"b\":1,\"b\":1}]"]);
        }),
        Class::bad(
            "claim-duplicate",
            &[PayloadExtra, AuthTime],
            |draft, seed| {
                let name = *seed.choose(&["jti", "auth_time", "cognito:groups"]);
                let raw = draft.payload.raw(name);
                draft.payload.last(name, raw);
            },
        ),
        Class::good("claim-hostile-name", &[PayloadExtra], |draft, seed| {
            let names = [
                "",
                "__proto__",
                "constructor",
                "toString",
                "$serde_json::private::X",
                "\\u0000",
            ];
            let name = *seed.choose(&names);
            draft.payload.set(
                name,
                *seed.choose(&["1", "{\"exp\":1}", "{\"aud\":\"x\"}", "\"x\""]),
            );
        }),
        Class::good("claims-many", &[PayloadExtra], |draft, seed| {
            for index in 0..20 + seed.below(200) {
                draft.payload.set(&format!("c{index}"), "1");
            }
        }),
    ]
}

fn prefix(text: &mut Vec<u8>, before: &[u8]) {
    *text = [before, text].concat();
}

/// Puts something before the last byte, which is the brace if nobody else was here.
fn before_end(text: &mut Vec<u8>, inserted: &[u8]) {
    let end = text.pop();
    text.extend_from_slice(inserted);
    text.extend(end);
}

fn nested(depth: usize) -> Vec<u8> {
    format!(",\"deep\":{}1{}", "[".repeat(depth), "]".repeat(depth)).into_bytes()
}
