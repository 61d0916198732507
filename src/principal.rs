//! AWS principals: accounts, and the ARNs of IAM roles and users as tokens have them in `sub`.

use crate::arn::{Arn, is_account};
use std::fmt;

/// The ARN of an IAM role or user with its path:
/// `arn:aws:iam::123456789012:role/service/billing`.
///
/// All sessions of a role have the one ARN of the role; the `assumed-role` form of SigV4, whose last
/// part the caller chooses, is none of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Principal<'a> {
    arn: &'a str,
    partition: &'a str,
    account: &'a str,
    /// `role/…` or `user/…`.
    resource: &'a str,
}

impl<'a> Principal<'a> {
    /// Takes an ARN apart; `None` if it is not that of a role or user.
    #[must_use]
    pub fn new(arn: &'a str) -> Option<Self> {
        let Arn {
            partition,
            service: "iam",
            region: "",
            account,
            resource,
        } = Arn::new(arn)?
        else {
            return None;
        };
        let (kind, name) = resource.split_once('/')?;
        let is_named = matches!(kind, "role" | "user") && !name.is_empty() && !name.ends_with('/');
        // IAM's paths are printable ASCII (U+0021 to U+007E), its names a part of that.
        let is_graphic = resource.bytes().all(|byte| byte.is_ascii_graphic());
        let of_partition = |byte: u8| byte.is_ascii_lowercase() || byte == b'-';
        (is_named
            && is_graphic
            && is_account(account)
            && !partition.is_empty()
            && partition.bytes().all(of_partition))
        .then_some(Self {
            arn,
            partition,
            account,
            resource,
        })
    }

    /// The whole ARN.
    #[must_use]
    pub const fn arn(self) -> &'a str {
        self.arn
    }

    /// The AWS partition, such as `aws` or `aws-cn`.
    #[must_use]
    pub const fn partition(self) -> &'a str {
        self.partition
    }

    /// The number of the account.
    #[must_use]
    pub const fn account(self) -> &'a str {
        self.account
    }
}

/// The partition in which an issuer of tokens stands, by its host: an account is in one alone.
#[must_use]
pub fn partition_of(host: &str) -> &'static str {
    let mut labels = host.split('.');
    if host.ends_with(".cn") {
        "aws-cn"
    } else if host.ends_with(".eu") {
        "aws-eusc"
    } else if labels.any(|label| label.starts_with("us-gov-") || label == "us-gov") {
        "aws-us-gov"
    } else {
        "aws"
    }
}

/// A principal that a rule admits, or all below a path.
///
/// There is no other wildcard: `role/batch*` would admit a role that was given such a name by
/// someone who may create roles for something else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrincipalPattern {
    /// The ARN, or what it begins with, up to and with a `/`.
    text: String,
    extent: Extent,
    partition: String,
    account: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    /// This ARN.
    Exact,
    /// Every ARN below this path.
    Below,
}

/// What is wrong with a principal in a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvalidPrincipal {
    /// The ARN of a session of this role.
    Session {
        /// What was found.
        found: String,
        /// The ARN that is meant, if the role has no path.
        role: String,
    },
    /// A federated user, to which STS gives no token.
    FederatedUser(String),
    /// The account as a whole.
    Account {
        /// What was found.
        found: String,
        /// All of its roles.
        roles: String,
    },
    /// A `*` in another place than behind the last `/`.
    Wildcard(String),
    /// Something else.
    Other(String),
}

impl fmt::Display for InvalidPrincipal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Session { found, role } => write!(
                formatter,
                "found {found:?}, which is a session; expected its role, {role}, with the role's path if it has one"
            ),
            Self::FederatedUser(found) => write!(
                formatter,
                "found {found:?}; expected a role or user: federated users are given no token"
            ),
            Self::Account { found, roles } => write!(
                formatter,
                "found {found:?}, which is a whole account; expected one of its roles or users, or {roles} for every role"
            ),
            Self::Wildcard(found) => write!(
                formatter,
                "found {found:?}; expected \"*\" alone after the last \"/\", or an exact ARN"
            ),
            Self::Other(found) => write!(
                formatter,
                "found {found:?}; expected the ARN of a role or user such as arn:aws:iam::123456789012:role/billing, or arn:aws:iam::123456789012:role/batch/* for all below a path"
            ),
        }
    }
}

impl PrincipalPattern {
    /// Reads an exact ARN, or one that ends in `/*`.
    ///
    /// # Errors
    /// See [`InvalidPrincipal`].
    pub fn new(text: &str) -> Result<Self, InvalidPrincipal> {
        let (stem, extent) = match text.strip_suffix('*') {
            Some(stem) if stem.ends_with('/') => (stem, Extent::Below),
            _ => (text, Extent::Exact),
        };
        // Something below the path stands for all that is.
        let whole = match extent {
            Extent::Exact => stem.to_owned(),
            Extent::Below => format!("{stem}x"),
        };
        if stem.contains('*') || stem.contains('?') {
            return Err(InvalidPrincipal::Wildcard(text.to_owned()));
        }
        let Some(principal) = Principal::new(&whole).filter(|_| !stem.contains("//")) else {
            return Err(InvalidPrincipal::of(text));
        };
        Ok(Self {
            text: stem.to_owned(),
            extent,
            partition: principal.partition.to_owned(),
            account: principal.account.to_owned(),
        })
    }

    /// Whether this is the principal, or stands above it.
    #[must_use]
    pub fn admits(&self, principal: Principal<'_>) -> bool {
        match self.extent {
            Extent::Exact => principal.arn == self.text,
            Extent::Below => principal.arn.starts_with(&self.text),
        }
    }

    /// The AWS partition.
    #[must_use]
    pub fn partition(&self) -> &str {
        &self.partition
    }

    /// The number of the account.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.account
    }

    /// Whether every role or every user of the account is meant.
    #[must_use]
    pub fn is_everyone(&self) -> bool {
        self.extent == Extent::Below
            && (self.text.ends_with(":role/") || self.text.ends_with(":user/"))
    }

    /// Whether this admits all that the other does.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match self.extent {
            Extent::Exact => self == other,
            Extent::Below => other.text.starts_with(&self.text),
        }
    }
}

impl fmt::Display for PrincipalPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)?;
        match self.extent {
            Extent::Exact => Ok(()),
            Extent::Below => formatter.write_str("*"),
        }
    }
}

impl InvalidPrincipal {
    /// What a text was meant to be, as far as that can be told.
    fn of(text: &str) -> Self {
        let found = text.to_owned();
        if is_account(text) {
            let roles = format!("arn:aws:iam::{text}:role/*");
            return Self::Account { found, roles };
        }
        let Some(Arn {
            partition,
            service: "sts" | "iam",
            account,
            resource,
            ..
        }) = Arn::new(text)
        else {
            return Self::Other(found);
        };
        let mut segments = resource.split('/');
        match (segments.next(), segments.next()) {
            (Some("assumed-role"), Some(name)) if !name.is_empty() => Self::Session {
                found,
                role: format!("arn:{partition}:iam::{account}:role/{name}"),
            },
            (Some("federated-user"), _) => Self::FederatedUser(found),
            (Some("root"), None) => Self::Account {
                found,
                roles: format!("arn:{partition}:iam::{account}:role/*"),
            },
            _ => Self::Other(found),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_principal_is_a_role_or_a_user_with_its_path() {
        for arn in [
            "arn:aws:iam::123456789012:role/billing",
            "arn:aws:iam::012345678901:role/aws-reserved/sso.amazonaws.com/eu-west-2/AWSReservedSSO_X_0123",
            "arn:aws-cn:iam::123456789012:user/ann",
            "arn:aws-us-gov:iam::123456789012:role/a:b",
            "arn:aws:iam::123456789012:role/a=b,c.d@e-f_g+h",
        ] {
            assert_eq!(Principal::new(arn).map(Principal::arn), Some(arn));
        }
        for other in [
            "",
            "billing",
            "arn:aws:iam::123456789012:root",
            "arn:aws:iam::123456789012:role",
            "arn:aws:iam::123456789012:role/",
            "arn:aws:iam::123456789012:role/a/",
            "arn:aws:iam::123456789012:group/a",
            "arn:aws:iam::123456789012:Role/a",
            "arn:aws:iam:us-east-1:123456789012:role/a",
            "arn:aws:iam::12345678901:role/a",
            "arn:aws:iam::1234567890123:role/a",
            "arn:aws:iam::12345678901a:role/a",
            "arn:aws:iam::aws:role/a",
            "arn::iam::123456789012:role/a",
            "arn:AWS:iam::123456789012:role/a",
            "ARN:aws:iam::123456789012:role/a",
            "arn:aws:sts::123456789012:assumed-role/a/b",
            "arn:aws:sts::123456789012:role/a",
            "arn:aws:iam::123456789012:role/a b",
            "arn:aws:iam::123456789012:role/a\n",
            "arn:aws:iam::123456789012:role/ü",
            " arn:aws:iam::123456789012:role/a",
            "6f1e2d3c-aaaa-4bbb-8ccc-0123456789ab",
        ] {
            assert_eq!(Principal::new(other), None, "{other:?}");
        }
    }

    #[track_caller]
    fn admits(pattern: &str, name: &str, expected: bool) {
        let arn = format!("arn:aws:iam::123456789012:{name}");
        let pattern = PrincipalPattern::new(pattern).unwrap();
        let principal = Principal::new(&arn).unwrap();
        assert_eq!(pattern.admits(principal), expected, "{pattern} {arn}");
    }

    #[test]
    fn a_pattern_is_exact_or_ends_after_a_whole_segment() {
        let batch = "arn:aws:iam::123456789012:role/batch/*";
        admits(batch, "role/batch/nightly", true);
        admits(batch, "role/batch/a/b", true);
        for other in [
            "role/batch",
            "role/batchX",
            "role/x/batch/y",
            "user/batch/a",
        ] {
            admits(batch, other, false);
        }
        let exact = "arn:aws:iam::123456789012:role/batch";
        admits(exact, "role/batch", true);
        for other in ["role/batch/a", "role/Batch", "role/batchX", "role/x/batch"] {
            admits(exact, other, false);
        }
        admits("arn:aws:iam::123456789012:role/*", "role/x", true);
        admits("arn:aws:iam::123456789012:role/*", "user/x", false);
        admits("arn:aws:iam::123456789013:role/batch", "role/batch", false);
        admits("arn:aws-cn:iam::123456789012:role/*", "role/batch", false);
    }

    #[track_caller]
    fn refused(pattern: &str, text: &str) {
        let refused = PrincipalPattern::new(pattern).unwrap_err();
        assert_eq!(refused.to_string(), text);
    }

    #[test]
    fn what_was_meant_is_said() {
        refused(
            "arn:aws:sts::123456789012:assumed-role/billing/session",
            r#"found "arn:aws:sts::123456789012:assumed-role/billing/session", which is a session; expected its role, arn:aws:iam::123456789012:role/billing, with the role's path if it has one"#,
        );
        refused(
            "arn:aws:sts::123456789012:federated-user/ann",
            r#"found "arn:aws:sts::123456789012:federated-user/ann"; expected a role or user: federated users are given no token"#,
        );
        for account in ["123456789012", "arn:aws:iam::123456789012:root"] {
            refused(
                account,
                &format!(
                    "found {account:?}, which is a whole account; expected one of its roles or users, or arn:aws:iam::123456789012:role/* for every role"
                ),
            );
        }
        for text in [
            "*",
            "arn:aws:iam::123456789012:*",
            "arn:aws:iam::*:role/a",
            "arn:aws:iam::123456789012:role/batch*",
            "arn:aws:iam::123456789012:role/*/a",
            "arn:aws:iam::123456789012:role/a?",
            "arn:aws:iam::123456789012:role/**",
        ] {
            refused(
                text,
                &format!(
                    "found {text:?}; expected \"*\" alone after the last \"/\", or an exact ARN"
                ),
            );
        }
        for text in [
            "billing",
            "arn:aws:iam::123456789012:group/a",
            "arn:aws:iam::123456789012:/*",
            "arn:aws:iam::123456789012:role/",
            "arn:aws:iam::123456789012:role//a",
            "arn:aws:iam::1:role/a",
            // A session of no role.
            "arn:aws:sts::123456789012:assumed-role/",
            "arn:aws:sts::123456789012:assumed-role//session",
            // Nothing below the whole account is one.
            "arn:aws:iam::123456789012:root/a",
            "",
        ] {
            refused(
                text,
                &format!(
                    "found {text:?}; expected the ARN of a role or user such as arn:aws:iam::123456789012:role/billing, or arn:aws:iam::123456789012:role/batch/* for all below a path"
                ),
            );
        }
    }

    #[test]
    fn a_pattern_knows_what_it_covers() {
        let pattern = |name: &str| {
            PrincipalPattern::new(&format!("arn:aws:iam::123456789012:{name}")).unwrap()
        };
        assert!(pattern("role/*").is_everyone());
        assert!(pattern("user/*").is_everyone());
        assert!(!pattern("role/batch/*").is_everyone());
        assert!(!pattern("role/role").is_everyone());
        assert!(pattern("role/*").covers(&pattern("role/a/*")));
        assert!(pattern("role/*").covers(&pattern("role/a")));
        assert!(!pattern("role/a").covers(&pattern("role/a/*")));
        assert!(pattern("role/a").covers(&pattern("role/a")));
        assert!(!pattern("role/a/*").covers(&pattern("role/*")));
    }

    #[test]
    fn a_partition_is_told_by_the_issuers_host() {
        for (host, partition) in [
            ("a1d2.tokens.sts.global.api.aws", "aws"),
            ("127.0.0.1", "aws"),
            (
                "a1d2.tokens.sts.global.api.amazonwebservices.com.cn",
                "aws-cn",
            ),
            (
                "a1d2.tokens.sts.global.api.amazonwebservices.eu",
                "aws-eusc",
            ),
            ("a1d2.tokens.sts.us-gov-west-1.api.aws", "aws-us-gov"),
            ("us-governor.example.com", "aws"),
        ] {
            assert_eq!(partition_of(host), partition, "{host}");
        }
    }
}
