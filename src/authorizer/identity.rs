//! Identity sources: what of a request says who calls.

use super::method_arn::MethodArn;
use super::query;
use super::route::Route;
use crate::bearer;
use crate::header::HeaderName;
use crate::request::Request;
use crate::request::work::Work;
use sha2::{Digest, Sha256};
use std::net::IpAddr;

/// The digest of an authorizer's name and the values of its identity sources.
pub type IdentityKey = [u8; 32];

/// The longest value, in bytes: that of a token by default. An expression may have to be held against
/// it before anybody has said who sends it. API Gateway itself takes 10,240 bytes of headers in all.
pub const MAX_IDENTITY_BYTES: usize = 16_384;

/// Where a value stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentitySource {
    /// A header, in the spelling of the configuration.
    Header(IdentityHeader),
    /// A parameter of the query.
    Query(String),
    /// What is known of the request itself.
    Context(ContextVariable),
}

/// A header's name, and how the configuration spells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityHeader {
    /// The name.
    pub name: HeaderName,
    /// The spelling, which functions that tell letters apart look for.
    pub spelled: String,
}

/// What is known of a request beside its headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContextVariable {
    /// The path, without stage and query.
    Path,
    /// The method.
    Method,
    /// The route's key.
    Route,
    /// The address of the client.
    SourceIp,
}

/// The values of all identity sources, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity(Vec<String>);

/// A value is absent, empty, not UTF-8, there more than once, or longer than [`MAX_IDENTITY_BYTES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MissingIdentity;

impl Identity {
    /// Finds the values.
    ///
    /// # Errors
    /// [`MissingIdentity`].
    pub fn find(
        sources: &[IdentitySource],
        request: &Request,
        arn: &MethodArn,
        route: &Route,
        client: Option<IpAddr>,
    ) -> Result<Self, MissingIdentity> {
        let work = &mut Work::default();
        let mut values = Vec::with_capacity(sources.len());
        for source in sources {
            let value = match source {
                IdentitySource::Header(header) => in_header(request, &header.name)?,
                IdentitySource::Query(name) => in_query(request, name, work)?,
                IdentitySource::Context(variable) => match variable {
                    ContextVariable::Path => arn.path().to_owned(),
                    ContextVariable::Method => arn.method().to_owned(),
                    ContextVariable::Route => route.key().to_owned(),
                    ContextVariable::SourceIp => client.ok_or(MissingIdentity)?.to_string(),
                },
            };
            if value.trim().is_empty() || value.len() > MAX_IDENTITY_BYTES {
                return Err(MissingIdentity);
            }
            values.push(value);
        }
        Ok(Self(values))
    }

    /// The values, in the order of the sources.
    #[must_use]
    pub fn values(&self) -> &[String] {
        &self.0
    }

    /// What an answer is remembered by. Each part has its length before it: `a,b` and `c` are not
    /// `a` and `b,c`.
    #[must_use]
    pub fn key(&self, authorizer: &str) -> IdentityKey {
        let mut digest = Sha256::new();
        for part in [authorizer]
            .into_iter()
            .chain(self.0.iter().map(|value| &**value))
        {
            let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
            digest.update(length.to_be_bytes());
            digest.update(part);
        }
        digest.finalize().into()
    }
}

fn in_header(request: &Request, name: &HeaderName) -> Result<String, MissingIdentity> {
    let mut values = request.all(name.as_str());
    let value = values.next().ok_or(MissingIdentity)?;
    // Lines of this one header arrive as one, with commas.
    let joined = *name == HeaderName::authorization() && bearer::are_several(value);
    if joined || values.next().is_some() {
        return Err(MissingIdentity);
    }
    let value = std::str::from_utf8(value).map_err(|_| MissingIdentity)?;
    Ok(value.to_owned())
}

/// The value of the one parameter that any reader takes for this one.
fn in_query(request: &Request, name: &str, work: &mut Work) -> Result<String, MissingIdentity> {
    let query = request.query().ok_or(MissingIdentity)?;
    let costly = |_| MissingIdentity;
    let mut parameters = query.parameters(work).map_err(costly)?;
    let found = parameters.next(&[name], work).map_err(costly)?;
    let has_name = found.and_then(|found| found.value(name.as_bytes()));
    has_name.ok_or(MissingIdentity)?;
    if parameters.next(&[name], work).map_err(costly)?.is_some() {
        return Err(MissingIdentity);
    }
    if let Some(escaped) = request.escaped_query(work).map_err(costly)?
        && escaped.query().names(name, work).map_err(costly)?
    {
        return Err(MissingIdentity);
    }
    let path = request.first(":path").unwrap_or_default();
    let mut values = query::parameters(path).into_iter();
    let own = values.find(|(known, _)| known == name);
    Ok(own.ok_or(MissingIdentity)?.1)
}
