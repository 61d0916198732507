//! User pools: their ids, where they live, and what their tokens name as issuer.

use crate::arn::{Arn, Partition, is_account};
use std::fmt;

/// The id of an Amazon Cognito user pool, such as `us-east-1_AbCdEf123`.
///
/// The part before `_` is the AWS region. Emulators make long ids (`us-east-1_` and 45 more
/// characters): the shape is checked, the length only against [`UserPoolId::MAX_LENGTH`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserPoolId {
    id: String,
    region_length: usize,
}

/// What is wrong with a user pool's id or ARN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvalidPool {
    /// Not `{region}_{name}`.
    Id(String),
    /// Not `arn:{partition}:cognito-idp:{region}:{account}:userpool/{id}`.
    Arn(String),
    /// The ARN's region is not the one its pool id begins with.
    ArnRegion {
        /// The region that the ARN names.
        arn: String,
        /// The region that the pool id begins with.
        id: String,
    },
    /// The ARN's partition is not the one its region belongs to.
    ArnPartition {
        /// The partition that the ARN names.
        arn: String,
        /// The partition to which the region belongs.
        region: &'static str,
    },
}

impl fmt::Display for InvalidPool {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(found) => write!(
                formatter,
                "found {found:?}; expected a user pool id such as us-east-1_AbCdEf123"
            ),
            Self::Arn(found) => write!(
                formatter,
                "found {found:?}; expected arn:aws:cognito-idp:us-east-1:123456789012:userpool/us-east-1_AbCdEf123"
            ),
            Self::ArnRegion { arn, id } => write!(
                formatter,
                "the region is {arn:?}, but the user pool id begins with {id:?}"
            ),
            Self::ArnPartition { arn, region } => write!(
                formatter,
                "the partition is {arn:?}, but the region belongs to {region:?}"
            ),
        }
    }
}

impl UserPoolId {
    /// More than any id seen (AWS documents 55), and enough for emulators.
    pub const MAX_LENGTH: usize = 128;

    /// Accepts `{region}_{name}`: a region of lower-case letters, digits and hyphens, a name of
    /// letters and digits.
    ///
    /// # Errors
    /// [`InvalidPool::Id`].
    pub fn new(id: &str) -> Result<Self, InvalidPool> {
        let invalid = || InvalidPool::Id(id.to_owned());
        let (region, name) = id.split_once('_').ok_or_else(invalid)?;
        let region_holds = region.starts_with(|first: char| first.is_ascii_lowercase())
            && region.ends_with(|last: char| last.is_ascii_alphanumeric())
            && region
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        let name_holds = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !region_holds || !name_holds || id.len() > Self::MAX_LENGTH {
            return Err(invalid());
        }
        Ok(Self {
            id: id.to_owned(),
            region_length: region.len(),
        })
    }

    /// Takes the id out of a user pool's ARN, whose region and partition must agree with it.
    ///
    /// # Errors
    /// Another form, another region, another partition.
    pub fn from_arn(arn: &str) -> Result<Self, InvalidPool> {
        let invalid = || InvalidPool::Arn(arn.to_owned());
        let parts = Arn::new(arn).ok_or_else(invalid)?;
        if parts.service != "cognito-idp" || !is_account(parts.account) {
            return Err(invalid());
        }
        let Arn {
            partition,
            region,
            resource,
            ..
        } = parts;
        let id = Self::new(resource.strip_prefix("userpool/").ok_or_else(invalid)?)?;
        if id.region() != region {
            return Err(InvalidPool::ArnRegion {
                arn: region.to_owned(),
                id: id.region().to_owned(),
            });
        }
        if id.partition().name != partition {
            return Err(InvalidPool::ArnPartition {
                arn: partition.to_owned(),
                region: id.partition().name,
            });
        }
        Ok(id)
    }

    /// The id itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.id
    }

    /// The AWS region in which the pool lives.
    #[must_use]
    pub fn region(&self) -> &str {
        self.id.get(..self.region_length).unwrap_or_default()
    }

    fn partition(&self) -> Partition {
        Partition::of_region(self.region())
    }

    /// The `iss` of tokens in the original form: `https://cognito-idp.{region}.{suffix}/{id}`.
    #[must_use]
    pub fn original_issuer(&self) -> String {
        self.issuer("cognito-idp")
    }

    /// The `iss` of tokens in the updated form:
    /// `https://issuer-cognito-idp.{region}.{suffix}/{id}`.
    #[must_use]
    pub fn updated_issuer(&self) -> String {
        self.issuer("issuer-cognito-idp")
    }

    fn issuer(&self, service: &str) -> String {
        format!("https://{}/{}", self.host(service), self.id)
    }

    /// The host of the user pools API in the pool's region: `cognito-idp.{region}.{suffix}`,
    /// whichever form the issuer has.
    #[must_use]
    pub fn api_host(&self) -> String {
        self.host("cognito-idp")
    }

    fn host(&self, service: &str) -> String {
        let Partition { suffix, .. } = self.partition();
        format!("{service}.{}.{suffix}", self.region())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn issuers(id: &str, original: &str, updated: &str) {
        let id = UserPoolId::new(id).unwrap();
        assert_eq!(id.original_issuer(), original);
        assert_eq!(id.updated_issuer(), updated);
    }

    #[test]
    fn issuers_follow_the_partition() {
        issuers(
            "us-east-1_AbCdEf123",
            "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_AbCdEf123",
            "https://issuer-cognito-idp.us-east-1.amazonaws.com/us-east-1_AbCdEf123",
        );
        issuers(
            "cn-north-1_A1",
            "https://cognito-idp.cn-north-1.amazonaws.com.cn/cn-north-1_A1",
            "https://issuer-cognito-idp.cn-north-1.amazonaws.com.cn/cn-north-1_A1",
        );
        issuers(
            "eusc-de-east-1_A1",
            "https://cognito-idp.eusc-de-east-1.amazonaws.eu/eusc-de-east-1_A1",
            "https://issuer-cognito-idp.eusc-de-east-1.amazonaws.eu/eusc-de-east-1_A1",
        );
        issuers(
            "us-gov-west-1_A1",
            "https://cognito-idp.us-gov-west-1.amazonaws.com/us-gov-west-1_A1",
            "https://issuer-cognito-idp.us-gov-west-1.amazonaws.com/us-gov-west-1_A1",
        );
    }

    #[test]
    fn ids_of_emulators_are_long() {
        let long = format!("us-east-1_{}", "a1".repeat(22));
        assert_eq!(UserPoolId::new(&long).unwrap().as_str(), long);
        assert!(UserPoolId::new(&format!("us-east-1_{}", "a".repeat(200))).is_err());
    }

    #[test]
    fn ids_of_another_shape_are_refused() {
        for id in [
            "",
            "_",
            "us-east-1",
            "us-east-1_",
            "_AbC",
            "US-EAST-1_AbC",
            "us-east-1_A/b",
            "us east_A",
            "us-east-1_A_b",
            "-us_A",
        ] {
            assert_eq!(
                UserPoolId::new(id),
                Err(InvalidPool::Id(id.to_owned())),
                "{id}"
            );
        }
        assert_eq!(
            UserPoolId::new("pool").unwrap_err().to_string(),
            r#"found "pool"; expected a user pool id such as us-east-1_AbCdEf123"#
        );
    }

    #[test]
    fn an_arn_agrees_with_its_pool() {
        let arn = |partition: &str, region: &str, id: &str| {
            UserPoolId::from_arn(&format!(
                "arn:{partition}:cognito-idp:{region}:123456789012:userpool/{id}"
            ))
        };
        assert_eq!(
            arn("aws", "us-east-1", "us-east-1_A").unwrap().as_str(),
            "us-east-1_A"
        );
        assert_eq!(
            arn("aws-cn", "cn-north-1", "cn-north-1_A")
                .unwrap()
                .region(),
            "cn-north-1"
        );
        assert!(arn("aws-us-gov", "us-gov-west-1", "us-gov-west-1_A").is_ok());
        assert!(arn("aws-eusc", "eusc-de-east-1", "eusc-de-east-1_A").is_ok());
        assert_eq!(
            arn("aws", "us-east-1", "us-west-2_A")
                .unwrap_err()
                .to_string(),
            r#"the region is "us-east-1", but the user pool id begins with "us-west-2""#
        );
        assert_eq!(
            arn("aws", "cn-north-1", "cn-north-1_A")
                .unwrap_err()
                .to_string(),
            r#"the partition is "aws", but the region belongs to "aws-cn""#
        );
        for text in [
            "",
            "us-east-1_A",
            "arn:aws:s3:us-east-1:123456789012:userpool/us-east-1_A",
            "arn:aws:cognito-idp:us-east-1:12:userpool/us-east-1_A",
            "arn:aws:cognito-idp:us-east-1:123456789012:pool/us-east-1_A",
        ] {
            assert_eq!(
                UserPoolId::from_arn(text),
                Err(InvalidPool::Arn(text.to_owned())),
                "{text}"
            );
        }
    }
}
