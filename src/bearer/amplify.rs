//! The cookies in which Amplify's browser library keeps a user's tokens.
//!
//! Beside `CognitoIdentityServiceProvider.<client>.<user>.accessToken` and its like there is
//! `CognitoIdentityServiceProvider.<client>.LastAuthUser`, which names the user. Whoever signs in
//! after another leaves the other's cookies behind in some versions: then the one that this filter
//! reads need not be the one that the upstream reads, and neither is.

use super::Sighting;
use crate::claims::TokenUse;
use crate::request::Request;
use crate::request::cookies::{Cookie, Cookies, folded};
use crate::request::query::percent_decoded;
use crate::request::work::{SIGHTING, Work};
use crate::work::TooCostly;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

/// What the names of all cookies of Amplify begin with.
const BEGINNING: &str = "CognitoIdentityServiceProvider.";
const LAST_AUTH_USER: &str = "LastAuthUser";

/// The most parts of a token: browsers keep 4 KiB in a cookie, and no token is longer than 64 KiB.
pub const MAX_PARTS: usize = 16;

/// Whose cookies are read, and which token in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Amplify {
    token_use: TokenUse,
    clients: HashSet<String>,
    /// As names are compared by their loosest readers.
    folded: HashSet<Vec<u8>>,
}

/// A cookie of a configured client, to all readers.
enum Member<'a> {
    /// Names the user.
    LastUser(&'a [u8]),
    /// A token of this user's, whole.
    Whole(Vec<u8>, &'a [u8]),
    /// A part of one.
    Part(Vec<u8>, usize, &'a [u8]),
}

/// What the cookies of a request say of one user of one client.
#[derive(Default)]
struct Session<'a> {
    whole: Vec<&'a [u8]>,
    parts: BTreeMap<usize, Vec<&'a [u8]>>,
}

impl Amplify {
    /// The cookies of these app clients.
    #[must_use]
    pub fn new(token_use: TokenUse, clients: impl IntoIterator<Item = String>) -> Self {
        let clients: HashSet<String> = clients.into_iter().collect();
        Self {
            token_use,
            folded: clients.iter().map(|client| folded(client)).collect(),
            clients,
        }
    }

    /// Which token is read.
    #[must_use]
    pub const fn token_use(&self) -> TokenUse {
        self.token_use
    }

    /// A client and a user's cookies, as Amplify writes them: for the desk tool.
    #[must_use]
    pub fn written(&self, token: &str) -> Option<String> {
        let client = self.clients.iter().min()?;
        let (kind, user) = (self.kind(), "user");
        Some(format!(
            "{BEGINNING}{client}.{LAST_AUTH_USER}={user}; {BEGINNING}{client}.{user}.{kind}={token}"
        ))
    }

    const fn kind(&self) -> &'static str {
        match self.token_use {
            TokenUse::Access => "accessToken",
            TokenUse::Id => "idToken",
        }
    }

    /// The token in these lines.
    pub(super) fn sighting<'a>(
        &self,
        request: &'a Request,
        work: &mut Work,
    ) -> Result<Option<Sighting<'a>>, TooCostly> {
        let mut users: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
        let mut sessions: BTreeMap<(String, Vec<u8>), Session<'a>> = BTreeMap::new();
        let mut aliases = false;
        for line in request.all("cookie") {
            let mut cookies = Cookies::families_of(line, work)?;
            while let Some(cookie) = cookies.next(&[BEGINNING], work)? {
                work.spend(SIGHTING)?;
                if !cookie.has_value() {
                    continue;
                }
                let Some((client, member)) = self.member(cookie) else {
                    aliases |= self.is_alias(cookie);
                    continue;
                };
                match member {
                    Member::LastUser(value) => {
                        let user = percent_decoded(value).into_owned();
                        users.entry(client).or_default().push(user);
                    }
                    Member::Whole(user, value) => {
                        let session = sessions.entry((client, user)).or_default();
                        session.whole.push(value);
                    }
                    Member::Part(user, part, value) => {
                        let session = sessions.entry((client, user)).or_default();
                        session.parts.entry(part).or_default().push(value);
                    }
                }
            }
        }
        let mut found = sessions.into_iter();
        let Some(((client, user), session)) = found.next() else {
            return Ok(aliases.then_some(Sighting::Alias));
        };
        // Of another user or client, or to some reader alone.
        if found.next().is_some() || aliases {
            return Ok(Some(Sighting::Several));
        }
        Ok(Some(match users.get(&client).map(Vec::as_slice) {
            Some([last]) if *last == user => session.token(),
            // Twice the same name is one name.
            Some([last, others @ ..]) if others.iter().all(|other| other == last) => {
                match *last == user {
                    true => session.token(),
                    false => Sighting::Alias,
                }
            }
            Some(_) => Sighting::Several,
            None => Sighting::Alias,
        }))
    }

    /// The pieces of a line that are left without tokens; `None` if there are none.
    pub(super) fn without<'a>(
        &self,
        line: &'a [u8],
        work: &mut Work,
    ) -> Result<Option<Vec<&'a [u8]>>, TooCostly> {
        let cookies = Cookies::families_of(line, work)?;
        cookies.taken_out_of(line, &[BEGINNING], work, |cookie| self.is_alias(cookie))
    }

    /// What a cookie is whose name all readers agree on.
    fn member<'a>(&self, cookie: Cookie<'a>) -> Option<(String, Member<'a>)> {
        let name = percent_decoded(cookie.name()?);
        let rest = name.strip_prefix(BEGINNING.as_bytes())?;
        let dots = rest.iter().enumerate().filter(|(_, byte)| **byte == b'.');
        let (client, rest) = dots.into_iter().find_map(|(at, _)| {
            let (client, rest) = rest.split_at_checked(at)?;
            let client = std::str::from_utf8(client).ok()?;
            let client = self.clients.get(client)?;
            Some((client.clone(), rest.strip_prefix(b".")?))
        })?;
        let value = cookie.own_value();
        if rest == LAST_AUTH_USER.as_bytes() {
            return Some((client, Member::LastUser(value)));
        }
        let whole = |rest: &[u8]| {
            let user = rest.strip_suffix(self.kind().as_bytes())?;
            let user = user.strip_suffix(b".")?;
            (!user.is_empty()).then(|| user.to_vec())
        };
        if let Some(user) = whole(rest) {
            return Some((client, Member::Whole(user, value)));
        }
        let dot = rest.iter().rposition(|byte| *byte == b'.')?;
        let (rest, number) = rest.split_at_checked(dot)?;
        let number = std::str::from_utf8(number.strip_prefix(b".")?).ok()?;
        let part: usize = number.parse().ok()?;
        // `01` and `+1` are other names.
        let plain = part < MAX_PARTS && part.to_string() == number;
        let user = whole(rest).filter(|_| plain)?;
        Some((client, Member::Part(user, part, value)))
    }

    /// Whether some reader takes a cookie for a token of a configured client.
    fn is_alias(&self, cookie: Cookie<'_>) -> bool {
        let name = cookie.folded_name();
        let beginning = folded(BEGINNING);
        let at = name
            .windows(beginning.len())
            .position(|part| part == beginning);
        let rest = at.and_then(|at| name.get(at.saturating_add(beginning.len())..));
        let rest = rest.unwrap_or_default();
        let marks = rest.iter().enumerate().filter(|(_, byte)| **byte == b'_');
        let mut users = marks.filter_map(|(at, _)| {
            let (client, rest) = rest.split_at_checked(at)?;
            self.folded.contains(client).then_some(rest)
        });
        let kind = folded(&format!(".{}", self.kind()));
        // Behind the kind there are the number of a part, an index, or what some reader cuts off.
        users.any(|rest| {
            let mut places = rest.windows(kind.len()).enumerate();
            places.any(|(at, part)| {
                let after = rest
                    .get(at.saturating_add(kind.len())..)
                    .unwrap_or_default();
                let mut after = after.iter().take_while(|byte| **byte != 0);
                part == kind && !after.any(u8::is_ascii_alphabetic)
            })
        })
    }
}

impl<'a> Session<'a> {
    /// The token, put together.
    fn token(self) -> Sighting<'a> {
        let twice = self.parts.values().any(|values| values.len() > 1);
        match (self.whole.as_slice(), self.parts.is_empty()) {
            ([one], true) => Sighting::Token(Cow::Borrowed(one)),
            ([], false) if !twice => {
                let whole = self.parts.keys().copied().eq(0..self.parts.len());
                let joined: Vec<u8> = self
                    .parts
                    .into_values()
                    .flatten()
                    .flatten()
                    .copied()
                    .collect();
                match whole {
                    true => Sighting::Token(Cow::Owned(joined)),
                    // A part is missing.
                    false => Sighting::Garbled,
                }
            }
            _ => Sighting::Several,
        }
    }
}
