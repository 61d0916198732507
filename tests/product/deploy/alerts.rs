//! Each alert is made true: what a real Envoy exports in the situation is given to promtool with the
//! shipped rules, and the alerts that fire must be these and no others. The twin of all is an Envoy
//! to which nothing happens.
//!
//! Two scrapes make the series: a counter goes on as it went between them, once a minute, and an age
//! grows with the clock. `make test-formats` runs this; PROMTOOL names the program.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::deploy::bootstrap::{KEY_CLUSTER, MANAGER, PLUGIN, Setup};
use crate::deploy::files;
use crate::deploy::lambda::with_authorizer;
use crate::deploy::metrics::{ALERTS, Series, metrics_in, queries, samples};
use crate::deploy::revocation::{ListServer, confirmed, with_list};
use crate::deploy::stack::{GENUINE, POOL, Stack, reader};
use crate::harness::client::{Pending, Request};
use crate::harness::issuer::TestKey;
use crate::harness::keyserver::Answer;
use crate::harness::process::{eventually, provided};
use crate::harness::upstream::Upstream;

/// A second user pool beside that of production.yaml.
const SECOND: &str = "us-east-1_Second002";
/// A refusal more in each second of the scripted minute: what "in numbers" means to the alerts.
const NUMBERS: usize = 70;

type Scrape = BTreeMap<Series, f64>;

/// What a scraper reads on the port that production.yaml opens for it.
#[track_caller]
fn scrape(stack: &Stack) -> Scrape {
    let answer = Request::get("/stats/prometheus").send(stack.envoy.at("metrics"));
    assert_eq!(answer.status, 200);
    samples(&answer.body)
}

/// The value of a metric, whatever its labels.
fn sum(scrape: &Scrape, name: &str) -> f64 {
    let found = scrape.iter().filter(|((found, _), _)| found == name);
    found.map(|(_, value)| value).sum()
}

/// Waits until the sum of a metric is more than it was.
#[track_caller]
fn grows(stack: &Stack, name: &str, before: &Scrape) {
    eventually(name, || {
        (sum(&scrape(stack), name) > sum(before, name)).then_some(())
    });
}

/// Two scrapes, between which `happens` has happened.
#[track_caller]
fn watch(stack: &mut Stack, happens: impl FnOnce(&mut Stack, &Scrape)) -> [Scrape; 2] {
    let first = scrape(stack);
    happens(stack, &first);
    [first, scrape(stack)]
}

/// A series in promtool's notation, over `minutes`.
fn series((name, labels): &Series, first: f64, last: f64, minutes: u32) -> Value {
    let held = if name == "cognito_authorizer_deny_list_entries" && first != last {
        // A list that was replaced in the middle.
        format!("{first}x{} {last}x{}", minutes / 2, minutes - minutes / 2)
    } else {
        String::new()
    };
    let step = match name.ends_with("_age_seconds") {
        true if last > first => 60.0,
        true => 0.0,
        false if name.starts_with("cognito_authorizer_held") => 0.0,
        false if name.ends_with("_entries") || name.ends_with("_in_flight") => 0.0,
        false => last - first,
    };
    let mut labels: Vec<_> = labels
        .iter()
        .map(|(name, value)| format!("{name}={}", json!(value)))
        .collect();
    labels.push("job=\"envoy\"".to_owned());
    labels.push("instance=\"a\"".to_owned());
    json!({
        "series": format!("{name}{{{}}}", labels.join(", ")),
        "values": match held.as_str() {
            "" => format!("{first}{step:+}x{minutes}"),
            held => held.to_owned(),
        },
    })
}

/// Asserts which alerts fire, each with the issuer that it names, `minutes` after the first scrape.
#[track_caller]
fn fires(situation: &str, [first, last]: &[Scrape; 2], minutes: u32, alerts: &[(&str, &str)]) {
    let asked = metrics_in(&queries(ALERTS));
    let mut input: Vec<_> = last
        .iter()
        .filter(|((name, _), _)| asked.contains(name))
        .map(|(of, value)| series(of, first.get(of).copied().unwrap_or(0.0), *value, minutes))
        .collect();
    // promtool wants one series at least, also of an Envoy that has none of ours.
    input.push(json!({"series": "up{job=\"envoy\"}", "values": format!("1x{minutes}")}));
    let firing = alerts.iter().map(|(alert, issuer)| {
        let issuer = match *issuer {
            "" => String::new(),
            issuer => format!(", issuer=\"{issuer}\""),
        };
        json!({"labels": format!("{{alertname=\"{alert}\"{issuer}}}"), "value": 1})
    });
    let test = json!({
        "rule_files": [files::envoy().join("prometheus/alerts.yaml")],
        "evaluation_interval": "1m",
        "tests": [{
            "name": situation,
            "interval": "1m",
            "input_series": input,
            "promql_expr_test": [{
                "expr": "group by (alertname, issuer) (ALERTS{alertstate=\"firing\"})",
                "eval_time": format!("{minutes}m"),
                "exp_samples": firing.collect::<Vec<_>>(),
            }],
        }],
    });
    let name = format!("alerts-{}.yaml", situation.replace(' ', "-"));
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&file, format!("{test:#}")).expect("a writable target directory");
    let output = Command::new(provided("PROMTOOL"))
        .args(["test", "rules"])
        .arg(&file)
        .output()
        .expect("PROMTOOL names a program");
    assert!(
        output.status.success(),
        "{situation}: {}\n{}{}",
        file.display(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
}

const NO_KEYS: (&str, &str) = ("CognitoAuthorizerNoKeys", POOL);

/// production.yaml with a second pool, whose keys come from the same cluster.
fn two_pools(setup: &mut Setup) {
    let pools = setup.at(&format!("{PLUGIN}/configuration/value/user_pools"));
    let mut second = pools[0].clone();
    second["user_pool_id"] = json!(SECOND);
    pools.as_array_mut().expect("a list").push(second);
    // With two pools, groups and scopes need the pool they are of.
    let rules = setup.at(&format!("{PLUGIN}/configuration/value/rules"));
    for rule in rules.as_array_mut().expect("a list") {
        if rule["require"].is_object() {
            rule["require"]["pools"] = json!([POOL]);
        }
    }
}

/// Waits until the keys of all pools are there.
#[track_caller]
fn fetched(stack: &Stack) {
    let issuers = |scrape: &Scrape| {
        let keys = scrape.iter();
        let keys = keys.filter(|((name, _), _)| name == "cognito_authorizer_issuer_jwks_keys");
        keys.map(|(_, value)| *value).collect::<Vec<_>>()
    };
    eventually("keys of every pool", || {
        let keys = issuers(&scrape(stack));
        (!keys.is_empty() && keys.iter().all(|keys| *keys > 0.0)).then_some(())
    });
}

/// A request that is let in, and a second on the clock.
#[track_caller]
fn business(stack: &mut Stack, before: &Scrape) {
    let request = Request::get("/orders").bearer(&reader().mint());
    assert_eq!(stack.send(&request).status, 200);
    grows(stack, KEYS_AGE, before);
}

#[test]
fn nothing_fires_where_nothing_happens() {
    let mut stack = Stack::start(GENUINE, two_pools);
    stack.keys.publish(SECOND, &[TestKey::first()]);
    fetched(&stack);
    let scrapes = watch(&mut stack, business);
    for minutes in [5, 20, 60] {
        fires("nothing happens", &scrapes, minutes, &[]);
    }
    stack.finish();
}

/// The age of a deny list or of keys, as it is while somebody renews them.
fn renewed(age: &str, scrapes: &mut [Scrape; 2]) {
    for scrape in scrapes {
        let ages = scrape.iter_mut();
        for (_, seconds) in ages.filter(|((name, _), _)| name == age) {
            *seconds = 10.0;
        }
    }
}

const LIST_AGE: &str = "cognito_authorizer_deny_list_age_seconds";
const KEYS_AGE: &str = "cognito_authorizer_issuer_jwks_age_seconds";

/// Waits for so many entries of the deny list.
#[track_caller]
fn listed(stack: &Stack, entries: u64) {
    stack.envoy.await_metric("deny_list_entries", entries);
}

#[test]
fn nothing_fires_where_the_deny_list_is_renewed() {
    let lists = ListServer::start();
    lists.publish(20, 0);
    let mut stack = Stack::start(GENUINE, |setup| with_list(setup, lists.address));
    fetched(&stack);
    listed(&stack, 20);
    let mut scrapes = watch(&mut stack, |stack, before| {
        business(stack, before);
        grows(stack, "cognito_authorizer_deny_list_fetch", before);
    });
    renewed(LIST_AGE, &mut scrapes);
    for minutes in [5, 20, 60] {
        fires("a list that is renewed", &scrapes, minutes, &[]);
    }
    stack.finish();
}

/// Its endpoint answers, with a list that is a quarter of an hour old.
#[test]
fn nobody_writes_the_deny_list() {
    let lists = ListServer::start();
    lists.publish(20, 1000);
    let mut stack = Stack::start(GENUINE, |setup| with_list(setup, lists.address));
    fetched(&stack);
    listed(&stack, 20);
    let scrapes = watch(&mut stack, |stack, before| {
        business(stack, before);
        grows(stack, "cognito_authorizer_deny_list_fetch", before);
    });
    let dead = ("CognitoAuthorizerDenyListFeederDead", "");
    let old = ("CognitoAuthorizerDenyListTooOld", "");
    fires("a dead feeder", &scrapes, 10, &[dead]);
    fires("a dead feeder", &scrapes, 20, &[dead, old]);
    stack.finish();
}

#[test]
fn the_deny_list_cannot_be_fetched() {
    let lists = ListServer::start();
    lists.publish(20, 0);
    let mut stack = Stack::start(GENUINE, |setup| with_list(setup, lists.address));
    fetched(&stack);
    listed(&stack, 20);
    lists.fail();
    let failures = |stack: &Stack| stack.envoy.metric("deny_list_fetch.failure");
    eventually("a failure", || (failures(&stack) > 0).then_some(()));
    let scrapes = watch(&mut stack, |stack, before| {
        business(stack, before);
        grows(stack, "cognito_authorizer_deny_list_fetch", before);
    });
    let failing = ("CognitoAuthorizerDenyListFetchFailing", "");
    let old = ("CognitoAuthorizerDenyListTooOld", "");
    fires("a list that cannot be fetched", &scrapes, 20, &[failing]);
    fires(
        "a list that cannot be fetched",
        &scrapes,
        40,
        &[failing, old],
    );
    stack.finish();
}

#[test]
fn there_has_never_been_a_deny_list() {
    let lists = ListServer::start();
    let mut stack = Stack::start(GENUINE, |setup| {
        with_list(setup, lists.address);
        let list = setup.at(&format!("{PLUGIN}/configuration/value/deny_list"));
        list["timeout"] = json!("100ms");
    });
    fetched(&stack);
    let scrapes = watch(&mut stack, |stack, before| {
        // More is let in than refused.
        for _ in 0..2 {
            assert_eq!(stack.send(&Request::get("/health")).status, 200);
        }
        let request = Request::get("/orders").bearer(&reader().mint());
        assert_eq!(stack.send(&request).status, 503);
        grows(stack, "cognito_authorizer_denied", before);
        grows(stack, "cognito_authorizer_deny_list_fetch", before);
        grows(stack, LIST_AGE, before);
    });
    let unknown = ("CognitoAuthorizerRevocationUnknown", "");
    let failing = ("CognitoAuthorizerDenyListFetchFailing", "");
    let old = ("CognitoAuthorizerDenyListTooOld", "");
    fires("no list yet", &scrapes, 20, &[failing, unknown]);
    fires("no list yet", &scrapes, 40, &[failing, old, unknown]);
    stack.finish();
}

/// An empty list signs in again whoever was signed out; that entries leave one by one is usual.
#[test]
fn the_deny_list_is_emptied() {
    for (situation, less, alerts) in [
        (
            "an emptied list",
            3,
            &[("CognitoAuthorizerDenyListShrank", "")][..],
        ),
        ("a list somewhat shorter", 15, &[]),
    ] {
        let lists = ListServer::start();
        lists.publish(20, 10);
        let mut stack = Stack::start(GENUINE, |setup| with_list(setup, lists.address));
        fetched(&stack);
        listed(&stack, 20);
        let mut scrapes = watch(&mut stack, |stack, before| {
            lists.publish(less, 0);
            listed(stack, u64::try_from(less).expect("a number"));
            business(stack, before);
        });
        renewed(LIST_AGE, &mut scrapes);
        fires(situation, &scrapes, 20, alerts);
        stack.finish();
    }
}

/// For a trial, and forgotten.
#[test]
fn a_door_is_left_open() {
    let mut stack = Stack::start(GENUINE, |setup| {
        setup.at(&format!("{PLUGIN}/configuration/value"))["enforce"] = json!("report");
    });
    fetched(&stack);
    let mut scrapes = watch(&mut stack, business);
    renewed(KEYS_AGE, &mut scrapes);
    let not_enforced = ("CognitoAuthorizerNotEnforced", "");
    fires("a door open for hours", &scrapes, 20 * 60, &[]);
    fires("a door open for a day", &scrapes, 25 * 60, &[not_enforced]);
    stack.finish();
}

#[test]
fn a_user_pool_confirms_nothing() {
    let nowhere = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
    let mut stack = Stack::start(GENUINE, |setup| confirmed(setup, nowhere));
    fetched(&stack);
    let scope = "aws.cognito.signin.user.admin orders/read";
    let token = reader().claim("scope", scope).mint();
    let scrapes = watch(&mut stack, |stack, before| {
        for _ in 0..2 {
            assert_eq!(stack.send(&Request::get("/health")).status, 200);
        }
        let request = Request::get("/payments").bearer(&token);
        assert_eq!(stack.send(&request).status, 503);
        grows(stack, "cognito_authorizer_denied", before);
        grows(stack, "cognito_authorizer_confirm", before);
    });
    let failing = ("CognitoAuthorizerConfirmationsFailing", "");
    let unknown = ("CognitoAuthorizerRevocationUnknown", "");
    fires("no confirmation", &scrapes, 20, &[failing, unknown]);
    stack.finish();
}

#[test]
fn one_of_several_pools_has_no_keys() {
    // The key server knows the first pool only: it answers 404 for the other.
    let mut stack = Stack::start(GENUINE, two_pools);
    eventually("keys of the first pool", || {
        (sum(&scrape(&stack), "cognito_authorizer_jwks_keys") > 0.0).then_some(())
    });
    let scrapes = watch(&mut stack, business);
    let missing = ("CognitoAuthorizerNoKeys", SECOND);
    for minutes in [5, 20] {
        fires("one pool without keys", &scrapes, minutes, &[missing]);
    }
    stack.finish();
}

#[test]
fn the_name_of_the_key_endpoint_does_not_resolve() {
    let mut stack = Stack::start(GENUINE, |setup| {
        let cluster = setup.at(KEY_CLUSTER);
        let host = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address";
        let host = cluster.pointer_mut(host).expect("an address");
        host["address"] = json!("keys.invalid");
        // A name server that is not there: the loopback refuses at once.
        cluster["typed_dns_resolver_config"] = json!({
            "name": "envoy.network.dns_resolver.cares",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig",
                "resolvers": [{"socket_address": {"address": "127.0.0.1", "port_value": 1}}],
            },
        });
        cluster["dns_refresh_rate"] = json!("0.2s");
        cluster["dns_failure_refresh_rate"] =
            json!({"base_interval": "0.2s", "max_interval": "0.2s"});
    });
    let scrapes = watch(&mut stack, |stack, before| {
        grows(stack, "envoy_cluster_update_failure", before);
    });
    let unresolved = ("CognitoAuthorizerKeyClusterUnresolved", "");
    fires("no DNS", &scrapes, 20, &[unresolved, NO_KEYS]);
    stack.finish();
}

#[test]
fn the_certificate_of_the_key_endpoint_is_not_trusted() {
    for (certificate, statistic) in [
        (
            "keys-other-authority.crt",
            "envoy_cluster_ssl_fail_verify_error",
        ),
        ("keys-other-name.crt", "envoy_cluster_ssl_fail_verify_san"),
    ] {
        let mut stack = Stack::start(certificate, |_| {});
        let scrapes = watch(&mut stack, |stack, before| grows(stack, statistic, before));
        let untrusted = ("CognitoAuthorizerKeyServerNotTrusted", "");
        fires(certificate, &scrapes, 20, &[untrusted, NO_KEYS]);
        stack.finish();
    }
}

#[test]
fn the_key_cluster_is_misspelt() {
    let mut stack = Stack::start(GENUINE, |setup| {
        let pools = format!("{PLUGIN}/configuration/value/user_pools");
        setup.at(&pools)[0]["jwks"]["cluster"] = json!("cognito_us_esat_1");
    });
    let scrapes = watch(&mut stack, |stack, before| {
        grows(stack, KEYS_AGE, before);
    });
    fires("a cluster misspelt", &scrapes, 20, &[NO_KEYS]);
    stack.finish();
}

/// The keys are there, and every fetch since has failed: tokens of known keys are served on.
#[test]
fn fetching_fails_later() {
    let mut stack = Stack::start(GENUINE, |_| {});
    fetched(&stack);
    stack.keys.answer(POOL, Answer::Status(500, Value::Null));
    let scrapes = watch(&mut stack, |stack, before| {
        business(stack, before);
        // A key id that is not in the set has it fetched anew.
        let request = Request::get("/orders").bearer(&reader().signed_by(TestKey::second()).mint());
        assert_eq!(stack.send(&request).status, 503);
        grows(stack, "cognito_authorizer_denied", before);
    });
    let unavailable = ("CognitoAuthorizerKeysUnavailable", "");
    let failing = ("CognitoAuthorizerKeyFetchFailing", POOL);
    let ageing = ("CognitoAuthorizerKeysAgeing", POOL);
    let expiring = ("CognitoAuthorizerKeysExpiring", POOL);
    for (minutes, alerts) in [
        (20, &[unavailable][..]),
        (60, &[failing, unavailable]),
        (5 * 60, &[failing, ageing, unavailable]),
        (21 * 60, &[failing, ageing, expiring, unavailable]),
    ] {
        fires("fetching fails later", &scrapes, minutes, alerts);
    }
    stack.finish();
}

#[test]
fn requests_wait_for_keys() {
    let mut stack = Stack::start(GENUINE, |setup| {
        let pools = format!("{PLUGIN}/configuration/value/user_pools");
        setup.at(&pools)[0]["jwks"]["timeout"] = json!("30s");
    });
    fetched(&stack);
    stack.keys.hold(POOL);
    let request = Request::get("/orders").bearer(&reader().signed_by(TestKey::second()).mint());
    let waiting: Pending = stack.open(&request);
    stack.envoy.await_metric("held_now", 1);
    let scrapes = watch(&mut stack, |stack, before| {
        grows(stack, KEYS_AGE, before);
    });
    fires(
        "requests wait",
        &scrapes,
        20,
        &[("CognitoAuthorizerRequestsHeld", "")],
    );
    stack.keys.publish(POOL, &[TestKey::second()]);
    stack.keys.release(POOL);
    assert_eq!(waiting.response().status, 200);
    stack.finish();
}

/// One request that asks the function, and two that do not, between two scrapes.
#[track_caller]
fn asked(stack: &mut Stack, status: u16) -> [Scrape; 2] {
    watch(stack, |stack, before| {
        for _ in 0..2 {
            assert_eq!(stack.send(&Request::get("/health")).status, 200);
        }
        let request = Request::get("/partners").header("authorization", "Bearer secret");
        assert_eq!(stack.send(&request).status, status);
        grows(stack, "cognito_authorizer_denied", before);
        eventually("a call that failed", || {
            let failed = |(name, labels): &Series| {
                name == "cognito_authorizer_authorizer" && labels["result"] == "failed"
            };
            let now = scrape(stack);
            let failed = now.iter().find(|(series, _)| failed(series));
            failed.is_some_and(|(_, count)| *count > 0.0).then_some(())
        });
    })
}

#[test]
fn a_function_cannot_be_asked() {
    let nowhere = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
    let mut stack = Stack::start(GENUINE, |setup| with_authorizer(setup, nowhere));
    fetched(&stack);
    let scrapes = asked(&mut stack, 503);
    let unavailable = ("CognitoAuthorizerFunctionUnavailable", "");
    let failing = ("CognitoAuthorizerFunctionFailing", "");
    fires("no function", &scrapes, 20, &[failing, unavailable]);
    stack.finish();
}

#[test]
fn a_function_fails() {
    // It greets, which is no answer.
    let lambda = Upstream::start();
    let mut stack = Stack::start(GENUINE, |setup| with_authorizer(setup, lambda.address()));
    fetched(&stack);
    let scrapes = asked(&mut stack, 500);
    let failing = ("CognitoAuthorizerFunctionFailing", "");
    fires("a failing function", &scrapes, 20, &[failing]);
    stack.finish();
}

#[test]
fn a_function_is_slow() {
    // It takes connections and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let lambda = silent.local_addr().expect("an address");
    let mut stack = Stack::start(GENUINE, |setup| {
        with_authorizer(setup, lambda);
        setup.at(&format!("{PLUGIN}/configuration/value/authorizers/0"))["timeout"] = json!("30s");
    });
    fetched(&stack);
    let waiting: Vec<Pending> = (0..140)
        .map(|number| {
            let token = format!("Bearer secret-{number}");
            stack.open(&Request::get("/partners").header("authorization", token))
        })
        .collect();
    stack.envoy.await_metric("authorizer_in_flight", 140);
    let scrapes = watch(&mut stack, |stack, before| {
        grows(stack, KEYS_AGE, before);
    });
    let slow = ("CognitoAuthorizerFunctionSlow", "");
    let held = ("CognitoAuthorizerRequestsHeld", "");
    fires("a slow function", &scrapes, 20, &[slow, held]);
    drop(silent);
    for waiting in waiting {
        assert_eq!(waiting.response().status, 503);
    }
    stack.finish();
}

/// Sends `good` requests that are let in and `bad` ones that are refused.
#[track_caller]
fn traffic(stack: &mut Stack, before: &Scrape, good: usize, bad: usize, refused: &Request) {
    let valid = Request::get("/orders").bearer(&reader().mint());
    for _ in 0..good {
        assert_eq!(stack.send(&valid).status, 200);
    }
    for _ in 0..bad {
        assert!(matches!(stack.send(refused).status, 401 | 403));
    }
    let decided = |scrape: &Scrape| {
        let counters = ["cognito_authorizer_allowed", "cognito_authorizer_denied"];
        counters.map(|name| sum(scrape, name)).iter().sum::<f64>()
    };
    let expected = decided(before) + f64::from(u32::try_from(good + bad).expect("a few"));
    eventually("every request to be counted", || {
        (decided(&scrape(stack)) == expected).then_some(())
    });
}

#[test]
fn tokens_are_refused() {
    let mut stack = Stack::start(GENUINE, |_| {});
    fetched(&stack);
    let valid = reader().mint();
    let wrong_client = reader()
        .claim("client_id", "7zzother0123456789abcdefgh")
        .mint();
    // The signature of another token: one of these bytes differs from what was signed.
    let (_, signature) = valid.rsplit_once('.').expect("a compact token");
    let other = reader().claim("scope", "orders/write").mint();
    let (claims, _) = other.rsplit_once('.').expect("a compact token");
    let forged = Request::get("/orders").bearer(&format!("{claims}.{signature}"));
    let twice = Request::get("/orders").bearer(&valid).bearer(&valid);
    let client = Request::get("/orders").bearer(&wrong_client);
    let denied = Request::get("/elsewhere").bearer(&valid);
    for (situation, good, bad, request, alerts) in [
        (
            "forged tokens",
            2 * NUMBERS,
            NUMBERS,
            &forged,
            &["CognitoAuthorizerForgedTokens"][..],
        ),
        ("a forged token", 2 * NUMBERS, 1, &forged, &[]),
        (
            "cookie and header",
            2 * NUMBERS,
            NUMBERS,
            &twice,
            &["CognitoAuthorizerWrongTokens"],
        ),
        (
            "another client",
            10,
            1,
            &client,
            &["CognitoAuthorizerWrongTokens"],
        ),
        ("another client now and then", 50, 1, &client, &[]),
        (
            "more refused",
            5,
            6,
            &denied,
            &["CognitoAuthorizerMostlyDenied"],
        ),
        ("fewer refused", 6, 5, &denied, &[]),
    ] {
        let scrapes = watch(&mut stack, |stack, before| {
            traffic(stack, before, good, bad, request);
        });
        let alerts: Vec<_> = alerts.iter().map(|alert| (*alert, "")).collect();
        fires(situation, &scrapes, 20, &alerts);
    }
    stack.finish();
}

#[test]
fn the_module_verifies_signatures() {
    let mut stack = Stack::start(GENUINE, |setup| {
        setup.at(&format!("{PLUGIN}/configuration/value"))["signature"] = json!("module");
    });
    fetched(&stack);
    let scrapes = watch(&mut stack, business);
    let slow = ("CognitoAuthorizerSlowSignatures", "");
    fires("slow signatures", &scrapes, 20, &[slow]);
    stack.finish();
}

#[test]
fn the_module_traps() {
    let mut stack = Stack::start(GENUINE, |setup| setup.provoke());
    stack.envoy.expect_traps();
    fetched(&stack);
    let scrapes = watch(&mut stack, |stack, before| {
        let trap = Request::get("/health").header("x-provoke-trap", "1");
        assert!(stack.send_undecided(&trap).status >= 500);
        eventually("the module to be loaded anew", || {
            (stack.send_undecided(&Request::get("/health")).status == 200).then_some(())
        });
        grows(stack, "envoy_wasm_vm_reload_success", before);
    });
    let failing = ("CognitoAuthorizerVmFailing", "");
    fires("a trap", &scrapes, 5, &[failing]);
}

#[test]
fn the_filter_is_gone() {
    let mut stack = Stack::start(GENUINE, |setup| {
        let filters = setup.at(&format!("{MANAGER}/http_filters"));
        filters.as_array_mut().expect("a list").remove(1);
    });
    let scrapes = watch(&mut stack, |stack, _| {
        assert_eq!(stack.send_undecided(&Request::get("/orders")).status, 200);
    });
    let gone = ("CognitoAuthorizerGone", "");
    fires("no filter", &scrapes, 20, &[gone]);
    stack.finish();
}

/// Each alert has a test above that makes it fire.
#[test]
fn every_alert_was_made_true() {
    let source = include_str!("alerts.rs");
    let alerts = files::text("prometheus/alerts.yaml");
    let names = alerts
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "));
    let missing: Vec<_> = names
        .filter(|name| !source.contains(&format!("\"{name}\"")))
        .collect();
    assert!(missing.is_empty(), "no test makes {missing:?} fire");
}
