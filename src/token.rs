//! A compact token, taken apart but not believed (RFC 7515, section 7.1).
//!
//! Two parsers read the header: `jwt-compact`, which also splits and decodes the three parts, and
//! the strict reader of [`crate::json`]. They must agree, so that no trick that fools one of them
//! changes which key is asked.

use crate::claims::Claims;
use crate::json;
use crate::reject::Reason;
use crate::rs256::Signature;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jwt_compact::{AlgorithmSignature, ParseError};
use serde_json::Value;

/// A token as its bearer wrote it. Nothing in it is true until a
/// [`Verified`](crate::verify::Verified) has been made of it.
#[derive(Debug)]
pub struct UntrustedToken<'a> {
    signing_input: &'a str,
    payload: &'a str,
    key_id: String,
    signature: Signature,
    claims: Claims,
}

impl<'a> UntrustedToken<'a> {
    /// Takes a compact token apart.
    ///
    /// The checks, in this order: three parts of strict, unpadded base64url; a header that is one
    /// JSON object with `alg` exactly `RS256`, a string `kid` and no `crit`; a payload that
    /// [`Claims::parse`] accepts. `jwk`, `jku`, `x5c` and `x5u` are never looked at: a token that
    /// brings its own key has no say in which key verifies it.
    ///
    /// # Errors
    /// [`Reason::MalformedToken`] or [`Reason::UnsupportedAlgorithm`].
    pub fn parse(compact: &'a [u8]) -> Result<Self, Reason> {
        let malformed = Reason::MalformedToken;
        let compact = std::str::from_utf8(compact).map_err(|_| malformed)?;
        let parsed = jwt_compact::UntrustedToken::new(compact);
        if let Err(ParseError::InvalidTokenStructure | ParseError::InvalidBase64Encoding) = parsed {
            return Err(malformed);
        }
        let (signing_input, signature) = compact.rsplit_once('.').ok_or(malformed)?;
        let (header, payload) = signing_input.split_once('.').ok_or(malformed)?;
        let key_id = unverified_key_id(&decoded(header)?)?;
        let signature = match &parsed {
            Ok(parsed) => {
                let agreed = parsed.header().key_id.as_ref() == Some(&key_id);
                if !agreed || parsed.algorithm() != ALGORITHM {
                    return Err(malformed);
                }
                Signature::try_from_slice(parsed.signature_bytes()).map_err(|_| malformed)?
            }
            // It minds the shape of members that decide nothing here, such as `x5t` or `typ`.
            Err(_) => Signature::try_from_slice(&decoded(signature)?).map_err(|_| malformed)?,
        };
        Ok(Self {
            signing_input,
            payload,
            key_id,
            signature,
            claims: Claims::parse(&decoded(payload)?)?,
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

    /// The key that the bearer names (RFC 7515, section 4.1.4).
    #[must_use]
    pub fn unverified_key_id(&self) -> &str {
        &self.key_id
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

/// The only algorithm: with one there is nothing to confuse it with (RFC 8725, section 3.1).
const ALGORITHM: &str = "RS256";

/// `URL_SAFE_NO_PAD` refuses padding, other alphabets and stray bits in the last character.
fn decoded(part: &str) -> Result<Vec<u8>, Reason> {
    URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| Reason::MalformedToken)
}

fn unverified_key_id(header: &[u8]) -> Result<String, Reason> {
    let mut header = json::object(header).map_err(|_| Reason::MalformedToken)?;
    if header.get("alg").and_then(Value::as_str) != Some(ALGORITHM) {
        return Err(Reason::UnsupportedAlgorithm);
    }
    // RFC 7515, section 4.1.11: who does not understand a critical extension must refuse, and
    // this filter understands none.
    match header.remove("kid") {
        Some(Value::String(key_id)) if !header.contains_key("crit") => Ok(key_id),
        _ => Err(Reason::MalformedToken),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(text: &str) -> String {
        URL_SAFE_NO_PAD.encode(text)
    }

    #[track_caller]
    fn header(header: &str, expected: Result<(), Reason>) {
        let compact = format!("{}.{}.{}", encoded(header), encoded("{}"), encoded("sig"));
        let parsed = UntrustedToken::parse(compact.as_bytes()).map(|_| ());
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
        let parsed = UntrustedToken::parse(compact.as_bytes()).map(|_| ());
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
            UntrustedToken::parse(b"\xff.\xff.\xff").unwrap_err(),
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
        let token = UntrustedToken::parse(compact.as_bytes()).unwrap();
        assert_eq!(token.unverified_key_id(), "a/b=");
        assert_eq!(token.unverified_claims().subject(), Some("s"));
        assert_eq!(token.payload(), encoded(r#"{"sub":"s"}"#));
        assert_eq!(
            [token.signing_input(), b".AAEC"].concat(),
            compact.as_bytes()
        );
        assert_eq!(&*token.signature().as_bytes(), [0, 1, 2]);
    }
}
