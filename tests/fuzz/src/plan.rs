//! Tokens: what is to be in one, the token itself, and what the documentation says becomes of it.

use arbitrary::{Result, Unstructured};
use cognito_authorizer::refusal::Reason;
use serde_json::{Value, json};

use super::base64url;
use super::notary::{Notary, Signer};
use super::world::{Asked, ISSUERS, KEYS, World};

/// The moment from which all times are counted.
pub(crate) const NOW: f64 = 1_700_000_000.0;

/// A time, or something else in its place.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Time {
    Absent,
    /// So many seconds after [`NOW`].
    At(f64),
    /// JSON that is no time.
    Wrong(&'static str),
}

const OFFSETS: [f64; 16] = [
    3600.0, 0.0, -60.0, -59.5, -61.0, -60.5, 60.0, 60.5, 61.0, 1.0, -1.0, -900.0, -960.0, -961.0,
    -3600.0, 1e9,
];
const WRONG: [&str; 6] = [
    "null",
    "\"1700000000\"",
    "-1",
    "1e400",
    "[1700000000]",
    "true",
];

impl Time {
    /// Mostly `usual`, so that most tokens fail for one cause at most.
    fn generate(input: &mut Unstructured<'_>, usual: Self) -> Result<Self> {
        Ok(match input.int_in_range(0..=15)? {
            0..=11 => usual,
            12 => Self::Absent,
            13 => Self::Wrong(input.choose(&WRONG)?),
            _ => Self::At(*input.choose(&OFFSETS)?),
        })
    }

    fn json(self) -> Option<String> {
        match self {
            Self::Absent => None,
            Self::At(offset) => Some(format!("{}", NOW + offset)),
            Self::Wrong(text) => Some(text.to_owned()),
        }
    }

    fn seconds(self) -> Option<f64> {
        match self {
            Self::At(offset) => Some(NOW + offset),
            Self::Absent | Self::Wrong(_) => None,
        }
    }
}

/// What is to be in a token.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    signer: Signer,
    alg: Value,
    kid: Value,
    /// A member of the header beside `alg` and `kid`, as JSON text.
    extra: &'static str,
    issuer: Value,
    expires: Time,
    not_before: Time,
    issued_at: Time,
    signed_in: Time,
    token_use: Value,
    aud: Value,
    client_id: Value,
    scope: Value,
    groups: Value,
    username: Value,
    /// Text put at the end of the payload.
    tail: &'static str,
}

/// Header members, of which `crit` and the second `alg` and `kid` are refused.
const EXTRAS: [&str; 8] = [
    "",
    r#","typ":"JWT""#,
    r#","jwk":{"kty":"oct","k":"AA"}"#,
    r#","jku":"https://evil.example/k""#,
    r#","crit":["exp"]"#,
    r#","alg":"none""#,
    r#","\u006bid":"k2""#,
    r#","b64":false"#,
];
const TAILS: [&str; 5] = [
    "",
    r#","exp":9999999999"#,
    r#","\u0069ss":"x""#,
    r#","x":{"a":1,"a":2}"#,
    r#","sub":"root""#,
];

fn mostly(input: &mut Unstructured<'_>, usual: Value, others: &[Value]) -> Result<Value> {
    Ok(match input.ratio(3, 4)? {
        true => usual,
        false => input.choose(others)?.clone(),
    })
}

fn text(
    input: &mut Unstructured<'_>,
    usual: &'static str,
    others: &[&'static str],
) -> Result<&'static str> {
    Ok(match input.ratio(3, 4)? {
        true => usual,
        false => input.choose(others)?,
    })
}

impl Plan {
    pub(crate) fn generate(input: &mut Unstructured<'_>) -> Result<Self> {
        let pool = input.choose_index(2)?;
        let (kid, signer) = *input.choose(KEYS[pool])?;
        let issuer = ISSUERS[pool];
        let wrong = [Value::Null, json!(1), json!(["RS256"])];
        let id = input.arbitrary()?;
        let (token_use, aud, client_id) = match id {
            true => ("id", json!("web"), Value::Null),
            false => ("access", Value::Null, json!("web")),
        };
        let clients = [
            json!("mobile"),
            json!("other"),
            json!("web"),
            json!(["other", "web"]),
            json!(["x"]),
            json!(["web", 1]),
            json!(1),
            Value::Null,
        ];
        Ok(Self {
            signer: if input.ratio(1, 8)? {
                *input.choose(&Signer::ALL)?
            } else {
                signer
            },
            alg: match input.ratio(1, 10)? {
                true => input
                    .choose(&["none", "HS256", "RS384", "rs256", "RS256 ", ""].map(Value::from))?
                    .clone(),
                false if input.ratio(1, 20)? => input.choose(&wrong)?.clone(),
                false => json!("RS256"),
            },
            kid: mostly(
                input,
                json!(kid),
                &[
                    json!("k1"),
                    json!("k2"),
                    json!("k3"),
                    json!(""),
                    Value::Null,
                    json!(1),
                ],
            )?,
            extra: text(input, "", &EXTRAS)?,
            issuer: mostly(
                input,
                json!(issuer),
                &[
                    json!(ISSUERS[0]),
                    json!(ISSUERS[1]),
                    json!(format!("{issuer}/")),
                    Value::Null,
                    json!([issuer]),
                ],
            )?,
            expires: Time::generate(input, Time::At(3600.0))?,
            not_before: Time::generate(input, Time::Absent)?,
            issued_at: Time::generate(input, Time::At(-100.0))?,
            signed_in: Time::generate(input, Time::At(-100.0))?,
            token_use: mostly(
                input,
                json!(token_use),
                &[
                    json!("id"),
                    json!("access"),
                    json!("refresh"),
                    Value::Null,
                    json!(["access"]),
                ],
            )?,
            aud: mostly(input, aud, &clients)?,
            client_id: mostly(input, client_id, &clients)?,
            scope: mostly(
                input,
                json!("a api/write"),
                &[
                    json!("api/writer"),
                    json!("API/write"),
                    json!(["api/write"]),
                    Value::Null,
                ],
            )?,
            groups: mostly(
                input,
                json!(["x", "a,b"]),
                &[
                    json!(["a", "b"]),
                    json!("a,b"),
                    json!(["a,b", 1]),
                    json!([]),
                    Value::Null,
                ],
            )?,
            username: mostly(
                input,
                json!("ann"),
                &[
                    json!("a b"),
                    json!(["x", "ann"]),
                    json!("a%20b"),
                    Value::Null,
                ],
            )?,
            tail: text(input, "", &TAILS)?,
        })
    }

    /// The first two parts, decoded. Null stands for a claim that is absent.
    fn parts(&self, number: usize) -> (String, String) {
        let present = |name: &str, value: &Value| match value {
            Value::Null => None,
            value => Some(format!("\"{name}\":{value}")),
        };
        let header = [present("alg", &self.alg), present("kid", &self.kid)];
        let header = header.into_iter().flatten().collect::<Vec<_>>().join(",");
        let time = |name: &str, time: Time| Some(format!("\"{name}\":{}", time.json()?));
        let payload = [
            present("iss", &self.issuer),
            time("exp", self.expires),
            time("nbf", self.not_before),
            time("iat", self.issued_at),
            time("auth_time", self.signed_in),
            present("token_use", &self.token_use),
            present("aud", &self.aud),
            present("client_id", &self.client_id),
            present("scope", &self.scope),
            present("cognito:groups", &self.groups),
            present("username", &self.username),
        ];
        let payload = payload.into_iter().flatten().collect::<Vec<_>>().join(",");
        // Without members before it, a member that follows would begin with a comma.
        let header = format!("{{\"n\":0{}{header}{}}}", comma(&header), self.extra);
        let payload = format!(
            "{{\"jti\":{number},\"sub\":\"s{number}\"{}{payload}{}}}",
            comma(&payload),
            self.tail
        );
        (header, payload)
    }

    /// The token; its number makes it another than all others.
    pub(crate) fn mint(&self, number: usize) -> String {
        let (header, payload) = self.parts(number);
        let encode = |text: &str| base64url::encode(text.as_bytes());
        let input = format!("{}.{}", encode(&header), encode(&payload));
        let signature = Notary::sign(self.signer, input.as_bytes());
        format!("{input}.{}", base64url::encode(&signature))
    }

    /// What becomes of the token of this length where a rule asks for `asked`.
    pub(crate) fn verdict(
        &self,
        bytes: usize,
        world: &World,
        asked: &Asked,
        now: f64,
    ) -> core::result::Result<(), Reason> {
        let check = |holds: bool, reason| if holds { Ok(()) } else { Err(reason) };
        let malformed = Reason::MalformedToken;
        check(bytes <= world.max_bytes, Reason::TokenTooLarge)?;
        // A second name of those that are there.
        let twice = match self.extra {
            r#","alg":"none""# => !self.alg.is_null(),
            r#","\u006bid":"k2""# => !self.kid.is_null(),
            _ => false,
        };
        check(!twice, malformed)?;
        check(self.alg == "RS256", Reason::UnsupportedAlgorithm)?;
        // Without a `kid` before it, the escaped one is the only one.
        let kid = match self.extra {
            r#","\u006bid":"k2""# => "k2",
            _ => self.kid.as_str().ok_or(malformed)?,
        };
        check(!self.extra.contains("crit"), malformed)?;
        let twice = match self.tail {
            r#","exp":9999999999"# => self.expires != Time::Absent,
            r#","\u0069ss":"x""# => !self.issuer.is_null(),
            r#","sub":"root""# => true,
            _ => false,
        };
        check(!twice, malformed)?;
        let times = [
            self.expires,
            self.not_before,
            self.issued_at,
            self.signed_in,
        ];
        check(
            !times.iter().any(|time| matches!(time, Time::Wrong(_))),
            malformed,
        )?;
        let known = &ISSUERS[..world.pools];
        let pool = known.iter().position(|issuer| self.issuer == *issuer);
        let pool = pool.filter(|pool| asked.pool.is_none_or(|wanted| wanted == *pool));
        let pool = pool.ok_or(Reason::UnknownIssuer)?;
        let late = (self.tail == r#","exp":9999999999"#).then_some(9_999_999_999.0);
        let expires = self.expires.seconds().or(late).ok_or(malformed)?;
        check(now < expires + world.skew, Reason::TokenExpired)?;
        let begins = [self.not_before, self.issued_at];
        let begun = begins
            .iter()
            .filter_map(|time| time.seconds())
            .all(|at| at <= now + world.skew);
        check(begun, Reason::TokenNotYetValid)?;
        let wanted_use = self.token_use == "id" || self.token_use == "access";
        let wanted_use = wanted_use
            && [world.token_use, asked.token_use]
                .iter()
                .flatten()
                .all(|wanted| self.token_use == *wanted);
        check(wanted_use, Reason::WrongTokenUse)?;
        let clients: Vec<&str> = match (&self.aud, &self.client_id) {
            (Value::Array(all), _) if self.token_use == "id" => {
                all.iter().filter_map(Value::as_str).collect()
            }
            (Value::String(one), _) if self.token_use == "id" => vec![one],
            (_, Value::String(one)) if self.token_use == "access" => vec![one],
            _ => Vec::new(),
        };
        let open = world.clients[pool].is_empty() && asked.client.is_none();
        let wanted = |client: &&str| {
            let of_pool = world.clients[pool].is_empty() || world.clients[pool].contains(client);
            of_pool && asked.client.is_none_or(|asked| asked == *client)
        };
        check(open || clients.iter().any(wanted), Reason::WrongClient)?;
        let key = KEYS[pool].iter().find(|(known, _)| *known == kid);
        let (_, signer) = key.ok_or(Reason::UnknownKey)?;
        check(*signer == self.signer, Reason::InvalidSignature)?;
        let scopes = self.scope.as_str().unwrap_or_default();
        let scope = asked
            .scope
            .is_none_or(|wanted| scopes.split(' ').any(|scope| scope == wanted));
        check(scope, Reason::InsufficientScope)?;
        let groups = self
            .groups
            .as_array()
            .filter(|all| all.iter().all(Value::is_string));
        let group = asked
            .group
            .is_none_or(|wanted| groups.is_some_and(|all| all.contains(&wanted.into())));
        check(group, Reason::InsufficientGroup)?;
        // Whoever is in no group at all is not in this one; what is no list of groups says nothing.
        let no_groups = self.groups.is_null() || self.groups == serde_json::json!([]);
        let without = asked.unwanted_group.is_none_or(|unwanted| {
            no_groups || groups.is_some_and(|all| !all.contains(&unwanted.into()))
        });
        check(without, Reason::InsufficientGroup)?;
        let named = |wanted: &str| match &self.username {
            Value::Array(names) => names.contains(&wanted.into()),
            name => name == wanted,
        };
        check(asked.username.is_none_or(named), Reason::ClaimMismatch)?;
        let fresh = |age: f64| {
            self.signed_in
                .seconds()
                .is_some_and(|at| now <= at + age + world.skew && at <= now + world.skew)
        };
        check(asked.fresh.is_none_or(fresh), Reason::StaleAuthentication)?;
        // One of two suffices; if neither holds, the first says why.
        let either = asked.either.is_none_or(|(scope, group)| {
            scopes.split(' ').any(|one| one == scope)
                || groups.is_some_and(|all| all.contains(&group.into()))
        });
        check(either, Reason::InsufficientScope)
    }
}

fn comma(rest: &str) -> &'static str {
    if rest.is_empty() { "" } else { "," }
}
