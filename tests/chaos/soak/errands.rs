//! What is sent, and what it is owed.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::harness::document::OTHER_CLIENT;
use crate::harness::issuer::{TestKey, Token, now};
use crate::harness::seed::Seed;
use crate::request::{random_kid, unsigned};

/// Its keys rotate.
pub(super) const HOME: &str = "us-east-1_Soaking001";
/// Random kids are sent to it.
pub(super) const FLOODED: &str = "us-east-1_Soaking002";
/// Its endpoint never answers.
pub(super) const SILENT: &str = "us-east-1_Soaking003";

/// Distinct tokens that come again and again.
const KNOWN: usize = 16;
/// Callers whom the function lets in: more than it is remembered what it has said of.
const PARTNERS: usize = 2048;

/// A kind of request: its name is also the reason for which it is refused, if it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    pub(super) path: &'static str,
    /// How many of a thousand requests are of this kind.
    share: usize,
    pub(super) owed: Owed,
    /// Whether it may have to wait.
    pub(super) waits: bool,
}

/// What becomes of a kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owed {
    /// It reaches the upstream.
    Pass,
    /// It is refused, for the reason of its name.
    Refusal,
}

const fn kind(name: &'static str, path: &'static str, share: usize, owed: Owed) -> Kind {
    Kind {
        name,
        path,
        share,
        owed,
        waits: false,
    }
}

const fn refused(name: &'static str) -> Kind {
    kind(name, "/guarded", 15, Owed::Refusal)
}

const fn refused_at(name: &'static str, path: &'static str) -> Kind {
    kind(name, path, 15, Owed::Refusal)
}

const fn waiting(name: &'static str) -> Kind {
    Kind {
        waits: true,
        ..refused(name)
    }
}

/// Every kind, and among them every reason that there is.
pub(super) const KINDS: [Kind; 30] = [
    kind("known", "/guarded", 500, Owed::Pass),
    kind("new", "/guarded", 30, Owed::Pass),
    kind("open", "/open", 60, Owed::Pass),
    kind("optional", "/optional", 60, Owed::Pass),
    kind("partner", "/partners", 60, Owed::Pass),
    refused("missing_token"),
    refused("multiple_tokens"),
    refused("malformed_token"),
    refused("token_too_large"),
    refused("unsupported_algorithm"),
    refused("unknown_issuer"),
    refused("token_expired"),
    refused("token_not_yet_valid"),
    refused_at("wrong_token_use", "/access"),
    refused("wrong_client"),
    refused("wrong_audience"),
    refused("invalid_signature"),
    refused_at("insufficient_scope", "/scoped"),
    refused_at("insufficient_group", "/grouped"),
    refused_at("claim_mismatch", "/claimed"),
    refused_at("stale_authentication", "/recent"),
    refused_at("denied_by_rule", "/closed"),
    refused_at("unsafe_path", "/a%2F..%2Fb"),
    refused_at("missing_identity", "/partners"),
    refused_at("authorizer_unauthorized", "/partners"),
    refused_at("authorizer_denied", "/partners"),
    refused_at("authorizer_failed", "/partners"),
    refused_at("authorizer_unavailable", "/partners"),
    waiting("unknown_key"),
    waiting("keys_unavailable"),
];

impl Kind {
    /// Whether nobody counts the answers to it: clients leave before they come.
    pub(super) fn is_left(&self) -> bool {
        self.waits || ["known", "partner"].contains(&self.name)
    }

    /// One of those that `among` admits, by their shares.
    pub(super) fn any(seed: &mut Seed, among: impl Fn(&Self) -> bool) -> Self {
        let kinds = || KINDS.into_iter().filter(&among);
        let mut dice = seed.below(kinds().map(|kind| kind.share).sum());
        let chosen = kinds().find(|kind| match dice.checked_sub(kind.share) {
            Some(rest) => {
                dice = rest;
                false
            }
            None => true,
        });
        chosen.expect("the dice are below the sum")
    }
}

/// Tokens of every kind, under the key that signs now.
pub(super) struct Tokens {
    signer: &'static TestKey,
    kid: String,
    minted: BTreeMap<&'static str, Vec<Arc<str>>>,
}

impl Tokens {
    /// Mints them under the key of this number.
    pub(super) fn mint(number: usize) -> Self {
        let signer = signer(number);
        let kid = kid(number);
        let id = Token::id(HOME).signed_by(signer).header("kid", &*kid);
        let access = Token::access(HOME).signed_by(signer).header("kid", &*kid);
        let access = access.claim("aud", crate::harness::issuer::CLIENT);
        let known = (0..KNOWN).map(|jti| id.clone().claim("jti", jti).mint());
        let known: Vec<String> = known.collect();
        let (body, signature) = known[0].rsplit_once('.').expect("three parts");
        let other = if signature.starts_with('A') { 'B' } else { 'A' };
        let rest = signature.get(1..).expect("a signature");
        let forged = format!("{body}.{other}{rest}");
        let foreign = Token::id("us-east-1_Elsewhere");
        // The function says of these callers what they are called.
        let itself = |name| (name, vec![Arc::from(name)]);
        let elsewhere = |name, token: Token| (name, vec![Arc::from(unsigned(&token))]);
        let minted = BTreeMap::from([
            ("missing_token", Vec::new()),
            ("missing_identity", Vec::new()),
            itself("authorizer_unauthorized"),
            itself("authorizer_denied"),
            itself("authorizer_failed"),
            itself("authorizer_unavailable"),
            ("open", Vec::new()),
            ("optional", Vec::new()),
            ("unsafe_path", vec![Arc::from(known[0].as_str())]),
            ("denied_by_rule", vec![Arc::from(known[0].as_str())]),
            ("insufficient_group", vec![Arc::from(known[1].as_str())]),
            ("claim_mismatch", vec![Arc::from(known[2].as_str())]),
            ("wrong_token_use", vec![Arc::from(known[3].as_str())]),
            ("insufficient_scope", vec![Arc::from(access.mint())]),
            (
                "stale_authentication",
                vec![Arc::from(
                    id.clone().claim("auth_time", now() - 3600).mint(),
                )],
            ),
            ("multiple_tokens", vec![Arc::from(known[4].as_str()); 2]),
            ("malformed_token", vec![Arc::from("e30.e30")]),
            ("token_too_large", vec![Arc::from("x".repeat(5000))]),
            ("invalid_signature", vec![Arc::from(forged)]),
            elsewhere("unsupported_algorithm", id.clone().header("alg", "none")),
            elsewhere("unknown_issuer", foreign),
            elsewhere("token_expired", id.clone().claim("exp", now() - 3600)),
            elsewhere("token_not_yet_valid", id.clone().claim("nbf", now() + 7200)),
            elsewhere("wrong_client", id.clone().claim("aud", "stranger")),
            // The pattern is asked of what a user pool has signed.
            (
                "wrong_audience",
                vec![Arc::from(id.clone().claim("aud", OTHER_CLIENT).mint())],
            ),
            elsewhere("keys_unavailable", Token::id(SILENT)),
            ("known", known.into_iter().map(Arc::from).collect()),
        ]);
        Self {
            signer,
            kid,
            minted,
        }
    }

    /// What stands in the authorization headers of a request of this kind; `None` if it is made
    /// for each request.
    pub(super) fn of(&self, kind: &Kind, seed: &mut Seed) -> Option<Vec<Arc<str>>> {
        match kind.name {
            "known" => Some(vec![Arc::clone(seed.choose(&self.minted["known"]))]),
            "partner" => Some(vec![Arc::from(format!("partner-{}", seed.below(PARTNERS)))]),
            name => self.minted.get(name).cloned(),
        }
    }

    /// A token that nobody has seen.
    pub(super) fn fresh(&self, kind: &Kind, seed: &mut Seed) -> (Token, Option<String>) {
        let jti = format!("{}-{}", seed.below(1 << 30), seed.below(1 << 30));
        let token = Token::id(HOME).signed_by(self.signer);
        let token = token.header("kid", &*self.kid).claim("jti", jti);
        let made_up = (kind.name == "unknown_key").then(|| random_kid(FLOODED, seed));
        (token, made_up)
    }
}

/// The name of the key of this number.
pub(super) fn kid(number: usize) -> String {
    format!("soak/{number}")
}

/// What it signs with.
pub(super) fn signer(number: usize) -> &'static TestKey {
    [TestKey::first(), TestKey::second()][number % 2]
}
