//! A statement's `Condition`, as far as it is understood: addresses of clients.

use super::source::IpRange;
use serde_json::Value;
use std::net::IpAddr;

/// The condition key that is understood; IAM compares keys without letter case.
const SOURCE_IP: &str = "aws:SourceIp";

/// What is to be true beside a statement's actions and resources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// All of these; nothing, where there are none.
    All(Vec<Test>),
    /// Something that is not understood.
    Unknown,
}

/// One operator on the client's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Test {
    operator: Operator,
    ranges: Vec<IpRange>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    IpAddress,
    NotIpAddress,
}

/// Whether a condition is true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    Yes,
    No,
    /// Not to be told: it counts as what closes.
    Unknown,
}

impl Condition {
    /// Reads the value of the member; `None` if it has another shape than IAM's grammar gives it.
    pub(super) fn read(value: &Value) -> Option<Self> {
        let mut tests = Some(Vec::new());
        for (operator, keys) in value.as_object()? {
            let keys = keys.as_object()?;
            // By IAM's grammar it tests something.
            if keys.is_empty() {
                tests = None;
            }
            for (key, values) in keys {
                let values = texts(values)?;
                let test = test(operator, key, &values);
                tests = tests.zip(test).map(|(mut tests, test)| {
                    tests.push(test);
                    tests
                });
            }
        }
        Some(tests.map_or(Self::Unknown, Self::All))
    }

    /// Whether it depends on the client's address.
    pub(super) fn asks_for_source(&self) -> bool {
        matches!(self, Self::All(tests) if !tests.is_empty())
    }

    pub(super) fn holds(&self, source: Option<IpAddr>) -> Holds {
        match (self, source) {
            (Self::All(tests), _) if tests.is_empty() => Holds::Yes,
            (Self::All(tests), Some(source)) => match tests.iter().all(|test| test.holds(source)) {
                true => Holds::Yes,
                false => Holds::No,
            },
            (Self::All(_), None) | (Self::Unknown, _) => Holds::Unknown,
        }
    }

    /// How many bytes it has allocated.
    pub(super) fn bytes(&self) -> usize {
        let Self::All(tests) = self else { return 0 };
        let ranges = tests.iter().map(|test| test.ranges.len());
        ranges
            .fold(0, usize::saturating_add)
            .saturating_mul(size_of::<IpRange>())
            .saturating_add(tests.len().saturating_mul(size_of::<Test>()))
    }
}

impl Test {
    fn holds(&self, source: IpAddr) -> bool {
        let is_one = self.ranges.iter().any(|range| range.contains(source));
        match self.operator {
            Operator::IpAddress => is_one,
            Operator::NotIpAddress => !is_one,
        }
    }
}

/// `None` for what is not understood.
fn test(operator: &str, key: &str, values: &[String]) -> Option<Test> {
    let operator = match operator {
        "IpAddress" => Operator::IpAddress,
        "NotIpAddress" => Operator::NotIpAddress,
        _ => return None,
    };
    if !key.eq_ignore_ascii_case(SOURCE_IP) || values.is_empty() {
        return None;
    }
    let ranges = values.iter().map(|value| IpRange::new(value));
    Some(Test {
        operator,
        ranges: ranges.collect::<Option<_>>()?,
    })
}

/// A scalar, or a list of scalars, as texts.
fn texts(value: &Value) -> Option<Vec<String>> {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    };
    match value {
        Value::Array(values) => values.iter().map(text).collect(),
        scalar => Some(vec![text(scalar)?]),
    }
}
