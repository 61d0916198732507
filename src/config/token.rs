//! `token`: what is asked of every token, and where it is looked for.

use super::duration::Bounds;
use super::field::{Field, all};
use super::fields::Fields;
use super::place::quoted;
use super::problem::{Parsed, Reported};
use crate::bearer::{Amplify, Encoding, Scheme, TokenSource, TokenSources, WebSocketProtocol};
use crate::claims::TokenUse;
use crate::header::{HeaderName, InvalidHeader};
use crate::policy::{AtExpiry, AudiencePolicy, Forwarding, Pool, TokenPolicy};
use crate::rules::expression::Expression;
use crate::rules::requirement::{AnyOf, WantedUse};
use std::ops::RangeInclusive;
use std::time::Duration;

/// `clock_skew`: more than five minutes is no skew but a broken clock. From the reference.
const CLOCK_SKEW: Bounds = Bounds {
    min: Duration::ZERO,
    max: Duration::from_secs(300),
};
const DEFAULT_CLOCK_SKEW: Duration = Duration::from_secs(60);

/// `max_bytes`: a Cognito token has 1 to 2 kB, one with many groups and claims some more; Envoy's
/// own limit for all headers is 60 KiB.
pub const MAX_TOKEN_BYTES: usize = 65_536;
const MAX_BYTES: RangeInclusive<usize> = 1..=MAX_TOKEN_BYTES;
const DEFAULT_MAX_BYTES: usize = 16_384;

/// The most verified tokens that a worker remembers. A remembered token with its claims takes some
/// 4 KiB, and V8 gives a module 1 GiB: this is a quarter of it.
pub const MAX_CACHE_ENTRIES: usize = 65_536;
const DEFAULT_CACHE_ENTRIES: usize = 4_096;

const FIELDS: [&str; 8] = [
    "use",
    "from",
    "clock_skew",
    "max_bytes",
    "aud_pattern",
    "forward",
    "cache_entries",
    "at_expiry",
];

/// What `token` says, each part by itself: rules and claim headers are read against two of them.
pub(super) struct Token {
    pub(super) wanted: Parsed<WantedUse>,
    pub(super) sources: Parsed<TokenSources>,
    rest: Parsed<Rest>,
}

struct Rest {
    clock_skew: Duration,
    max_bytes: usize,
    audience: AudiencePolicy,
    forwarding: Forwarding,
    cache_entries: usize,
    at_expiry: AtExpiry,
}

/// What holds where the document does not say anything.
impl Default for Token {
    fn default() -> Self {
        Self {
            wanted: Ok(WantedUse::Any),
            sources: Ok(TokenSources::authorization()),
            rest: Ok(Rest {
                clock_skew: DEFAULT_CLOCK_SKEW,
                max_bytes: DEFAULT_MAX_BYTES,
                audience: AudiencePolicy::Any,
                forwarding: Forwarding::default(),
                cache_entries: DEFAULT_CACHE_ENTRIES,
                at_expiry: AtExpiry::default(),
            }),
        }
    }
}

impl Token {
    const fn refused(reported: Reported) -> Self {
        Self {
            wanted: Err(reported),
            sources: Err(reported),
            rest: Err(reported),
        }
    }

    /// The policy, if nothing was refused.
    pub(super) fn policy(self) -> Parsed<TokenPolicy> {
        let Rest {
            clock_skew,
            max_bytes,
            audience,
            forwarding,
            cache_entries,
            at_expiry,
        } = self.rest?;
        Ok(TokenPolicy {
            token_use: self.wanted?,
            sources: self.sources?,
            clock_skew,
            max_bytes,
            audience,
            forwarding,
            cache_entries,
            at_expiry,
        })
    }
}

/// Reads `token`. Without user pools it may be absent: of an AWS account's tokens there is one use. So
/// it may where no rule asks for a token.
pub(super) fn read(fields: &Fields<'_>, needs_none: bool, pools: Option<&[Pool]>) -> Token {
    let Some(field) = fields.optional("token", "an object with use") else {
        if needs_none {
            return Token::default();
        }
        // What has to be written is `use`; an empty `token` would only be asked for it next.
        return Token::refused(
            fields.refuse_below("token.use", format_args!("missing; expected {USE}")),
        );
    };
    let fields = match field.fields(&FIELDS) {
        Ok(fields) => fields,
        Err(reported) => return Token::refused(reported),
    };
    let wanted = match needs_none && !fields.has("use") {
        true => Ok(WantedUse::Any),
        false => fields
            .required("use", USE)
            .and_then(|field| field.word(&USES)),
    };
    Token {
        wanted,
        sources: sources(&fields, wanted, pools),
        rest: rest(&fields),
    }
}

const USE: &str = "id, access or any";
const USES: [(&str, WantedUse); 3] = [
    ("id", WantedUse::Only(TokenUse::Id)),
    ("access", WantedUse::Only(TokenUse::Access)),
    ("any", WantedUse::Any),
];

const AT_EXPIRY: [(&str, AtExpiry); 2] = [("keep", AtExpiry::Keep), ("close", AtExpiry::Close)];

fn rest(fields: &Fields<'_>) -> Parsed<Rest> {
    let clock_skew = fields.duration("clock_skew", CLOCK_SKEW, DEFAULT_CLOCK_SKEW);
    let max_bytes = fields.integer("max_bytes", &MAX_BYTES, DEFAULT_MAX_BYTES);
    let audience = match fields.optional("aud_pattern", "a regular expression") {
        None => Ok(AudiencePolicy::Any),
        Some(field) => field
            .text()
            .and_then(|_| field.parsed(Expression::new))
            .map(AudiencePolicy::Matching),
    };
    let forwarding = fields.flag("forward", |keep| {
        if keep {
            Forwarding::Keep
        } else {
            Forwarding::Strip
        }
    });
    let cache_entries = fields.integer(
        "cache_entries",
        &(0..=MAX_CACHE_ENTRIES),
        DEFAULT_CACHE_ENTRIES,
    );
    let at_expiry = fields.word("at_expiry", "keep or close", &AT_EXPIRY);
    Ok(Rest {
        clock_skew: clock_skew?,
        max_bytes: max_bytes?,
        audience: audience?,
        forwarding: forwarding?,
        cache_entries: cache_entries?,
        at_expiry: at_expiry?,
    })
}

const PLACES: [&str; 5] = [
    "header",
    "query",
    "cookie",
    "websocket_protocol",
    "amplify_cookies",
];
const FIELDS_OF_PLACE: [&str; 6] = [
    "header",
    "scheme",
    "query",
    "cookie",
    "websocket_protocol",
    "amplify_cookies",
];
const PLACE: &str =
    "an object with one of header, query, cookie, websocket_protocol and amplify_cookies";

fn sources(
    fields: &Fields<'_>,
    wanted: Parsed<WantedUse>,
    pools: Option<&[Pool]>,
) -> Parsed<TokenSources> {
    let Some(field) = fields.optional(
        "from",
        "a list of places: header, query, cookie, websocket_protocol or amplify_cookies",
    ) else {
        return Ok(TokenSources::authorization());
    };
    let items = field.items(PLACE)?;
    let mut seen: Vec<(TokenSource, usize)> = Vec::new();
    let places = all(items.iter().enumerate().map(|(position, item)| {
        let place = source(item, wanted, pools)?;
        if let Some((_, earlier)) = seen.iter().find(|(known, _)| *known == place) {
            // Looked at twice, every token in it would be two tokens.
            return Err(item.refuse(format_args!(
                "found the place of token.from[{earlier}]; expected each once"
            )));
        }
        let mut amplify = seen.iter().filter(|(known, _)| {
            matches!((known, &place), (TokenSource::Amplify(_), TokenSource::Amplify(_)))
        });
        if let Some((_, earlier)) = amplify.next() {
            return Err(item.refuse(format_args!(
                "found amplify_cookies as in token.from[{earlier}]; expected one of access and id, since browsers send both"
            )));
        }
        let mut begun = seen
            .iter()
            .filter_map(|(known, earlier)| Some((begun_marker(known, &place)?, earlier)));
        if let Some(((prefix, marker), earlier)) = begun.next() {
            return Err(item.refuse(format_args!(
                "found, with token.from[{earlier}], {} before a token and the prefix {}; expected a prefix with which that does not begin, since it would be a token itself",
                quoted(marker),
                quoted(prefix)
            )));
        }
        seen.push((place.clone(), position));
        Ok(place)
    }))?;
    TokenSources::new(places).ok_or_else(|| field.wrong())
}

/// The prefix of one place and the marker of another, if the marker itself is a token to the first:
/// then each request would have two.
fn begun_marker<'p>(one: &'p TokenSource, other: &'p TokenSource) -> Option<(&'p str, &'p str)> {
    use WebSocketProtocol::{After, Prefixed};
    let (TokenSource::WebSocket(one), TokenSource::WebSocket(other)) = (one, other) else {
        return None;
    };
    let ((After(marker), Prefixed(prefix, _)) | (Prefixed(prefix, _), After(marker))) =
        (one, other)
    else {
        return None;
    };
    let rest = marker.strip_prefix(prefix)?;
    (!rest.is_empty()).then_some((prefix, marker))
}

fn source(
    item: &Field<'_>,
    wanted: Parsed<WantedUse>,
    pools: Option<&[Pool]>,
) -> Parsed<TokenSource> {
    let fields = item.fields(&FIELDS_OF_PLACE)?;
    let scheme = fields
        .optional("scheme", "a scheme such as JWT")
        .map_or(Ok(Scheme::BEARER), |field| field.parsed(Scheme::new));
    let present = fields.present(&PLACES);
    let [place] = present.as_slice() else {
        let found = match present.len() {
            0 => "none".to_owned(),
            _ => present.join(" and "),
        };
        return Err(fields.refuse(format_args!(
            "found {found}; expected one of header, query, cookie, websocket_protocol and amplify_cookies"
        )));
    };
    if *place != "header" && fields.has("scheme") {
        return Err(fields.refuse_at(
            "scheme",
            format_args!(
                "found beside {place}; expected it beside header, which alone has schemes"
            ),
        ));
    }
    let source = match *place {
        "header" => {
            let name = fields.required("header", "the name of a header");
            let name = name.and_then(|field| field.parsed(header));
            let scheme = scheme?;
            return Ok(TokenSource::Header(name?, scheme));
        }
        "query" => {
            let field = fields.required("query", "the name of a query parameter")?;
            field.text().map(|name| TokenSource::Query(name.to_owned()))
        }
        "cookie" => cookie(&fields.required("cookie", "the name of a cookie")?),
        "websocket_protocol" => {
            let field = fields.required("websocket_protocol", PROTOCOL)?;
            protocol(&field).map(TokenSource::WebSocket)
        }
        _ => {
            let field = fields.required("amplify_cookies", "access or id")?;
            amplify(&field, wanted, pools).map(TokenSource::Amplify)
        }
    };
    scheme?;
    source
}

fn cookie(field: &Field<'_>) -> Parsed<TokenSource> {
    let name = field.text()?;
    if name.contains('*') {
        return Err(field.refuse(format_args!(
            "found {}, in which \"*\" stands for itself; expected the whole name of one cookie",
            quoted(name)
        )));
    }
    // RFC 6265, section 4.1.1: a token, as the names of headers are; but letter case counts.
    if HeaderName::new(name).is_err() {
        return Err(field.wrong());
    }
    Ok(TokenSource::Cookie(name.to_owned()))
}

const PROTOCOL: &str = "an object with after, or with prefix and encoding";
const ENCODINGS: [(&str, Encoding); 2] =
    [("none", Encoding::None), ("base64url", Encoding::Base64Url)];

/// Reads `websocket_protocol`: which element of `sec-websocket-protocol` is the token.
fn protocol(field: &Field<'_>) -> Parsed<WebSocketProtocol> {
    let fields = field.fields(&["after", "prefix", "encoding"])?;
    let after = fields.optional("after", "a subprotocol, behind which the token stands");
    let prefix = fields.optional("prefix", "what stands before the token in its subprotocol");
    let encoding = fields.word("encoding", "none or base64url", &ENCODINGS);
    match (after, prefix) {
        (Some(_), Some(field)) => Err(field.refuse("found beside after; expected one of the two")),
        (None, None) => {
            Err(fields.refuse("found neither after nor prefix; expected one of the two"))
        }
        (Some(_), None) if fields.has("encoding") => {
            Err(fields.refuse_at("encoding", "found beside after; expected it beside prefix"))
        }
        (Some(field), None) => subprotocol(&field).map(WebSocketProtocol::After),
        (None, Some(field)) => {
            let prefix = subprotocol(&field);
            let encoding = encoding?;
            Ok(WebSocketProtocol::Prefixed(prefix?, encoding))
        }
    }
}

/// RFC 6455, section 4.1: each subprotocol is a token, as the names of headers are; but letter case
/// counts.
fn subprotocol(field: &Field<'_>) -> Parsed<String> {
    let text = field.text()?;
    match HeaderName::new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(field.refuse(format_args!(
            "found {}; expected a subprotocol without spaces and separators",
            quoted(text)
        ))),
    }
}

/// Reads `amplify_cookies`, whose names have an app client in them: all must be known.
fn amplify(
    field: &Field<'_>,
    wanted: Parsed<WantedUse>,
    pools: Option<&[Pool]>,
) -> Parsed<Amplify> {
    let token_use = field.word(&[("access", TokenUse::Access), ("id", TokenUse::Id)])?;
    if let Ok(WantedUse::Only(wanted)) = wanted
        && wanted != token_use
    {
        return Err(field.refuse(
            "found another use than token.use admits; expected the same, or token.use any",
        ));
    }
    let mut clients = Vec::new();
    // Of pools that were refused nothing is known, and nothing is said.
    for (position, pool) in pools.into_iter().flatten().enumerate() {
        match &pool.clients {
            AnyOf::Only(known) => clients.extend(known.iter().cloned()),
            AnyOf::Unrestricted => {
                return Err(field.refuse(format_args!(
                    "found client_ids: any in user_pools[{position}]; expected a list there, since the names of these cookies have an app client in them"
                )));
            }
        }
    }
    if pools.is_some_and(<[Pool]>::is_empty) {
        return Err(
            field.refuse("found no user_pools; expected some, whose app clients have such cookies")
        );
    }
    Ok(Amplify::new(token_use, clients))
}

/// A header that can hold a token: not one that frames the message or belongs to a connection, and
/// not `cookie`, whose tokens have a place of their own.
fn header(name: &str) -> Result<HeaderName, String> {
    match HeaderName::reply(name) {
        Ok(header) if !["cookie", "host"].contains(&header.as_str()) => Ok(header),
        Err(error @ InvalidHeader::Name(_)) => Err(error.to_string()),
        Ok(_) | Err(_) => Err(format!(
            "found {}; expected a header that can hold a token, such as authorization",
            quoted(name)
        )),
    }
}
