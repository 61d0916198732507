//! An emulated AWS account: functions that run, with signatures and permissions that are checked, and
//! API Gateway in front of the same functions, which says what it would have done.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::harness::client::{Request, Response};
use crate::harness::process::{provided, stop};

/// The name of the shipped cluster, `envoy/lambda/cluster.yaml`.
pub(crate) const CLUSTER: &str = "lambda_us_east_1";

/// The account and the region of everything in it.
pub(crate) const ACCOUNT: &str = "123456789012";
pub(crate) const REGION: &str = "us-east-1";

/// A running emulator.
pub(crate) struct Ministack {
    process: Child,
    address: SocketAddr,
}

/// A key and its secret.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    pub(crate) key: String,
    pub(crate) secret: String,
}

/// An API of the emulator's own gateway.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    pub(crate) id: String,
    stage: &'static str,
    address: SocketAddr,
}

impl Ministack {
    /// Starts it on a free port of the loopback.
    #[track_caller]
    pub(crate) fn start() -> Self {
        let mut process = program("serve")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the Python of the emulator");
        // It listens once it has said where: nobody else can have the port by then.
        let mut said = BufReader::new(process.stdout.take().expect("a pipe"));
        let mut port = String::new();
        said.read_line(&mut port).expect("the emulator's port");
        let port: u16 = port
            .trim()
            .parse()
            .expect("the emulator's port: `make venv`");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Self { process, address }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Puts functions, callers and APIs into the account: `{"functions": {NAME: FILE}, "callers":
    /// {NAME: [FUNCTION]}, "apis": {NAME: {kind, authorizer, backend}}}`.
    #[track_caller]
    pub(crate) fn furnish(&self, mut wanted: Value) -> Furniture {
        for members in ["functions", "callers", "apis"] {
            if wanted[members].is_null() {
                wanted[members] = json!({});
            }
        }
        for file in wanted["functions"]
            .as_object_mut()
            .expect("functions")
            .values_mut()
        {
            *file = json!(function(file.as_str().expect("a file")));
        }
        let kinds = wanted["apis"].clone();
        wanted["endpoint"] = json!(format!("http://{}", self.address));
        let made = answer("furnish", &wanted);
        Furniture {
            made,
            kinds,
            address: self.address,
        }
    }
}

impl Drop for Ministack {
    fn drop(&mut self) {
        stop(&mut self.process);
    }
}

/// What an account was given.
pub(crate) struct Furniture {
    made: Value,
    kinds: Value,
    address: SocketAddr,
}

impl Furniture {
    /// The ARN of a function.
    #[track_caller]
    pub(crate) fn function(&self, name: &str) -> String {
        let arn = self.made["functions"][name].as_str();
        arn.expect("a function").to_owned()
    }

    /// The credentials of a caller.
    #[track_caller]
    pub(crate) fn caller(&self, name: &str) -> Credentials {
        let made = &self.made["callers"][name];
        let text = |member: &str| made[member].as_str().expect("a caller").to_owned();
        Credentials {
            key: text("key"),
            secret: text("secret"),
        }
    }

    /// An API of the gateway.
    #[track_caller]
    pub(crate) fn api(&self, name: &str) -> Api {
        let id = self.made["apis"][name].as_str().expect("an API").to_owned();
        let stage = match self.kinds[name]["kind"].as_str() {
            Some("rest") => "/prod",
            _ => "",
        };
        Api {
            id,
            stage,
            address: self.address,
        }
    }
}

impl Api {
    /// The host of its URL.
    pub(crate) fn host(&self) -> String {
        format!("{}.execute-api.localhost", self.id)
    }

    /// What the gateway answers to a request for `target`, given these headers.
    #[track_caller]
    pub(crate) fn send(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> Response {
        let request = Request::new(method, format!("{}{target}", self.stage))
            .host(&self.host())
            .header("connection", "close");
        let request = headers.iter().fold(request, |request, (name, value)| {
            request.header(name, value)
        });
        request.send(self.address)
    }
}

/// The shipped cluster, which leads here instead, without TLS, and signs with these credentials.
#[track_caller]
pub(crate) fn cluster(lambda: SocketAddr, credentials: Option<&Credentials>) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("envoy/lambda/cluster.yaml");
    let text = std::fs::read_to_string(path).expect("envoy/lambda/cluster.yaml");
    let document: Value =
        serde_yaml_ng::from_str(&text).expect("YAML in envoy/lambda/cluster.yaml");
    let mut cluster = document["clusters"][0].clone();
    let host = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address";
    *cluster.pointer_mut(host).expect("an address") =
        json!({"address": "127.0.0.1", "port_value": lambda.port()});
    let members = cluster.as_object_mut().expect("a cluster");
    members.remove("transport_socket").expect("TLS");
    let signing = "/typed_extension_protocol_options/envoy.extensions.upstreams.http.v3.HttpProtocolOptions/http_filters/0/typed_config";
    let signing = cluster.pointer_mut(signing).expect("a filter that signs");
    // In production they come from the environment or the role; without any, nothing may be found on
    // the machine that runs the tests.
    signing["credential_provider"] = match credentials {
        Some(Credentials { key, secret }) => json!({"inline_credential": {
            "access_key_id": key, "secret_access_key": secret,
        }}),
        None => json!({
            "custom_credential_provider_chain": true,
            "credentials_file_provider": {"credentials_data_source": {"filename": "/dev/null"}},
        }),
    };
    cluster
}

/// The signature that AWS's own library makes for a request, by what it says is signed.
#[track_caller]
pub(crate) fn signature(told: &Value) -> String {
    answer("sign", told)
        .as_str()
        .expect("a signature")
        .to_owned()
}

/// A file under `tests/e2e/functions`.
fn function(file: &str) -> PathBuf {
    let functions = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/functions");
    functions.join(file)
}

fn program(word: &str) -> Command {
    let python = PathBuf::from(provided("MOTO_SERVER")).with_file_name("python");
    let mut command = Command::new(python);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/harness/account.py");
    command.arg(file).arg(word);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("AWS_") {
            command.env_remove(name);
        }
    }
    command
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .env("TMPDIR", env!("CARGO_TARGET_TMPDIR"))
        .env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// What the program says to an input.
#[track_caller]
fn answer(word: &str, input: &Value) -> Value {
    let mut child = program(word)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the Python of the emulator");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin
        .write_all(input.to_string().as_bytes())
        .expect("a program that reads its input");
    drop(stdin);
    let output = child.wait_with_output().expect("an end");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}
