//! Revocation in disorder: the server of the deny list and the user pool that confirms tokens fail at
//! random, the list grows, the pool takes its word back, and the configuration is updated meanwhile.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};

use crate::harness::bootstrap::{KEYS_CLUSTER, Listener, MAIN, Setup};
use crate::harness::client::{Pending, Request};
use crate::harness::document::{ruled, with};
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::issuer::{TestKey, Token, now};
use crate::harness::keyserver::{Answer, KeyServer};
use crate::harness::poolserver::{PoolServer, Says};
use crate::harness::process::eventually_within;
use crate::harness::seed::Seed;
use crate::harness::upstream::Upstream;
use crate::load::Line;
use crate::report::Tally;
use crate::request::Owed;
use crate::{alone, is_full, tell};

const POOL: &str = crate::harness::document::POOL;
const LIST: &str = "/deny.json";
const CLIENTS: usize = 6;
/// Tokens that no list names, and tokens of which the pool may take its word back.
const CLEAN: usize = 6;
const CONFIRMED: usize = 12;
/// `deny_list.max_age`, in seconds.
const MAX_AGE: i64 = 60;
/// A list that one worker has is every worker's within this time, and so is a refusal of the pool's.
const EVERYWHERE: Duration = Duration::from_secs(1);
/// The interval, a back-off as long, a time-out, and the second until every worker has it.
const FETCHED: Duration = Duration::from_secs(14);
/// A confirmation that was given in the last moment arrives within a second, serves for one more, and
/// the other workers' memory of it ends with a tick.
const CONFIRMED_FOR: Duration = Duration::from_millis(2500);
/// After an answer that said nothing, a token is asked about again after a second.
const ASKED_AGAIN: Duration = Duration::from_secs(3);
/// A request or stream is cut within this time.
const CUT: Duration = Duration::from_secs(2);

/// A token that a list names.
struct Listed {
    token: Arc<str>,
    written_at: i64,
    /// When its list could first be fetched.
    published: Option<Instant>,
    /// When a request first showed that a worker has the list.
    seen: Option<Instant>,
}

/// A token that the pool is asked about.
struct Confirmed {
    token: Arc<str>,
    /// When the pool took its word back.
    revoked: Option<Instant>,
}

/// What is true at each moment outside of the filter.
struct Facts {
    listed: Vec<Listed>,
    confirmed: Vec<Confirmed>,
    clean: Vec<Arc<str>>,
    /// Since when the server of the list, and the pool, answer as they should.
    list_healthy: Option<Instant>,
    pool_healthy: Option<Instant>,
}

/// What a request is about.
#[derive(Clone, Copy)]
enum About {
    Listed(usize),
    Clean,
    Confirmed(usize),
}

fn token(name: &str) -> Arc<str> {
    Arc::from(Token::access(POOL).claim("jti", name).mint())
}

impl Facts {
    fn new() -> Self {
        let confirmed = |number| Confirmed {
            token: token(&format!("confirmed-{number}")),
            revoked: None,
        };
        Self {
            listed: Vec::new(),
            confirmed: (0..CONFIRMED).map(confirmed).collect(),
            clean: (0..CLEAN)
                .map(|number| token(&format!("clean-{number}")))
                .collect(),
            list_healthy: None,
            pool_healthy: Some(Instant::now()),
        }
    }

    /// Whether all workers have a list that serves at the wall clock's `second`.
    fn is_fresh(&self, sent: Instant, second: i64) -> bool {
        let everywhere = |one: &&Listed| one.seen.is_some_and(|at| sent > at + EVERYWHERE);
        let newest = self.listed.iter().rev().find(everywhere);
        newest.is_some_and(|one| second < one.written_at + MAX_AGE)
    }

    /// Whether no worker can have a list that serves.
    fn is_stale(&self, second: i64) -> bool {
        let mut published = self.listed.iter().filter(|one| one.published.is_some());
        published
            .next_back()
            .is_none_or(|one| second > one.written_at + MAX_AGE)
    }

    /// What the request was owed, between these seconds of the wall clock.
    fn owed(&self, about: About, sent: Instant, (from, to): (i64, i64)) -> Owed {
        let passes = match self.is_fresh(sent, to) {
            true => Owed::Pass,
            false if self.is_stale(from) => Owed::Unknown,
            // No list names it, whatever else is not known.
            false => Owed::NoRefusal,
        };
        match about {
            About::Clean => passes,
            About::Listed(number) => {
                let Listed {
                    published, seen, ..
                } = self.listed[number];
                let later = |since: Instant| sent > since + FETCHED;
                let fetched = published.zip(self.list_healthy);
                let is_fetched = fetched.is_some_and(|(one, other)| later(one.max(other)));
                let is_everywhere = seen.is_some_and(|at| sent > at + EVERYWHERE);
                match published {
                    // Refused as revoked, however old the list is by now.
                    Some(_) if is_everywhere || is_fetched => Owed::Unauthorized,
                    Some(_) => Owed::Undecided,
                    None => passes,
                }
            }
            About::Confirmed(number) => match self.confirmed[number].revoked {
                Some(at) if sent > at + CONFIRMED_FOR => Owed::Refusal,
                Some(_) => Owed::Undecided,
                None if self
                    .pool_healthy
                    .is_some_and(|since| sent > since + ASKED_AGAIN) =>
                {
                    passes
                }
                None if passes == Owed::Pass => Owed::NoRefusal,
                None => passes,
            },
        }
    }

    /// The newest list, and whether any worker has shown to have it.
    fn newest_is_seen(&self) -> bool {
        self.listed.last().is_some_and(|one| one.seen.is_some())
    }
}

/// All that trouble is made with.
struct Stage<'a> {
    facts: &'a Mutex<Facts>,
    keys: &'a KeyServer,
    pool: &'a PoolServer,
    envoy: &'a EnvoyUnderTest,
    setup: &'a Setup,
    began: Instant,
    began_at: i64,
    list_fails: Option<Instant>,
    pool_fails: Option<Instant>,
    outages: usize,
    updates: usize,
    /// Open with tokens that are to be listed, and how many have been.
    streams: Vec<Pending>,
    opened: usize,
    diary: Vec<String>,
}

fn lock(facts: &Mutex<Facts>) -> MutexGuard<'_, Facts> {
    facts.lock().expect("no thread panics with the lock")
}

fn listener(variant: usize) -> Listener {
    let rules = json!([{
        "match": {"path": "/pay"},
        "require": {"token_use": "access", "confirmed_within": "1s"},
    }]);
    let confirm = json!({"cluster": "pool", "timeout": "1s", "max_per_second": 1000});
    let list = json!({
        "cluster": KEYS_CLUSTER, "uri": format!("http://lists.example.com{LIST}"),
        "timeout": "2s", "refresh_interval": "5s", "max_age": format!("{MAX_AGE}s"),
        "when_stale": "refuse",
    });
    let changes = [
        ("user_pools.0.confirm", confirm),
        ("deny_list", list),
        ("token.at_expiry", json!("close")),
        ("token.clock_skew", json!(format!("{variant}ms"))),
    ];
    Listener::new(MAIN, with(ruled(rules), &changes))
}

impl Stage<'_> {
    fn note(&mut self, what: impl Into<String>) {
        let at = self.began.elapsed();
        self.diary.push(format!("{at:.1?}: {}", what.into()));
    }

    /// One more token is to be revoked, which is in use as long as it is not.
    fn grow(&mut self, written_at: i64) {
        let mut facts = lock(self.facts);
        let token = token(&format!("listed-{}", facts.listed.len()));
        facts.listed.push(Listed {
            token: Arc::clone(&token),
            written_at,
            published: None,
            seen: None,
        });
    }

    fn document(&self) -> Value {
        let facts = lock(self.facts);
        let written_at = facts.listed.last().map_or(0, |one| one.written_at);
        let ids = (0..facts.listed.len()).map(|number| format!("listed-{number}"));
        let ids: Vec<_> = ids.collect();
        json!({"version": 1, "written_at": written_at, "pools": {POOL: {"jti": ids}}})
    }

    /// The newest list can be fetched from now on.
    fn publish(&mut self) {
        let number = lock(self.facts).listed.len();
        // Some servers have weak tags.
        let tag = [format!("\"{number}\""), format!("W/\"{number}\"")][number % 2].clone();
        let body = self.document().to_string().into_bytes();
        // Noted first: it may be fetched before this thread goes on.
        let at = Instant::now();
        let mut facts = lock(self.facts);
        for one in &mut facts.listed {
            one.published.get_or_insert(at);
        }
        drop(facts);
        let tagged = Answer::Tagged(body, Box::leak(tag.into_boxed_str()));
        self.keys.answer_at(LIST, tagged);
        lock(self.facts).list_healthy = Some(Instant::now());
        self.list_fails = None;
        self.note(format!("list {number} is there"));
    }

    /// The list's server fails, in one of many ways.
    fn fail_list(&mut self, seed: &mut Seed) {
        let good = self.document();
        let text = |value: Value| Answer::Bytes(value.to_string().into_bytes());
        let old = json!({"version": 1, "written_at": self.began_at - 1000, "pools": {}});
        let ahead = with(good.clone(), &[("written_at", json!(now() + 1000))]);
        let other = with(good.clone(), &[("comment", json!("?"))]);
        let twice = r#"{"version": 1, "written_at": 1, "written_at": 2, "pools": {}}"#;
        let fault = seed.pick(&[
            Answer::Status(500, good.clone()),
            Answer::Status(304, Value::Null),
            Answer::Status(403, good.clone()),
            Answer::Redirect("/elsewhere".to_owned()),
            Answer::Bytes(b"<html>".to_vec()),
            Answer::Bytes(b"\x1f\x8b\x08\0\0\0\0\0".to_vec()),
            Answer::Bytes(twice.as_bytes().to_vec()),
            // An old one played back, one from the future, and one with a word too many.
            text(old),
            text(ahead),
            text(other),
            Answer::Truncated(good),
            Answer::Reset,
            Answer::Silence,
        ]);
        let what = match &fault {
            Answer::Status(status, _) => format!("{status}"),
            Answer::Bytes(bytes) => String::from_utf8_lossy(bytes).chars().take(60).collect(),
            Answer::Redirect(_) => "redirect".into(),
            Answer::Truncated(_) => "truncated".into(),
            Answer::Reset => "reset".into(),
            Answer::Silence => "silence".into(),
            Answer::Document(_) | Answer::Tagged(..) => "?".into(),
        };
        lock(self.facts).list_healthy = None;
        self.keys.answer_at(LIST, fault);
        self.list_fails = Some(Instant::now() + seed.between(1000, 6000));
        self.outages += 1;
        self.note(format!("the list's server fails: {what}"));
    }

    fn fail_pool(&mut self, seed: &mut Seed) {
        lock(self.facts).pool_healthy = None;
        let says = seed.pick(&[
            Says::Header(400, "TooManyRequestsException"),
            Says::Header(500, "NotAuthorizedException"),
            Says::Header(403, "ForbiddenException"),
            Says::Body(400, r#"{"__type":"ResourceNotFoundException"}"#.into()),
            Says::Redirect,
            Says::Garbage,
            Says::Nothing,
        ]);
        match seed.below(4) {
            // Some answers come in time, and some do not.
            0 => self.pool.delay(seed.between(700, 1300)),
            _ => self.pool.says_of_all_others(says),
        }
        self.pool_fails = Some(Instant::now() + seed.between(1000, 5000));
        self.note("the pool fails");
    }

    fn heal(&mut self, all: bool) {
        let now = Instant::now();
        if self.list_fails.is_some_and(|until| all || until <= now) {
            self.publish();
        }
        if self
            .pool_fails
            .take_if(|until| all || *until <= now)
            .is_some()
        {
            self.pool.delay(Duration::ZERO);
            self.pool.says_of_all_others(Says::Confirmed);
            lock(self.facts).pool_healthy = Some(Instant::now());
            self.note("the pool is well");
        }
    }

    /// An upload that would go on for ever, with a token that will be listed.
    fn open_stream(&mut self) {
        let facts = lock(self.facts);
        let is_fresh = facts.is_fresh(Instant::now(), now() + 1);
        let newest = facts.listed.last().filter(|_| is_fresh);
        let Some(token) = newest.map(|one| Arc::clone(&one.token)) else {
            return;
        };
        drop(facts);
        let upload = Request::new("POST", "/upload").header("content-length", "1000");
        self.streams
            .push(upload.bearer(&token).open_head(self.envoy.main()));
    }

    /// No list for a while, then one that is soon too old, and one that voids an open stream.
    fn opens(&mut self) {
        thread::sleep(Duration::from_millis(500));
        self.grow(now() - MAX_AGE + 3);
        self.publish();
        thread::sleep(Duration::from_secs(6));
        self.grow(now());
        self.publish();
        let facts = self.facts;
        eventually_within(FETCHED, "a list that serves", || {
            lock(facts)
                .is_fresh(Instant::now(), now() + 1)
                .then_some(())
        });
        self.grow(now());
        self.open_stream();
        self.publish();
        // Before any update, whose drained connections would end it as well.
        self.is_seen();
        self.are_cut();
        assert_eq!(self.envoy.metric("closed"), 1);
    }

    /// Waits until a worker has shown to have the newest list.
    fn is_seen(&self) {
        eventually_within(FETCHED, "the newest list", || {
            lock(self.facts).newest_is_seen().then_some(())
        });
    }

    /// Whatever is open with a token that is revoked is cut now.
    fn are_cut(&mut self) {
        let by = SystemTime::now() + CUT;
        self.opened += self.streams.len();
        for mut stream in self.streams.drain(..) {
            assert!(stream.is_cut_before(by), "a stream goes on");
        }
    }

    fn trouble(&mut self, seed: &mut Seed) {
        match seed.below(10) {
            // Each list is seen before the next, so that what a worker has is known.
            0..3 if lock(self.facts).newest_is_seen() => {
                self.grow(now());
                self.open_stream();
                thread::sleep(seed.between(50, 400));
                if self.list_fails.is_none() {
                    self.publish();
                }
            }
            0..5 if self.list_fails.is_none() => self.fail_list(seed),
            5 | 6 if self.pool_fails.is_none() => self.fail_pool(seed),
            7 | 8 => {
                let number = seed.below(CONFIRMED);
                let token = Arc::clone(&lock(self.facts).confirmed[number].token);
                let names = ["NotAuthorizedException", "UserNotFoundException"];
                let says = Says::Header(400, names[number % 2]);
                let mut facts = lock(self.facts);
                // A third of them stay good.
                if !number.is_multiple_of(3) && facts.confirmed[number].revoked.is_none() {
                    facts.confirmed[number].revoked = Some(Instant::now());
                    self.pool.says(&token, says);
                    drop(facts);
                    self.note(format!("the pool no longer stands by {number}"));
                }
            }
            9 => {
                self.updates += 1;
                self.note("update");
                let listener = listener(self.updates % 2);
                self.envoy.update(&self.setup.clone().listener(listener));
            }
            _ => {}
        }
    }
}

/// Asks for this and that until it is told to stop.
fn client(facts: &Mutex<Facts>, to: SocketAddr, mut seed: Seed, stop: &AtomicBool) -> Tally {
    let mut tally = Tally::default();
    let mut line = Line::new(to);
    // The newest list that the worker of this connection has shown to have.
    let (mut connection, mut here) = (None, None);
    while !stop.load(Ordering::Relaxed) {
        let (about, token) = {
            let facts = lock(facts);
            match seed.below(10) {
                0..5 if !facts.listed.is_empty() => {
                    let last = facts.listed.len() - 1;
                    let number = last - seed.below(4).min(last);
                    let token = &facts.listed[number].token;
                    (About::Listed(number), Arc::clone(token))
                }
                0..7 => (About::Clean, seed.pick(&facts.clean)),
                _ => {
                    let number = seed.below(CONFIRMED);
                    let token = &facts.confirmed[number].token;
                    (About::Confirmed(number), Arc::clone(token))
                }
            }
        };
        let path = match about {
            About::Confirmed(_) => "/pay",
            About::Listed(_) | About::Clean => "/guarded",
        };
        let (sent, from) = (Instant::now(), now());
        // What is true when the request is sent; a list that is published meanwhile may count.
        let before = lock(facts).owed(about, sent, (from, from + 1));
        let response = line.send(&Request::get(path).bearer(&token));
        let (took, to) = (sent.elapsed(), now() + 1);
        let mut facts = lock(facts);
        let mut owed = match facts.owed(about, sent, (from, to)) {
            owed if owed == before => owed,
            // Refused before and after, it may have passed in between; no more than that is known.
            _ => Owed::Undecided,
        };
        let is_same = connection.is_some() && connection == line.opened();
        connection = line.opened();
        if !is_same {
            here = None;
        }
        if let About::Listed(number) = about {
            // The worker has had a list that names it.
            if here.is_some_and(|newest| number <= newest) {
                owed = Owed::Unauthorized;
            }
            if response.status == 401 {
                here = here.max(Some(number));
                facts.listed[number].seen.get_or_insert(Instant::now());
            }
        }
        tally.note(owed, response.status, took);
        if !owed.is_met_by(response.status) {
            tally.broken(format!(
                "{path}: owed {owed:?} after {took:?}; found {response:?}"
            ));
        }
        drop(facts);
        thread::sleep(seed.between(4, 24));
    }
    tally.sent_again = line.sent_again;
    tally
}

/// No token passes that a list names which its worker has, none is refused that no list names while
/// the list is fresh, none passes for long that its pool no longer stands by, and the list is fetched
/// once for all.
#[test]
fn what_is_revoked_stays_out_and_nothing_else_does() {
    let _alone = alone();
    let lasts = Duration::from_secs(if is_full() { 100 } else { 24 });
    let mut seed = Seed::from_variable("CHAOS_SEED");
    let (keys, pool, upstream) = (
        KeyServer::start(),
        PoolServer::start(),
        Upstream::forgetful(),
    );
    keys.publish(POOL, &[TestKey::first()]);
    let facts = Mutex::new(Facts::new());
    let setup = Setup::new(&keys, &upstream)
        .workers(4)
        .cluster("pool", pool.port())
        .dynamic();
    let envoy = EnvoyUnderTest::start(&setup.clone().listener(listener(0)));
    let to = envoy.main();
    let mut stage = Stage {
        facts: &facts,
        keys: &keys,
        pool: &pool,
        envoy: &envoy,
        setup: &setup,
        began: Instant::now(),
        began_at: now(),
        list_fails: None,
        pool_fails: None,
        outages: 1,
        updates: 0,
        streams: Vec::new(),
        opened: 0,
        diary: Vec::new(),
    };
    let stop = AtomicBool::new(false);
    let tally = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let (seed, facts, stop) = (seed.fork(), &facts, &stop);
                scope.spawn(move || client(facts, to, seed, stop))
            })
            .collect();
        stage.opens();
        while stage.began.elapsed() < lasts {
            thread::sleep(seed.between(100, 800));
            stage.heal(false);
            stage.trouble(&mut seed);
        }
        stage.heal(true);
        stage.publish();
        let mut tally = Tally::default();
        stage.is_seen();
        thread::sleep(EVERYWHERE);
        stop.store(true, Ordering::Relaxed);
        for client in clients {
            tally.merge(client.join().expect("a client"));
        }
        tally
    });
    stage.are_cut();
    let streams = stage.opened;
    let (seconds, fetches) = (stage.began.elapsed(), keys.fetch_times_at(LIST));
    tell(&format!(
        "{seconds:.0?} of revocation: {tally}\n  lists: {}, fetches: {}, outages: {}, updates: {}, \
         questions: {}, streams: {streams}, closed: {}",
        lock(&facts).listed.len(),
        fetches.len(),
        stage.outages,
        stage.updates,
        pool.questions().len(),
        envoy.metric("closed"),
    ));
    let diary = stage.diary.join("\n");
    let broken = tally.all_broken();
    assert!(
        broken.is_empty(),
        "{} broken promises:\n{}\n\n{diary}",
        broken.len(),
        broken
            .iter()
            .take(20)
            .cloned()
            .collect::<Vec<_>>()
            .join("\n")
    );
    // The test tested something.
    for owed in [Owed::Pass, Owed::Unauthorized, Owed::Unknown] {
        assert!(tally.owed(owed) > 20, "{owed:?}: {}", tally.owed(owed));
    }
    let seconds = usize::try_from(seconds.as_secs()).expect("a short time");
    // In the shortest interval less a fifth, and a failing server after 1, 2, 4 s, then as often.
    let most = 2 + seconds / 4 + 3 * stage.outages + stage.updates;
    assert!(
        fetches.len() <= most,
        "{} fetches, at most {most}\n{diary}",
        fetches.len()
    );
    // No two VMs fetch at one time, but that an update may leave a fetch to the next configuration.
    let hasty = fetches
        .windows(2)
        .filter(|pair| pair[1] - pair[0] < Duration::from_millis(800));
    let hasty = hasty.count();
    assert!(hasty <= stage.updates, "{fetches:?}\n{diary}");
    for Confirmed { token, .. } in &lock(&facts).confirmed {
        let (asked, most) = (pool.asked(token), 3 + seconds + stage.updates);
        assert!(asked <= most, "asked {asked} times, at most {most}");
    }
    let passed = tally.with_status(200) + streams;
    let again = tally.sent_again;
    assert!((passed..=passed + again).contains(&upstream.total()));
    let requests = tally.total() + streams;
    let decided: u64 = envoy.decisions().values().sum();
    let decided = usize::try_from(decided).expect("a number of requests");
    assert!(
        (requests..=requests + again).contains(&decided),
        "{decided}"
    );
    envoy.finish(decided);
}
