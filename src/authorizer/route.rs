//! The resource or route of an API that stands for a rule.

use super::method_arn::MethodArn;
use crate::percent;
use crate::rules::pattern::{Match, Method, PathPattern, Piece, Template};
use std::collections::BTreeMap;

/// The route of an HTTP API that takes what no other takes.
const DEFAULT_ROUTE: &str = "$default";

/// The resource of a REST API that takes everything.
const PROXY_RESOURCE: &str = "/{proxy+}";

/// What an event says of the rule that the request is under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    resource: String,
    key: String,
    parameters: BTreeMap<String, String>,
}

impl Route {
    /// The route of a request under a rule; under none, under the default.
    #[must_use]
    pub fn of(rule: Option<&Match>, arn: &MethodArn) -> Self {
        let key = |resource: &str| {
            let methods = rule.map_or(&[][..], |rule| &rule.methods);
            // Under a rule for `GET`, a `HEAD` is one.
            let serves = |method: &&Method| method.served().any(|served| served == arn.method());
            let method = methods.iter().find(serves).map_or("ANY", Method::as_str);
            format!("{method} {resource}")
        };
        match rule.map(|rule| &rule.path) {
            Some(PathPattern::Exact(path)) => {
                let resource = path.to_string();
                Self {
                    key: key(&resource),
                    resource,
                    parameters: BTreeMap::new(),
                }
            }
            Some(PathPattern::Template(template)) => {
                let resource = template.to_string();
                Self {
                    key: key(&resource),
                    resource,
                    parameters: parameters(template, arn.path()),
                }
            }
            Some(PathPattern::Any | PathPattern::Prefix(_) | PathPattern::Regex(_)) | None => {
                let proxy = decoded(arn.path().trim_matches('/'));
                let mut parameters = BTreeMap::new();
                if !proxy.is_empty() {
                    parameters.insert("proxy".to_owned(), proxy);
                }
                Self {
                    resource: PROXY_RESOURCE.to_owned(),
                    key: DEFAULT_ROUTE.to_owned(),
                    parameters,
                }
            }
        }
    }

    /// The resource's path, with its variables: `/orders/{id}`.
    #[must_use]
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// The route's key: `GET /orders/{id}`, `ANY /orders/{id}` or `$default`.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Whether this is the route that takes what no other takes.
    pub(super) fn is_default(&self) -> bool {
        self.key == DEFAULT_ROUTE
    }

    /// What the resource's variables stand for, decoded once. A `*` or `?` stays an escape: what a
    /// function builds of a parameter must not become a wildcard of its policy.
    #[must_use]
    pub const fn parameters(&self) -> &BTreeMap<String, String> {
        &self.parameters
    }
}

fn decoded(text: &str) -> String {
    let decoded = percent::decoded_except(text.as_bytes(), b"*?");
    // Always UTF-8: the path has been decoded as a whole when it was read.
    String::from_utf8(decoded.into_owned()).unwrap_or_default()
}

fn parameters(template: &Template, path: &str) -> BTreeMap<String, String> {
    let mut names = template.variables();
    let mut segments = path.split('/').filter(|segment| !segment.is_empty());
    let mut found = BTreeMap::new();
    for piece in template.pieces() {
        let segment = segments.next();
        if let (Piece::Variable, Some(segment)) = (piece, segment)
            && let Some(name) = names.next()
        {
            found.insert(name.to_owned(), decoded(segment));
        }
    }
    // What is left is the name in `{name+}`.
    if let Some(name) = names.next() {
        let rest: Vec<_> = segments.collect();
        found.insert(name.to_owned(), decoded(&rest.join("/")));
    }
    found
}
