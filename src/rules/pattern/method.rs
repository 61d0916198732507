//! Request methods.
//!
//! A rule on methods is only as good as the upstream's agreement about them: some fold letters, and
//! some take another method out of a header or the query. What can be done about that is done
//! before rules are asked, in [`crate::request`]. Here a method is what it says.

use std::fmt;

/// A request method, compared byte by byte (RFC 9110, section 9.1: methods are case-sensitive).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Method(String);

impl Method {
    /// Reads a method.
    ///
    /// # Errors
    /// It is no token, or has lower-case letters: no client means another method by them, and a
    /// rule for `get` would silently match nothing. Nor would one for `*` or for `ANY`, as API Gateway
    /// writes it, match what people mean by them.
    pub fn new(method: &str) -> Result<Self, InvalidMethod> {
        // RFC 9110, section 5.6.2, a token, without its lower-case letters.
        let upper =
            |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&b);
        if EVERY.contains(&method) {
            return Err(InvalidMethod::Every(method.to_owned()));
        }
        if method.is_empty() || method.contains(['*', '|']) || !method.bytes().all(upper) {
            return Err(InvalidMethod::Malformed(method.to_owned()));
        }
        Ok(Self(method.to_owned()))
    }

    /// The methods of requests that a rule with this one is about: `GET` is also `HEAD`, which
    /// servers answer by the same code (RFC 9110, section 9.3.2), headers and all.
    pub fn served(&self) -> impl Iterator<Item = &str> {
        let also = (self.0 == "GET").then_some("HEAD");
        std::iter::once(self.as_str()).chain(also)
    }

    /// Whether a rule with this method is about all that one with the other is about.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.served().any(|served| served == other.0)
    }

    /// The method.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// By these people mean every method.
const EVERY: [&str; 3] = ["*", "ANY", "ALL"];

/// A text that is no method of requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvalidMethod {
    /// A word for every method.
    Every(String),
    /// No method in upper case.
    Malformed(String),
}

impl fmt::Display for InvalidMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every(found) => write!(
                f,
                "found {found:?}; expected no \"methods\" at all for every method"
            ),
            Self::Malformed(found) => write!(
                f,
                "found {found:?}; expected a method in upper case, such as \"GET\""
            ),
        }
    }
}

impl std::error::Error for InvalidMethod {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_upper_case_tokens() {
        for method in ["GET", "M-SEARCH", "BASELINE_CONTROL", "X2", "ANYTHING"] {
            assert_eq!(Method::new(method).unwrap().as_str(), method);
        }
    }

    #[test]
    fn get_covers_head() {
        let method = |text| Method::new(text).unwrap();
        for (one, other, covers) in [
            ("GET", "GET", true),
            ("GET", "HEAD", true),
            ("HEAD", "GET", false),
            ("HEAD", "HEAD", true),
            ("POST", "HEAD", false),
        ] {
            assert_eq!(method(one).covers(&method(other)), covers, "{one} {other}");
        }
    }

    #[test]
    fn refuses_everything_else() {
        for method in EVERY {
            assert_eq!(
                Method::new(method).unwrap_err().to_string(),
                format!("found {method:?}; expected no \"methods\" at all for every method")
            );
        }
        for method in [
            "get", "Get", "", "GET ", "GET,POST", "GET|POST", "G*", "GÉT", "A/B", "*/*", "any",
        ] {
            assert_eq!(
                Method::new(method).unwrap_err().to_string(),
                format!("found {method:?}; expected a method in upper case, such as \"GET\"")
            );
        }
    }
}
