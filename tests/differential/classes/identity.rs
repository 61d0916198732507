//! Who issued the token, for which app client, and what for.

use crate::class::Class;
use crate::class::Slot::{Client, Issuer, PayloadExtra};
use crate::classes::header::text;
use crate::harness::document::{OTHER_CLIENT, POOL};
use crate::harness::issuer::{CLIENT, issuer_of};
use crate::token_builder::Kind::{Access, Id};

/// Every class of this file.
pub(crate) fn all() -> Vec<Class> {
    [issuers(), uses(), clients(), others()].concat()
}

fn issuers() -> Vec<Class> {
    vec![
        Class::bad("iss-other-pool", &[Issuer], |draft, seed| {
            let pool = *seed.choose(&[
                "us-east-1_Other0001",
                "eu-west-1_Tests0001",
                "us-east-1_tests0001",
            ]);
            draft.payload.set("iss", text(&issuer_of(pool)));
        }),
        Class::bad("iss-nearly", &[Issuer], |draft, seed| {
            let iss = issuer_of(POOL);
            let near = [
                format!("{iss}/"),
                format!("{iss} "),
                format!("{iss}#"),
                iss.replace("https", "http"),
                iss.to_uppercase(),
                iss.replace("https://", "https://x@"),
                iss.replace("amazonaws.com", "amazonaws.com.evil.example"),
                iss.replace("https://", ""),
                format!("{iss}\0"),
            ];
            draft.payload.set("iss", text(seed.choose(&near).as_str()));
        }),
        Class::bad("iss-updated-form", &[Issuer], |draft, _| {
            let iss = issuer_of(POOL).replace("https://", "https://issuer-");
            draft.payload.set("iss", text(&iss));
        }),
        Class::bad("iss-missing", &[Issuer], |draft, _| {
            draft.payload.remove("iss")
        }),
        Class::bad("iss-null", &[Issuer], |draft, _| {
            draft.payload.set("iss", "null")
        }),
        Class::bad("iss-no-text", &[Issuer], |draft, seed| {
            draft.payload.set("iss", *seed.choose(&["1", "true", "{}"]));
        }),
        Class::bad("iss-list", &[Issuer], |draft, _| {
            draft
                .payload
                .set("iss", format!("[{}]", text(&issuer_of(POOL))));
        }),
        Class::bad("iss-list-with-a-stranger", &[Issuer], |draft, _| {
            draft.payload.set(
                "iss",
                format!("[\"https://evil.example\",{}]", text(&issuer_of(POOL))),
            );
        }),
        Class::bad("iss-list-of-strangers", &[Issuer], |draft, _| {
            draft.payload.set("iss", "[\"https://evil.example\"]");
        }),
        Class::good("iss-unescaped", &[Issuer], |draft, _| {
            draft.payload.set("iss", format!("\"{}\"", issuer_of(POOL)));
        }),
        Class::good("iss-escaped", &[Issuer], |draft, _| {
            let escaped = issuer_of(POOL)
                .replace('h', "\\u0068")
                .replace('/', "\\u002F");
            draft.payload.set("iss", format!("\"{escaped}\""));
        }),
        Class::bad("iss-twice-stranger-first", &[Issuer], |draft, _| {
            draft.payload.first("iss", "\"https://evil.example\"");
        }),
        Class::bad("iss-twice-stranger-last", &[Issuer], |draft, _| {
            draft.payload.last("iss", "\"https://evil.example\"");
        }),
    ]
}

fn uses() -> Vec<Class> {
    vec![
        Class::bad("use-missing", &[Client], |draft, _| {
            draft.payload.remove("token_use")
        }),
        Class::bad("use-refresh", &[Client], |draft, _| {
            draft.payload.set("token_use", "\"refresh\"");
        }),
        Class::bad("use-misspelled", &[Client], |draft, seed| {
            let other = ["ID", "Access", "id ", "access\\u0000", "", "identity"];
            draft
                .payload
                .set("token_use", format!("\"{}\"", seed.choose(&other)));
        }),
        Class::bad("use-no-text", &[Client], |draft, seed| {
            let other = ["null", "1", "true", "[\"id\"]", "[\"access\"]", "{}"];
            draft.payload.set("token_use", *seed.choose(&other));
        }),
        // The client stands in the claim of the other kind, which counts for nothing.
        Class::bad("use-exchanged", &[Client], |draft, _| {
            let other = if draft.kind == Id {
                "\"access\""
            } else {
                "\"id\""
            };
            draft.payload.set("token_use", other);
        }),
        Class::bad("refresh-token-shape", &[Client], |draft, _| {
            for name in ["token_use", "aud", "client_id"] {
                draft.payload.remove(name);
            }
        }),
        Class::bad("use-twice", &[Client], |draft, _| {
            let raw = draft.payload.raw("token_use");
            draft.payload.last("token_use", raw);
        }),
    ]
}

fn clients() -> Vec<Class> {
    vec![
        Class::good("client-second-of-ours", &[Client], |draft, _| {
            draft
                .payload
                .set(draft.kind.client_claim(), text(OTHER_CLIENT));
        }),
        Class::bad("id-client-other", &[Client], |draft, seed| {
            draft.payload.set("aud", text(&stranger(seed.below(5))));
        })
        .only(Id),
        Class::bad("access-client-other", &[Client], |draft, seed| {
            draft
                .payload
                .set("client_id", text(&stranger(seed.below(5))));
        })
        .only(Access),
        Class::bad("id-client-missing", &[Client], |draft, _| {
            draft.payload.remove("aud")
        })
        .only(Id),
        Class::bad("access-client-missing", &[Client], |draft, _| {
            draft.payload.remove("client_id");
        })
        .only(Access),
        Class::bad("id-client-in-client-id-only", &[Client], |draft, _| {
            draft.payload.remove("aud");
            draft.payload.set("client_id", text(CLIENT));
        })
        .only(Id),
        Class::bad("access-client-in-aud-only", &[Client], |draft, _| {
            draft.payload.remove("client_id");
            draft.payload.set("aud", text(CLIENT));
        })
        .only(Access),
        Class::bad("id-aud-no-text", &[Client], |draft, seed| {
            draft.payload.set("aud", *seed.choose(&["1", "true", "{}"]));
        })
        .only(Id),
        Class::bad("id-aud-null", &[Client], |draft, _| {
            draft.payload.set("aud", "null")
        })
        .only(Id),
        Class::bad("access-client-no-text", &[Client], |draft, seed| {
            let list = format!("[\"{CLIENT}\"]");
            draft.payload.set(
                "client_id",
                *seed.choose(&["1", "null", "true", "{}", list.as_str()]),
            );
        })
        .only(Access),
        Class::good("id-aud-list", &[Client], |draft, seed| {
            let lists = [
                format!("[\"{CLIENT}\"]"),
                format!("[\"stranger\",\"{CLIENT}\"]"),
                format!("[\"{OTHER_CLIENT}\",\"{CLIENT}\"]"),
            ];
            draft.payload.set("aud", seed.choose(&lists).clone());
        })
        .only(Id),
        Class::good("id-aud-list-mixed", &[Client], |draft, _| {
            draft.payload.set("aud", format!("[1,null,\"{CLIENT}\"]"));
        })
        .only(Id),
        Class::bad("id-aud-list-of-strangers", &[Client], |draft, seed| {
            draft
                .payload
                .set("aud", *seed.choose(&["[\"stranger\"]", "[\"x\",\"y\"]"]));
        })
        .only(Id),
        Class::bad("id-aud-list-empty", &[Client], |draft, _| {
            draft.payload.set("aud", "[]")
        })
        .only(Id),
        Class::bad("id-aud-list-nested", &[Client], |draft, _| {
            draft.payload.set("aud", format!("[[\"{CLIENT}\"]]"));
        })
        .only(Id),
        Class::good("access-aud-of-a-resource", &[Client], |draft, _| {
            draft.payload.set("aud", "\"https:\\/\\/api.example.com\"");
        })
        .only(Access),
        Class::good("access-aud-of-resources", &[Client], |draft, _| {
            draft.payload.set(
                "aud",
                "[\"https:\\/\\/api.example.com\",\"https:\\/\\/b.example.com\"]",
            );
        })
        .only(Access),
        Class::bad("id-aud-twice-stranger-first", &[Client], |draft, _| {
            draft.payload.first("aud", "\"stranger\"");
        })
        .only(Id),
        Class::bad("id-aud-twice-stranger-last", &[Client], |draft, _| {
            draft.payload.last("aud", "\"stranger\"");
        })
        .only(Id),
    ]
}

fn others() -> Vec<Class> {
    vec![
        Class::good("sub-missing", &[PayloadExtra], |draft, _| {
            draft.payload.remove("sub")
        }),
        Class::good("sub-number", &[PayloadExtra], |draft, seed| {
            draft
                .payload
                .set("sub", *seed.choose(&["1", "true", "1.5"]));
        }),
        Class::good("sub-compound", &[PayloadExtra], |draft, seed| {
            draft
                .payload
                .set("sub", *seed.choose(&["[\"x\"]", "{\"a\":1}"]));
        }),
        Class::bad("sub-duplicate", &[PayloadExtra], |draft, _| {
            let raw = draft.payload.raw("sub");
            draft.payload.last("sub", raw);
        }),
        Class::good("sub-null", &[PayloadExtra], |draft, _| {
            draft.payload.set("sub", "null")
        }),
        Class::good("scope-no-text", &[PayloadExtra], |draft, seed| {
            draft
                .payload
                .set("scope", *seed.choose(&["1", "[\"api\"]", "{}", "null"]));
        }),
        Class::good("jti-no-text", &[PayloadExtra], |draft, seed| {
            draft
                .payload
                .set("jti", *seed.choose(&["1", "[\"api\"]", "{}", "null"]));
        }),
        Class::good("groups-odd", &[PayloadExtra], |draft, seed| {
            let groups = ["\"admin\"", "[1,2]", "[[\"a\"]]", "null", "{}", "[]"];
            draft.payload.set("cognito:groups", *seed.choose(&groups));
        }),
    ]
}

/// An app client that is not ours.
fn stranger(which: usize) -> String {
    let near = [
        "stranger".to_owned(),
        String::new(),
        CLIENT.to_uppercase(),
        format!("{CLIENT} "),
        format!("{CLIENT},{OTHER_CLIENT}"),
    ];
    near[which].clone()
}
