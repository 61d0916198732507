//! What an `iss` is: one of a user pool's two names, an AWS account's, or another's.

use cognito_authorizer::pool::{UserPool, UserPoolId};

/// An issuer, as far as its name says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Issuer {
    /// A user pool or a replica of one, by one of its names.
    Pool(UserPool, &'static str),
    /// A user pool, but for what is wrong.
    NearlyPool(UserPoolId, &'static str),
    /// An AWS account that gives its roles tokens.
    Account,
    /// Somebody else.
    Other,
}

impl Issuer {
    pub(crate) fn of(iss: &str) -> Self {
        let host = iss.strip_prefix("https://").unwrap_or_default();
        let last = iss.trim_end_matches('/').rsplit('/').next();
        if let Some(Ok(id)) = last.map(UserPoolId::new) {
            // The original name has the region in which the token was made.
            let region = host.split('.').nth(1).unwrap_or_default();
            let pool = UserPool::in_region(id.clone(), region);
            let names = [
                (pool.original_issuer(), "original"),
                (pool.updated_issuer(), "updated"),
            ];
            for (name, word) in names {
                if iss == name {
                    return Self::Pool(pool, word);
                }
                if iss.strip_suffix('/') == Some(&name) {
                    return Self::NearlyPool(id, "the slash at its end is one too many");
                }
            }
            if iss.contains("cognito-idp.") {
                return Self::NearlyPool(id, "its region, domain or scheme is not the pool's");
            }
        }
        match host.contains(".tokens.sts.") && !host.contains('/') {
            true => Self::Account,
            false => Self::Other,
        }
    }

    /// In words.
    pub(crate) fn told(&self) -> String {
        match self {
            Self::Pool(pool, word) if pool.is_replica() => format!(
                "the {word} issuer of the replica in {} of user pool {}",
                pool.region(),
                pool.id().as_str()
            ),
            Self::Pool(pool, word) => {
                format!("the {word} issuer of user pool {}", pool.id().as_str())
            }
            Self::NearlyPool(id, why) => {
                format!("not quite an issuer of user pool {}: {why}", id.as_str())
            }
            Self::Account => "an AWS account's issuer, for its roles and users".to_owned(),
            Self::Other => "no issuer of Cognito's or of an AWS account".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issuers_are_known_by_their_names() {
        for (iss, told) in [
            (
                "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_AbCdEf123",
                "the original issuer of user pool us-east-1_AbCdEf123",
            ),
            (
                "https://issuer-cognito-idp.cn-north-1.amazonaws.com.cn/cn-north-1_AbCdEf123",
                "the updated issuer of user pool cn-north-1_AbCdEf123",
            ),
            (
                "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_AbCdEf123/",
                "not quite an issuer of user pool us-east-1_AbCdEf123: the slash at its end is one too many",
            ),
            (
                "https://cognito-idp.us-east-2.amazonaws.com/us-east-1_AbCdEf123",
                "the original issuer of the replica in us-east-2 of user pool us-east-1_AbCdEf123",
            ),
            (
                "https://cognito-idp.us-east-1.amazonaws.com.cn/us-east-1_AbCdEf123",
                "not quite an issuer of user pool us-east-1_AbCdEf123: its region, domain or scheme is not the pool's",
            ),
            (
                "http://127.0.0.1:9229/us-east-1_AbCdEf123",
                "no issuer of Cognito's or of an AWS account",
            ),
            (
                "https://a1d2b0fd-1177-4468-9351-2fexample723.tokens.sts.global.api.aws",
                "an AWS account's issuer, for its roles and users",
            ),
            ("", "no issuer of Cognito's or of an AWS account"),
        ] {
            assert_eq!(Issuer::of(iss).told(), told, "{iss}");
        }
    }
}
