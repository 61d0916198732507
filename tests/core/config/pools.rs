//! `user_pools`.

use crate::config::{POOL, accepted, case, minimal, values};
use crate::harness::issuer::TestKey;
use cognito_authorizer::config;
use cognito_authorizer::policy::KeySource;
use cognito_authorizer::remote::document::Source;
use cognito_authorizer::rules::requirement::AnyOf;
use serde_json::{Value, json};

#[test]
fn user_pools_are_one_to_a_thousand() {
    values(
        "/user_pools",
        &[
            (
                json!([]),
                "user_pools: found an empty list; expected a list of 1 to 1000 user pools",
            ),
            (
                json!({}),
                "user_pools: found an empty object; expected a list of 1 to 1000 user pools",
            ),
            (
                json!(null),
                "user_pools: found null; expected a list of 1 to 1000 user pools; give it a value or leave it out",
            ),
            (
                json!(["x"]),
                r#"user_pools[0]: found "x"; expected an object with user_pool_id, client_ids and jwks"#,
            ),
        ],
        minimal()["user_pools"].clone(),
    );
    case(
        json!({"-/user_pools": 0}),
        "user_pools: missing; expected a list of 1 to 1000 user pools",
        json!({}),
    );
    let pools = |count: usize| {
        let pool = |number| json!({"user_pool_id": format!("us-east-1_A{number}"), "client_ids": "any", "jwks": {"cluster": "c"}});
        json!({"/user_pools": (0..count).map(pool).collect::<Vec<_>>()})
    };
    case(
        pools(config::MAX_USER_POOLS + 1),
        "user_pools: found 1001 user pools; expected at most 1000",
        pools(config::MAX_USER_POOLS),
    );
}

/// What each rule is read against is not collected anew for each of them: otherwise this would take
/// minutes.
#[test]
fn a_rule_for_each_of_many_user_pools_is_read_in_time() {
    const RULES: usize = 1_000;
    let id = |number: usize| format!("us-east-1_A{number}");
    let pool =
        |number| json!({"user_pool_id": id(number), "client_ids": "any", "jwks": {"cluster": "c"}});
    let alternative = |number| json!({"pools": [id(number)], "claims": {"sub": "{header.x-user}"}});
    let rule = |number: usize| {
        json!({
            "match": {"path": format!("/{number}")},
            "require": {
                "pools": [id(number % config::MAX_USER_POOLS)],
                "groups": ["admin"],
                "any_of": [alternative(number % config::MAX_USER_POOLS), {"groups": ["ops"]}],
            },
        })
    };
    let policy = accepted(json!({
        "/user_pools": (0..config::MAX_USER_POOLS).map(pool).collect::<Vec<_>>(),
        "/rules": (0..RULES).map(rule).collect::<Vec<_>>(),
        "/default": "nobody",
    }));
    assert_eq!(policy.rules.len(), RULES);
}

#[test]
fn a_user_pool_has_one_name() {
    let arn = format!("arn:aws:cognito-idp:us-east-1:123456789012:userpool/{POOL}");
    let by_arn = json!({"-/user_pools/0/user_pool_id": 0, "/user_pools/0/user_pool_arn": arn});
    let policy = accepted(by_arn.clone());
    assert_eq!(policy.issuers.pools()[0].id.as_str(), POOL);
    case(
        json!({"/user_pools/0/user_pool_arn": arn}),
        "user_pools[0].user_pool_arn: found beside user_pool_id; expected one of the two",
        by_arn.clone(),
    );
    case(
        json!({"-/user_pools/0/user_pool_id": 0}),
        "user_pools[0].user_pool_id: missing; expected a user pool id such as us-east-1_AbCdEf123, or user_pool_arn",
        by_arn.clone(),
    );
    case(
        json!({"-/user_pools/0/user_pool_id": 0, "/user_pools/0/user_pool_arn": arn.replace(":us-east-1:", ":cn-north-1:")}),
        r#"user_pools[0].user_pool_arn: the partition is "aws", but the region "cn-north-1" belongs to "aws-cn""#,
        by_arn.clone(),
    );
    case(
        json!({"-/user_pools/0/user_pool_id": 0, "/user_pools/0/user_pool_arn": arn.replace("arn:aws:", "arn:aws-cn:")}),
        r#"user_pools[0].user_pool_arn: the partition is "aws-cn", but the region "us-east-1" belongs to "aws""#,
        by_arn.clone(),
    );
    case(
        json!({"-/user_pools/0/user_pool_id": 0, "/user_pools/0/user_pool_arn": POOL}),
        r#"user_pools[0].user_pool_arn: found "us-east-1_AbCdEf123"; expected arn:aws:cognito-idp:us-east-1:123456789012:userpool/us-east-1_AbCdEf123"#,
        by_arn,
    );
    values(
        "/user_pools/0/user_pool_id",
        &[
            (
                json!("us-east-1"),
                r#"user_pools[0].user_pool_id: found "us-east-1"; expected a user pool id such as us-east-1_AbCdEf123"#,
            ),
            (
                json!(""),
                r#"user_pools[0].user_pool_id: found ""; expected a user pool id such as us-east-1_AbCdEf123"#,
            ),
            (
                json!(12),
                "user_pools[0].user_pool_id: found 12; expected a user pool id such as us-east-1_AbCdEf123; quote it",
            ),
            (
                json!(null),
                "user_pools[0].user_pool_id: found null; expected a user pool id such as us-east-1_AbCdEf123; give it a value or leave it out",
            ),
        ],
        json!(format!("us-east-1_{}", "a".repeat(45))),
    );
}

#[test]
fn client_ids_are_a_list_or_the_word_any() {
    case(
        json!({"-/user_pools/0/client_ids": 0}),
        "user_pools[0].client_ids: missing; expected a list of app client ids or \"any\"",
        json!({}),
    );
    values(
        "/user_pools/0/client_ids",
        &[
            (
                json!([]),
                r#"user_pools[0].client_ids: found an empty list; expected a list of app client ids or "any""#,
            ),
            (
                json!("4hq8abcd"),
                r#"user_pools[0].client_ids: found "4hq8abcd"; expected a list of app client ids or "any""#,
            ),
            (
                json!("Any"),
                r#"user_pools[0].client_ids: found "Any"; expected a list of app client ids or "any""#,
            ),
            (
                json!(["any"]),
                r#"user_pools[0].client_ids[0]: found "any" in a list; expected the bare word any"#,
            ),
            (
                json!(["a", "any"]),
                r#"user_pools[0].client_ids[1]: found "any" in a list; expected the bare word any"#,
            ),
            (
                json!([""]),
                r#"user_pools[0].client_ids[0]: found ""; expected an app client id"#,
            ),
            (
                json!([4]),
                "user_pools[0].client_ids[0]: found 4; expected an app client id; quote it",
            ),
            (
                json!([null]),
                "user_pools[0].client_ids[0]: found null; expected an app client id; give it a value or leave it out",
            ),
            (
                json!([["a"]]),
                "user_pools[0].client_ids[0]: found a list; expected an app client id",
            ),
            (
                json!(["a", "b", "a"]),
                r#"user_pools[0].client_ids[2]: found "a" as in user_pools[0].client_ids[0]; expected each once"#,
            ),
        ],
        json!("any"),
    );
    let policy = accepted(json!({"/user_pools/0/client_ids": "any"}));
    assert_eq!(policy.issuers.pools()[0].clients, AnyOf::Unrestricted);
    accepted(json!({"/user_pools/0/client_ids": ["a", "b", "Any"]}));
}

#[test]
fn an_issuer_is_a_form_or_a_url() {
    values(
        "/user_pools/0/issuer",
        &[
            (
                json!("cognito"),
                r#"user_pools[0].issuer: found "cognito"; expected original, updated, both or an absolute URL"#,
            ),
            (
                json!("/idp"),
                r#"user_pools[0].issuer: found "/idp"; expected original, updated, both or an absolute URL"#,
            ),
            (
                json!("ftp://idp"),
                r#"user_pools[0].issuer: found "ftp://idp"; expected an absolute URL such as https://host/path"#,
            ),
            (
                json!("https://"),
                r#"user_pools[0].issuer: found "https://"; expected an absolute URL such as https://host/path"#,
            ),
            (
                json!("https://u@idp"),
                r#"user_pools[0].issuer: found "https://u@idp"; expected a URL without user information"#,
            ),
            (
                json!("https://idp?a"),
                r#"user_pools[0].issuer: found "https://idp?a"; expected a URL without query"#,
            ),
            (
                json!("https://idp#a"),
                r##"user_pools[0].issuer: found "https://idp#a"; expected a URL without fragment"##,
            ),
            (
                json!("https://idp:99999"),
                r#"user_pools[0].issuer: found "https://idp:99999"; expected a port from 1 to 65535"#,
            ),
            (
                json!(true),
                "user_pools[0].issuer: found true; expected original, updated, both or an absolute URL; quote it",
            ),
        ],
        json!("https://idp"),
    );
    let read = |issuer: &str| {
        let policy = accepted(json!({"/user_pools/0/issuer": issuer}));
        let pool = &policy.issuers.pools()[0];
        let KeySource::Fetched(Source { endpoint, .. }) = &pool.keys else {
            panic!("{:?}", pool.keys);
        };
        (pool.issuer.clone(), endpoint.uri.clone())
    };
    let updated = format!("https://issuer-cognito-idp.us-east-1.amazonaws.com/{POOL}");
    assert_eq!(
        read("updated"),
        (updated.clone(), format!("{updated}/.well-known/jwks.json"))
    );
    // Compared to the letter, so kept to the letter.
    for issuer in [
        "http://127.0.0.1:9229/local_1",
        "https://idp.example.com/a/",
    ] {
        let uri = format!("{}/.well-known/jwks.json", issuer.trim_end_matches('/'));
        assert_eq!(read(issuer), (issuer.to_owned(), uri));
    }
}

#[test]
fn both_issuers_have_one_key_set() {
    let host = |service: &str, region: &str| format!("https://{service}.{region}.amazonaws.com");
    let replica = format!("arn:aws:cognito-idp:us-west-2:123456789012:userpool/{POOL}");
    let updated = format!("{}/{POOL}", host("issuer-cognito-idp", "us-east-1"));
    for (arn, region) in [(None, "us-east-1"), (Some(replica), "us-west-2")] {
        let original = format!("{}/{POOL}", host("cognito-idp", region));
        for (word, first, second) in [
            ("original", &original, None),
            ("updated", &updated, None),
            ("both", &original, Some(&updated)),
        ] {
            let mut document = json!({"/user_pools/0/issuer": word});
            if let Some(arn) = &arn {
                document["/user_pools/0/user_pool_arn"] = json!(arn);
                document["-/user_pools/0/user_pool_id"] = json!(0);
            }
            let policy = accepted(document);
            let pool = &policy.issuers.pools()[0];
            assert_eq!((&pool.issuer, pool.second_issuer.as_ref()), (first, second));
            assert_eq!((pool.id.as_str(), &*pool.region), (POOL, region));
            let KeySource::Fetched(Source { endpoint, .. }) = &pool.keys else {
                panic!("{:?}", pool.keys);
            };
            assert_eq!(endpoint.uri, format!("{first}/.well-known/jwks.json"));
            let index = policy.issuers.by_iss(first);
            assert!(index.is_some());
            for (iss, known) in [
                (&original, word != "updated"),
                (&updated, word != "original"),
            ] {
                assert_eq!(policy.issuers.by_iss(iss) == index, known, "{word} {iss}");
            }
            assert_eq!(policy.issuers.labels(), [POOL]);
        }
    }
    let uri = "https://keys.example.com/jwks.json";
    let policy = accepted(json!({"/user_pools/0/issuer": "both", "/user_pools/0/jwks/uri": uri}));
    let KeySource::Fetched(Source { endpoint, .. }) = &policy.issuers.pools()[0].keys else {
        panic!("keys are fetched");
    };
    assert_eq!(endpoint.uri, uri);
}

#[test]
fn a_pool_and_its_replica_are_two_issuers() {
    let arn = |region: &str| format!("arn:aws:cognito-idp:{region}:123456789012:userpool/{POOL}");
    let replica = |issuer: &str| {
        let mut pool = minimal()["user_pools"][0].clone();
        pool.as_object_mut().unwrap().remove("user_pool_id");
        pool["user_pool_arn"] = arn("us-west-2").into();
        pool["issuer"] = issuer.into();
        json!({"/user_pools/0/issuer": "both", "/user_pools/1": pool})
    };
    let policy = accepted(replica("original"));
    assert_eq!(
        policy.issuers.labels(),
        [POOL.to_owned(), format!("{POOL}.us-west-2")]
    );
    // Tokens of both have the pool's issuer in the updated form.
    let updated = format!("https://issuer-cognito-idp.us-east-1.amazonaws.com/{POOL}");
    for word in ["updated", "both"] {
        case(
            replica(word),
            &format!(
                "user_pools[1].issuer: found the issuer of user_pools[0], {updated}; expected each issuer once"
            ),
            replica("original"),
        );
    }
}

#[test]
fn an_issuer_is_configured_once() {
    let second = |changes: Value| {
        let mut pool = minimal()["user_pools"][0].clone();
        pool.as_object_mut()
            .unwrap()
            .extend(changes.as_object().unwrap().clone());
        json!({"/user_pools/1": pool})
    };
    let original = format!("https://cognito-idp.us-east-1.amazonaws.com/{POOL}");
    case(
        second(json!({})),
        &format!(
            "user_pools[1].issuer: found the issuer of user_pools[0], {original}; expected each issuer once"
        ),
        second(json!({"issuer": "updated"})),
    );
    // Seen even where something else is wrong with the pools.
    case(
        second(json!({"issuer": original, "client_ids": []})),
        &format!(
            "user_pools[1].client_ids: found an empty list; expected a list of app client ids or \"any\"\nuser_pools[1].issuer: found the issuer of user_pools[0], {original}; expected each issuer once"
        ),
        second(json!({"issuer": format!("{original}/")})),
    );
}

#[test]
fn keys_are_fetched_or_inline() {
    let jwks = "/user_pools/0/jwks";
    case(
        json!({"-/user_pools/0/jwks": 0}),
        "user_pools[0].jwks: missing; expected an object with cluster, or with inline keys",
        json!({}),
    );
    let inline = json!({"inline": {"keys": [TestKey::first().jwk(), TestKey::small().jwk()]}});
    values(
        jwks,
        &[
            (
                json!({}),
                "user_pools[0].jwks.cluster: missing; expected the Envoy cluster that reaches the key endpoint, or inline keys",
            ),
            (
                json!("keys"),
                r#"user_pools[0].jwks: found "keys"; expected an object with cluster, or with inline keys"#,
            ),
            (
                json!({"cluster": ""}),
                r#"user_pools[0].jwks.cluster: found ""; expected the Envoy cluster that reaches the key endpoint, or inline keys"#,
            ),
            (
                json!({"cluster": 1}),
                "user_pools[0].jwks.cluster: found 1; expected the Envoy cluster that reaches the key endpoint, or inline keys; quote it",
            ),
            (
                json!({"clusters": "c", "cluster": "c"}),
                "user_pools[0].jwks.clusters: found an unknown field; did you mean cluster?",
            ),
            (
                json!({"inline": {"keys": []}}),
                "user_pools[0].jwks.inline: the key set has no usable key; expected an RSA key of 2048 to 4096 bits with a kid, for RS256 signatures",
            ),
            (
                json!({"inline": {"keys": [TestKey::small().jwk()]}}),
                "user_pools[0].jwks.inline: the key set has no usable key; expected an RSA key of 2048 to 4096 bits with a kid, for RS256 signatures",
            ),
            (
                json!({"inline": {}}),
                r#"user_pools[0].jwks.inline: found no key set; expected {"keys": [...]} (RFC 7517, section 5)"#,
            ),
            (
                json!({"inline": "{"}),
                r#"user_pools[0].jwks.inline: found no key set; expected {"keys": [...]} (RFC 7517, section 5)"#,
            ),
            (
                json!({"inline": []}),
                "user_pools[0].jwks.inline: found an empty list; expected a key set as an object or JSON text",
            ),
        ],
        inline.clone(),
    );
    let both = |name: &str, value: &str| json!({jwks: {"inline": inline["inline"], name: value}});
    for (name, value) in [
        ("cluster", "c"),
        ("uri", "https://h/"),
        ("timeout", "5s"),
        ("refresh_interval", "15m"),
        ("max_stale", "24h"),
    ] {
        case(
            both(name, value),
            &format!("user_pools[0].jwks.{name}: found beside inline; expected inline alone"),
            json!({jwks: {"cluster": "c", name: value}}),
        );
    }
    for keys in [
        inline["inline"].clone(),
        json!(inline["inline"].to_string()),
    ] {
        let policy = accepted(json!({jwks: {"inline": keys}}));
        let KeySource::Inline(keys) = &policy.issuers.pools()[0].keys else {
            panic!("not inline");
        };
        assert_eq!((keys.len(), keys.skipped()), (1, 1));
        assert!(keys.get(TestKey::first().kid()).is_some());
    }
}

#[test]
fn a_key_uri_is_absolute() {
    let refused = |text: &str, expected: &str| {
        (
            json!(text),
            format!("user_pools[0].jwks.uri: found {text:?}; expected {expected}"),
        )
    };
    for (uri, problem) in [
        refused("", "an absolute URL such as https://host/path"),
        refused("/jwks.json", "an absolute URL such as https://host/path"),
        refused("idp/jwks.json", "an absolute URL such as https://host/path"),
        refused(
            "file:///jwks.json",
            "an absolute URL such as https://host/path",
        ),
        refused(
            "https://idp/jwks json",
            "an absolute URL such as https://host/path",
        ),
        refused(
            "https://user:pass@idp/jwks",
            "a URL without user information",
        ),
        refused("https://idp/jwks#a", "a URL without fragment"),
        refused("https://idp:0/jwks", "a port from 1 to 65535"),
    ] {
        values(
            "/user_pools/0/jwks/uri",
            &[(uri, &problem)],
            json!("https://idp/jwks"),
        );
    }
    let policy = accepted(json!({"/user_pools/0/jwks/uri": "http://127.0.0.1:5000/jwks?a=b"}));
    let KeySource::Fetched(Source { endpoint, .. }) = &policy.issuers.pools()[0].keys else {
        panic!("inline");
    };
    assert_eq!(endpoint.scheme, "http");
    assert_eq!(endpoint.authority, "127.0.0.1:5000");
    assert_eq!(endpoint.path, "/jwks?a=b");
}

/// The names in metrics: of several issuers of one pool each has its own.
#[test]
fn issuers_have_names_of_their_own() {
    let entry = |id: &str, issuer: &str| json!({"user_pool_id": id, "client_ids": "any", "issuer": issuer, "jwks": {"cluster": "c"}});
    let url = "https://idp.example.com/a";
    let other = "eu-west-1_Other0002";
    for (entries, labels) in [
        (vec![(POOL, "original")], vec![POOL.to_owned()]),
        (vec![(POOL, "updated")], vec![POOL.to_owned()]),
        (
            vec![(POOL, "original"), (other, "updated"), (POOL, "updated")],
            vec![POOL.to_owned(), other.to_owned(), format!("{POOL}.updated")],
        ),
        (
            vec![(POOL, "updated"), (POOL, "original"), (POOL, url)],
            vec![
                POOL.to_owned(),
                format!("{POOL}.original"),
                format!("{POOL}.3"),
            ],
        ),
    ] {
        let mut document = minimal();
        let entries = entries.iter().map(|(id, issuer)| entry(id, issuer));
        document["user_pools"] = entries.collect();
        let policy = config::parse(document.to_string().as_bytes()).unwrap();
        assert_eq!(policy.issuers.labels(), labels);
    }
}
