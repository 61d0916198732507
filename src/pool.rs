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
    /// The ARN's partition is not the one to which its region, or its pool id's, belongs.
    ArnPartition {
        /// The partition that the ARN names.
        arn: String,
        /// A region that belongs to another.
        region: String,
        /// The partition to which it belongs.
        expected: &'static str,
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
            Self::ArnPartition {
                arn,
                region,
                expected,
            } => write!(
                formatter,
                "the partition is {arn:?}, but the region {region:?} belongs to {expected:?}"
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
        let name_holds = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !is_region(region) || !name_holds || id.len() > Self::MAX_LENGTH {
            return Err(invalid());
        }
        Ok(Self {
            id: id.to_owned(),
            region_length: region.len(),
        })
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
}

/// A user pool where it is asked: in its own region, or in that of a replica, which has the pool's id
/// and an ARN of its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UserPool {
    id: UserPoolId,
    region: String,
}

impl From<UserPoolId> for UserPool {
    /// The pool itself.
    fn from(id: UserPoolId) -> Self {
        let region = id.region().to_owned();
        Self { id, region }
    }
}

impl UserPool {
    /// The pool itself, by its id.
    ///
    /// # Errors
    /// [`InvalidPool::Id`].
    pub fn new(id: &str) -> Result<Self, InvalidPool> {
        UserPoolId::new(id).map(Self::from)
    }

    /// The pool, or a replica of it, in this region.
    #[must_use]
    pub fn in_region(id: UserPoolId, region: &str) -> Self {
        let region = region.to_owned();
        Self { id, region }
    }

    /// The pool, or the replica, that an ARN names. Its partition must be that of its region and of the
    /// pool's own: no pool is replicated out of its partition.
    ///
    /// # Errors
    /// Another form, another partition.
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
        let id = UserPoolId::new(resource.strip_prefix("userpool/").ok_or_else(invalid)?)?;
        if !is_region(region) {
            return Err(invalid());
        }
        for region in [id.region(), region] {
            let expected = Partition::of_region(region).name;
            if expected != partition {
                return Err(InvalidPool::ArnPartition {
                    arn: partition.to_owned(),
                    region: region.to_owned(),
                    expected,
                });
            }
        }
        Ok(Self::in_region(id, region))
    }

    /// The pool's id, which its replicas share.
    #[must_use]
    pub const fn id(&self) -> &UserPoolId {
        &self.id
    }

    /// The AWS region in which it is asked.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Whether it is a replica of the pool.
    #[must_use]
    pub fn is_replica(&self) -> bool {
        self.region != self.id.region()
    }

    /// The `iss` of tokens in the original form: `https://cognito-idp.{region}.{suffix}/{id}`, with the
    /// replica's own region.
    #[must_use]
    pub fn original_issuer(&self) -> String {
        format!("https://{}/{}", self.api_host(), self.id.as_str())
    }

    /// The `iss` of tokens in the updated form: `https://issuer-cognito-idp.{region}.{suffix}/{id}`, with
    /// the pool's region, wherever the token was made.
    #[must_use]
    pub fn updated_issuer(&self) -> String {
        let host = host("issuer-cognito-idp", self.id.region());
        format!("https://{host}/{}", self.id.as_str())
    }

    /// The host of the user pools API in its region: `cognito-idp.{region}.{suffix}`, whichever form the
    /// issuer has.
    #[must_use]
    pub fn api_host(&self) -> String {
        host("cognito-idp", &self.region)
    }
}

fn host(service: &str, region: &str) -> String {
    let Partition { suffix, .. } = Partition::of_region(region);
    format!("{service}.{region}.{suffix}")
}

fn is_region(region: &str) -> bool {
    region.starts_with(|first: char| first.is_ascii_lowercase())
        && region.ends_with(|last: char| last.is_ascii_alphanumeric())
        && region
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn issuers(id: &str, original: &str, updated: &str) {
        let pool = UserPool::new(id).unwrap();
        assert_eq!(pool.original_issuer(), original);
        assert_eq!(pool.updated_issuer(), updated);
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
            UserPool::from_arn(&format!(
                "arn:{partition}:cognito-idp:{region}:123456789012:userpool/{id}"
            ))
        };
        assert_eq!(
            arn("aws", "us-east-1", "us-east-1_A")
                .unwrap()
                .id()
                .as_str(),
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
        for (partition, region, id, other, expected) in [
            ("aws", "cn-north-1", "cn-north-1_A", "cn-north-1", "aws-cn"),
            ("aws", "cn-north-1", "us-east-1_A", "cn-north-1", "aws-cn"),
            ("aws-cn", "cn-north-1", "us-east-1_A", "us-east-1", "aws"),
            (
                "aws",
                "us-east-1",
                "us-gov-west-1_A",
                "us-gov-west-1",
                "aws-us-gov",
            ),
        ] {
            assert_eq!(
                arn(partition, region, id).unwrap_err().to_string(),
                format!(
                    "the partition is {partition:?}, but the region {other:?} belongs to {expected:?}"
                )
            );
        }
        assert!(arn("aws", "US-EAST-1", "us-east-1_A").is_err());
        for text in [
            "",
            "us-east-1_A",
            "arn:aws:s3:us-east-1:123456789012:userpool/us-east-1_A",
            "arn:aws:cognito-idp:us-east-1:12:userpool/us-east-1_A",
            "arn:aws:cognito-idp:us-east-1:123456789012:pool/us-east-1_A",
        ] {
            assert_eq!(
                UserPool::from_arn(text),
                Err(InvalidPool::Arn(text.to_owned())),
                "{text}"
            );
        }
    }

    #[test]
    fn a_replica_has_its_pools_id_and_a_region_of_its_own() {
        let arn = "arn:aws:cognito-idp:us-west-2:123456789012:userpool/us-east-1_A";
        let replica = UserPool::from_arn(arn).unwrap();
        assert!(replica.is_replica());
        assert_eq!(replica.id().as_str(), "us-east-1_A");
        assert_eq!(replica.region(), "us-west-2");
        assert_eq!(
            replica.original_issuer(),
            "https://cognito-idp.us-west-2.amazonaws.com/us-east-1_A"
        );
        assert_eq!(
            replica.updated_issuer(),
            "https://issuer-cognito-idp.us-east-1.amazonaws.com/us-east-1_A"
        );
        assert_eq!(replica.api_host(), "cognito-idp.us-west-2.amazonaws.com");
        let itself = UserPool::from_arn(&arn.replace("us-west-2", "us-east-1")).unwrap();
        assert!(!itself.is_replica());
        assert_eq!(itself, UserPool::new("us-east-1_A").unwrap());
    }
}
