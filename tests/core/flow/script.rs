//! Scripts: rows of second, event, and all that happened since the last row.

use std::rc::Rc;
use std::time::Duration;

use cognito_authorizer::policy::Policy;
use serde_json::{Value, json};

use crate::flow::pools::{document, key_set, policy};
use crate::flow::world::{LIST, Plan, World};

/// What a script does.
pub(crate) enum Event {
    Nothing,
    /// So many VMs are configured and tick.
    Start(usize),
    /// A VM is configured and never ticks.
    Canary,
    /// A request in a VM, with a name, of the script's issuer unless the `kid` begins with another and `:`.
    Ask(usize, &'static str, &'static str),
    /// So many requests in a VM with a `kid` each that nobody has.
    Flood(usize, usize),
    /// So many requests in a VM with this `kid`.
    Crowd(usize, &'static str, usize),
    /// What the key server of the script's issuer does from now on.
    Serve(Plan),
    /// What the server of deny lists does from now on.
    List(Plan),
    /// After how many milliseconds it answers.
    Delay(u64),
    Kill(usize),
    Retire(usize),
    Freeze(usize),
    Thaw(usize),
    /// The wall clock is set by so many seconds.
    Wall(f64),
    /// All entries of shared data whose name ends so hold other bytes.
    Overwrite(&'static str, &'static [u8]),
}

/// A world and the configuration of the VMs that come into it.
pub(crate) struct Script {
    pub(crate) world: World,
    pub(crate) policy: Rc<Policy>,
    pub(crate) begin: Duration,
    /// Whose tokens and keys its events are about.
    pub(crate) issuer: &'static str,
}

/// `timeout: 5s`, `refresh_interval: 15m`.
pub(crate) fn script() -> Script {
    with(&json!({}))
}

pub(crate) fn with(jwks: &Value) -> Script {
    of("a", &document(&["a"], jwks))
}

/// Events are about this issuer of the configuration.
pub(crate) fn of(issuer: &'static str, document: &Value) -> Script {
    let world = World::new(7);
    Script {
        begin: world.now,
        world,
        policy: policy(document),
        issuer,
    }
}

/// Inline keys, and a deny list with `timeout: 5s`, `refresh_interval: 30s`, `max_stale: 1m`,
/// `max_age: 1h` and `when_stale: refuse`, unless it is said otherwise.
pub(crate) fn with_list(other: &Value) -> Script {
    let mut document = document(&["a"], &json!({}));
    let keys: Value = serde_json::from_slice(&key_set(&["k1"])).unwrap();
    document["user_pools"][0]["jwks"] = json!({"inline": keys});
    document["deny_list"] = json!({"cluster": LIST, "uri": "https://lists.example.com/a.json",
        "max_stale": "1m", "max_age": "1h", "when_stale": "refuse"});
    for (name, value) in other.as_object().unwrap() {
        document["deny_list"][name] = value.clone();
    }
    of("a", &document)
}

/// The server of deny lists has one that was written in this second, of these users.
pub(crate) fn list(written_at: f64, subs: &[&str]) -> Event {
    tagged(written_at, subs, None)
}

/// The same under an entity tag.
pub(crate) fn tagged(written_at: f64, subs: &[&str], tag: Option<&'static str>) -> Event {
    let subs = subs.iter().map(|sub| (*sub).to_owned());
    Event::List(Plan::List(written_at, subs.collect(), tag))
}

pub(crate) fn keys(names: &[&'static str]) -> Event {
    Event::Serve(Plan::Keys(names.to_vec()))
}

impl Script {
    /// Each row: run to this second, let this happen, and compare what has happened since the last
    /// row: fetches, requests held, verdicts (`unavailable` with its `retry-after`).
    #[track_caller]
    pub(crate) fn play<T: AsRef<str>>(&mut self, rows: Vec<(f64, Event, T)>) {
        for (row, (second, event, expected)) in rows.into_iter().enumerate() {
            self.world
                .run_to(self.begin + Duration::from_secs_f64(second));
            self.happen(event);
            assert_eq!(
                self.world.happened(),
                expected.as_ref(),
                "row {row}, second {second}"
            );
        }
    }

    pub(crate) fn happen(&mut self, event: Event) {
        let world = &mut self.world;
        match event {
            Event::Nothing => {}
            Event::Start(count) => (0..count).for_each(|_| {
                world.start(&self.policy);
            }),
            Event::Canary => {
                world.configure(&self.policy);
            }
            Event::Ask(vm, name, kid) => {
                let (issuer, kid) = kid.split_once(':').unwrap_or((self.issuer, kid));
                world.ask(vm, issuer, kid, name);
            }
            Event::Flood(vm, count) => {
                for _ in 0..count {
                    let kid = format!("random-{}", world.stories.len());
                    world.ask(vm, self.issuer, &kid, "flood");
                }
            }
            Event::Crowd(vm, kid, count) => (0..count).for_each(|_| {
                world.ask(vm, self.issuer, kid, "crowd");
            }),
            Event::List(plan) => world.servers.get_mut(LIST).unwrap().plan = plan,
            Event::Serve(plan) => world.servers.get_mut(self.issuer).unwrap().plan = plan,
            Event::Delay(millis) => {
                world.servers.get_mut(self.issuer).unwrap().delay = Duration::from_millis(millis)
            }
            Event::Kill(vm) => world.kill(vm),
            Event::Retire(vm) => world.retire(vm),
            Event::Freeze(vm) => world.freeze(vm, true),
            Event::Thaw(vm) => world.freeze(vm, false),
            Event::Wall(seconds) => world.wall_jump += seconds,
            Event::Overwrite(suffix, bytes) => {
                let names = world.space.names();
                let names = names.iter().filter(|name| name.ends_with(suffix));
                names.for_each(|name| world.space.overwrite(name, bytes));
            }
        }
    }

    /// Runs to this second, and counts what happened since the last look by its first words.
    pub(crate) fn count(&mut self, second: f64, what: &str) -> usize {
        self.world
            .run_to(self.begin + Duration::from_secs_f64(second));
        let happened = self.world.happened();
        happened
            .split("; ")
            .filter(|entry| entry.starts_with(what))
            .count()
    }

    /// Each row: run to this second, let this happen, and compare the warnings and the good news that the
    /// log has had since the last row, each without the issuer, and how many failures
    /// have been counted so far.
    #[track_caller]
    pub(crate) fn listen(&mut self, rows: Vec<(f64, Event, &[&str], usize)>) {
        for (row, (second, event, expected, failures)) in rows.into_iter().enumerate() {
            self.world
                .run_to(self.begin + Duration::from_secs_f64(second));
            let told = self.world.told.drain(..).map(|(_, level, text)| {
                let (_, text) = text.split_once(": ").unwrap();
                format!("{level:?} {text}")
            });
            let told: Vec<_> = told.collect();
            assert_eq!(told, expected, "row {row}, second {second}");
            assert_eq!(self.world.counted.1, failures, "row {row}, second {second}");
            self.happen(event);
        }
    }

    /// The seconds between one fetch and the next.
    pub(crate) fn gaps(&self) -> Vec<f64> {
        let began = &self.world.began;
        began
            .windows(2)
            .map(|pair| (pair[1].at - pair[0].at).as_secs_f64())
            .collect()
    }
}
