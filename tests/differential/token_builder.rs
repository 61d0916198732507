//! A token under construction, down to the spelling: member names may stand twice, values need not
//! be JSON, parts need not be base64url, and the signature need not be one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::harness::issuer::{TestKey, Token};
use crate::harness::minting;

/// Which of the two tokens that Cognito issues this one was, before anything was done to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An id token.
    Id,
    /// An access token.
    Access,
}

impl Kind {
    /// Both of them.
    pub(crate) const ALL: [Self; 2] = [Self::Id, Self::Access];

    /// The claim that names the app client.
    pub(crate) const fn client_claim(self) -> &'static str {
        match self {
            Self::Id => "aud",
            Self::Access => "client_id",
        }
    }
}

/// The members of an object as they will be written: names without quotes, values raw.
#[derive(Clone)]
pub(crate) struct Members(Vec<(String, String)>);

impl Members {
    fn read(object: &[u8]) -> Self {
        let object: Map<String, Value> = serde_json::from_slice(object).expect("an object");
        // Slashes are escaped, as Cognito does it.
        let raw = |value: Value| value.to_string().replace('/', "\\/");
        Self(
            object
                .into_iter()
                .map(|(name, value)| (name, raw(value)))
                .collect(),
        )
    }

    /// Replaces a member, or adds it.
    pub(crate) fn set(&mut self, name: &str, raw: impl Into<String>) {
        self.remove(name);
        self.last(name, raw);
    }

    /// Takes a member out.
    pub(crate) fn remove(&mut self, name: &str) {
        self.0.retain(|(present, _)| present != name);
    }

    /// Puts a member before all others, whether or not there is one of this name.
    pub(crate) fn first(&mut self, name: &str, raw: impl Into<String>) {
        self.0.insert(0, (name.to_owned(), raw.into()));
    }

    /// Puts a member behind all others, whether or not there is one of this name.
    pub(crate) fn last(&mut self, name: &str, raw: impl Into<String>) {
        self.0.push((name.to_owned(), raw.into()));
    }

    /// A member's raw value.
    #[track_caller]
    pub(crate) fn raw(&self, name: &str) -> String {
        let member = self.0.iter().find(|(present, _)| present == name);
        member.expect("a member of this name").1.clone()
    }

    /// Writes one member's name in another way.
    pub(crate) fn respell(&mut self, name: &str, spelling: &str) {
        for (present, _) in self.0.iter_mut().filter(|(present, _)| present == name) {
            spelling.clone_into(present);
        }
    }

    /// Turns the order of the members round.
    pub(crate) fn reverse(&mut self) {
        self.0.reverse();
    }

    fn write(&self) -> Vec<u8> {
        let members = self.0.iter().map(|(name, raw)| format!("\"{name}\":{raw}"));
        format!("{{{}}}", members.collect::<Vec<_>>().join(",")).into_bytes()
    }
}

/// What is done to the bytes of a JSON text, or to the three parts of a token.
type Change<T> = Box<dyn FnOnce(&mut T) + Send>;

/// How the token stands in the request.
type Carriage = Box<dyn Fn(&str) -> Vec<Vec<u8>> + Send>;

/// How the third part is made.
pub(crate) enum Signer {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Key(&'static TestKey),
    /// Another scheme of the decision vectors, with the first key.
    Scheme(&'static str),
}

/// A token under construction: valid, until a class does something to it.
pub(crate) struct Draft {
    /// What it was.
    pub(crate) kind: Kind,
    /// When it was begun, in seconds since 1970.
    pub(crate) now: i64,
    /// The members of the header.
    pub(crate) header: Members,
    /// The members of the payload.
    pub(crate) payload: Members,
    /// How it is signed.
    pub(crate) signer: Signer,
    header_text: Vec<Change<Vec<u8>>>,
    payload_text: Vec<Change<Vec<u8>>>,
    respellings: Vec<Change<Vec<String>>>,
    damages: Vec<Change<Vec<String>>>,
    rearrangements: Vec<Change<Vec<String>>>,
    carriage: Option<Carriage>,
}

/// A token that is ready to be judged.
pub(crate) struct Minted {
    /// The token itself.
    pub(crate) token: String,
    /// The values of the `authorization` lines; `None` if they are the usual one, so that whoever
    /// is handed the token alone can judge it too.
    pub(crate) lines: Option<Vec<Vec<u8>>>,
}

impl Draft {
    /// What Cognito would issue now.
    pub(crate) fn new(kind: Kind, pool: &str, key: &'static TestKey) -> Self {
        let token = match kind {
            Kind::Id => Token::id(pool),
            Kind::Access => Token::access(pool),
        };
        let token = token.signed_by(key);
        Self {
            kind,
            now: crate::harness::issuer::now(),
            header: Members::read(&token.header_bytes()),
            payload: Members::read(&token.payload_bytes()),
            signer: Signer::Key(key),
            header_text: Vec::new(),
            payload_text: Vec::new(),
            respellings: Vec::new(),
            damages: Vec::new(),
            rearrangements: Vec::new(),
            carriage: None,
        }
    }

    /// Changes the text of the header, before it is encoded.
    pub(crate) fn header_text(&mut self, change: impl FnOnce(&mut Vec<u8>) + Send + 'static) {
        self.header_text.push(Box::new(change));
    }

    /// Changes the text of the payload, before it is encoded.
    pub(crate) fn payload_text(&mut self, change: impl FnOnce(&mut Vec<u8>) + Send + 'static) {
        self.payload_text.push(Box::new(change));
    }

    /// Spells the first two parts in another way, before they are signed.
    pub(crate) fn respell(&mut self, change: impl FnOnce(&mut Vec<String>) + Send + 'static) {
        self.respellings.push(Box::new(change));
    }

    /// Changes the three parts after they were signed.
    pub(crate) fn damage(&mut self, change: impl FnOnce(&mut Vec<String>) + Send + 'static) {
        self.damages.push(Box::new(change));
    }

    /// Gives the token other parts, after all else was done to the three.
    pub(crate) fn rearrange(&mut self, change: impl FnOnce(&mut Vec<String>) + Send + 'static) {
        self.rearrangements.push(Box::new(change));
    }

    /// Puts the token into the request in another way.
    pub(crate) fn carry(&mut self, carriage: impl Fn(&str) -> Vec<Vec<u8>> + Send + 'static) {
        self.carriage = Some(Box::new(carriage));
    }

    /// Puts the token into the request in another way, in one line.
    pub(crate) fn carry_as(&mut self, line: impl Fn(&str) -> String + Send + 'static) {
        self.carry(move |token| vec![line(token).into_bytes()]);
    }

    /// Encodes, signs and damages.
    pub(crate) fn mint(self) -> Minted {
        let (mut header, mut payload) = (self.header.write(), self.payload.write());
        self.header_text
            .into_iter()
            .for_each(|change| change(&mut header));
        self.payload_text
            .into_iter()
            .for_each(|change| change(&mut payload));
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let mut parts = vec![encode(&header), encode(&payload)];
        self.respellings
            .into_iter()
            .for_each(|change| change(&mut parts));
        let text = parts.join(".").into_bytes();
        parts.push(encode(&match self.signer {
            Signer::Key(key) => key.sign(&text),
            Signer::Scheme(scheme) => minting::signature(TestKey::first(), scheme, &text),
        }));
        let damages = self.damages.into_iter();
        damages
            .chain(self.rearrangements)
            .for_each(|change| change(&mut parts));
        let token = parts.join(".");
        let lines = self.carriage.map(|carriage| carriage(&token));
        Minted { token, lines }
    }
}
