//! The API that a function is told it guards.

use crate::arn::Partition;
use std::collections::BTreeMap;

/// The stage of an HTTP API that has no name in paths.
pub const DEFAULT_STAGE: &str = "$default";

/// What events and ARNs name. Functions take ARNs apart and build resources of the parts, so that
/// none may be missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Api {
    /// The AWS region.
    pub region: String,
    /// The number of the account.
    pub account_id: String,
    /// The id of the API.
    pub api_id: String,
    /// The stage: a name, or [`DEFAULT_STAGE`].
    pub stage: String,
    /// The stage's variables.
    pub stage_variables: BTreeMap<String, String>,
}

impl Api {
    /// The partition to which the region belongs.
    #[must_use]
    pub fn partition(&self) -> Partition {
        Partition::of_region(&self.region)
    }

    /// The host of Lambda's API in the region.
    #[must_use]
    pub fn lambda_host(&self) -> String {
        format!("lambda.{}.{}", self.region, self.partition().suffix)
    }

    /// `arn:{partition}:execute-api:{region}:{account}:{api}/{stage}`.
    pub(super) fn arn(&self) -> String {
        // Of each request: `format!` would take longer than the rest of its ARN.
        [
            "arn:",
            self.partition().name,
            ":execute-api:",
            &self.region,
            ":",
            &self.account_id,
            ":",
            &self.api_id,
            "/",
            &self.stage,
        ]
        .concat()
    }

    /// A path as it is told with the stage in front of it.
    pub(super) fn with_stage(&self, path: &str) -> String {
        match &*self.stage {
            DEFAULT_STAGE => path.to_owned(),
            stage => format!("/{stage}{path}"),
        }
    }
}
