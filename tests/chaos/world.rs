//! What is true at each moment, as the outside knows it: which keys are published, which the filter
//! has shown to know, and what a token is therefore owed.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::document::with;
use crate::harness::issuer::{TestKey, Token};
use crate::harness::seed::Seed;
use crate::request::{Errand, Owed, random_kid, unsigned};

/// An unknown key is asked for once in ten seconds; the eleventh is for a busy machine.
const SETTLES: Duration = Duration::from_secs(11);
/// A pool of which no key was ever obtained may be in the longest pause between two tries, a minute.
pub(crate) const BACK_OFF: Duration = Duration::from_secs(65);
/// A key that left the set is gone from every worker within this time.
const FORGOTTEN: Duration = Duration::from_secs(1);
/// Tokens for each key: some are remembered by the time they come again, some are not.
const TOKENS: usize = 6;
/// Retired keys whose tokens are still tried.
const RETIRED: usize = 4;

/// A user pool and all that has happened to its keys.
struct Pool {
    id: String,
    /// When every worker knew that it exists.
    configured: Option<Instant>,
    /// Since when its endpoint answers as it should.
    healthy: Option<Instant>,
    keys: Vec<Key>,
    /// Counts the sets that were published.
    set: usize,
    /// Whether the filter has shown to have had any key of it.
    is_warm: bool,
}

struct Key {
    kid: String,
    signer: &'static TestKey,
    tokens: Vec<Arc<str>>,
    first_set: usize,
    last_set: Option<usize>,
    published: Instant,
    /// When a request first showed that the filter has it.
    known: Option<Instant>,
    /// When a key of a later set was shown to be known: this one is gone.
    replaced: Option<Instant>,
}

/// The state of everything outside the filter.
pub(crate) struct World(Mutex<Vec<Pool>>);

impl World {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Pool>> {
        self.0.lock().expect("no thread panics with the lock")
    }

    /// A new pool without any key. Returns its number.
    pub(crate) fn found(&self, id: &str) -> usize {
        let mut pools = self.lock();
        pools.push(Pool {
            id: id.to_owned(),
            configured: None,
            healthy: None,
            keys: Vec::new(),
            set: 0,
            is_warm: false,
        });
        pools.len() - 1
    }

    pub(crate) fn is_configured(&self, pool: usize) {
        self.lock()[pool].configured = Some(Instant::now());
    }

    pub(crate) fn is_healthy(&self, pool: usize, healthy: bool) {
        self.lock()[pool].healthy = healthy.then(Instant::now);
    }

    /// Adds a key, beside the older ones or in their place. Returns the set to publish. What was
    /// there before counts as leaving from now on, what is new as there once it `is_published`.
    pub(crate) fn rotate(&self, pool: usize, keeps_one: bool) -> Value {
        let (id, number) = {
            let pools = self.lock();
            (pools[pool].id.clone(), pools[pool].set)
        };
        let signer = [TestKey::first(), TestKey::second()][number % 2];
        let kid = format!("{id}/{number}");
        let mint = |jti: usize| {
            let token = Token::id(&id).signed_by(signer).header("kid", &*kid);
            Arc::from(token.claim("jti", jti).mint())
        };
        let key = Key {
            tokens: (0..TOKENS).map(mint).collect(),
            signer,
            first_set: number + 1,
            last_set: None,
            published: Instant::now(),
            known: None,
            replaced: None,
            kid,
        };
        let mut pools = self.lock();
        let pool = &mut pools[pool];
        let live = pool.keys.iter_mut().filter(|key| key.last_set.is_none());
        let leaving = live.rev().skip(usize::from(keeps_one));
        leaving.for_each(|key| key.last_set = Some(number));
        pool.set += 1;
        pool.keys.push(key);
        while pool.keys.len() > RETIRED + 2 {
            pool.keys.remove(0);
        }
        let live = pool.keys.iter().filter(|key| key.last_set.is_none());
        let named = live.map(|key| with(key.signer.jwk(), &[("kid", json!(key.kid))]));
        json!({"keys": named.collect::<Vec<_>>()})
    }

    /// Whether the filter has shown to know the newest key.
    pub(crate) fn has_known_key(&self, pool: usize) -> bool {
        let pools = self.lock();
        let newest = pools[pool].keys.last();
        newest.is_some_and(|key| key.known.is_some())
    }

    /// The newest set can be fetched from now on.
    pub(crate) fn is_published(&self, pool: usize) {
        let mut pools = self.lock();
        if let Some(key) = pools[pool].keys.last_mut() {
            key.published = Instant::now();
        }
    }

    /// A token to send: mostly good ones.
    pub(crate) fn errand(&self, seed: &mut Seed) -> Errand {
        let pools = self.lock();
        let number = seed.below(pools.len());
        let pool = &pools[number];
        let Some(newest) = pool.keys.last() else {
            return Errand::bad("no token", None, Owed::Unauthorized);
        };
        let dice = seed.below(100);
        if dice < 80 {
            let live: Vec<_> = pool
                .keys
                .iter()
                .filter(|key| key.last_set.is_none())
                .collect();
            let retired: Vec<_> = pool
                .keys
                .iter()
                .filter(|key| key.last_set.is_some())
                .collect();
            let from = match dice {
                70.. if !retired.is_empty() => retired,
                _ => live,
            };
            let key = seed.choose(&from);
            return Errand {
                token: Some(Arc::clone(seed.choose(&key.tokens))),
                what: "genuine",
                not_before: pool.configured,
                key: Some((number, key.kid.clone())),
                owed: Owed::Undecided,
            };
        }
        let id = pool.id.clone();
        let (kid, signer) = (newest.kid.clone(), newest.signer);
        let (body, signature) = newest.tokens[0].rsplit_once('.').expect("three parts");
        let other = if signature.starts_with('A') { 'B' } else { 'A' };
        let rest = signature.get(1..).expect("a signature");
        let forged = format!("{body}.{other}{rest}");
        drop(pools);
        let token = Token::id(&id).signed_by(signer).header("kid", kid);
        match dice {
            80..84 => Errand::bad("no token", None, Owed::Unauthorized),
            84..88 => Errand::bad("forged", Some(forged), Owed::Refusal),
            88..92 => Errand::bad(
                "expired",
                Some(unsigned(&token.claim("exp", 1))),
                Owed::Unauthorized,
            ),
            92..94 => {
                let none = unsigned(&token.header("alg", "none"));
                Errand::bad("alg none", Some(none), Owed::Unauthorized)
            }
            94..96 => {
                // The right key, the wrong pool: an issuer that is not in the configuration.
                let foreign = Token::id("us-east-1_Elsewhere").signed_by(signer);
                Errand::bad("foreign", Some(unsigned(&foreign)), Owed::Unauthorized)
            }
            _ => Errand::bad("random kid", Some(random_kid(&id, seed)), Owed::Refusal),
        }
    }

    /// What the request was owed, now that it is answered; and notes what the answer shows.
    pub(crate) fn settle(&self, errand: &Errand, sent: Instant, status: u16) -> Owed {
        let Some((number, kid)) = &errand.key else {
            return errand.owed;
        };
        let mut pools = self.lock();
        let pool = &mut pools[*number];
        let Some(index) = pool.keys.iter().position(|key| key.kid == *kid) else {
            // So long retired that it is forgotten here, too.
            return Owed::Undecided;
        };
        let key = &pool.keys[index];
        let before = |moment: Option<Instant>| moment.is_some_and(|at| at < sent);
        let owed = match key.last_set {
            Some(_) if key.replaced.is_some_and(|at| sent > at + FORGOTTEN) => Owed::Refusal,
            Some(_) => Owed::Undecided,
            None if before(key.known) && before(pool.configured) => Owed::Pass,
            None => {
                let conditions = [Some(key.published), pool.healthy, pool.configured];
                let settles = if pool.is_warm { SETTLES } else { BACK_OFF };
                let young = |since: &Option<Instant>| since.is_none_or(|at| sent <= at + settles);
                match conditions.iter().any(young) {
                    true => Owed::Undecided,
                    false => Owed::Pass,
                }
            }
        };
        if status == 200 && key.known.is_none() {
            let (now, set) = (Instant::now(), key.first_set);
            pool.is_warm = true;
            pool.keys[index].known = Some(now);
            let older = |key: &&mut Key| key.last_set.is_some_and(|last| last < set);
            for key in pool.keys.iter_mut().filter(older) {
                key.replaced.get_or_insert(now);
            }
        }
        owed
    }

    /// One token for each key that is published.
    pub(crate) fn good_tokens(&self) -> Vec<Arc<str>> {
        let pools = self.lock();
        let keys = pools.iter().flat_map(|pool| &pool.keys);
        let live = keys.filter(|key| key.last_set.is_none());
        live.map(|key| Arc::clone(&key.tokens[0])).collect()
    }
}
