//! The cookies in which Amplify's browser library keeps a user's tokens.
//!
//! Beside `CognitoIdentityServiceProvider.<client>.<user>.accessToken` and its like there is
//! `CognitoIdentityServiceProvider.<client>.LastAuthUser`, which names the user. Whoever signs in
//! after another leaves the other's cookies behind in some versions: then the one that this filter
//! reads need not be the one that the upstream reads, and neither is.

use super::Sighting;
use crate::claims::TokenUse;
use crate::percent;
use crate::request::Request;
use crate::request::cookies::{Cookie, Cookies, folded};
use crate::request::work::Work;
use crate::work::TooCostly;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::iter::successors;

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
    /// What follows [`BEGINNING`], up to the user, as the loosest readers compare names: sorted, and
    /// none begins with another, so that one of them at most fits.
    families: Vec<Vec<u8>>,
}

/// A cookie of a configured client, to all readers.
enum Member<'a> {
    /// Names the user.
    LastUser(&'a [u8]),
    /// A token of this user's, or a part of one.
    Token(Vec<u8>, Piece, &'a [u8]),
}

/// How much of a token stands in a cookie.
enum Piece {
    Whole,
    Part(usize),
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
        let families = clients.iter().map(|client| client.bytes().chain(*b"."));
        let mut families: Vec<Vec<u8>> = families
            .map(|family| family.map(folded).collect())
            .collect();
        families.sort();
        families.dedup_by(|later, earlier| later.starts_with(earlier));
        Self {
            token_use,
            clients,
            families,
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
            "{BEGINNING}{client}.{LAST_AUTH_USER}={user}; {BEGINNING}{client}.{user}{kind}={token}"
        ))
    }

    /// What stands behind the user.
    const fn kind(&self) -> &'static str {
        match self.token_use {
            TokenUse::Access => ".accessToken",
            TokenUse::Id => ".idToken",
        }
    }

    /// The token in these lines.
    pub(super) fn sighting<'a>(
        &self,
        request: &'a Request,
        work: &mut Work,
    ) -> Result<Option<Sighting<'a>>, TooCostly> {
        let mut last_users = Vec::new();
        let mut session: Option<((&str, Vec<u8>), Session<'a>)> = None;
        let mut has_alias = false;
        for line in request.all("cookie") {
            let mut cookies = Cookies::families_of(line, work)?;
            while let Some(cookie) = cookies.next(&[BEGINNING], work)? {
                if !cookie.has_value() {
                    continue;
                }
                match self.member(cookie) {
                    None => has_alias |= self.is_alias(cookie),
                    Some((client, Member::LastUser(value))) => {
                        last_users.push((client, percent::decoded(value)));
                    }
                    Some((client, Member::Token(user, piece, value))) => {
                        let owner = (client, user);
                        let (known, session) =
                            session.get_or_insert_with(|| (owner.clone(), Session::default()));
                        if *known != owner {
                            return Ok(Some(Sighting::Several));
                        }
                        session.add(piece, value);
                    }
                }
            }
        }
        let Some(((client, user), session)) = session else {
            return Ok(has_alias.then_some(Sighting::Alias));
        };
        if has_alias {
            return Ok(Some(Sighting::Several));
        }
        let named = last_users.iter().filter(|(of, _)| *of == client);
        let mut named = named.map(|(_, user)| &**user);
        Ok(Some(match named.next() {
            // Twice the same name is one name.
            Some(last) if named.any(|other| other != last) => Sighting::Several,
            Some(last) if last == user => session.token(),
            Some(_) | None => Sighting::Alias,
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

    /// What a cookie is whose name all readers agree on, and whose client's.
    fn member<'a>(&self, cookie: Cookie<'a>) -> Option<(&str, Member<'a>)> {
        let name = percent::decoded(cookie.name()?);
        let rest = name.strip_prefix(BEGINNING.as_bytes())?;
        let (client, rest) = around(rest, rest.iter().position(is_full_stop)?)?;
        let client = self.clients.get(std::str::from_utf8(client).ok()?)?;
        let value = cookie.own_value();
        if rest == LAST_AUTH_USER.as_bytes() {
            return Some((client, Member::LastUser(value)));
        }
        if let Some(user) = self.user(rest) {
            return Some((client, Member::Token(user, Piece::Whole, value)));
        }
        let (rest, number) = around(rest, rest.iter().rposition(is_full_stop)?)?;
        let number = std::str::from_utf8(number).ok()?;
        let part: usize = number.parse().ok()?;
        // `01` and `+1` are other names.
        let plain = part < MAX_PARTS && part.to_string() == number;
        let user = self.user(rest).filter(|_| plain)?;
        Some((client, Member::Token(user, Piece::Part(part), value)))
    }

    /// Whose token this is, by what follows the client.
    fn user(&self, rest: &[u8]) -> Option<Vec<u8>> {
        let user = rest.strip_suffix(self.kind().as_bytes())?;
        (!user.is_empty()).then(|| user.to_vec())
    }

    /// Whether some reader takes a cookie for a token of a configured client.
    ///
    /// What stands before the client may stand anywhere in the name: to a reader who splits cookies at
    /// commas, white space or quotes, the name begins there. Of several such places the first decides,
    /// since a kind that stands behind another stands behind it, too.
    fn is_alias(&self, cookie: Cookie<'_>) -> bool {
        let name = cookie.decoded_name();
        let user = tails(&name).find_map(|tail| self.behind_family(tail));
        let mut kinds = tails(user.unwrap_or_default());
        kinds.any(|tail| behind(tail, self.kind()).is_some_and(ends_name))
    }

    /// What follows a configured client, to the loosest readers.
    fn behind_family<'n>(&self, name: &'n [u8]) -> Option<&'n [u8]> {
        let rest = behind(name, BEGINNING)?;
        let found = self.families.binary_search_by(|family| {
            let written = rest.iter().take(family.len());
            family.iter().copied().cmp(written.copied().map(folded))
        });
        rest.get(self.families.get(found.ok()?)?.len()..)
    }
}

const fn is_full_stop(byte: &u8) -> bool {
    *byte == b'.'
}

/// What stands before and behind the byte at this place.
fn around(text: &[u8], at: usize) -> Option<(&[u8], &[u8])> {
    Some((text.get(..at)?, text.get(at.checked_add(1)?..)?))
}

/// A text, and what is left of it behind each of its bytes.
fn tails(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    successors(Some(text), |text| text.split_first().map(|(_, rest)| rest))
}

/// What follows this beginning, to the loosest readers.
fn behind<'n>(name: &'n [u8], beginning: &str) -> Option<&'n [u8]> {
    let (start, rest) = name.split_at_checked(beginning.len())?;
    let mut pairs = start.iter().copied().zip(beginning.bytes());
    pairs
        .all(|(written, wanted)| folded(written) == folded(wanted))
        .then_some(rest)
}

/// Whether nothing but the number of a part follows the kind of a token, or what some reader cuts off.
fn ends_name(after: &[u8]) -> bool {
    let mut kept = after.iter().take_while(|byte| !b"\0[]".contains(byte));
    !kept.any(u8::is_ascii_alphabetic)
}

impl<'a> Session<'a> {
    fn add(&mut self, piece: Piece, value: &'a [u8]) {
        match piece {
            Piece::Whole => self.whole.push(value),
            Piece::Part(part) => self.parts.entry(part).or_default().push(value),
        }
    }

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
