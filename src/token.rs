//! A compact token, taken apart but not believed (RFC 7515, section 7.1).
//!
//! Two parsers read the header: `jwt-compact` and the strict reader of [`crate::json`]. They must
//! agree, so that no trick that fools one of them changes which key is asked. A user pool writes
//! one header into all tokens that a key signs: once one of them is verified, its header is known
//! by its text, and needs no reading.

use crate::claims::Claims;
use crate::json;
use crate::refusal::Reason;
use crate::signature::{Algorithm, Algorithms, Signature};
use crate::step::{Observer, Step};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jwt_compact::ParseError;
use serde_json::Value;
use std::collections::VecDeque;
use std::rc::Rc;

/// A token as its bearer wrote it. Nothing in it is true until a
/// [`Verified`](crate::verify::Verified) has been made of it.
#[derive(Debug)]
pub struct UntrustedToken<'a> {
    signing_input: &'a str,
    header: Header<'a>,
    payload: &'a str,
    signature: Signature,
    claims: Claims,
}

/// A token's first part, and the key that it names.
#[derive(Clone, Debug)]
pub struct Header<'a> {
    segment: &'a str,
    key: NamedKey,
}

/// The key that a header names, and the algorithm under which it is to be asked.
#[derive(Clone, Debug)]
struct NamedKey {
    id: Rc<str>,
    algorithm: Algorithm,
}

impl<'a> UntrustedToken<'a> {
    /// Takes a compact token apart.
    ///
    /// The checks, in this order: three parts of strict, unpadded base64url; a header of at most
    /// [`MAX_HEADER_CHARS`] that is one JSON object with a supported `alg`, a string `kid` and no
    /// `crit`; a payload that [`Claims::parse`] accepts. `jwk`, `jku`, `x5c` and `x5u` are never
    /// looked at: a token that brings its own key has no say in which key verifies it.
    ///
    /// # Errors
    /// [`Reason::MalformedToken`] or [`Reason::UnsupportedAlgorithm`].
    pub fn parse(
        compact: &'a [u8],
        known: &KnownHeaders,
        seen: &mut impl Observer,
    ) -> Result<Self, Reason> {
        let parts = seen.step(Step::Form, Parts::of(compact, known))?;
        let key = match parts.header {
            HeaderText::Known(key) => Ok(key),
            HeaderText::New(header) => agreed_key(parts.segment, &header, known.algorithms),
            HeaderText::TooLong => Err(Reason::MalformedToken),
        };
        let key = seen.step(Step::Header, key)?;
        let claims = seen.step(Step::Payload, Claims::parse(parts.claims))?;
        Ok(Self {
            signing_input: parts.signing_input,
            header: Header {
                segment: parts.segment,
                key,
            },
            payload: parts.payload,
            signature: Signature::new(parts.signature),
            claims,
        })
    }

    /// What the bearer says about themselves.
    #[must_use]
    pub const fn unverified_claims(&self) -> &Claims {
        &self.claims
    }

    /// The claims, once the signature is known to be good.
    pub(crate) fn into_claims(self) -> Claims {
        self.claims
    }

    /// The first part.
    #[must_use]
    pub const fn header(&self) -> &Header<'a> {
        &self.header
    }

    /// The key that the bearer names (RFC 7515, section 4.1.4).
    #[must_use]
    pub fn unverified_key_id(&self) -> &str {
        &self.header.key.id
    }

    /// The algorithm that the bearer names (RFC 7515, section 4.1.1).
    #[must_use]
    pub const fn unverified_algorithm(&self) -> Algorithm {
        self.header.key.algorithm
    }

    /// The second part, as it stands in the token.
    #[must_use]
    pub const fn payload(&self) -> &'a str {
        self.payload
    }

    /// The bytes that are signed: the first two parts and the full stop between them.
    #[must_use]
    pub const fn signing_input(&self) -> &'a [u8] {
        self.signing_input.as_bytes()
    }

    /// The third part, decoded.
    #[must_use]
    pub const fn signature(&self) -> &Signature {
        &self.signature
    }
}

/// The three parts as they stand in the token, and decoded.
struct Parts<'a> {
    signing_input: &'a str,
    segment: &'a str,
    payload: &'a str,
    header: HeaderText,
    claims: Vec<u8>,
    signature: Vec<u8>,
}

/// What the first part says.
enum HeaderText {
    /// It has verified a token before: the key that it names.
    Known(NamedKey),
    /// It is still to be read.
    New(Vec<u8>),
    /// Longer than [`MAX_HEADER_CHARS`]: nothing of it is looked at.
    TooLong,
}

impl<'a> Parts<'a> {
    fn of(compact: &'a [u8], known: &KnownHeaders) -> Result<Self, Reason> {
        let malformed = Reason::MalformedToken;
        let compact = std::str::from_utf8(compact).map_err(|_| malformed)?;
        let (signing_input, signature) = compact.rsplit_once('.').ok_or(malformed)?;
        let (segment, payload) = signing_input.split_once('.').ok_or(malformed)?;
        let header = match known.key(segment) {
            Some(key) => HeaderText::Known(key.clone()),
            None if segment.len() > MAX_HEADER_CHARS => HeaderText::TooLong,
            None => HeaderText::New(decoded(segment)?),
        };
        Ok(Self {
            signing_input,
            segment,
            payload,
            header,
            claims: decoded(payload)?,
            signature: decoded(signature)?,
        })
    }
}

/// Headers of tokens that were verified, and which algorithms one may name at all.
#[derive(Debug, Default)]
pub struct KnownHeaders {
    algorithms: Algorithms,
    verified: VecDeque<(Box<str>, NamedKey)>,
}

impl KnownHeaders {
    /// Two keys of each of eight user pools; the headers of more are read again.
    const MAX: usize = 16;

    /// None yet.
    #[must_use]
    pub fn new(algorithms: Algorithms) -> Self {
        Self {
            algorithms,
            verified: VecDeque::new(),
        }
    }

    /// The algorithms that a header may name.
    #[must_use]
    pub const fn algorithms(&self) -> Algorithms {
        self.algorithms
    }

    /// Remembers the header of a token that was verified, and no other's: strangers could push out
    /// the ones in use. The oldest makes room.
    pub fn remember(&mut self, header: &Header<'_>) {
        if self.key(header.segment).is_none() {
            self.verified.truncate(Self::MAX.saturating_sub(1));
            self.verified
                .push_front((header.segment.into(), header.key.clone()));
        }
    }

    fn key(&self, segment: &str) -> Option<&NamedKey> {
        let mut known = self.verified.iter();
        let (_, key) = known.find(|(known, _)| **known == *segment)?;
        Some(key)
    }
}

/// The longest first part, in characters as it is written. Cognito's has some 110; the header is
/// read by two parsers before anything is known of its author.
pub const MAX_HEADER_CHARS: usize = 1_024;

/// `URL_SAFE_NO_PAD` refuses padding, other alphabets and stray bits in the last character.
fn decoded(part: &str) -> Result<Vec<u8>, Reason> {
    URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| Reason::MalformedToken)
}

/// The key and the algorithm that both parsers find in the header. `jwt-compact` wants a whole token
/// and gets one without claims and signature, which would be decoded for nothing.
fn agreed_key(segment: &str, header: &[u8], algorithms: Algorithms) -> Result<NamedKey, Reason> {
    let headed = format!("{segment}..");
    let parsed = jwt_compact::UntrustedToken::new(&headed);
    if let Err(ParseError::InvalidTokenStructure | ParseError::InvalidBase64Encoding) = parsed {
        return Err(Reason::MalformedToken);
    }
    let key = unverified_key(header, algorithms)?;
    match parsed {
        Ok(parsed) => {
            let theirs = (parsed.header().key_id.as_deref(), parsed.algorithm());
            match theirs == (Some(&*key.id), key.algorithm.name()) {
                true => Ok(key),
                false => Err(Reason::MalformedToken),
            }
        }
        // It minds the shape of members that decide nothing here, such as `x5t` or `typ`.
        Err(_) => Ok(key),
    }
}

fn unverified_key(header: &[u8], algorithms: Algorithms) -> Result<NamedKey, Reason> {
    let mut header = json::object(header).map_err(|_| Reason::MalformedToken)?;
    let algorithm = header.get("alg").and_then(Value::as_str);
    let algorithm = algorithm
        .and_then(|name| algorithms.named(name))
        .ok_or(Reason::UnsupportedAlgorithm)?;
    // RFC 7515, section 4.1.11: a recipient that does not understand a critical extension must
    // refuse, and this filter understands none.
    let is_critical = header.contains_key("crit");
    match header.get_mut("kid").map(Value::take) {
        Some(Value::String(id)) if !is_critical => Ok(NamedKey {
            id: id.into(),
            algorithm,
        }),
        _ => Err(Reason::MalformedToken),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jwt_compact::AlgorithmSignature;

    fn encoded(text: &str) -> String {
        URL_SAFE_NO_PAD.encode(text)
    }

    fn parse(compact: &[u8]) -> Result<UntrustedToken<'_>, Reason> {
        UntrustedToken::parse(compact, &KnownHeaders::default(), &mut ())
    }

    #[track_caller]
    fn header(header: &str, expected: Result<(), Reason>) {
        let compact = format!("{}.{}.{}", encoded(header), encoded("{}"), encoded("sig"));
        let parsed = parse(compact.as_bytes()).map(|_| ());
        assert_eq!(parsed, expected, "{header}");
    }

    #[test]
    fn the_header_names_the_algorithm_and_a_key() {
        header(r#"{"kid":"k","alg":"RS256"}"#, Ok(()));
        header(
            r#"{"kid":"k","alg":"RS256","typ":1,"cty":"x","jwk":{},"x5c":[],"jku":[],"x5t":"a"}"#,
            Ok(()),
        );
        for algorithm in [
            "\"none\"",
            "\"HS256\"",
            "\"rs256\"",
            "\"RS256 \"",
            "1",
            "null",
            "[\"RS256\"]",
        ] {
            header(
                &format!(r#"{{"kid":"k","alg":{algorithm}}}"#),
                Err(Reason::UnsupportedAlgorithm),
            );
        }
        header(r#"{"kid":"k"}"#, Err(Reason::UnsupportedAlgorithm));
        for malformed in [
            r#"{"alg":"RS256"}"#,
            r#"{"alg":"RS256","kid":1}"#,
            r#"{"alg":"RS256","kid":null}"#,
            r#"{"alg":"RS256","kid":"k","crit":["exp"]}"#,
            r#"{"alg":"RS256","kid":"k","crit":null}"#,
            r#"{"alg":"RS256","kid":"k","kid":"k"}"#,
            r#"{"alg":"none","alg":"RS256","kid":"k"}"#,
            r#"["RS256"]"#,
            "",
        ] {
            header(malformed, Err(Reason::MalformedToken));
        }
    }

    #[track_caller]
    fn compact(compact: &str, expected: Result<(), Reason>) {
        let parsed = parse(compact.as_bytes()).map(|_| ());
        assert_eq!(parsed, expected, "{compact}");
    }

    #[test]
    fn three_parts_of_strict_base64url() {
        let h = encoded(r#"{"kid":"k","alg":"RS256"}"#);
        let p = encoded("{}");
        compact(&format!("{h}.{p}.AA"), Ok(()));
        compact(&format!("{h}.{p}."), Ok(()));
        for bad in [
            String::new(),
            format!("{h}.{p}"),
            format!("{h}.{p}.AA.AA"),
            format!("{h}.{p}.AA.AA.AA"),
            format!("{h}.{p}.AA="),
            format!("{h}.{p}.AA=="),
            format!("{h}.{p}.A"),
            // Stray bits in the last character: another spelling of the same bytes.
            format!("{h}.{p}.AB"),
            format!("{h}.{p}.+A"),
            format!("{h}.{p}./A"),
            format!("{h}.{p}.A A"),
            format!(" {h}.{p}.AA"),
            format!("{h}.{p}.AA\n"),
            format!("{h}.{p}=.AA"),
            format!("{h}..AA"),
            format!(".{p}.AA"),
            "..".to_owned(),
        ] {
            compact(&bad, Err(Reason::MalformedToken));
        }
        assert_eq!(
            parse(b"\xff.\xff.\xff").unwrap_err(),
            Reason::MalformedToken
        );
    }

    #[test]
    fn what_is_signed_is_what_is_read() {
        let compact = format!(
            "{}.{}.AAEC",
            encoded(r#"{"kid":"a\/b=","alg":"RS256"}"#),
            encoded(r#"{"sub":"s"}"#)
        );
        let token = parse(compact.as_bytes()).unwrap();
        assert_eq!(token.unverified_key_id(), "a/b=");
        assert_eq!(token.unverified_claims().subject(), Some("s"));
        assert_eq!(token.payload(), encoded(r#"{"sub":"s"}"#));
        assert_eq!(
            [token.signing_input(), b".AAEC"].concat(),
            compact.as_bytes()
        );
        assert_eq!(&*token.signature().as_bytes(), [0, 1, 2]);
    }

    #[test]
    fn a_known_header_stands_for_what_was_read_in_it() {
        let (p, mut known) = (encoded("{}"), KnownHeaders::default());
        let compact = |kid: &str| {
            let header = encoded(&format!(r#"{{"kid":"{kid}","alg":"RS256"}}"#));
            format!("{header}.{p}.AA")
        };
        let first = compact("0");
        known.remember(parse(first.as_bytes()).unwrap().header());
        known.remember(parse(first.as_bytes()).unwrap().header());
        assert_eq!(known.verified.len(), 1);
        let again = UntrustedToken::parse(first.as_bytes(), &known, &mut ()).unwrap();
        assert_eq!(again.unverified_key_id(), "0");
        assert!(Rc::ptr_eq(&again.header.key.id, &known.verified[0].1.id));
        // It vouches for itself only.
        for (bad, reason) in [
            (first.replace(".AA", ".AB"), Reason::MalformedToken),
            (first.replace(&p, &encoded("[]")), Reason::MalformedToken),
            (first.replace(".AA", ".AA.AA"), Reason::MalformedToken),
            (
                format!("{}.{p}.AA", encoded(r#"{"kid":"0","alg":"none"}"#)),
                Reason::UnsupportedAlgorithm,
            ),
        ] {
            let parsed = UntrustedToken::parse(bad.as_bytes(), &known, &mut ());
            assert_eq!(parsed.unwrap_err(), reason, "{bad}");
        }
        for kid in 1..=KnownHeaders::MAX {
            known.remember(
                parse(compact(&kid.to_string()).as_bytes())
                    .unwrap()
                    .header(),
            );
        }
        assert_eq!(known.verified.len(), KnownHeaders::MAX);
        let ids: Vec<_> = known.verified.iter().map(|(_, key)| &*key.id).collect();
        assert_eq!((ids.first(), ids.last()), (Some(&"16"), Some(&"1")));
    }
}
