//! Who judges, and how each is asked.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

use crate::class::Verdict;
use crate::harness::client::{Pending, Request, Response};
use crate::harness::process::stop;
use crate::harness::upstream::GREETING;

/// A judge, by the name that `known.json` has for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Judge {
    /// The filter, in Envoy.
    Filter,
    /// Envoy's own filter, in the same Envoy.
    JwtAuthn,
    /// AWS's verifier for Node.js, `CognitoJwtVerifier`.
    AwsJwtVerify,
    /// The Rust crate.
    Jsonwebtoken,
}

impl Judge {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [
        Self::Filter,
        Self::JwtAuthn,
        Self::AwsJwtVerify,
        Self::Jsonwebtoken,
    ];

    /// Its name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Filter => "this filter",
            Self::JwtAuthn => "jwt_authn",
            Self::AwsJwtVerify => "aws-jwt-verify",
            Self::Jsonwebtoken => "jsonwebtoken",
        }
    }

    /// Whether it reads requests; the others are handed the token alone.
    pub(crate) const fn reads_requests(self) -> bool {
        matches!(self, Self::Filter | Self::JwtAuthn)
    }
}

/// A listener of Envoy, over one connection that is opened again when Envoy has closed it.
pub(crate) struct Door {
    address: SocketAddr,
    connection: Option<Pending>,
    /// How many requests went through.
    pub(crate) requests: usize,
}

impl Door {
    /// A listener at this address.
    pub(crate) const fn new(address: SocketAddr) -> Self {
        Self {
            address,
            connection: None,
            requests: 0,
        }
    }

    /// Sends a request with these `authorization` lines.
    #[track_caller]
    pub(crate) fn judge(&mut self, lines: &[Vec<u8>]) -> Verdict {
        let add = |request: Request, line: &Vec<u8>| request.header("authorization", line);
        let request = lines.iter().fold(Request::get("/"), add);
        let response = self.send(&request);
        self.requests += 1;
        match (response.status, response.body.as_str()) {
            (200, GREETING) => Verdict::Accepts,
            (401 | 403, _) => Verdict::Refuses,
            _ => panic!("neither accepted nor refused: {response:?}"),
        }
    }

    #[track_caller]
    fn send(&mut self, request: &Request) -> Response {
        if let Some(connection) = &mut self.connection {
            connection.write(&request.head_bytes());
            if let Some(response) = connection.answer_if_open() {
                return response;
            }
        }
        let mut connection = request.open(self.address);
        let response = connection.next_response();
        self.connection = Some(connection);
        response
    }
}

/// A program that is handed tokens, a line each, and answers each with a line.
pub(crate) struct Program {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Program {
    /// Starts it and tells it what the filter is told by its configuration.
    #[track_caller]
    pub(crate) fn start(command: &mut Command, setting: &Value) -> Self {
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut program = Self {
            input: child.stdin.take().expect("a pipe"),
            output: BufReader::new(child.stdout.take().expect("a pipe")),
            child,
        };
        program.say(setting);
        program
    }

    fn say(&mut self, line: &Value) {
        writeln!(self.input, "{line}").expect("the judge listens");
    }

    /// Hands it a token.
    #[track_caller]
    pub(crate) fn judge(&mut self, token: &str) -> Verdict {
        self.say(&token.into());
        let mut line = String::new();
        self.output.read_line(&mut line).expect("text");
        if line.trim_end() == "accepts" {
            return Verdict::Accepts;
        }
        assert!(
            line.starts_with("refuses: "),
            "expected a verdict, found {line:?}"
        );
        Verdict::Refuses
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        stop(&mut self.child);
    }
}
