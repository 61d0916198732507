//! Identity sources: what of a request says who calls.

use super::method_arn::MethodArn;
use super::query;
use crate::bearer;
use crate::header::HeaderName;
use crate::request::Request;
use crate::request::work::Work;
use crate::rules::Ruling;
use siphasher::sip128::{Hasher128, SipHasher24};
use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;

/// What an answer is remembered by: a digest of an authorizer's name and the values of its identity
/// sources. It means something to the VM alone that made it, and nothing can be read out of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IdentityKey(u128);

/// The secret under which one VM makes keys.
///
/// A key is made for every request, of a text that is as long as a token, and SHA-256 would take
/// longer than all else about an answer that is remembered. SipHash-2-4 takes an eighth of that. Of
/// what SHA-256 has beside, nothing is missed: whoever looks for two identities with one key knows
/// neither the secret nor any key, and 128 bits are not found by trying.
#[derive(Clone)]
pub struct KeySecret(SipHasher24);

impl fmt::Debug for KeySecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("KeySecret")
    }
}

impl KeySecret {
    /// A secret of 128 random bits.
    #[must_use]
    pub fn new([one, other]: [u64; 2]) -> Self {
        Self(SipHasher24::new_with_keys(one, other))
    }
}

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
pub struct Identity<'a>(Vec<Cow<'a, str>>);

/// A value is absent, empty, not UTF-8, there more than once, or longer than [`MAX_IDENTITY_BYTES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MissingIdentity;

impl<'a> Identity<'a> {
    /// Finds the values. The key of the route and the address of the client are asked for only where
    /// they are some.
    ///
    /// # Errors
    /// [`MissingIdentity`].
    pub fn find(
        sources: &[IdentitySource],
        request: &'a Request,
        arn: &'a MethodArn,
        route: impl Fn() -> String,
        client: impl Fn() -> Option<IpAddr>,
    ) -> Result<Self, MissingIdentity> {
        let work = &mut Work::default();
        let mut values = Vec::with_capacity(sources.len());
        for source in sources {
            let value = match source {
                IdentitySource::Header(header) => Cow::from(in_header(request, &header.name)?),
                IdentitySource::Query(name) => Cow::from(in_query(request, name, work)?),
                IdentitySource::Context(variable) => match variable {
                    ContextVariable::Path => Cow::from(arn.path()),
                    ContextVariable::Method => Cow::from(arn.method()),
                    ContextVariable::Route => Cow::from(route()),
                    ContextVariable::SourceIp => {
                        Cow::from(client().ok_or(MissingIdentity)?.to_string())
                    }
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
    pub fn values(&self) -> &[Cow<'a, str>] {
        &self.0
    }

    /// What an answer is remembered by. Each part has its length before it: `a,b` and `c` are not
    /// `a` and `b,c`.
    ///
    /// `route` is the rule, where routes are told apart: several rules have the key `$default`.
    #[must_use]
    pub fn key(&self, authorizer: &str, route: Option<Ruling>, secret: &KeySecret) -> IdentityKey {
        let mut digest = secret.0;
        route.hash(&mut digest);
        for part in [authorizer]
            .into_iter()
            .chain(self.0.iter().map(|value| &**value))
        {
            let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
            digest.write_u64(length);
            digest.write(part.as_bytes());
        }
        IdentityKey(digest.finish128().as_u128())
    }
}

fn in_header<'a>(request: &'a Request, name: &HeaderName) -> Result<&'a str, MissingIdentity> {
    let mut values = request.all(name.as_str());
    let value = values.next().ok_or(MissingIdentity)?;
    // Lines of this one header arrive as one, with commas.
    let joined = *name == HeaderName::authorization() && bearer::are_several(value);
    if joined || values.next().is_some() {
        return Err(MissingIdentity);
    }
    std::str::from_utf8(value).map_err(|_| MissingIdentity)
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
