//! The whole decision: accepted only if minted by us, unexpired, for this pool, use and client.
//!
//! An input is a configuration, some tokens, and requests that carry them as they are or damaged.
//! One gate answers all of them, so that what it remembers of one request is held against the next.

use std::borrow::Cow;
use std::cell::OnceCell;

use arbitrary::{Result, Unstructured};
use cognito_authorizer::decision::{Caller, Decision, Despite, Verdict};
use cognito_authorizer::gate::{Gate, Now};
use cognito_authorizer::keyring::Entropy;
use cognito_authorizer::refusal::Reason;
use cognito_authorizer::request::Request;
use cognito_authorizer::rs256::Rs256;
use cognito_authorizer::time::{Monotonic, Timestamp};

use super::notary::Notary;
use super::plan::{NOW, Plan};
use super::space::Space;
use super::world::{Access, Leniency, World};

struct Minted {
    plan: Plan,
    compact: String,
}

/// When requests come: before, at and after the moments at which the tokens begin and end.
const LATER: [f64; 10] = [
    0.0, 0.0, 0.0, 1.0, -161.0, 3540.0, 3599.5, 3660.0, 3659.5, 1e6,
];

/// A token in a request, as its bearer wrote it.
fn damaged(input: &mut Unstructured<'_>, tokens: &[Minted]) -> Result<String> {
    let token = &input.choose(tokens)?.compact;
    let mut bytes = token.clone().into_bytes();
    if input.ratio(2, 3)? {
        return Ok(token.clone());
    }
    for _ in 0..input.int_in_range(1..=3)? {
        let at = input.choose_index(bytes.len().max(1))?;
        match input.int_in_range(0..=6)? {
            0 if at < bytes.len() => bytes[at] = *input.choose(b"AQgw_-.=+/ %\x00")?,
            1 if at < bytes.len() => drop(bytes.remove(at)),
            2 => bytes.insert(at.min(bytes.len()), *input.choose(b"AQgw_-.=+/ ")?),
            3 => bytes.truncate(at),
            // One part of another token.
            4 => {
                let other = input.choose(tokens)?.compact.split('.').map(str::as_bytes);
                let other: Vec<_> = other.collect();
                let mut parts: Vec<_> = bytes.split(|byte| *byte == b'.').collect();
                let part = input.choose_index(3)?;
                if let Some(place) = parts.get_mut(part) {
                    *place = other[part];
                }
                bytes = parts.join(&b'.');
            }
            5 => {
                bytes.extend_from_slice(input.choose(&[&b".AAAA"[..], b"=", b"A", b".", b"\n"])?)
            }
            _ => bytes.make_ascii_lowercase(),
        }
    }
    Ok(String::from_utf8(bytes).expect("ASCII"))
}

/// A request: the tokens that its bearer means, and whether each stands where and how it should.
struct Asking {
    request: Request,
    tokens: Vec<String>,
    clean: bool,
    path: &'static str,
    access: Access,
}

fn asking(input: &mut Unstructured<'_>, world: &World, minted: &[Minted]) -> Result<Asking> {
    let (path, access) = *input.choose(&world.paths)?;
    let mut target = path.to_owned();
    let mut headers: Vec<(Cow<'static, str>, Vec<u8>)> = Vec::new();
    let (mut tokens, mut clean) = (Vec::new(), true);
    let places = if world.every_place { 3 } else { 0 };
    for _ in 0..*input.choose(&[1, 1, 1, 1, 1, 0, 2])? {
        let token = damaged(input, minted)?;
        // What cuts or joins values would make another token of it.
        clean &= !token.is_empty()
            && token
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        match input.int_in_range(0..=places)? {
            0 => {
                let styles = [
                    "Bearer {}",
                    "bearer   {}",
                    "{}",
                    "Bearer {},",
                    "Basic {}",
                    "Bearer\t{}",
                ];
                let style = input.choose_index(styles.len())?;
                clean &= style < 3;
                let value = styles[style].replace("{}", &token).into_bytes();
                // Envoy joins the lines of this header.
                match headers.iter_mut().find(|(name, _)| name == "authorization") {
                    Some((_, line)) => line.extend([b",", value.as_slice()].concat()),
                    None => headers.push(("authorization".into(), value)),
                }
            }
            1 => headers.push(("x-token".into(), token.clone().into_bytes())),
            2 => {
                let mark = if target.contains('?') { '&' } else { '?' };
                target.push_str(&format!("{mark}access_token={token}"));
            }
            _ => headers.push((
                "cookie".into(),
                format!("a=b; access_token={token}").into_bytes(),
            )),
        }
        // White space around a value is not part of it.
        tokens.push(token.trim_ascii().to_owned());
    }
    if input.ratio(1, 4)? {
        headers.push(("x-payload".into(), b"spoofed".to_vec()));
    }
    headers.push((":path".into(), target.into_bytes()));
    headers.push((":method".into(), b"GET".to_vec()));
    headers.push((":authority".into(), b"api.example.com".to_vec()));
    Ok(Asking {
        request: Request::new(headers),
        tokens,
        clean,
        path,
        access,
    })
}

/// What a request with at most one token, well placed, gets: in whose name it goes on, or a reason.
fn expected(
    asking: &Asking,
    world: &World,
    minted: &[Minted],
    now: f64,
) -> Option<core::result::Result<bool, Reason>> {
    match asking.access {
        Access::Anyone => return Some(Ok(false)),
        Access::Nobody => return Some(Err(Reason::DeniedByRule)),
        Access::Optional | Access::Require(_) => {}
    }
    if !asking.clean {
        return None;
    }
    let asked = match asking.access {
        Access::Require(asked) => asked,
        _ => Default::default(),
    };
    match asking.tokens.as_slice() {
        [] if asking.access == Access::Optional => Some(Ok(false)),
        [] => Some(Err(Reason::MissingToken)),
        [one] => {
            let genuine = minted.iter().find(|minted| minted.compact == *one)?;
            Some(
                genuine
                    .plan
                    .verdict(one.len(), world, &asked, now)
                    .map(|()| true),
            )
        }
        _ => Some(Err(Reason::MultipleTokens)),
    }
}

/// What becomes of a request: refused, or gone on in somebody's name or in nobody's, and despite what.
type Outcome = core::result::Result<(bool, Option<Despite>), Reason>;

/// Of a token for which all else holds: such a caller is told even where the refusal is only reported.
const OF_BEARERS: [Reason; 4] = [
    Reason::InsufficientScope,
    Reason::InsufficientGroup,
    Reason::ClaimMismatch,
    Reason::StaleAuthentication,
];

/// What the world makes of a decision.
fn carried_out(
    decided: core::result::Result<bool, Reason>,
    access: Access,
    world: &World,
) -> Outcome {
    let reason = match decided {
        Ok(known) => return Ok((known, None)),
        Err(reason) => reason,
    };
    match world.leniency {
        Leniency::Ignores if access == Access::Optional && reason != Reason::MultipleTokens => {
            Ok((false, Some(Despite::Ignored(reason))))
        }
        Leniency::Reports => Ok((
            OF_BEARERS.contains(&reason),
            Some(Despite::Reported(reason)),
        )),
        Leniency::None | Leniency::Ignores => Err(reason),
    }
}

fn found(verdict: &Verdict) -> Outcome {
    match verdict {
        Verdict::Forward(forward) => {
            Ok((matches!(forward.caller, Caller::Known(_)), forward.despite))
        }
        Verdict::Answer(_) => panic!("no protected resource is configured"),
        Verdict::Refuse(refusal) => Err(refusal.reason()),
    }
}

/// The payload in whose name a request goes on, as the upstream is told.
fn told(verdict: &Verdict) -> Option<String> {
    let Verdict::Forward(forward) = verdict else {
        return None;
    };
    let mut values = forward
        .caller
        .headers()
        .filter(|(name, _)| ***name == *"x-payload");
    let value = values.next().map(|(_, value)| value.to_owned());
    assert!(values.next().is_none());
    value
}

fn check(input: &mut Unstructured<'_>, worlds: &[World], algorithm: &Rs256) -> Result<()> {
    let world = input.choose(worlds)?;
    let mut minted = Vec::new();
    for number in 0..input.int_in_range(1..=3)? {
        let plan = Plan::generate(input)?;
        minted.push(Minted {
            compact: plan.mint(number),
            plan,
        });
    }
    let mut gate = Gate::new(world.policy.clone(), algorithm.clone(), Entropy::new(1));
    let space = Space::default();
    for context in 0..input.int_in_range(1..=6)? {
        let asking = asking(input, world, &minted)?;
        let seconds = NOW + *input.choose(&LATER)?;
        let wall = Timestamp::from_seconds(seconds).expect("a time");
        let verdict = match gate.decide(&asking.request, wall).0 {
            Decision::Verdict(verdict) => verdict,
            Decision::Hold(candidate) => {
                let now = Now {
                    wall,
                    monotonic: Monotonic::default(),
                };
                gate.hold(context, candidate, now, &space)
                    .expect("a verdict at once")
            }
        };
        let found = found(&verdict);
        let shown = || {
            format!(
                "{} {:?} {:?}\n{:#?}",
                asking.path,
                asking.request,
                seconds - NOW,
                minted.iter().map(|one| &one.plan).collect::<Vec<_>>()
            )
        };
        if let Some(decided) = expected(&asking, world, &minted, seconds) {
            let expected = carried_out(decided, asking.access, world);
            assert_eq!(found, expected, "{}", shown());
        }
        let payload = told(&verdict);
        let known = matches!(found, Ok((true, _)));
        assert_eq!(payload.is_some(), known, "{}", shown());
        // Whatever was done to the request: who is known is known by a token that is in it, that
        // we minted, and that the rule admits.
        if let Some(payload) = payload {
            let Access::Require(asked) = asking.access else {
                assert_eq!(asking.access, Access::Optional, "{}", shown());
                return Ok(());
            };
            let admitted = |one: &&Minted| {
                asking.tokens.contains(&one.compact)
                    && one.compact.split('.').nth(1) == Some(payload.as_str())
                    && match one.plan.verdict(one.compact.len(), world, &asked, seconds) {
                        Ok(()) => true,
                        Err(reason) => {
                            world.leniency == Leniency::Reports && OF_BEARERS.contains(&reason)
                        }
                    }
            };
            assert_eq!(minted.iter().filter(admitted).count(), 1, "{}", shown());
        }
    }
    Ok(())
}

/// Nobody gets in but who should, and who should does.
pub fn decision(data: &[u8]) {
    thread_local! {
        static WORLDS: OnceCell<(Vec<World>, Rs256)> = const { OnceCell::new() };
    }
    WORLDS.with(|worlds| {
        let (worlds, algorithm) = worlds.get_or_init(|| (World::all(), Notary::rs256()));
        // An input that is too short asks nothing.
        let _ = check(&mut Unstructured::new(data), worlds, algorithm);
    });
}
