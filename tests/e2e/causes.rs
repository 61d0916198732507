//! Keys that cannot be fetched: the log names the cluster and the cause, the gauges the pool.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::faults::{closed_port, hasty_pool};
use crate::harness::bootstrap::{self, Listener, MAIN, Setup};
use crate::harness::document::{POOL, pool, with};
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::issuer::{TestKey, issuer_of, key_set};
use crate::harness::keyserver::{Answer, KeyServer};
use crate::harness::process::eventually;
use crate::harness::upstream::Upstream;
use crate::keys::{ask, ask_with};

const MISSING: &str = "; there are no keys yet: every token of this pool gets 503";

/// The warnings about the keys of a pool, without what Envoy puts before them.
fn warnings(envoy: &EnvoyUnderTest, pool: &str) -> Vec<String> {
    let about = format!("keys of {}: ", issuer_of(pool));
    let log = envoy.log();
    log.lines()
        .filter(|line| line.contains("[warning]"))
        .filter_map(|line| Some(line.split_once(&about)?.1.to_owned()))
        .collect()
}

/// The first warning about the keys of a pool.
fn warning(envoy: &EnvoyUnderTest, pool: &str) -> String {
    eventually(pool, || warnings(envoy, pool).into_iter().next())
}

fn through(id: &str, cluster: &str) -> Value {
    with(pool(id), &[("jwks.cluster", json!(cluster))])
}

fn document(pools: Vec<Value>) -> Value {
    json!({"user_pools": pools, "token": {"use": "any"}})
}

fn tls(kind: &str, context: Value) -> Value {
    let kind = format!("type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.{kind}");
    json!({"name": "tls", "typed_config": with(context, &[("@type", json!(kind))])})
}

fn certificate(name: &str) -> String {
    format!(
        "{}/tests/product/deploy/tls/{name}",
        env!("CARGO_MANIFEST_DIR")
    )
}

/// A server that speaks TLS with a certificate of another authority than a client trusts.
fn stranger(port: u16) -> Value {
    let pair = json!({
        "certificate_chain": {"filename": certificate("keys-other-authority.crt")},
        "private_key": {"filename": certificate("server.key")},
    });
    let context = json!({"common_tls_context": {"tls_certificates": [pair]}});
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "stranger",
        "route_config": {"virtual_hosts": [{
            "name": "all",
            "domains": ["*"],
            "routes": [{"match": {"prefix": "/"}, "direct_response": {"status": 200}}],
        }]},
        "http_filters": [{
            "name": "router",
            "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
        }],
    });
    json!({
        "name": "stranger",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [{
            "filters": [{"name": "manager", "typed_config": manager}],
            "transport_socket": tls("DownstreamTlsContext", context),
        }],
    })
}

/// A cluster that verifies its server.
fn verified(name: &str, port: u16) -> Value {
    let trusted = json!({"trusted_ca": {"filename": certificate("authority.crt")}});
    let context = json!({"common_tls_context": {"validation_context": trusted}});
    let mut cluster = bootstrap::cluster(&(name.to_owned(), Some(port)));
    cluster["transport_socket"] = tls("UpstreamTlsContext", context);
    cluster
}

/// A cluster whose host is found by its name.
fn named(name: &str, host: &str, port: u16) -> Value {
    let mut cluster = bootstrap::cluster(&(name.to_owned(), Some(port)));
    cluster["type"] = json!("STRICT_DNS");
    cluster["dns_lookup_family"] = json!("V4_ONLY");
    let address = &mut cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"];
    address["address"]["socket_address"]["address"] = json!(host);
    cluster
}

/// What Envoy says of a connection that fails, and what it said of it before 1.38. It hides the reason since
/// then, unless it is told not to.
const REFUSED: [&str; 2] = [
    r#"no connection through cluster "refused" (remote connection failure"#,
    r#"no connection through cluster "refused" (delayed connect error: Connection refused"#,
];
const UNTRUSTED: [&str; 2] = [
    r#"no connection through cluster "untrusted" (remote connection failure"#,
    r#"the certificate behind cluster "untrusted" was refused (TLS_error:"#,
];

#[test]
fn a_failed_fetch_names_the_cluster_and_the_cause() {
    let (keys, upstream) = (KeyServer::start(), Upstream::start());
    let good = key_set(&[TestKey::first()]);
    let answers = [
        (
            "us-east-1_Status403",
            Answer::Status(403, good.clone()),
            r#"the endpoint answered 403 through cluster "cognito_keys"; expected 200"#,
        ),
        // A server's own 503 is told from Envoy's.
        (
            "us-east-1_Status503",
            Answer::Status(503, json!("upstream connect error")),
            r#"the endpoint answered 503 through cluster "cognito_keys"; expected 200"#,
        ),
        (
            "us-east-1_Garbage01",
            Answer::Bytes(b"<html>".to_vec()),
            r#"the answer through cluster "cognito_keys" cannot be used: found no key set; expected {"keys": [...]} (RFC 7517, section 5)"#,
        ),
        (
            "us-east-1_TooLarge1",
            Answer::Document(with(good.clone(), &[("pad", json!("x".repeat(150_000)))])),
            r#"the answer through cluster "cognito_keys" cannot be used: the key set is too large; expected at most 150000 bytes"#,
        ),
        (
            "us-east-1_Truncated",
            Answer::Truncated(good),
            r#"the answer through cluster "cognito_keys" broke off"#,
        ),
        (
            "us-east-1_Silent001",
            Answer::Silence,
            r#"no answer through cluster "cognito_keys" within 600ms"#,
        ),
    ];
    let clusters = [
        (
            "us-east-1_Misspelt1",
            "misspelt",
            r#"cluster "misspelt" is not known to this Envoy"#,
        ),
        (
            "us-east-1_Empty0001",
            "empty",
            r#"cluster "empty" has no hosts: none configured, or its name does not resolve"#,
        ),
        (
            "us-east-1_Nameless1",
            "unresolved",
            r#"cluster "unresolved" has no hosts: none configured, or its name does not resolve"#,
        ),
        ("us-east-1_Refused01", "refused", REFUSED[0]),
        ("us-east-1_Untrusted", "untrusted", UNTRUSTED[0]),
    ];
    let mut pools = vec![pool(POOL)];
    for (id, answer, _) in &answers {
        keys.answer(id, answer.clone());
        // Of all others it would be told as well that they are late, where the machine is.
        pools.push(match answer {
            Answer::Silence => hasty_pool(id),
            _ => pool(id),
        });
    }
    pools.extend(clusters.map(|(id, cluster, _)| through(id, cluster)));
    keys.publish(POOL, &[TestKey::first(), TestKey::second()]);
    let (closed, stranger_port) = (closed_port(), closed_port());
    let began = Instant::now();
    let envoy = EnvoyUnderTest::start(
        &Setup::new(&keys, &upstream)
            .empty_cluster("empty")
            .cluster("refused", closed)
            .resource("clusters", named("unresolved", "nowhere.invalid", 1))
            .resource("clusters", verified("untrusted", stranger_port))
            .resource("listeners", stranger(stranger_port))
            .listener(Listener::new(MAIN, document(pools))),
    );
    let causes = answers.iter().map(|(id, _, cause)| (*id, *cause));
    let broken: Vec<_> = causes
        .chain(clusters.map(|(id, _, cause)| (id, cause)))
        .collect();
    for (id, cause) in &broken {
        let told = warning(&envoy, id);
        let mut forms = [REFUSED, UNTRUSTED].into_iter();
        let forms = forms.find(|[now, _]| now == cause);
        let names = |cause: &&str| told.starts_with(*cause);
        assert!(
            forms.unwrap_or([*cause; 2]).iter().any(names),
            "{id}: {told}"
        );
        assert!(told.ends_with(MISSING), "{id}: {told}");
    }
    // Which pools they are stands in the gauges, in which a sum would hide them.
    let gauge = |name: &str, id: &str| envoy.metrics().get(&format!("issuer.{name}.{id}")).copied();
    eventually("the good pool's keys", || {
        (gauge("jwks_keys", POOL) == Some(2)).then_some(())
    });
    eventually("the age of what is missing", || {
        // All of one moment, and that is over when the time is taken.
        let metrics = envoy.metrics();
        let missing = began.elapsed().as_secs();
        let age = |id: &str| metrics.get(&format!("issuer.jwks_age_seconds.{id}"));
        let mut ages = broken.iter().map(|(id, _)| age(id));
        ages.all(|age| age.is_some_and(|age| (2..=missing).contains(age)))
            .then_some(())
    });
    for (id, _) in &broken {
        assert_eq!(gauge("jwks_keys", id), Some(0), "{id}");
        assert_eq!(warnings(&envoy, id).len(), 1, "{id}: told once");
    }
    assert_eq!(warnings(&envoy, POOL), [""; 0]);
    envoy.finish(0);
}

/// A fetch that fails while keys are there says until when they serve.
fn a_fetch_that_fails_later_says_until_when_keys_serve(envoy: &EnvoyUnderTest, keys: &KeyServer) {
    assert_eq!(ask(POOL).send(envoy.main()).status, 200);
    keys.answer(POOL, Answer::Status(500, json!({})));
    let unknown = ask_with(POOL, TestKey::third()).send(envoy.main());
    assert_eq!(unknown.status, 503);
    let told = warning(envoy, POOL);
    let (cause, end) = told
        .split_once("; the last good keys serve on until ")
        .expect("an end");
    assert_eq!(
        cause,
        r#"the endpoint answered 500 through cluster "cognito_keys"; expected 200"#
    );
    // 2026-11-29T14:18:05Z
    let shape: String = end
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    assert_eq!(shape, "0000-00-00T00:00:00Z");
}

/// Clusters that are not there yet, or not resolved, when Envoy starts are no cause for alarm.
#[test]
fn a_healthy_start_has_no_warning_and_counts_no_failure() {
    let (keys, upstream) = (KeyServer::start(), Upstream::start());
    let (late, resolved) = ("us-east-1_Late00001", "us-east-1_Resolved1");
    for id in [late, resolved, POOL] {
        keys.publish(id, &[TestKey::first()]);
    }
    let setup = Setup::new(&keys, &upstream)
        .dynamic()
        .resource("clusters", named("resolved", "localhost", keys.port()))
        .listener(Listener::new(
            MAIN,
            document(vec![through(resolved, "resolved"), pool(POOL)]),
        ))
        .listener(Listener::new("late", document(vec![through(late, "late")])));
    let here = setup.clone().cluster("late", keys.port());
    let envoy = EnvoyUnderTest::start(&setup.empty_cluster("late"));
    assert_eq!(ask(resolved).send(envoy.main()).status, 200);
    assert_eq!(warnings(&envoy, resolved), [""; 0]);
    assert_eq!(envoy.metric("jwks_fetch.failure"), 0);
    // It has been tried in vain a few times.
    eventually("a try", || {
        let told = format!("keys of {}: cluster \"late\" has no hosts", issuer_of(late));
        envoy.log().contains(&told).then_some(())
    });
    std::thread::sleep(Duration::from_millis(300));
    here.update_clusters(&envoy);
    eventually("keys", || {
        (envoy.metric("jwks_fetch.success") == 3).then_some(())
    });
    assert_eq!(warnings(&envoy, late), [""; 0]);
    assert_eq!(envoy.metric("jwks_fetch.failure"), 0);
    a_fetch_that_fails_later_says_until_when_keys_serve(&envoy, &keys);
    envoy.finish(3);
}
