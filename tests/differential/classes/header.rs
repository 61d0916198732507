//! What a header can say: algorithms, key names, extensions, keys of its own.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::class::Class;
use crate::class::Slot::{Alg, HeaderExtra, Kid, Signature};
use crate::harness::issuer::TestKey;
use crate::harness::seed::Seed;
use crate::token_builder::{Draft, Signer};

/// Every class of this file.
pub(crate) fn all() -> Vec<Class> {
    [algorithms(), keys(), extras()].concat()
}

fn algorithms() -> Vec<Class> {
    vec![
        Class::bad("alg-none-unsigned", &[Alg, Signature], |draft, seed| {
            let none = *seed.choose(&["none", "None", "NONE", "nOnE"]);
            draft.header.set("alg", format!("\"{none}\""));
            draft.damage(|parts| parts[2].clear());
        }),
        Class::bad("alg-none-signed", &[Alg], |draft, _| {
            draft.header.set("alg", "\"none\"");
        }),
        Class::bad("alg-hmac-public-key", &[Alg, Signature], |draft, seed| {
            draft.header.set("alg", "\"HS256\"");
            let scheme = *seed.choose(&["hmac-modulus", "hmac-jwk-n"]);
            draft.signer = Signer::Scheme(scheme);
        }),
        Class::bad("alg-sha512", &[Alg, Signature], |draft, _| {
            draft.header.set("alg", "\"RS512\"");
            draft.signer = Signer::Scheme("pkcs1-sha512");
        }),
        Class::bad("alg-pss", &[Alg, Signature], |draft, _| {
            draft.header.set("alg", "\"PS256\"");
            draft.signer = Signer::Scheme("pss-sha256");
        }),
        Class::bad("alg-mislabelled", &[Alg], |draft, seed| {
            let other = [
                "HS256", "HS512", "RS384", "RS512", "PS256", "ES256", "EdDSA",
            ];
            let other = *seed.choose(&other);
            draft.header.set("alg", format!("\"{other}\""));
        }),
        Class::bad("alg-misspelled", &[Alg], |draft, seed| {
            let other = [
                "rs256",
                "Rs256",
                "RS256 ",
                " RS256",
                "RS-256",
                "RS256\\u0000",
                "",
            ];
            let other = *seed.choose(&other);
            draft.header.set("alg", format!("\"{other}\""));
        }),
        Class::bad("alg-no-text", &[Alg], |draft, seed| {
            let other = ["null", "256", "true", "[\"RS256\"]", "{\"RS256\":1}"];
            draft.header.set("alg", *seed.choose(&other));
        }),
        Class::bad("alg-missing", &[Alg], |draft, _| draft.header.remove("alg")),
        Class::good("alg-escaped", &[Alg], |draft, _| {
            draft.header.set("alg", "\"\\u0052S256\"");
        }),
        Class::bad("alg-twice-none-first", &[Alg], |draft, _| {
            draft.header.first("alg", "\"none\"");
        }),
        Class::bad("alg-twice-none-last", &[Alg], |draft, _| {
            draft.header.last("alg", "\"none\"");
        }),
        Class::bad("alg-twice-alike", &[Alg], |draft, _| {
            draft.header.last("alg", "\"RS256\"");
        }),
    ]
}

fn keys() -> Vec<Class> {
    vec![
        Class::good("kid-of-the-second-key", &[Kid, Signature], |draft, _| {
            sign_with(draft, TestKey::second());
        }),
        Class::good("kid-of-the-large-key", &[Kid, Signature], |draft, _| {
            sign_with(draft, TestKey::large());
        }),
        Class::bad("kid-unknown-key-too", &[Kid, Signature], |draft, _| {
            sign_with(draft, TestKey::third());
        }),
        Class::bad("kid-unknown", &[Kid], |draft, seed| {
            let bytes: Vec<u8> = (0..32).map(|_| byte(seed)).collect();
            draft
                .header
                .set("kid", format!("\"{}\"", STANDARD.encode(bytes)));
        }),
        Class::bad("kid-of-another-key", &[Kid], |draft, _| {
            draft.header.set("kid", text(TestKey::second().kid()));
        }),
        Class::bad("kid-hostile", &[Kid], |draft, seed| {
            let kids = [
                "../../dev/null",
                "' OR 1=1 --",
                "constructor",
                "__proto__",
                "*",
                "%2e",
            ];
            let kid = *seed.choose(&kids);
            draft.header.set("kid", text(kid));
        }),
        Class::bad("kid-nearly", &[Kid], |draft, seed| {
            let kid = TestKey::first().kid();
            let near = [
                kid.to_lowercase(),
                format!("{kid} "),
                format!("{kid}="),
                kid.trim_end_matches('=').to_owned(),
                format!("{kid}\\u0000"),
            ];
            draft
                .header
                .set("kid", format!("\"{}\"", seed.choose(&near)));
        }),
        Class::bad("kid-empty", &[Kid], |draft, _| {
            draft.header.set("kid", "\"\"")
        }),
        Class::bad("kid-missing", &[Kid], |draft, _| draft.header.remove("kid")),
        Class::bad("kid-null", &[Kid], |draft, _| {
            draft.header.set("kid", "null")
        }),
        Class::bad("kid-no-text", &[Kid], |draft, seed| {
            draft
                .header
                .set("kid", *seed.choose(&["1", "true", "[\"k\"]", "{}"]));
        }),
        Class::bad("kid-twice-stranger-first", &[Kid], |draft, _| {
            draft.header.first("kid", "\"stranger\"");
        }),
        Class::bad("kid-twice-stranger-last", &[Kid], |draft, _| {
            draft.header.last("kid", "\"stranger\"");
        }),
    ]
}

fn extras() -> Vec<Class> {
    vec![
        Class::good("typ-text", &[HeaderExtra], |draft, seed| {
            let typ = *seed.choose(&["JWT", "jwt", "at+jwt", "application/jwt", "JOSE", ""]);
            draft.header.set("typ", text(typ));
        }),
        Class::good("typ-no-text", &[HeaderExtra], |draft, seed| {
            draft
                .header
                .set("typ", *seed.choose(&["1", "[\"JWT\"]", "{}", "false"]));
        }),
        Class::good("cty-text", &[HeaderExtra], |draft, seed| {
            let cty = *seed.choose(&["JWT", "json", "x"]);
            draft.header.set("cty", text(cty));
        }),
        Class::good("header-unknown-member", &[HeaderExtra], |draft, seed| {
            let values = [
                "1",
                "null",
                "\"x\"",
                "[1,[2]]",
                "{\"a\":{\"b\":null}}",
                "1e5",
            ];
            let name = format!("x{}", seed.below(1000));
            draft.header.set(&name, *seed.choose(&values));
        }),
        Class::good("header-b64-uncritical", &[HeaderExtra], |draft, _| {
            // Without `crit` it has no meaning (RFC 7797, section 6).
            draft.header.set("b64", "false");
        }),
        // Both keys are offered: the one that signed, so that a reader which believes it accepts.
        Class::bad("jwk-own-key", &[HeaderExtra, Signature], |draft, _| {
            draft.header.set("jwk", TestKey::third().jwk().to_string());
            draft.signer = Signer::Key(TestKey::third());
        }),
        Class::bad(
            "jwk-own-key-and-kid",
            &[HeaderExtra, Kid, Signature],
            |draft, _| {
                draft.header.set("jwk", TestKey::third().jwk().to_string());
                sign_with(draft, TestKey::third());
            },
        ),
        Class::good("jwk-beside-a-good-signature", &[HeaderExtra], |draft, _| {
            draft.header.set("jwk", TestKey::third().jwk().to_string());
        }),
        Class::bad("jku-own-key", &[HeaderExtra, Signature], |draft, seed| {
            let name = *seed.choose(&["jku", "x5u"]);
            draft
                .header
                .set(name, "\"http:\\/\\/127.0.0.1:1\\/jwks.json\"");
            draft.signer = Signer::Key(TestKey::third());
        }),
        Class::good(
            "jku-beside-a-good-signature",
            &[HeaderExtra],
            |draft, seed| {
                let name = *seed.choose(&["jku", "x5u"]);
                draft
                    .header
                    .set(name, "\"http:\\/\\/127.0.0.1:1\\/jwks.json\"");
            },
        ),
        Class::good("x5c-beside-a-good-signature", &[HeaderExtra], |draft, _| {
            draft.header.set("x5c", "[\"MIIB\"]");
        }),
        Class::good("jwk-that-is-none", &[HeaderExtra], |draft, seed| {
            draft.header.set("jwk", *seed.choose(&["1", "\"x\"", "[]"]));
        }),
        Class::good("jwk-empty", &[HeaderExtra], |draft, _| {
            draft.header.set("jwk", "{}")
        }),
        Class::bad("crit-names-something", &[HeaderExtra], |draft, seed| {
            let named = *seed.choose(&["b64", "exp", "http://example.com/x"]);
            draft.header.set("crit", format!("[{}]", text(named)));
            draft.header.set(named, "true");
        }),
        Class::bad("crit-names-what-is-absent", &[HeaderExtra], |draft, _| {
            draft.header.set("crit", "[\"absent\"]");
        }),
        Class::bad("crit-empty", &[HeaderExtra], |draft, _| {
            draft.header.set("crit", "[]")
        }),
        Class::bad("crit-no-list", &[HeaderExtra], |draft, seed| {
            draft
                .header
                .set("crit", *seed.choose(&["1", "\"exp\"", "{}"]));
        }),
        Class::bad("crit-null", &[HeaderExtra], |draft, _| {
            draft.header.set("crit", "null")
        }),
    ]
}

/// A JSON string.
pub(crate) fn text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Any byte.
pub(crate) fn byte(seed: &mut Seed) -> u8 {
    u8::try_from(seed.below(256)).expect("a byte")
}

fn sign_with(draft: &mut Draft, key: &'static TestKey) {
    draft.header.set("kid", text(key.kid()));
    draft.signer = Signer::Key(key);
}
