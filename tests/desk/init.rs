//! `init`: complete files, with nothing of the examples in them, that Envoy starts with.

mod asked;

use crate::harness::client::Request;
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::issuer::{SUB, TestKey, Token};
use crate::harness::keyserver::KeyServer;
use crate::harness::process::{Bootstrap, free_ports, module, provided};
use crate::harness::upstream::Upstream;
use serde::Deserialize as _;
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

pub(crate) const POOL: &str = "eu-west-1_Zz9Yy8Xx7";
/// An app client that is none of the examples'.
const CLIENT: &str = "7lk3vn0p5q";
const IMAGE: &str = "oci://registry.acme.io/cognito-authorizer@sha256:ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12";

/// What stands in the examples, and must not in what is made of them.
const LEFT_OVER: [&str; 8] = [
    "<--",
    "us-east-1",
    "us_east_1",
    "4hq8abcd",
    "example.com",
    "orders",
    "admin]",
    "e3b0c44",
];

/// A folder that is not there yet.
fn folder() -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("init-{}-{number}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    folder
}

fn tool(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_cognito-authorizer"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the tool starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    // The tool need not read what it has no use for.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    child.wait_with_output().expect("the tool ends")
}

/// Writes files, which must be complete, and returns them by their names.
#[track_caller]
fn written(arguments: &[&str]) -> (PathBuf, Vec<(String, String)>) {
    let folder = folder();
    let place = folder.display().to_string();
    let module = module();
    let options = ["init", "-o", &place, "--module", &module];
    let output = tool(&[&options, arguments].concat(), "");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
    let names = said.lines().next().expect("a line");
    let names = names
        .strip_prefix("Wrote ")
        .and_then(|names| names.strip_suffix('.'));
    let names: Vec<_> = names.expect("names").split(", ").collect();
    let checked = tool(
        &[&["check", "--deny-warnings"], names.as_slice()].concat(),
        "",
    );
    assert_eq!(checked.status.code(), Some(0), "{checked:?}");
    let line = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert_eq!(line, "1 configuration: nothing to report\n");
    let files = names.into_iter().map(|name| {
        let text = std::fs::read_to_string(name).expect("a file");
        for left in LEFT_OVER {
            assert!(!text.contains(left), "{name}: {left}");
        }
        assert!(!text.contains("\n\n\n") && text.ends_with('\n'), "{name}");
        let name = Path::new(name).file_name().expect("a name");
        (name.to_string_lossy().into_owned(), text)
    });
    let files = files.collect();
    (folder, files)
}

/// A token of a pool for the app client.
pub(crate) fn access(pool: &str) -> String {
    Token::access(pool).claim("client_id", CLIENT).mint()
}

fn id(pool: &str) -> String {
    Token::id(pool).claim("aud", CLIENT).mint()
}

/// The documents of a text.
fn documents(text: &str) -> Vec<Value> {
    serde_yaml_ng::Deserializer::from_str(text)
        .map(|document| Value::deserialize(document).expect("YAML"))
        .collect()
}

/// A bootstrap in front of an upstream on this port.
#[track_caller]
pub(crate) fn bootstrap(upstream: u16, more: &[&str]) -> Value {
    let at = format!("127.0.0.1:{upstream}");
    let mut options = vec!["--pool", POOL, "--client", CLIENT, "--for", "envoy"];
    options.extend(["--upstream", &at]);
    options.extend(more);
    let (folder, files) = written(&options);
    let _ = std::fs::remove_dir_all(folder);
    documents(&files[0].1).remove(0)
}

/// The one file that is written for Envoy.
#[track_caller]
fn file(arguments: &[&str]) -> Value {
    let (folder, files) = written(&[arguments, &["--for", "envoy"]].concat());
    let [(name, text)] = files.as_slice() else {
        panic!("{files:?}")
    };
    assert_eq!(name, "envoy.yaml");
    let _ = std::fs::remove_dir_all(folder);
    documents(text).remove(0)
}

/// Listeners and clusters of all bootstraps in the first, with names and ports of their own: most of
/// what a start costs is the module, compiled once.
fn together(bootstraps: &[Value]) -> Value {
    let mut whole = bootstraps[0].clone();
    let mut all = json!({"listeners": [], "clusters": []});
    for (number, bootstrap) in bootstraps.iter().enumerate() {
        let mut text = bootstrap["static_resources"].to_string();
        for cluster in bootstrap["static_resources"]["clusters"]
            .as_array()
            .expect("clusters")
        {
            let name = cluster["name"].as_str().expect("a name");
            text = text.replace(&format!("\"{name}\""), &format!("\"{name}-{number}\""));
        }
        let mut resources: Value = serde_json::from_str(&text).expect("JSON");
        for (port, listener) in
            (20_000 + 10 * number..).zip(resources["listeners"].as_array_mut().expect("listeners"))
        {
            let name = listener["name"].as_str().expect("a name");
            listener["name"] = format!("{name}-{number}").into();
            listener["address"]["socket_address"]["port_value"] = port.into();
        }
        for kind in ["listeners", "clusters"] {
            let of_kind = resources[kind].as_array_mut().expect("a list");
            all[kind].as_array_mut().expect("a list").append(of_kind);
        }
    }
    whole["static_resources"] = all;
    whole
}

#[track_caller]
fn starts(bootstrap: &Value) {
    let folder = folder();
    std::fs::create_dir_all(&folder).expect("a writable target directory");
    let path = folder.join("envoy.json");
    std::fs::write(&path, bootstrap.to_string()).expect("a file");
    let output = Command::new(provided("ENVOY"))
        .args(["--mode", "validate", "-c"])
        .arg(&path)
        .output()
        .expect("ENVOY names a program");
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{log}");
    let _ = std::fs::remove_dir_all(folder);
}

/// Every partition, both issuers, a replica, an emulator's long id, and several pools.
#[test]
fn envoy_starts_with_what_is_written() {
    let tls = |name: &str| {
        format!(
            "{}/tests/product/deploy/tls/{name}",
            env!("CARGO_MANIFEST_DIR")
        )
    };
    let (certificate, key) = (tls("ingress.crt"), tls("server.key"));
    let long = format!("us-west-2_{}", "a1b".repeat(15));
    let all = [
        &["--pool", POOL, "--client", "12e5"][..],
        &["--pool", &long, "--client", "abc", "--use", "id"],
        &[
            "--pool",
            "cn-north-1_A1",
            "--client",
            "abc",
            "--issuer",
            "updated",
            "--use",
            "any",
        ],
        &[
            "--pool",
            "eusc-de-east-1_A1",
            "--client",
            "abc",
            "--issuer",
            "both",
        ],
        &[
            "--pool",
            "us-gov-west-1_A1",
            "--client",
            "abc",
            "--origin",
            "https://app.acme.io",
            "--origin",
            "http://localhost:3000",
            "--cert",
            &certificate,
            "--key",
            &key,
        ],
        &[
            "--pool",
            "arn:aws:cognito-idp:eu-west-1:123456789012:userpool/us-west-2_A1",
            "--client",
            "abc",
            "--upstream",
            "[::1]:80",
            "--listen",
            "[::1]:8080",
        ],
        &[
            "--pool",
            POOL,
            "--pool",
            "eu-west-1_B2",
            "--pool",
            "ap-south-1_C3",
            "--client",
            "eu-west-1_Zz9Yy8Xx7=a",
            "--client",
            "eu-west-1_B2=b",
            "--client",
            "ap-south-1_C3=c",
            "--client",
            "ap-south-1_C3=d",
        ],
    ];
    let bootstraps = all.map(file);
    starts(&together(&bootstraps));
    for (arguments, bootstrap) in all.iter().zip(&bootstraps) {
        let clusters = bootstrap["static_resources"]["clusters"].as_array();
        let keys = clusters.expect("clusters").iter();
        let keys = keys.filter(|one| {
            one["name"]
                .as_str()
                .is_some_and(|name| name.starts_with("cognito"))
        });
        // One for each server, not for each pool.
        let several = if arguments.contains(&"ap-south-1_C3") {
            2
        } else {
            1
        };
        assert_eq!(keys.count(), several, "{arguments:?}");
    }
}

/// A bootstrap that `init` wrote, with the ports of a test, and a key server without TLS.
pub(crate) struct Served(Value);

impl Served {
    pub(crate) fn new(mut bootstrap: Value, keys: u16) -> Self {
        let [admin] = free_ports();
        let mut put = |pointer: &str, value: Value| {
            *bootstrap.pointer_mut(pointer).expect(pointer) = value;
        };
        let host = "load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address";
        put("/admin/address/socket_address/port_value", json!(admin));
        for listener in 0..2 {
            let socket = format!("/static_resources/listeners/{listener}/address/socket_address");
            put(&socket, json!({"address": "127.0.0.1", "port_value": 0}));
        }
        let keys_at = format!("/static_resources/clusters/1/{host}");
        put(
            &keys_at,
            json!({"address": "127.0.0.1", "port_value": keys}),
        );
        put("/static_resources/clusters/1/transport_socket", Value::Null);
        Self(bootstrap)
    }
}

impl Bootstrap for Served {
    fn module_log(&self) -> &'static str {
        "debug"
    }

    fn concurrency(&self) -> u32 {
        1
    }

    fn write(&self, directory: &Path, _: &str) -> PathBuf {
        let path = directory.join("bootstrap.json");
        std::fs::write(&path, self.0.to_string()).expect("a writable directory");
        path
    }
}

#[test]
fn tokens_of_the_pool_are_accepted_and_no_others() {
    let keys = KeyServer::start();
    keys.publish(POOL, &[TestKey::first()]);
    let upstream = Upstream::start();
    let origin = "https://app.acme.io";
    let bootstrap = bootstrap(upstream.port(), &["--origin", origin]);
    let envoy = EnvoyUnderTest::start(&Served::new(bootstrap, keys.port()));
    let send = |request: Request| request.host("api.acme.io").send(envoy.at("ingress"));

    let accepted = Request::get("/anything").bearer(&access(POOL));
    let answer = send(accepted.clone().header("x-cognito-sub", "somebody-else"));
    assert_eq!(answer.status, 200, "{answer:?}");
    let seen = &upstream.seen(accepted.case())[0];
    assert_eq!(seen.value("x-cognito-sub").as_deref(), Some(SUB));
    for (what, request) in [
        ("no token", Request::get("/anything")),
        ("an id token", Request::get("/").bearer(&id(POOL))),
        (
            "another client",
            Request::get("/").bearer(&Token::access(POOL).claim("client_id", "other").mint()),
        ),
        (
            "another pool",
            Request::get("/").bearer(&access("eu-west-1_Other")),
        ),
    ] {
        let answer = send(request.header("origin", origin));
        assert_eq!(answer.status, 401, "{what}");
        assert_eq!(
            answer.header("access-control-allow-origin"),
            Some(origin),
            "{what}"
        );
    }
    let preflight = Request::new("OPTIONS", "/anything")
        .header("origin", origin)
        .header("access-control-request-method", "PATCH");
    assert_eq!(send(preflight).status, 200);
    envoy.finish(5);
}

/// The files that each control plane is given, and that they agree with each other.
#[test]
fn kubernetes_is_given_all_it_needs() {
    let options = [
        "--pool",
        POOL,
        "--client",
        "abc",
        "--image",
        IMAGE,
        "--origin",
        "https://app.acme.io",
        "--upstream",
        "shop.front.svc.cluster.local:80",
        "--gateway",
        "edge",
        "--namespace",
        "web",
    ];
    let (folder, files) = written(&[&options[..], &["--for", "istio"]].concat());
    let names: Vec<_> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "keys.yaml",
            "headers.yaml",
            "authorizer.yaml",
            "cors.yaml",
            "route.yaml"
        ]
    );
    let plugin = documents(&files[2].1).remove(0);
    let host = documents(&files[0].1)[0]["spec"]["hosts"][0].clone();
    let cluster = format!("outbound|443||{}", host.as_str().expect("a host"));
    assert_eq!(
        plugin["spec"]["pluginConfig"]["user_pools"][0]["jwks"]["cluster"],
        cluster
    );
    assert_eq!(plugin["spec"]["url"], IMAGE);
    assert_eq!(
        plugin["spec"]["selector"]["matchLabels"],
        json!({"istio": "edge"})
    );
    // What browsers may do is said as to Envoy alone.
    let mut bootstrap = file(&options);
    let manager = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
    let manager = bootstrap.pointer_mut(manager).expect("a manager");
    let policy = &manager["route_config"]["virtual_hosts"][0]["typed_per_filter_config"];
    let cors = documents(&files[3].1);
    let patch = |document: usize| &cors[document]["spec"]["configPatches"][0]["patch"]["value"];
    assert_eq!(&patch(1)["typed_per_filter_config"], policy);
    assert_eq!(patch(0), &manager["http_filters"][0]);
    for (name, text) in &files {
        for document in documents(text) {
            // Headers are for the whole mesh.
            let namespace = if name == "headers.yaml" {
                "istio-system"
            } else {
                "web"
            };
            assert_eq!(document["metadata"]["namespace"], namespace, "{name}");
        }
    }
    let _ = std::fs::remove_dir_all(folder);

    let (folder, files) = written(&[&options[..], &["--for", "gateway"]].concat());
    let names: Vec<_> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        ["keys.yaml", "authorizer.yaml", "cors.yaml", "route.yaml"]
    );
    let patch = documents(&files[0].1).remove(0);
    let policy = documents(&files[1].1).remove(0);
    let wasm = &policy["spec"]["wasm"][0];
    let cluster = &patch["spec"]["jsonPatches"][0]["name"];
    assert_eq!(&wasm["config"]["user_pools"][0]["jwks"]["cluster"], cluster);
    let image = &wasm["code"]["image"]["url"];
    assert_eq!(
        Some(image.as_str().expect("a URL")),
        IMAGE.strip_prefix("oci://")
    );
    for (name, text) in &files {
        for document in documents(text) {
            let targets = [
                &document["spec"]["targetRef"],
                &document["spec"]["targetRefs"][0],
            ];
            let targets = targets.into_iter().filter(|target| target.is_object());
            for target in targets {
                assert_eq!(target["name"], "edge", "{name}");
            }
        }
    }
    let route = documents(&files[3].1);
    let back_end = &route[0]["spec"]["rules"][0]["backendRefs"][0];
    assert_eq!(
        back_end,
        &json!({"name": "shop", "namespace": "front", "port": 80})
    );
    assert_eq!(route[1]["kind"], "ReferenceGrant");
    let _ = std::fs::remove_dir_all(folder);
}

/// What a pasted token says need not be said again.
#[test]
fn a_token_says_pool_client_and_use() {
    let token = id(POOL);
    let arguments = ["init", "--for", "envoy", "--token", "-", "-o", "-"];
    let output = tool(&arguments, &format!("Bearer {token}\n"));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(!text.contains(&token));
    let bootstrap = documents(&text).remove(0);
    let configuration = bootstrap
        .pointer("/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters/0/typed_config/config/configuration/value")
        .expect("a configuration");
    let pool = &configuration["user_pools"][0];
    assert_eq!(pool["user_pool_id"], POOL);
    assert_eq!(pool["client_ids"], json!([CLIENT]));
    assert_eq!(configuration["token"]["use"], "id");
    // Another kind of token than the one at hand would refuse it.
    let output = tool(&[&arguments[..], &["--use", "access"]].concat(), &token);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

/// Envoy does not start where two of its ports are one; other proxies have none of them.
#[test]
fn ports_are_each_their_own() {
    let common = [
        "init", "-o", "-", "--pool", POOL, "--client", CLIENT, "--for",
    ];
    let tls = ["envoy", "--cert", "tls.crt", "--key", "tls.key"];
    for (options, status) in [
        (&["envoy", "--listen", "9901"][..], 2),
        (&["envoy", "--listen", "127.0.0.1:9902"], 2),
        (&["envoy", "--listen", "9903"], 0),
        (&["envoy", "--listen", "9901", "--admin-port", "9903"], 0),
        (&["envoy", "--metrics-port", "9901"], 2),
        (&["envoy", "--metrics-port", "8443"], 0),
        (&[&tls[..], &["--metrics-port", "8443"]].concat(), 2),
        (&["envoy", "--admin-port", "8080"], 2),
        (&["envoy", "--admin-port", "8081"], 0),
        (&["istio", "--image", IMAGE, "--listen", "9901"], 0),
    ] {
        let output = tool(&[&common, options].concat(), "");
        assert_eq!(
            output.status.code(),
            Some(status),
            "{options:?}: {output:?}"
        );
    }
}

#[test]
fn files_that_are_there_stay() {
    let folder = folder();
    std::fs::create_dir_all(&folder).expect("a writable target directory");
    let file = folder.join("authorizer.yaml");
    std::fs::write(&file, "mine").expect("a file");
    let place = folder.display().to_string();
    let arguments = [
        "init", "--pool", POOL, "--client", "abc", "--for", "gateway", "--image", IMAGE, "-o",
        &place,
    ];
    let output = tool(&arguments, "");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("authorizer.yaml: is there"));
    // Not even the others.
    assert_eq!(std::fs::read_dir(&folder).expect("a folder").count(), 1);
    assert_eq!(std::fs::read_to_string(&file).expect("a file"), "mine");
    let output = tool(&[&arguments[..], &["--force"]].concat(), "");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_ne!(std::fs::read_to_string(&file).expect("a file"), "mine");
    let _ = std::fs::remove_dir_all(folder);
}

/// Nobody is asked who is not there to answer.
#[test]
fn without_a_terminal_nothing_is_asked() {
    let output = tool(&["init"], &format!("{POOL}\nabc\nenvoy\n"));
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty(), "{output:?}");
}
