//! When a document is fetched, and where each number comes from.

use crate::time::Monotonic;
use std::fmt;
use std::time::Duration;

/// How often a document is fetched, and how long it serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refresh {
    /// The longest time between two fetches that succeed.
    pub interval: Duration,
    /// How long the last good document serves while fetching fails.
    pub max_stale: MaxStale,
}

/// How long the last good document serves, counted from the refresh that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaxStale {
    /// This long.
    For(Duration),
    /// Until a fetch succeeds.
    Forever,
}

/// One fetch on demand in this time: a new key works at once, and random kids cost the key endpoint
/// next to nothing.
pub(super) const DEMAND_WINDOW: Duration = Duration::from_secs(10);

/// Within this time every VM has ticked and seen what another one learnt.
pub(super) const SETTLING_TIME: Duration = Duration::from_secs(1);

/// How long after the time-out of its fetch a lease may be taken over: enough for an answer that
/// came in the last moment to be written.
pub(crate) const LEASE_GRACE: Duration = Duration::from_secs(1);

/// Longer than any call is under way: no VM of this filter has a lease, or keeps a record in a slot, for
/// longer.
pub(super) const LONGEST_CALL: Duration = Duration::from_secs(120);

/// How long content that a record promises, but that is not there, is waited for.
pub(super) const RECOVERY_DELAY: Duration = Duration::from_secs(1);

/// How long a document that costs its reader much, and is due for renewal, is left to VMs that have
/// served no request: there always is one, that of Envoy's main thread, and it ticks four times a
/// second.
pub(super) const COURTESY: Duration = Duration::from_secs(2);

/// The back-off begins here and doubles.
const BACK_OFF_MIN: Duration = Duration::from_secs(1);

/// And ends here: an endpoint that is back is noticed within a minute.
const BACK_OFF_MAX: Duration = Duration::from_secs(60);

/// Between two tries of a cluster that is not there yet, or has no host: it may come by CDS or DNS
/// at any moment, and a call that cannot be sent costs no endpoint anything.
const UNSENT: Duration = Duration::from_millis(100);

/// How long such tries follow each other as fast.
const UNSENT_HASTE: Duration = Duration::from_secs(30);

/// From then on: a cluster that comes is noticed within a second, and a thousand pools without one
/// cost a worker a thousandth of its time.
const UNSENT_LATER: Duration = Duration::from_secs(1);

/// How long a document that was never fetched may lack a cluster or a host before that is told:
/// Envoy resolves names while it starts, and gives a name server five seconds.
pub(super) const SETTLING_START: Duration = Duration::from_secs(5);

/// A failure that lasts is told again after this time, so that the log of the last quarter of an
/// hour shows it.
pub const REMINDER: Duration = Duration::from_secs(600);

/// Random numbers for jitter and for naming leases, on which nothing secret rests; and apart from
/// them, since what is written down tells the next ones, a secret of the VM's.
#[derive(Clone)]
pub struct Entropy {
    last: u64,
    secret: [u64; 2],
}

impl fmt::Debug for Entropy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Entropy")
    }
}

impl Entropy {
    /// A sequence that begins at this number, with a secret that is none: for tests, and for tools
    /// that nobody attacks.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self::random([seed, 0, 0])
    }

    /// A sequence and a secret of random numbers, which are the host's.
    #[must_use]
    pub const fn random([last, one, other]: [u64; 3]) -> Self {
        let secret = [one, other];
        Self { last, secret }
    }

    /// The secret.
    pub(crate) const fn secret(&self) -> [u64; 2] {
        self.secret
    }

    /// The next number (SplitMix64, Steele, Lea and Flood 2014).
    pub(crate) fn next(&mut self) -> u64 {
        self.last = self.last.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.last ^ (self.last >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number of milliseconds within a share of `whole`, given in per cent.
    fn share(&mut self, whole: Duration, per_cent: u64) -> Duration {
        let range = u64::try_from(whole.as_millis())
            .unwrap_or(u64::MAX)
            .saturating_mul(per_cent)
            .checked_div(100)
            .unwrap_or_default();
        let chosen = self.next().checked_rem(range.saturating_add(1));
        Duration::from_millis(chosen.unwrap_or_default())
    }
}

/// Up to a fifth less than the interval: jitter spreads the fetches of many proxies, and the
/// interval stays the upper bound that an emergency revocation counts on.
pub(super) fn refresh_delay(interval: Duration, entropy: &mut Entropy) -> Duration {
    interval.saturating_sub(entropy.share(interval, 20))
}

/// Doubles with each failure; up to a quarter more or, at the end, less. It ends at the refresh
/// interval if that is shorter: a failure makes no fetch rarer than success.
pub(super) fn back_off(failures: u32, interval: Duration, entropy: &mut Entropy) -> Duration {
    let longest = BACK_OFF_MAX.min(interval);
    let doublings = failures.saturating_sub(1).min(16);
    let delay = BACK_OFF_MIN.saturating_mul(1_u32.checked_shl(doublings).unwrap_or(u32::MAX));
    if delay >= longest {
        longest.saturating_sub(entropy.share(longest, 25))
    } else {
        delay.saturating_add(entropy.share(delay, 25)).min(longest)
    }
}

/// The delay of the next try of a document that was never fetched, after a call that could not be
/// sent.
pub(super) fn unsent_delay(failing_for: Duration) -> Duration {
    match failing_for < UNSENT_HASTE {
        true => UNSENT,
        false => UNSENT_LATER,
    }
}

impl Refresh {
    /// When the last good document stops serving, if ever: `max_stale` after the refresh that
    /// should have replaced it. Within the interval nothing is stale, however short `max_stale` is.
    pub(super) fn usable_until(
        self,
        fetched_at: Monotonic,
        timeout: Duration,
    ) -> Option<Monotonic> {
        match self.max_stale {
            MaxStale::For(time) => Some(fetched_at.after(self.interval).after(timeout).after(time)),
            MaxStale::Forever => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sequence of the reference implementation (Vigna, `splitmix64.c`).
    #[test]
    fn the_numbers_are_those_of_splitmix64() {
        let mut entropy = Entropy::new(1_234_567);
        let numbers = [(); 3].map(|()| entropy.next());
        assert_eq!(
            numbers,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }

    #[test]
    fn the_back_off_doubles_from_one_second_to_sixty() {
        let mut entropy = Entropy::new(1);
        for (failures, least, most) in [
            (1, 1000, 1250),
            (2, 2000, 2500),
            (3, 4000, 5000),
            (6, 32_000, 40_000),
            (7, 45_000, 60_000),
            (u32::MAX, 45_000, 60_000),
        ] {
            for _ in 0..200 {
                let delay = back_off(failures, BACK_OFF_MAX, &mut entropy).as_millis();
                assert!((least..=most).contains(&delay), "{failures}: {delay}");
            }
        }
    }

    #[test]
    fn the_back_off_ends_at_the_interval() {
        let mut entropy = Entropy::new(1);
        let interval = Duration::from_secs(5);
        for (failures, least, most) in [(1, 1000, 1250), (3, 4000, 5000), (4, 3750, 5000)] {
            for _ in 0..200 {
                let delay = back_off(failures, interval, &mut entropy).as_millis();
                assert!((least..=most).contains(&delay), "{failures}: {delay}");
            }
        }
    }

    #[test]
    fn a_refresh_comes_within_its_interval() {
        let mut entropy = Entropy::new(2);
        let interval = Duration::from_secs(900);
        let delays: Vec<_> = (0..500)
            .map(|_| refresh_delay(interval, &mut entropy))
            .collect();
        assert!(
            delays
                .iter()
                .all(|delay| (720..=900).contains(&delay.as_secs()))
        );
        assert!(delays.iter().min() != delays.iter().max());
    }
}
