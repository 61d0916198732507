//! The deny list as under `envoy/revocation`: its feeder, run as Lambda runs it against an emulated S3,
//! and the cluster through which Envoy fetches it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use cognito_authorizer::deny_list::DenyList;

use serde_json::{Value, json};

use crate::deploy::bootstrap::{PLUGIN, Setup};
use crate::deploy::files;
use crate::deploy::stack::{GENUINE, POOL, Stack, reader};
use crate::harness::client::{Request, Response};
use crate::harness::process::{PATIENCE, provided, stop};

/// The emulator, one request at a time: its comparison of ETags is not one step with its writing, as
/// that of S3 is.
const EMULATOR: &str = "\
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server
app = DomainDispatcherApplication(create_backend_app)
server = make_server('127.0.0.1', 0, app, threaded=False)
print(server.server_port, flush=True)
server.serve_forever()";

/// What Lambda does with an event.
const INVOCATION: &str = "\
import json, sys
sys.path.insert(0, sys.argv[1])
import feeder
print('\\n' + json.dumps(feeder.handler(json.load(sys.stdin), None)))";

/// The texts, in a list of JSON, that the function takes for a deny list.
const READING: &str = "\
import json, sys
sys.path.insert(0, sys.argv[1])
import feeder
def is_read(text):
    try:
        return bool(feeder.read(text))
    except ValueError:
        return False
print(json.dumps([text for text in json.load(sys.stdin) if is_read(text)]))";

/// The signature that AWS's own library makes for a request, by what it says is signed.
const SIGNATURE: &str = "\
import json, sys
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
told = json.load(sys.stdin)
auth = S3SigV4Auth(Credentials('AKIDEXAMPLE', 'example-secret'), 's3', 'us-east-1')
request = AWSRequest(told['method'], told['url'], headers=told['headers'])
request.context['timestamp'] = told['headers']['x-amz-date']
text = auth.string_to_sign(request, auth.canonical_request(request))
print(json.dumps(auth.signature(text, request)))";

const BUCKET: &str = "example-bucket";
/// A second pool of the same account, and one that the feeder is not for.
const SECOND: &str = "us-east-1_Second002";
const FOREIGN: &str = "us-east-1_Foreign03";
/// The event's time, and the second after it.
const TIME: &str = "2026-11-28T20:00:00Z";
const AFTER: u64 = 1_795_896_001;

fn python() -> PathBuf {
    PathBuf::from(provided("MOTO_SERVER")).with_file_name("python")
}

/// A bucket with a list in it.
pub(crate) struct Bucket {
    process: Child,
    address: SocketAddr,
}

impl Bucket {
    #[track_caller]
    pub(crate) fn start() -> Self {
        let mut process = Command::new(python())
            .args(["-c", EMULATOR])
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the Python of the emulator");
        // It listens once it has said where: nobody else can have the port by then.
        let mut said = BufReader::new(process.stdout.take().expect("a pipe"));
        let mut port = String::new();
        said.read_line(&mut port).expect("the emulator's port");
        let port: u16 = port.trim().parse().expect("the emulator's port");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let bucket = Self { process, address };
        assert_eq!(bucket.call("PUT", "", b"").status, 200);
        bucket
    }

    /// A call of S3's API. The emulator reads the service from the header and checks no signature.
    #[track_caller]
    fn call(&self, method: &str, path: &str, body: &[u8]) -> Response {
        let credential = "AWS4-HMAC-SHA256 \
            Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";
        let request = Request::new(method, format!("/{BUCKET}{path}"))
            .header("authorization", credential)
            .header("connection", "close");
        let request = if method == "PUT" {
            request.body(body)
        } else {
            request
        };
        request.send(self.address)
    }

    #[track_caller]
    pub(crate) fn put(&self, text: &str) {
        assert_eq!(self.call("PUT", "/deny.json", text.as_bytes()).status, 200);
    }

    #[track_caller]
    fn text(&self) -> String {
        let found = self.call("GET", "/deny.json", b"");
        assert_eq!(found.status, 200, "{}", found.body);
        found.body
    }

    /// Starts the function, for an event.
    fn begin(&self, event: &Value) -> Child {
        python_with(INVOCATION, event, self.address)
    }

    /// Runs the function, which must succeed; the messages that it could not read.
    #[track_caller]
    fn invoke(&self, event: &Value) -> Value {
        result(&self.begin(event).wait_with_output().expect("an end"))
    }

    /// Runs the function, which must fail, and returns what it says.
    #[track_caller]
    fn fails(&self, event: &Value) -> String {
        let output = self.begin(event).wait_with_output().expect("an end");
        assert!(!output.status.success(), "it succeeded");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }
}

/// Starts a program that has the function at hand, with something to read.
fn python_with(program: &str, input: &Value, s3: SocketAddr) -> Child {
    let mut child = Command::new(python())
        .args(["-c", program])
        .arg(files::envoy().join("revocation/function"))
        .env("AWS_ENDPOINT_URL", format!("http://{s3}"))
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("BUCKET", BUCKET)
        .env("KEY", "deny.json")
        .env("USER_POOL_IDS", format!("{POOL},{SECOND}"))
        .env("REFRESH_DAYS", "30")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the Python of the emulator");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin
        .write_all(input.to_string().as_bytes())
        .expect("a program that reads its input");
    child
}

impl Drop for Bucket {
    fn drop(&mut self) {
        stop(&mut self.process);
    }
}

#[track_caller]
fn result(output: &Output) -> Value {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let text = String::from_utf8_lossy(&output.stdout);
    let last = text.lines().last().expect("a result");
    serde_json::from_str(last).expect("JSON")
}

fn now() -> u64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH);
    elapsed.expect("a clock after 1970").as_secs()
}

fn empty(written_at: u64) -> String {
    json!({"version": 1, "written_at": written_at, "pools": {}}).to_string()
}

/// An event as EventBridge hands it on: what CloudTrail says of a call of Cognito's. The name of
/// the user and the token are hidden, whatever is asked.
fn event(name: &str, pool: Option<&str>, user: &str) -> Value {
    let hidden = "HIDDEN_DUE_TO_SECURITY_REASONS";
    let (identity, parameters) = match pool {
        Some(pool) => (
            json!({
                "type": "AssumedRole",
                "principalId": "AROAEXAMPLE:support",
                "arn": "arn:aws:sts::123456789012:assumed-role/support/alice",
                "accountId": "123456789012",
            }),
            json!({"userPoolId": pool, "username": hidden}),
        ),
        None => (
            json!({"type": "Unknown", "principalId": "Anonymous"}),
            json!({"accessToken": hidden}),
        ),
    };
    json!({
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "detail-type": "AWS API Call via CloudTrail",
        "source": "aws.cognito-idp",
        "account": "123456789012",
        "time": TIME,
        "region": "us-east-1",
        "resources": [],
        "detail": {
            "eventVersion": "1.11",
            "userIdentity": identity,
            "eventTime": TIME,
            "eventSource": "cognito-idp.amazonaws.com",
            "eventName": name,
            "awsRegion": "us-east-1",
            "sourceIPAddress": "192.0.2.1",
            "userAgent": "aws-cli/2.31.0",
            "requestParameters": parameters,
            "responseElements": null,
            "additionalEventData": {"sub": user},
            "requestID": "4a1b8f4e-7a14-4a0e-9d5c-31a8ab7c4d61",
            "eventID": "8c9e6679-7425-40de-944b-e07fc1f90ae7",
            "readOnly": false,
            "eventType": "AwsApiCall",
            "managementEvent": true,
            "recipientAccountId": "123456789012",
            "eventCategory": "Management",
        },
    })
}

/// The messages of a queue.
fn messages(bodies: &[String]) -> Value {
    let records = bodies.iter().enumerate();
    let records = records.map(|(number, body)| {
        json!({
            "messageId": format!("message-{number}"),
            "body": body,
            "eventSource": "aws:sqs",
        })
    });
    json!({"Records": records.collect::<Vec<_>>()})
}

/// The pools of a list that must be one in every part, as the filter reads it.
#[track_caller]
fn pools(text: &str) -> Value {
    if let Err(error) = DenyList::parse(text.as_bytes()) {
        panic!("{error}:\n{text}");
    }
    let document: Value = serde_json::from_str(text).expect("JSON");
    document["pools"].clone()
}

#[test]
fn whoever_is_signed_out_is_put_on_the_list() {
    let bucket = Bucket::start();
    bucket.put(&empty(now() - 60));
    let events = [
        event("AdminUserGlobalSignOut", Some(POOL), "by-an-admin"),
        event("AdminDisableUser", Some(POOL), "disabled"),
        event("AdminDeleteUser", Some(SECOND), "deleted"),
        event("GlobalSignOut", None, "by-herself"),
        event("DeleteUser", None, "by-himself"),
        event("RevokeToken", None, "on-one-device"),
    ];
    let done = bucket.invoke(&messages(&events.map(|event| event.to_string())));
    assert_eq!(done, json!({"batchItemFailures": []}));
    let text = bucket.text();
    // Whoever showed a token names no pool; a user's id is in no other pool.
    assert_eq!(
        pools(&text),
        json!({
            POOL: {"signed_in_before": {
                "by-an-admin": AFTER, "disabled": AFTER,
                "by-herself": AFTER, "by-himself": AFTER, "on-one-device": AFTER,
            }},
            SECOND: {"signed_in_before": {
                "deleted": AFTER,
                "by-herself": AFTER, "by-himself": AFTER, "on-one-device": AFTER,
            }},
        })
    );
    let document: Value = serde_json::from_str(&text).expect("JSON");
    let written = document["written_at"].as_u64().expect("a time");
    assert!(written.abs_diff(now()) < 15, "{written}");
    // It says so much and no more in its log: no user's id.
    let output = bucket.begin(&messages(&[
        event("DeleteUser", None, "secret-id").to_string()
    ]));
    let output = output.wait_with_output().expect("an end");
    assert_eq!(result(&output), json!({"batchItemFailures": []}));
    assert!(!String::from_utf8_lossy(&output.stdout).contains("secret-id"));
}

/// Each of these differs in one thing from an event that is taken in.
#[test]
fn nobody_else_is_put_on_it() {
    let bucket = Bucket::start();
    bucket.put(&empty(now() - 60));
    let good = event("AdminDisableUser", Some(POOL), "disabled");
    let with = |pointer: &str, value: Value| {
        let mut changed = good.clone();
        *changed.pointer_mut(pointer).expect("a place") = value;
        changed
    };
    let mut refused = good.clone();
    refused["detail"]["errorCode"] = json!("AccessDenied");
    // A call that failed, and another pool: nothing has happened to anybody of ours.
    let passed_over = [
        refused,
        event("AdminDisableUser", Some(FOREIGN), "of-another-pool"),
    ];
    let done = bucket.invoke(&messages(&passed_over.map(|event| event.to_string())));
    assert_eq!(done, json!({"batchItemFailures": []}));
    assert_eq!(bucket.text(), empty_of(&bucket), "it was not even written");
    // What cannot be read goes back to the queue, and the rest is taken in.
    let unreadable = [
        "no JSON".to_owned(),
        "[]".to_owned(),
        json!({"detail": {}}).to_string(),
        with("/detail/eventName", json!("AdminEnableUser")).to_string(),
        with("/detail/eventSource", json!("s3.amazonaws.com")).to_string(),
        with("/detail/eventTime", json!("yesterday")).to_string(),
        with("/detail/additionalEventData", json!({})).to_string(),
        with("/detail/additionalEventData", Value::Null).to_string(),
        with("/detail/additionalEventData/sub", json!(7)).to_string(),
        with("/detail/additionalEventData/sub", json!("")).to_string(),
    ];
    let mut batch = unreadable.to_vec();
    batch.push(good.to_string());
    let failed =
        (0..unreadable.len()).map(|number| json!({"itemIdentifier": format!("message-{number}")}));
    assert_eq!(
        bucket.invoke(&messages(&batch)),
        json!({"batchItemFailures": failed.collect::<Vec<_>>()})
    );
    let only = json!({POOL: {"signed_in_before": {"disabled": AFTER}}});
    assert_eq!(pools(&bucket.text()), only);
}

/// What the bucket would hold if nobody had written since.
fn empty_of(bucket: &Bucket) -> String {
    let document: Value = serde_json::from_str(&bucket.text()).expect("JSON");
    empty(document["written_at"].as_u64().expect("a time"))
}

#[test]
fn the_schedule_dates_and_prunes_the_list() {
    const DAY: u64 = 24 * 60 * 60;
    let bucket = Bucket::start();
    let now = now();
    // A minute before what no token can outlive: a day, five minutes of skew, and a refresh token's
    // thirty days where a refresh changes nothing.
    let token = now - DAY - 240;
    let session = token - 30 * DAY;
    let list = json!({"version": 1, "written_at": now - 60, "pools": {
        POOL: {
            "signed_in_before": {"kept": session, "gone": session - 120},
            "issued_before": {"kept": token, "gone": token - 120},
            "clients": {"kept": token, "gone": token - 120},
            "origin_jti": {"kept": session, "gone": session - 120},
            "jti": {"kept": token, "gone": token - 120},
        },
        SECOND: {"jti": ["without-a-time"], "signed_in_before": {"gone": session - 120}},
        FOREIGN: {"clients": {"gone": 1}},
    }});
    bucket.put(&list.to_string());
    let schedule = json!({"detail-type": "Scheduled Event", "source": "aws.events", "detail": {}});
    assert_eq!(bucket.invoke(&schedule), json!({"batchItemFailures": []}));
    let text = bucket.text();
    assert_eq!(
        pools(&text),
        json!({
            POOL: {
                "signed_in_before": {"kept": session},
                "issued_before": {"kept": token},
                "clients": {"kept": token},
                "origin_jti": {"kept": session},
                "jti": {"kept": token},
            },
            SECOND: {"jti": ["without-a-time"]},
        })
    );
    let document: Value = serde_json::from_str(&text).expect("JSON");
    assert!(document["written_at"].as_u64().expect("a time") >= now);
    // A clock that went ahead a little: the list's date does not fall.
    bucket.put(&empty(now + 200));
    bucket.invoke(&schedule);
    assert_eq!(bucket.text(), empty(now + 200).replace(": ", ":"));
}

/// An entry that is there already is never made weaker.
#[test]
fn the_later_of_two_times_stays() {
    let bucket = Bucket::start();
    for (known, expected) in [(AFTER - 10, AFTER), (AFTER + 10, AFTER + 10)] {
        let list = json!({"version": 1, "written_at": now(), "pools": {
            POOL: {"signed_in_before": {"disabled": known}},
        }});
        bucket.put(&list.to_string());
        bucket.invoke(&messages(&[event(
            "AdminDisableUser",
            Some(POOL),
            "disabled",
        )
        .to_string()]));
        let only = json!({POOL: {"signed_in_before": {"disabled": expected}}});
        assert_eq!(pools(&bucket.text()), only);
    }
}

/// A list that is half understood would be half lost.
#[test]
fn what_it_does_not_understand_is_left_as_it_is() {
    let bucket = Bucket::start();
    let sign_out = messages(&[event("AdminDisableUser", Some(POOL), "disabled").to_string()]);
    // Nor is one begun where it was: everybody on it would be signed in again.
    assert!(bucket.fails(&sign_out).contains("NoSuchKey"));
    assert_eq!(bucket.call("GET", "/deny.json", b"").status, 404);
    let written = now();
    let whole = |pools: &str| format!(r#"{{"version":1,"written_at":{written},"pools":{pools}}}"#);
    let ahead = whole("{}").replace(&written.to_string(), &(written + 400).to_string());
    for text in [ahead, whole(r#"{"p":{"users":{}}}"#)] {
        bucket.put(&text);
        bucket.fails(&sign_out);
        assert_eq!(bucket.text(), text, "it was written over");
    }
    bucket.put(&whole("{}"));
    bucket.invoke(&sign_out);
}

#[test]
fn it_reads_whole_lists_and_no_others() {
    let whole = |pools: &str| format!(r#"{{"version":1,"written_at":7,"pools":{pools}}}"#);
    let good = [
        whole("{}"),
        whole(r#"{"p":{}}"#),
        whole(r#"{"p":{"clients":{"c":1},"jti":["j"],"origin_jti":{"o":2}}}"#),
    ];
    let bad = [
        "".to_owned(),
        "[]".to_owned(),
        r#"{"version":2,"written_at":7,"pools":{}}"#.to_owned(),
        r#"{"version":true,"written_at":7,"pools":{}}"#.to_owned(),
        r#"{"version":1,"written_at":7.5,"pools":{}}"#.to_owned(),
        r#"{"version":1,"written_at":7}"#.to_owned(),
        r#"{"version":1,"written_at":7,"pools":{},"more":1}"#.to_owned(),
        whole("[]"),
        whole(r#"{"p":[]}"#),
        whole(r#"{"p":{"users":{}}}"#),
        whole(r#"{"p":{"clients":["c"]}}"#),
        whole(r#"{"p":{"clients":{"c":"1"}}}"#),
        whole(r#"{"p":{"clients":{"c":-1}}}"#),
        whole(r#"{"p":{"clients":{"c":1.5}}}"#),
        whole(r#"{"p":{"clients":{"c":true}}}"#),
        whole(r#"{"p":{"clients":{"c":1,"c":2}}}"#),
        whole(r#"{"p":{"jti":[1]}}"#),
        whole(r#"{"p":{},"p":{}}"#),
    ];
    let all: Vec<_> = good.iter().chain(&bad).collect();
    let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    let read = python_with(READING, &json!(all), nowhere);
    assert_eq!(
        result(&read.wait_with_output().expect("an end")),
        json!(good)
    );
}

/// Two who read one list and write it each with an entry of their own: the second one begins anew.
#[test]
fn many_at_once_lose_nothing() {
    let bucket = Bucket::start();
    bucket.put(&empty(now()));
    let users: Vec<_> = (0..6).map(|number| format!("user-{number}")).collect();
    let running: Vec<_> = users
        .iter()
        .map(|user| {
            let event = event("AdminUserGlobalSignOut", Some(POOL), user);
            bucket.begin(&messages(&[event.to_string()]))
        })
        .collect();
    for child in running {
        result(&child.wait_with_output().expect("an end"));
    }
    let found = pools(&bucket.text());
    let found = found[POOL]["signed_in_before"].as_object().expect("users");
    assert_eq!(found.keys().cloned().collect::<Vec<_>>(), users);
}

/// production.yaml with the deny list of authorizer.yaml, through the cluster of cluster.yaml, which
/// leads here instead, without TLS.
pub(crate) fn with_list(setup: &mut Setup, server: SocketAddr) {
    let mut cluster = files::document("revocation/cluster.yaml")["clusters"][0].take();
    let host = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address";
    *cluster.pointer_mut(host).expect("an address") =
        json!({"address": "127.0.0.1", "port_value": server.port()});
    let members = cluster.as_object_mut().expect("a cluster");
    members.remove("transport_socket").expect("TLS");
    let signing = "/typed_extension_protocol_options/envoy.extensions.upstreams.http.v3.HttpProtocolOptions/http_filters/0/typed_config";
    let signing = cluster.pointer_mut(signing).expect("a filter that signs");
    // In production they come from the environment or the role.
    signing["credential_provider"] = json!({"inline_credential": {
        "access_key_id": "AKIDEXAMPLE", "secret_access_key": "example-secret",
    }});
    setup.push("clusters", cluster);
    let mut list = files::document("revocation/authorizer.yaml")["deny_list"].take();
    list["refresh_interval"] = json!("5s");
    setup.at(&format!("{PLUGIN}/configuration/value"))["deny_list"] = list;
}

/// And with rules that have the user pool confirm tokens, which is asked through a cluster that leads
/// here.
pub(crate) fn confirmed(setup: &mut Setup, pool: SocketAddr) {
    let address = json!({"socket_address": {"address": "127.0.0.1", "port_value": pool.port()}});
    setup.push(
        "clusters",
        json!({
            "name": "confirm",
            "type": "STATIC",
            "connect_timeout": "1s",
            "load_assignment": {
                "cluster_name": "confirm",
                "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
            },
        }),
    );
    let value = format!("{PLUGIN}/configuration/value");
    setup.at(&format!("{value}/user_pools/0"))["confirm"] = json!({"cluster": "confirm"});
    let rules = setup.at(&format!("{value}/rules")).as_array_mut();
    let rule = json!({"match": {"prefix": "/payments"}, "require": {"confirmed_within": "60s"}});
    rules.expect("rules").push(rule);
}

/// The user of [`reader`].
fn user() -> String {
    let claims: Value = serde_json::from_slice(&reader().payload_bytes()).expect("JSON");
    claims["sub"].as_str().expect("a user").to_owned()
}

#[test]
fn who_is_on_the_list_in_the_bucket_is_refused() {
    let bucket = Bucket::start();
    let list = |user: &str| {
        let users = json!({POOL: {"signed_in_before": {user: now() + 60}}});
        json!({"version": 1, "written_at": now(), "pools": users}).to_string()
    };
    for (listed, status) in [(user(), 401), ("another".to_owned(), 200)] {
        bucket.put(&list(&listed));
        let mut stack = Stack::start(GENUINE, |setup| with_list(setup, bucket.address));
        let request = Request::get("/orders").bearer(&reader().mint());
        let answer = stack.send(&request);
        assert_eq!(answer.status, status, "{listed}: {}", stack.envoy.log());
        stack.envoy.await_metric("deny_list_entries", 1);
        stack.finish();
    }
}

/// A server of lists that tells of each request.
pub(crate) struct ListServer {
    pub(crate) address: SocketAddr,
    /// The list; without one it answers 500.
    list: Arc<Mutex<Option<String>>>,
    recorded: Receiver<Vec<String>>,
}

impl ListServer {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let list = Arc::new(Mutex::new(None));
        let (seen, recorded) = channel();
        let held = Arc::clone(&list);
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut head = Vec::new();
                for line in BufReader::new(&mut stream).lines() {
                    match line {
                        Ok(line) if !line.is_empty() => head.push(line),
                        _ => break,
                    }
                }
                let list: Option<String> = held.lock().expect("no panic").clone();
                let tag = list.as_ref().map(|list| format!("\"{}\"", list.len()));
                let known = tag.map(|tag| (head.contains(&format!("if-none-match: {tag}")), tag));
                let answer = match (known, list) {
                    (Some((true, _)), _) => "304 Not Modified\r\n\r\n".to_owned(),
                    (Some((false, tag)), Some(list)) => format!(
                        "200 OK\r\netag: {tag}\r\ncontent-length: {}\r\n\r\n{list}",
                        list.len()
                    ),
                    _ => "500 Internal Server Error\r\ncontent-length: 0\r\n\r\n".to_owned(),
                };
                let answer = format!(
                    "HTTP/1.1 {}",
                    answer.replacen("\r\n", "\r\nconnection: close\r\n", 1)
                );
                // Whoever has seen enough does not listen any more.
                let _ = stream.write_all(answer.as_bytes());
                if seen.send(head).is_err() {
                    return;
                }
            }
        });
        Self {
            address,
            list,
            recorded,
        }
    }

    /// Has a list of so many entries, written so many seconds ago, from now on.
    pub(crate) fn publish(&self, entries: usize, age: u64) {
        let ids: Vec<_> = (0..entries)
            .map(|number| format!("token-{number}"))
            .collect();
        let pools = json!({POOL: {"jti": ids}});
        let list = json!({"version": 1, "written_at": now() - age, "pools": pools});
        *self.list.lock().expect("no panic") = Some(list.to_string());
    }

    /// Fails from now on.
    pub(crate) fn fail(&self) {
        *self.list.lock().expect("no panic") = None;
    }
}

/// Nobody else looks at the signature: the emulator takes any. So AWS's own library makes it again.
#[test]
fn the_fetch_is_signed_as_aws_wants_it() {
    let lists = ListServer::start();
    lists.publish(0, 0);
    let address = lists.address;
    let stack = Stack::start(GENUINE, |setup| with_list(setup, address));
    // The first fetch, and one that asks only for another list.
    for (number, conditional) in [(0, false), (1, true)] {
        let head = lists.recorded.recv_timeout(PATIENCE).expect("a fetch");
        let headers: Vec<_> = head[1..]
            .iter()
            .filter_map(|line| line.split_once(": "))
            .collect();
        let header = |name: &str| {
            let found = headers.iter().find(|(found, _)| *found == name);
            found.map(|(_, value)| *value)
        };
        assert_eq!(head[0], "GET /deny.json HTTP/1.1", "{head:?}");
        let host = "example-bucket.s3.us-east-1.amazonaws.com";
        assert_eq!(header("host"), Some(host));
        assert_eq!(header("if-none-match").is_some(), conditional, "{head:?}");
        let authorization = header("authorization").expect("a signature");
        let part = |name: &str| {
            let (_, after) = authorization.split_once(name).expect(name);
            after.split(',').next().expect("a value").to_owned()
        };
        assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"));
        assert!(part("Credential=").ends_with("/us-east-1/s3/aws4_request"));
        let signed = part("SignedHeaders=");
        let signed: Vec<_> = signed.split(';').collect();
        let signed: serde_json::Map<_, _> = headers
            .iter()
            .filter(|(name, _)| signed.contains(name))
            .map(|(name, value)| ((*name).to_owned(), json!(value)))
            .collect();
        let made = |path: &str| {
            let told = json!({
                "method": "GET",
                "url": format!("https://{host}{path}"),
                "headers": signed,
            });
            let child = python_with(SIGNATURE, &told, address);
            result(&child.wait_with_output().expect("an end"))
        };
        let found = json!(part("Signature="));
        assert_eq!(made("/deny.json"), found, "fetch {number}");
        assert_ne!(made("/another.json"), found, "it is over the path");
    }
    stack.envoy.await_metric("deny_list_fetch.unchanged", 1);
    stack.finish();
}
