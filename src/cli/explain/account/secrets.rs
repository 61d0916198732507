//! What must not be shown: the signatures without which a token is worth nothing to a reader.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cognito_authorizer::percent;

/// All tokens in a request: what their signatures are, and what stands before.
#[derive(Clone, Debug, Default)]
pub(crate) struct Secrets {
    signatures: Vec<String>,
    heads: Vec<String>,
}

/// Stands where a signature stood.
pub(crate) const REDACTED: &str = "[redacted]";

impl Secrets {
    /// Looks for tokens in every header: also in one that no place of the configuration names.
    pub(crate) fn of(headers: &[(String, Vec<u8>)]) -> Self {
        let mut secrets = Self::default();
        for (name, value) in headers {
            let value = super::text(value);
            secrets.signatures.extend(encoded_tokens(&value));
            // A form writes a space as a plus sign.
            let spaced = value.replace('+', " ");
            let decoded = percent::decoded(value.as_bytes());
            let decoded = String::from_utf8_lossy(&decoded).into_owned();
            for text in [decoded, spaced, value] {
                for (head, signature) in words(&text).filter_map(token) {
                    secrets.signatures.push(signature.to_owned());
                    secrets.heads.push(head.to_owned());
                }
                if name == "authorization" {
                    secrets.signatures.extend(credentials(&text));
                }
            }
        }
        secrets.sorted()
    }

    /// Adds the token that the filter found, whatever it looks like.
    pub(super) fn and(mut self, compact: &[u8]) -> Self {
        self.signatures.extend(signature(&super::text(compact)));
        self.sorted()
    }

    /// The longest first, so that no part of one is left where another was replaced.
    fn sorted(mut self) -> Self {
        for texts in [&mut self.signatures, &mut self.heads] {
            texts.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
            texts.dedup();
        }
        self
    }

    /// The text without them.
    pub(crate) fn redact(&self, text: &str) -> String {
        let mut redacted = text.to_owned();
        for signature in &self.signatures {
            redacted = redacted.replace(signature.as_str(), REDACTED);
        }
        redacted
    }

    /// The redacted text with the beginnings of its tokens only, for people.
    pub(super) fn brief(&self, text: &str) -> String {
        let mut brief = self.redact(text);
        for head in &self.heads {
            let start: String = head.chars().take(SHOWN).collect();
            brief = brief.replace(head.as_str(), &format!("{start}…"));
        }
        brief
    }
}

/// The parts of a text that could be tokens: base64 of any kind, full stops, and `%` for those
/// whose escapes are left as they are.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let part = |character: char| character.is_ascii_alphanumeric() || "-_.+/%".contains(character);
    text.split(move |character| !part(character))
}

/// A token, or something that looks like one, at its second full stop: its header is a JSON
/// object, and `{"`, `{ ` and their like begin so in base64.
fn token(word: &str) -> Option<(&str, &str)> {
    let mut parts = word.split_inclusive('.');
    let (header, payload) = (parts.next()?, parts.next()?);
    let begins = ["ey", "ew", "e3"]
        .iter()
        .any(|start| header.starts_with(start));
    let (head, signature) = word.split_at_checked(header.len().checked_add(payload.len())?)?;
    (begins && payload.ends_with('.') && signature.len() >= SHORTEST).then_some((head, signature))
}

/// Parts of a text that are tokens in base64url, as subprotocols may have them: such a part is not told
/// from its signature, and goes whole.
fn encoded_tokens(text: &str) -> impl Iterator<Item = String> {
    let parts = words(text).flat_map(|word| word.split('.'));
    let encoded = parts.filter(|part| {
        let decoded = URL_SAFE_NO_PAD.decode(part).unwrap_or_default();
        std::str::from_utf8(&decoded).is_ok_and(|text| token(text).is_some())
    });
    encoded.map(str::to_owned)
}

/// So many characters tell people which token it is.
const SHOWN: usize = 12;

/// Fewer characters are no signature, and replacing them everywhere would tear other texts apart.
const SHORTEST: usize = 8;

/// Credentials that do not look like a token: what would be the signature, if there are three
/// parts, or all that follows the scheme.
fn credentials(value: &str) -> Option<String> {
    let secret = value.split_once(' ').map_or(value, |(_, rest)| rest).trim();
    let is_token = words(secret).any(|word| token(word).is_some());
    signature(secret).filter(|_| !is_token)
}

/// What would be the signature of three parts, or all of fewer.
fn signature(secret: &str) -> Option<String> {
    let rest = secret.splitn(3, '.').nth(2).unwrap_or(secret);
    (rest.len() >= SHORTEST).then(|| rest.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "eyJraWQiOiJrIn0.eyJzdWIiOiJzIn0.c2lnbmF0dXJl";

    #[track_caller]
    fn redacted(name: &str, value: &str, expected: &str) {
        let secrets = Secrets::of(&[(name.to_owned(), value.as_bytes().to_vec())]);
        assert_eq!(secrets.redact(value), expected);
    }

    #[test]
    fn signatures_are_never_shown() {
        let gone = "eyJraWQiOiJrIn0.eyJzdWIiOiJzIn0.[redacted]";
        redacted(
            "authorization",
            &format!("Bearer {TOKEN}"),
            &format!("Bearer {gone}"),
        );
        redacted(
            "cookie",
            &format!("a=b; t=\"{TOKEN}\"; c"),
            &format!("a=b; t=\"{gone}\"; c"),
        );
        redacted(
            ":path",
            &format!("/a?t={TOKEN}&b=1"),
            &format!("/a?t={gone}&b=1"),
        );
        let escaped = TOKEN.replace('.', "%2E");
        redacted(
            ":path",
            &format!("/?t={escaped}"),
            &format!("/?t={}", gone.replace("n0.", "n0%2E")),
        );
        redacted("x-other", TOKEN, gone);
        redacted(
            ":path",
            &format!("/?t=Bearer+{TOKEN}"),
            &format!("/?t=Bearer+{gone}"),
        );
        redacted(
            "sec-websocket-protocol",
            &format!("p.{}, chat", URL_SAFE_NO_PAD.encode(TOKEN)),
            "p.[redacted], chat",
        );
        redacted(
            "authorization",
            &format!("{TOKEN},{TOKEN}"),
            &format!("{gone},{gone}"),
        );
        // All parts that an encrypted token has beside its header and its key.
        redacted("x", &format!("{TOKEN}.aaaa.bbbb"), gone);
    }

    #[test]
    fn neither_are_other_credentials() {
        redacted(
            "authorization",
            "Basic dXNlcjpwYXNzd29yZA==",
            "Basic [redacted]",
        );
        redacted("authorization", "opaque-api-key", "[redacted]");
    }

    #[test]
    fn the_token_that_was_found_is_one_whatever_it_looks_like() {
        // A header that begins with a line break is JSON, too.
        let odd = TOKEN.replace("eyJ", "Cnsi");
        // A space to some, in the midst of it.
        let broken = TOKEN.replace("eyJz", "ey+z");
        for (token, before) in [(odd, ""), (broken, "Bearer+")] {
            let value = format!("{before}{token}");
            let headers = [("x-token".to_owned(), value.clone().into_bytes())];
            let secrets = Secrets::of(&headers).and(token.as_bytes());
            assert_eq!(
                secrets.redact(&value),
                value.replace("c2lnbmF0dXJl", REDACTED)
            );
        }
    }

    #[test]
    fn people_see_where_a_token_begins() {
        let secrets = Secrets::of(&[("x".to_owned(), TOKEN.as_bytes().to_vec())]);
        assert_eq!(
            secrets.brief(&format!("/?t={TOKEN}&a")),
            "/?t=eyJraWQiOiJr…[redacted]&a"
        );
    }

    #[test]
    fn what_is_no_token_stays() {
        redacted(":authority", "api.eu.example.com", "api.eu.example.com");
        redacted(":path", "/a.b.c/v1.2.3", "/a.b.c/v1.2.3");
    }
}
