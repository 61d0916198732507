//! AWS accounts: their keys are a pool's keys to all that happens over time, and their tokens grow
//! old by their age too.

use cognito_authorizer::decision::CacheUse;
use cognito_authorizer::gate::Gate;
use cognito_authorizer::keyring::Entropy;
use cognito_authorizer::rs256::Rs256;
use cognito_authorizer::signature::Algorithms;
use cognito_authorizer::verifiers::Verifiers;
use serde_json::{Value, json};

use crate::flow::pools::{ACCOUNT, document, key_set, policy};
use crate::flow::script::Event::{self, Ask, Delay, Flood, Nothing, Serve, Start};
use crate::flow::script::{Script, keys, list, of};
use crate::flow::world::{LIST, Plan};
use crate::harness::curve::with_es384;

type Rows<T> = Vec<(f64, Event, T)>;

/// What happens with a pool alone happens with an account alone. `it` is the issuer.
#[track_caller]
fn alike(jwks: &Value, rows: fn() -> Rows<&'static str>) {
    for issuer in ["a", ACCOUNT.0] {
        let mut script = of(issuer, &document(&[issuer], jwks));
        let named = |text: &str| text.replace("fetch it", &format!("fetch {issuer}"));
        let rows = rows().into_iter();
        script.play(
            rows.map(|(second, event, text)| (second, event, named(text)))
                .collect(),
        );
    }
}

fn texts(script: &Script) -> Vec<(&str, CacheUse)> {
    let stories = script.world.stories.values();
    stories
        .map(|story| (story.decided.as_ref().unwrap().1.as_str(), story.cache))
        .collect()
}

#[test]
fn keys_are_fetched_once_for_all_and_requests_wait_for_them() {
    alike(&json!({}), || {
        vec![
            (0.0, Start(4), ""),
            (0.0, Ask(1, "x", "k1@0"), "x held"),
            (0.0, Ask(2, "y", "k2@0"), "y held"),
            (0.1, Nothing, "fetch it; x allowed; y allowed"),
            (700.0, Ask(3, "x", "k1@0"), "x allowed"),
            (901.0, Nothing, "fetch it"),
        ]
    });
}

#[test]
fn an_unknown_kid_is_asked_for_once_in_ten_seconds() {
    alike(&json!({}), || {
        vec![
            (0.0, Start(4), ""),
            (0.2, Ask(0, "x", "new@0"), "fetch it; x held"),
            (0.21, Ask(3, "y", "newer@0"), "fetch it; y held"),
            (0.5, Nothing, "x unknown_key; y unknown_key"),
            (1.0, Ask(1, "x", "new@0"), "x unknown_key"),
            (9.0, Ask(2, "y", "other@0"), "y unknown_key"),
            (9.0, Ask(2, "z", "k1@0"), "z allowed"),
            // What was made since the answer may have a key that was made since.
            (9.0, Ask(2, "y", "other@9"), "y unavailable 2"),
            (10.3, Ask(2, "x", "new@0"), "x held"),
            (10.6, Nothing, "fetch it; x unknown_key"),
            (700.0, Nothing, ""),
        ]
    });
}

#[test]
fn keys_rotate() {
    alike(&json!({}), || {
        vec![
            (0.0, Start(3), ""),
            (1.0, Ask(0, "x", "k1@0"), "fetch it; x allowed"),
            (1.0, Ask(1, "x", "k1@0"), "x allowed"),
            (2.0, keys(&["k2", "k3"]), ""),
            (2.0, Ask(0, "y", "k3@0"), "y held"),
            (2.04, Nothing, "fetch it; y allowed"),
            // Within a second the withdrawn key verifies nothing more anywhere, remembered or not.
            (3.0, Ask(0, "x", "k1@0"), "x unknown_key"),
            (3.0, Ask(1, "x", "k1@0"), "x unknown_key"),
            (3.0, Ask(2, "x", "k1@0"), "x unknown_key"),
            (3.0, Ask(2, "z", "k2@0"), "z allowed"),
            // Another key under the name of one that was trusted.
            (13.0, keys(&["k2=k1", "k3"]), ""),
            (13.0, Ask(1, "y", "new@0"), "y held"),
            (
                14.1,
                Ask(2, "z", "k2@0"),
                "fetch it; y unknown_key; z invalid_signature",
            ),
        ]
    });
}

#[test]
fn the_last_good_keys_serve_for_max_stale() {
    for issuer in ["a", ACCOUNT.0] {
        let mut script = of(issuer, &document(&[issuer], &json!({"max_stale": "1h"})));
        script.happen(Start(2));
        script.count(1.0, "");
        script.happen(Serve(Plan::Status(500)));
        let end = 0.031 + 900.0 + 5.0 + 3600.0;
        script.count(end - 1.0, "");
        script.play(vec![(end - 1.0, Ask(0, "x", "k1@4500"), "x allowed")]);
        script.count(end + 0.5, "");
        // The remembered token too.
        script.happen(Ask(0, "x", "k1@4500"));
        script.happen(Ask(1, "x", "k2@4500"));
        let happened = script.world.happened();
        assert_eq!(happened.matches("x unavailable ").count(), 2, "{happened}");
        script.happen(keys(&["k1"]));
        script.count(end + 62.0, "");
        script.play(vec![(end + 62.0, Ask(0, "x", "k1@4500"), "x allowed")]);
    }
}

#[test]
fn a_pool_and_an_account_are_fetched_once_each_and_stand_for_themselves() {
    let mut script = of(ACCOUNT.0, &document(&["a", ACCOUNT.0], &json!({})));
    script.play(vec![
        (0.0, Start(4), ""),
        (
            0.1,
            Ask(1, "user", "a:k1@0"),
            "fetch a; fetch c; user allowed",
        ),
        (0.1, Ask(2, "role", "k1@0"), "role allowed"),
        // A key that the account has now, and the pool has not.
        (1.0, keys(&["k2", "k3"]), ""),
        (1.0, Ask(1, "role", "k3@0"), "role held"),
        (1.1, Nothing, "fetch c; role allowed"),
        (1.1, Ask(1, "user", "a:k3@0"), "user held"),
        (1.2, Nothing, "fetch a; user unknown_key"),
        (2.0, Ask(2, "user", "a:k1@0"), "user allowed"),
        (2.0, Ask(2, "role", "k1@0"), "role unknown_key"),
        (20.0, Delay(1000), ""),
    ]);
    // Whatever is asked of the account costs the pool nothing.
    script.happen(Flood(0, 128));
    assert_eq!(script.world.happened().matches("flood held").count(), 128);
    script.play(vec![
        (20.0, Ask(0, "user", "a:k2@0"), "user allowed"),
        (20.0, Ask(0, "user", "a:k3@0"), "user held"),
    ]);
    script.count(20.1, "");
    let user = script.world.stories.values().last().unwrap();
    assert_eq!(user.decided.as_ref().unwrap().1, "unknown_key");
    assert_eq!(script.count(22.0, "flood unknown_key"), 127);
}

/// Keys of the configuration, and a deny list.
fn with_list() -> Script {
    let mut document = document(&["a", ACCOUNT.0], &json!({}));
    let keys: Value = serde_json::from_slice(&key_set(&["k1"])).unwrap();
    for issuer in ["/user_pools/0/jwks", "/aws_accounts/0/jwks"] {
        *document.pointer_mut(issuer).unwrap() = json!({"inline": keys});
    }
    document["deny_list"] = json!({"cluster": LIST, "uri": "https://lists.example.com/a.json",
        "refresh_interval": "5s", "max_age": "1h", "when_stale": "refuse"});
    of(ACCOUNT.0, &document)
}

/// What it says of the account's number is of the account's callers, and of nobody else.
#[test]
fn a_deny_list_names_callers_under_the_accounts_number() {
    let mut script = with_list();
    script.play(vec![
        (0.0, list(-1.0, &["role/reports", "out"]), ""),
        (0.0, Start(2), ""),
        (0.0, Ask(1, "billing", "k1~role/billing"), "billing held"),
        (0.0, Ask(1, "reports", "k1~role/reports"), "reports held"),
        (
            0.1,
            Nothing,
            "fetch list; billing allowed; reports token_revoked",
        ),
        (0.1, Ask(1, "user", "a:k1~out"), "user token_revoked"),
        // The same words of a user mean a user, and of a role a role.
        (0.1, Ask(1, "user", "a:k1~role/reports"), "user allowed"),
        (0.1, Ask(1, "role", "k1~role/out"), "role allowed"),
        // Made when the list says, or later.
        (
            1.0,
            Ask(1, "reports", "k1@1~role/reports"),
            "reports allowed",
        ),
        (
            1.0,
            Ask(1, "reports", "k1@0.75~role/reports"),
            "reports token_revoked",
        ),
        (2.0, list(2.0, &["role/billing"]), ""),
    ]);
    assert_eq!(script.world.standing(1), (2, 3));
    // Remembered tokens are asked about again, on every worker within a second.
    assert_eq!(script.count(6.5, "fetch list"), 1);
    script.play(vec![
        (
            6.5,
            Ask(1, "billing", "k1~role/billing"),
            "billing token_revoked",
        ),
        (
            6.5,
            Ask(0, "billing", "k1~role/billing"),
            "billing token_revoked",
        ),
        (6.5, Ask(1, "reports", "k1~role/reports"), "reports allowed"),
    ]);
}

/// With the skew of a minute, as `exp` has it; the twin may be an hour old.
#[test]
fn a_remembered_token_grows_too_old() {
    let made = |age: Value| {
        let mut document = document(&[ACCOUNT.0], &json!({}));
        document["aws_accounts"][0]["max_token_age"] = age;
        of(ACCOUNT.0, &document)
    };
    for (age, last, oldest) in [
        ("1m", 110.0, 110.0),
        ("15m", 950.0, 950.0),
        // It has expired then.
        ("1h", 3649.99, 3650.0),
    ] {
        let mut script = made(json!(age));
        script.happen(Start(1));
        script.count(1.0, "");
        script.happen(Ask(0, "x", "k1@-10"));
        script.count(last, "");
        script.happen(Ask(0, "x", "k1@-10"));
        script.count(oldest + 0.01, "");
        script.happen(Ask(0, "x", "k1@-10"));
        // It is the token's age, and not how long it has been known.
        let young = format!("k1@{}", oldest - 1.0);
        script.world.ask(0, ACCOUNT.0, &young, "y");
        assert_eq!(
            texts(&script),
            [
                ("allowed", CacheUse::Miss),
                ("allowed", CacheUse::Hit),
                ("token_expired", CacheUse::Hit),
                ("allowed", CacheUse::Miss),
            ],
            "{age}"
        );
    }
}

/// Where the host proves that it verifies it, and nowhere else: it is what the log says at the start.
#[test]
fn es384_is_for_accounts_alone() {
    let verifiers: [fn() -> Verifiers; 2] = [
        || with_es384(Rs256::module()),
        || Verifiers::from(Rs256::module()),
    ];
    for (issuer, algorithms) in [
        (ACCOUNT.0, [Algorithms::Rs256AndEs384, Algorithms::Rs256]),
        ("a", [Algorithms::Rs256; 2]),
    ] {
        let policy = policy(&document(&[issuer], &json!({})));
        let named = verifiers
            .map(|verifiers| Gate::new(policy.clone(), verifiers(), Entropy::new(1)).algorithms());
        assert_eq!(named, algorithms, "{issuer}");
    }
}
