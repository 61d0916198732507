//! Amazon Resource Names, taken apart: `arn:partition:service:region:account:resource`.

/// The parts of an ARN; what each may be is for whoever expects a certain kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arn<'a> {
    /// `aws`, `aws-cn`, …
    pub partition: &'a str,
    /// `iam`, `cognito-idp`, …
    pub service: &'a str,
    /// Empty where a service has no regions.
    pub region: &'a str,
    /// The number of the account.
    pub account: &'a str,
    /// All that follows, colons too.
    pub resource: &'a str,
}

impl<'a> Arn<'a> {
    /// Takes a text apart; `None` if it has not all parts.
    #[must_use]
    pub fn new(text: &'a str) -> Option<Self> {
        let mut parts = text.strip_prefix("arn:")?.splitn(5, ':');
        Some(Self {
            partition: parts.next()?,
            service: parts.next()?,
            region: parts.next()?,
            account: parts.next()?,
            resource: parts.next()?,
        })
    }
}

/// Whether a text is the number of an AWS account: twelve digits, with leading zeros.
#[must_use]
pub fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// An AWS partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its name in ARNs.
    pub name: &'static str,
    /// The domain of its endpoints.
    pub suffix: &'static str,
}

impl Partition {
    /// The partition to which a region belongs.
    #[must_use]
    pub fn of_region(region: &str) -> Self {
        let (name, suffix) = if region.starts_with("cn-") {
            ("aws-cn", "amazonaws.com.cn")
        } else if region.starts_with("eusc-") {
            ("aws-eusc", "amazonaws.eu")
        } else if region.starts_with("us-gov-") {
            ("aws-us-gov", "amazonaws.com")
        } else {
            ("aws", "amazonaws.com")
        };
        Self { name, suffix }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_is_in_one_partition() {
        for (region, name, suffix) in [
            ("us-east-1", "aws", "amazonaws.com"),
            ("us-gov-west-1", "aws-us-gov", "amazonaws.com"),
            ("cn-north-1", "aws-cn", "amazonaws.com.cn"),
            ("eusc-de-east-1", "aws-eusc", "amazonaws.eu"),
            ("eu-central-1", "aws", "amazonaws.com"),
        ] {
            assert_eq!(Partition::of_region(region), Partition { name, suffix });
        }
    }
}
