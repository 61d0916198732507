//! The ARN of the method that is called, in the path as the upstream sees it.
//!
//! A function's policy is made of ARNs, and often of the one that it was shown. So nothing in an
//! ARN's path may act as a wildcard once it comes back in a policy that is remembered: `*` and `?`
//! of a request are written as escapes.

use super::api::Api;
use crate::rules::index::UnsafePath;
use crate::rules::path::{RequestPath, fold};
use crate::rules::work::Work;
use crate::work::TooCostly;
use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::fmt;

/// The longest ARN of a method, in bytes: API Gateway answers 414 to a longer one.
pub const MAX_ARN_BYTES: usize = 1600;

/// The methods of RFC 9110, section 9, and PATCH (RFC 5789). Another may hold a `*` (it is a token's
/// character), and would be a wildcard.
const METHODS: [&str; 9] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
];

/// A request's method and path as an ARN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MethodArn {
    text: String,
    /// How much of it goes up to and with the stage.
    api: usize,
    method: &'static str,
}

/// Why a request has no ARN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoArn {
    /// The method is none of those that an ARN can name.
    Method,
    /// The path can be read in two ways.
    Path(UnsafePath),
    /// It would be longer than [`MAX_ARN_BYTES`].
    TooLong,
}

impl fmt::Display for NoArn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Method => write!(
                formatter,
                "the method is unknown; expected one of {}",
                METHODS.join(", ")
            ),
            Self::Path(cause) => cause.fmt(formatter),
            Self::TooLong => write!(
                formatter,
                "the path is too long; expected an ARN of at most {MAX_ARN_BYTES} bytes"
            ),
        }
    }
}

impl MethodArn {
    /// The ARN of a request, by its method and its path, of which the query is cut off.
    ///
    /// # Errors
    /// [`NoArn`].
    pub fn new(api: &Api, method: &[u8], path: &[u8]) -> Result<Self, NoArn> {
        let mut known = METHODS.into_iter();
        let method = known
            .find(|known| known.as_bytes() == method)
            .ok_or(NoArn::Method)?;
        let path = RequestPath::parse(path).map_err(NoArn::Path)?;
        // No literal reading has a raw `?`: it would begin the query.
        let path = match path.literal() {
            literal if literal.contains('*') => Cow::from(literal.replace('*', "%2A")),
            literal => Cow::from(literal),
        };
        let arn = api.arn();
        let api = arn.len();
        let text = [&arn, "/", method, &path].concat();
        if text.len() > MAX_ARN_BYTES {
            return Err(NoArn::TooLong);
        }
        Ok(Self { text, api, method })
    }

    /// The ARN.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The method.
    #[must_use]
    pub const fn method(&self) -> &'static str {
        self.method
    }

    /// The literal reading of the path, without stage, query and wildcards.
    #[must_use]
    pub fn path(&self) -> &str {
        let (_, path) = self.parts();
        path
    }

    /// Up to and with the stage; and the path.
    fn parts(&self) -> (&str, &str) {
        let (api, rest) = self.text.split_at_checked(self.api).unwrap_or_default();
        let path = rest.get(self.method.len().saturating_add(1)..);
        (api, path.unwrap_or_default())
    }

    /// The ARN in every reading of the path's structure, and with `GET` for `HEAD`, as servers
    /// spell it when they come to compare it.
    ///
    /// # Errors
    /// They are longer together than a request may cost.
    fn readings(&self, work: &mut Work) -> Result<Readings, UnsafePath> {
        let mut readings = Readings::default();
        let (api, path) = self.parts();
        let structures = RequestPath::parse(path.as_bytes())?.structures(work)?;
        let head_is_get = (self.method == "HEAD").then_some("GET");
        for method in [self.method].into_iter().chain(head_is_get) {
            let beginning = [api, "/", method].concat();
            let mut arn = |path: &String| {
                let arn = [&beginning, &**path].concat();
                work.spend(arn.len() / TEXT_BYTES_PER_UNIT).map(|()| arn)
            };
            for structure in &structures {
                for (at, path) in structure.exact.iter().enumerate() {
                    let arn = arn(path)?;
                    readings.folded.insert(fold(&arn).into_owned());
                    if at == 0 {
                        readings.own.push(arn);
                    } else if !arn.is_ascii() {
                        readings.outside_ascii.insert(arn);
                    }
                }
                for path in &structure.caseless {
                    readings.folded.insert(fold(&arn(path)?).into_owned());
                }
            }
        }
        Ok(readings)
    }
}

/// The readings of an ARN, made when a statement asks for them first.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    pub(super) arn: &'a MethodArn,
    readings: OnceCell<Readings>,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(arn: &'a MethodArn) -> Self {
        let readings = OnceCell::new();
        Self { arn, readings }
    }

    /// # Errors
    /// They are longer together than a request may cost.
    pub(super) fn readings(&self, work: &mut Work) -> Result<&Readings, TooCostly> {
        if let Some(readings) = self.readings.get() {
            return Ok(readings);
        }
        let readings = self.arn.readings(work).map_err(|_| TooCostly)?;
        Ok(self.readings.get_or_init(|| readings))
    }
}

/// Texts are copied and searched some times faster than they are compared step by step.
const TEXT_BYTES_PER_UNIT: usize = 4;

/// An ARN in all of its readings, each text once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Readings {
    /// Each reading in the spelling that an ARN has; the request as it stands comes first.
    pub(super) own: Vec<String>,
    /// In every spelling, folded.
    pub(super) folded: BTreeSet<String>,
    /// In the spellings in which folding may change the number of characters, letters kept.
    pub(super) outside_ascii: BTreeSet<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_spelling_of_a_reading_costs_a_quarter_of_its_bytes() {
        let spent = |api: usize| {
            let arn = MethodArn {
                text: format!("{}/GET/a", "a".repeat(api)),
                api,
                method: "GET",
            };
            let mut work = Work::default();
            let readings = arn.readings(&mut work).unwrap();
            assert_eq!(readings.own.len(), 1);
            work.spent()
        };
        // As it stands, and without regard to letter case.
        assert_eq!(spent(140) - spent(100), 2 * 40 / 4);
    }
}
