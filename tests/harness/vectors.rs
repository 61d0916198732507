//! Reads the vectors, whose format `common.json` describes in its first lines.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cognito_authorizer::remote::call::Answer;
use serde_json::{Value, json};

use crate::harness::minting::{Mint, expanded, latin1};

/// Every vector, and what they share.
pub(crate) struct Vectors {
    common: Value,
    /// In the order of the files.
    pub(crate) all: Vec<Vector>,
}

/// A request, and what becomes of it.
pub(crate) struct Vector {
    /// Stands for the vector in messages, and in other vectors.
    pub(crate) name: String,
    /// The name of a policy.
    pub(crate) policy: String,
    /// The wall clock, in seconds.
    pub(crate) now: f64,
    /// The request's headers, pseudo-headers among them.
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    /// What is expected of it.
    pub(crate) expect: Expect,
    /// What did not hold of a request that goes on: `ignored` or `reported`, and the reason's code.
    pub(crate) despite: Option<String>,
    /// An accepted vector that differs in little.
    pub(crate) twin: Option<String>,
    /// What comes back from the call to an authorizer.
    pub(crate) answer: Option<Answer>,
    /// In how many things it differs.
    pub(crate) differs: usize,
    /// The things that may differ.
    pub(crate) things: BTreeMap<String, String>,
    source: Value,
}

/// What becomes of a request.
pub(crate) enum Expect {
    /// It is forwarded in the name of the token: `true`; or in nobody's. The upstream sees these
    /// headers, each once, or not at all.
    Forwarded(bool, Vec<(String, Option<Vec<u8>>)>),
    /// It is answered by the filter, whoever asks.
    Answered,
    /// It is refused for this reason.
    Refused(String),
}

const FILES: &[&str] = &[
    include_str!("../vectors/decisions/sources.json"),
    include_str!("../vectors/decisions/structure.json"),
    include_str!("../vectors/decisions/signature.json"),
    include_str!("../vectors/decisions/jws.json"),
    include_str!("../vectors/decisions/claims.json"),
    include_str!("../vectors/decisions/request.json"),
    include_str!("../vectors/decisions/rules.json"),
    include_str!("../vectors/decisions/matchers.json"),
    include_str!("../vectors/decisions/alternatives.json"),
    include_str!("../vectors/decisions/bound.json"),
    include_str!("../vectors/decisions/headers.json"),
    include_str!("../vectors/decisions/order.json"),
    include_str!("../vectors/decisions/principals.json"),
    include_str!("../vectors/decisions/revocation.json"),
    include_str!("../vectors/decisions/confirmation.json"),
    include_str!("../vectors/decisions/authorizers.json"),
    include_str!("../vectors/decisions/upstreams.json"),
    include_str!("../vectors/decisions/modes.json"),
    include_str!("../vectors/decisions/resources.json"),
    include_str!("../vectors/decisions/clients.json"),
];

impl Vectors {
    /// All of them, minted once.
    pub(crate) fn get() -> &'static Self {
        static VECTORS: OnceLock<Vectors> = OnceLock::new();
        VECTORS.get_or_init(|| Self::minted(common().clone()))
    }

    /// All of them, their tokens minted for another time than that of the files: what runs against
    /// a clock needs it.
    #[allow(dead_code)]
    pub(crate) fn at(now: f64) -> Self {
        let mut common = common().clone();
        common["now"] = now.into();
        Self::minted(common)
    }

    fn minted(common: Value) -> Self {
        let all = FILES.iter().flat_map(|file| {
            let vectors: Vec<Value> = serde_json::from_str(file).unwrap();
            vectors
                .into_iter()
                .map(|vector| Vector::read(&vector, &common))
                .collect::<Vec<_>>()
        });
        Self {
            all: all.collect(),
            common,
        }
    }

    /// One whose time matters to the second, minted so that its time is `now`.
    #[allow(dead_code)]
    pub(crate) fn again(vector: &Vector, now: f64) -> Vector {
        let mut common = common().clone();
        let offset = vector.source["now"].as_f64().unwrap() - common["now"].as_f64().unwrap();
        common["now"] = (now - offset).into();
        Vector::read(&vector.source, &common)
    }

    /// The configuration of this name, with inline keys.
    pub(crate) fn policy(&self, name: &str) -> Value {
        let policy = &self.common["policies"][name];
        let mut document = match policy["over"].as_str() {
            Some(base) => self.policy(base),
            None => policy["document"].clone(),
        };
        merge(&mut document, &policy["merge"]);
        assert!(document.is_object(), "no policy is called {name}");
        expanded(&document, self.common["now"].as_f64().unwrap())
    }

    /// The wall clock of all that have no other.
    #[allow(dead_code)]
    pub(crate) fn now(&self) -> f64 {
        self.common["now"].as_f64().unwrap()
    }

    /// The deny list that its endpoint has for the configuration of this name.
    pub(crate) fn deny_list(&self, name: &str) -> Option<Vec<u8>> {
        let list = &self.common["policies"][name]["deny_list"];
        let now = self.common["now"].as_f64().unwrap();
        list.is_object()
            .then(|| expanded(list, now).to_string().into_bytes())
    }

    /// The vector of this name.
    pub(crate) fn named(&self, name: &str) -> Option<&Vector> {
        self.all.iter().find(|vector| vector.name == name)
    }
}

impl Vector {
    /// Whether its time matters to the second.
    #[allow(dead_code)]
    pub(crate) fn is_timed(&self) -> bool {
        self.source["now"].is_number()
    }

    fn read(vector: &Value, common: &Value) -> Self {
        let name = vector["name"].as_str().expect("a name").to_owned();
        only(
            vector,
            "name why policy now token other request answer expect despite upstream twin differs",
            &name,
        );
        only(&vector["request"], "method path authority headers", &name);
        for token in [
            &vector["token"],
            &vector["other"],
            &vector["token"]["sign"]["over"],
        ] {
            only(
                token,
                "base header without_header claims without header_text payload_text append_payload \
                 after_payload pad_to text respell damage sign payload_alone",
                &name,
            );
        }
        let mint = Mint {
            now: common["now"].as_f64().unwrap(),
            tokens: &common["tokens"],
        };
        let token = mint.mint(&vector["token"]);
        let other = vector["other"]
            .is_object()
            .then(|| mint.mint(&vector["other"]));
        let filled = |text: &str| filled(text, &token, other.as_deref());
        let expect = match vector["expect"].as_str().expect(&name) {
            outcome @ ("allowed" | "anonymous") => {
                let upstream = vector["upstream"].as_object().into_iter().flatten();
                let seen = |value: &Value| {
                    let text = value.as_str()?;
                    // A value that the filter wrote is UTF-8; one with a token in it is the request's.
                    Some(if text.contains(['{', ':']) {
                        filled(text)
                    } else {
                        text.into()
                    })
                };
                let upstream = upstream.map(|(name, value)| (name.clone(), seen(value)));
                Expect::Forwarded(outcome == "allowed", upstream.collect())
            }
            "answered" => Expect::Answered,
            reason => Expect::Refused(reason.to_owned()),
        };
        Self {
            policy: vector["policy"].as_str().unwrap_or("base").to_owned(),
            now: vector["now"].as_f64().unwrap_or(mint.now),
            headers: headers(&vector["request"], filled),
            expect,
            answer: vector
                .get("answer")
                .map(|answer| self::answer(answer, &name)),
            despite: vector["despite"].as_str().map(str::to_owned),
            twin: vector["twin"].as_str().map(str::to_owned),
            differs: usize::try_from(vector["differs"].as_u64().unwrap_or(1)).unwrap(),
            things: things(vector, mint.now),
            source: vector.clone(),
            name,
        }
    }

    /// In how many things two vectors differ.
    pub(crate) fn differences(&self, other: &Self) -> usize {
        let names: BTreeSet<_> = self.things.keys().chain(other.things.keys()).collect();
        let differs = |name: &&&String| self.things.get(**name) != other.things.get(**name);
        names.iter().filter(differs).count()
    }
}

/// What the vectors share, at the time of the files.
fn common() -> &'static Value {
    static COMMON: OnceLock<Value> = OnceLock::new();
    COMMON.get_or_init(|| {
        serde_json::from_str(include_str!("../vectors/decisions/common.json")).unwrap()
    })
}

fn only(value: &Value, known: &str, vector: &str) {
    for name in value
        .as_object()
        .into_iter()
        .flat_map(|object| object.keys())
    {
        let known = known.split_whitespace().any(|one| one == name);
        assert!(known, "{vector}: {name} means nothing");
    }
}

fn filled(text: &str, token: &[u8], other: Option<&[u8]>) -> Vec<u8> {
    let mut bytes = latin1(text);
    let mut fill = |name: &str, value: &[u8]| {
        while let Some(at) = bytes
            .windows(name.len())
            .position(|place| place == name.as_bytes())
        {
            bytes.splice(at..at + name.len(), value.iter().copied());
        }
    };
    fill("{token}", token);
    if text.contains("{token%}") {
        fill(
            "{token%}",
            String::from_utf8(token.to_vec())
                .unwrap()
                .replace('.', "%2E")
                .as_bytes(),
        );
    }
    if text.contains("{token64}") {
        fill("{token64}", URL_SAFE_NO_PAD.encode(token).as_bytes());
    }
    if text.contains("{head}") {
        let (head, rest) = token.split_at(token.len() / 3);
        let (middle, tail) = rest.split_at(rest.len() / 2);
        fill("{head}", head);
        fill("{middle}", middle);
        fill("{tail}", tail);
    }
    if text.contains("{payload}") {
        fill(
            "{payload}",
            token.split(|byte| *byte == b'.').nth(1).unwrap(),
        );
    }
    if text.contains("{other}") {
        fill("{other}", other.expect("the other token"));
    }
    bytes
}

fn headers(request: &Value, filled: impl Fn(&str) -> Vec<u8>) -> Vec<(String, Vec<u8>)> {
    let mut headers = Vec::new();
    for (header, member, default) in [
        (":method", "method", "GET"),
        (":path", "path", "/"),
        (":authority", "authority", "api.example.com"),
    ] {
        match request.get(member) {
            None => headers.push((header.to_owned(), filled(default))),
            Some(Value::Null) => {}
            Some(value) => headers.push((header.to_owned(), filled(value.as_str().unwrap()))),
        }
    }
    let default = json!([["authorization", "Bearer {token}"]]);
    let given = request
        .get("headers")
        .unwrap_or(&default)
        .as_array()
        .unwrap();
    let lines = given.iter().map(|line| {
        // Envoy hands every name over in lower case.
        let name = line[0].as_str().unwrap().to_ascii_lowercase();
        (name, filled(line[1].as_str().unwrap()))
    });
    headers.extend(lines);
    headers
}

/// What comes back from a call, as Envoy hands it over.
fn answer(answer: &Value, vector: &str) -> Answer {
    only(answer, "status error json text", vector);
    let body = match answer["text"].as_str() {
        Some(text) => text.to_owned(),
        None => answer["json"].to_string(),
    };
    let failed = answer["error"].as_bool().unwrap_or_default();
    let header = ("x-amz-function-error", b"Unhandled".to_vec());
    let status = answer["status"].as_u64().unwrap_or(200);
    Answer::Response {
        status: u16::try_from(status).unwrap(),
        headers: failed.then_some(header).into_iter().collect(),
        body: Some(body.into_bytes()),
    }
}

/// What of a vector counts as one thing.
fn things(vector: &Value, now: f64) -> BTreeMap<String, String> {
    let mut things = BTreeMap::new();
    let mut add = |name: &str, value: &Value| things.insert(name.to_owned(), value.to_string());
    add("policy", vector.get("policy").unwrap_or(&"base".into()));
    add("now", vector.get("now").unwrap_or(&now.into()));
    if let Some(answer) = vector.get("answer") {
        add("answer", answer);
    }
    for (name, value) in vector["request"].as_object().into_iter().flatten() {
        add(&format!("request.{name}"), value);
    }
    for (name, value) in vector["token"].as_object().into_iter().flatten() {
        match name.as_str() {
            "header" | "claims" => {
                for (member, value) in value.as_object().unwrap() {
                    add(&format!("token.{name}.{member}"), value);
                }
            }
            "without" | "without_header" => {
                let part = if name == "without" {
                    "claims"
                } else {
                    "header"
                };
                for member in value.as_array().unwrap() {
                    add(
                        &format!("token.{part}.{}", member.as_str().unwrap()),
                        &"absent".into(),
                    );
                }
            }
            _ => drop(add(&format!("token.{name}"), value)),
        }
    }
    things
}

/// RFC 7396.
fn merge(document: &mut Value, patch: &Value) {
    let Value::Object(members) = patch else {
        return;
    };
    if !document.is_object() {
        *document = json!({});
    }
    for (name, value) in members {
        let target = document.as_object_mut().unwrap();
        match value {
            Value::Null => drop(target.remove(name)),
            Value::Object(_) => merge(target.entry(name).or_insert_with(|| json!({})), value),
            value => drop(target.insert(name.clone(), value.clone())),
        }
    }
}
