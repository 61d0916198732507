//! Settings by which tokens are revoked: what makes them believe too much, or refuse everybody.

use super::Notes;
use super::finding;
use crate::document::{below, item};
use cognito_authorizer::policy::{DenyListPolicy, MaxAge, Policy, WhenStale};
use cognito_authorizer::remote::schedule::MaxStale;
use cognito_authorizer::time::Timestamp;

/// Notes what is unwise in them, at this time.
pub(super) fn check(policy: &Policy, now: Timestamp, notes: &mut Notes<'_>) {
    for (position, pool) in policy.issuers.pools().iter().enumerate() {
        let path = item("user_pools", position);
        for (name, time) in [
            ("issued_after", pool.brake.issued_after),
            ("signed_in_after", pool.brake.signed_in_after),
        ] {
            if let Some(time) = time.filter(|time| *time > now) {
                let text = format!("every token is void until {}", time.utc());
                notes.add(&finding::FUTURE_BRAKE, &below(&path, name), text);
            }
        }
    }
    if let Some(list) = &policy.deny_list {
        of_list(list, notes);
    }
}

fn of_list(list: &DenyListPolicy, notes: &mut Notes<'_>) {
    if list.when_stale == WhenStale::Serve {
        let text = "tokens are served though nobody knows whether they were revoked";
        notes.add(&finding::REVOKED_SERVED, "deny_list.when_stale", text);
    }
    if list.source.refresh.max_stale == MaxStale::Forever {
        let text = "the list serves without end while none can be fetched";
        notes.add(&finding::STALE_FOREVER, "deny_list.max_stale", text);
        notes.advise("whoever can block the fetch keeps newer entries away; `when_stale` has a say only after `max_stale`");
    }
    let refresh = list.source.refresh.interval;
    let between = refresh.saturating_add(list.source.endpoint.timeout);
    match list.max_age {
        MaxAge::Forever => {
            let text = "nothing tells a quiet day from a feeder that has died";
            notes.add(&finding::UNDATED_LIST, "deny_list.max_age", text);
        }
        MaxAge::For(age) if age <= between => {
            let text = format!(
                "a list is {} s old before the next one is here",
                between.as_secs()
            );
            notes.add(&finding::SHORT_MAX_AGE, "deny_list.max_age", text);
        }
        MaxAge::For(_) => {}
    }
}
