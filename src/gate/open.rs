//! Requests that have gone on with a token and are open still: an upload, a download, a stream of
//! events, a WebSocket.
//!
//! A verdict is given once, when a request begins, and a request may last longer than its token.
//! Under `at_expiry: close` each is cut when its token has expired, or has been revoked. A tick
//! before the next token expires, and under the deny list of the last one, looks at no request; any
//! other looks at all of them, which takes some 10 ns for each.

use crate::cache::Remembered;
use crate::policy::Policy;
use crate::revocation::Revocations;
use crate::time::Timestamp;
use std::collections::HashMap;
use std::rc::Rc;

/// The open requests of a worker by the host's numbers.
///
/// They are as many as the host has open: its limits for connections and streams bound them.
#[derive(Debug, Default)]
pub(super) struct Open {
    requests: HashMap<u32, Request>,
    /// No token expires before.
    next_end: Option<Timestamp>,
    /// The generation of the deny list that names none of them.
    clear_under: Option<u64>,
    /// Whether more are to be cut or looked up than the last tick did.
    backlog: bool,
}

#[derive(Debug)]
struct Request {
    ends: Timestamp,
    token: Rc<Remembered>,
}

impl Open {
    /// Cut at one go: Envoy ends a stream with all its filters and its log line in some 20 us.
    const MOST_CUT: usize = 64;
    /// Looked up in a new deny list at one go, at 2 us each.
    const MOST_LOOKED_UP: usize = 1024;

    /// Takes in a request that goes on with a token until this end.
    pub(super) fn add(&mut self, context: u32, token: Rc<Remembered>, ends: Timestamp) {
        self.requests.insert(context, Request { ends, token });
        self.next_end = Some(self.next_end.map_or(ends, |next| next.min(ends)));
    }

    /// Forgets one that has ended by itself.
    pub(super) fn remove(&mut self, context: u32) {
        self.requests.remove(&context);
    }

    /// Takes out those whose token has ended, as many as are cut at one go.
    pub(super) fn take_ended(
        &mut self,
        policy: &Policy,
        revocations: Option<&Revocations>,
        now: Timestamp,
    ) -> Vec<u32> {
        self.backlog = false;
        let mut ended = self.take_expired(now);
        if let Some(list) = revocations {
            ended.extend(self.take_revoked(list, policy));
        }
        ended
    }

    fn take_expired(&mut self, now: Timestamp) -> Vec<u32> {
        if self.next_end.is_none_or(|next| now < next) {
            return Vec::new();
        }
        let (mut expired, mut next_end) = (Vec::new(), None);
        for (context, request) in &self.requests {
            if request.ends <= now && expired.len() < Self::MOST_CUT {
                expired.push(*context);
            } else {
                next_end = Some(next_end.map_or(request.ends, |next| request.ends.min(next)));
            }
        }
        self.next_end = next_end;
        self.backlog = next_end.is_some_and(|next| next <= now);
        self.forget(&expired);
        expired
    }

    /// Those that the deny list names. Looked up are only tokens that this very list has not
    /// cleared, and each once, however many requests have come with it.
    fn take_revoked(&mut self, list: &Revocations, policy: &Policy) -> Vec<u32> {
        let generation = list.generation();
        if generation == self.clear_under {
            return Vec::new();
        }
        let (mut revoked, mut looked_up) = (Vec::new(), 0_usize);
        for (context, Request { token, .. }) in &self.requests {
            if token.clear_under.get() == generation {
                continue;
            }
            if looked_up == Self::MOST_LOOKED_UP || revoked.len() == Self::MOST_CUT {
                self.backlog = true;
                break;
            }
            looked_up = looked_up.saturating_add(1);
            let verified = &token.verified;
            let issuer = policy.issuers.get(verified.issuer());
            match issuer.is_none_or(|issuer| list.names(issuer.id(), verified.claims())) {
                true => revoked.push(*context),
                false => token.clear_under.set(generation),
            }
        }
        if !self.backlog {
            self.clear_under = generation;
        }
        self.forget(&revoked);
        revoked
    }

    fn forget(&mut self, cut: &[u32]) {
        for context in cut {
            self.requests.remove(context);
        }
    }

    /// Whether the next tick has something to do at once.
    pub(super) const fn has_backlog(&self) -> bool {
        self.backlog
    }
}
