//! What the fuzz targets found worth keeping, and random changes of it, on any compiler.

// The lints spare test functions, not the helpers beside them.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    unreachable_pub
)]

#[path = "fuzz/src/lib.rs"]
mod fuzz;
#[path = "harness/seed.rs"]
mod seed;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use std::{env, fs, thread};

use seed::Seed;

/// How long each target's corpus is changed at random.
const CHANGES: Duration = Duration::from_secs(1);

fn folder(target: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/fuzz/corpus", target]
        .iter()
        .collect()
}

/// The inputs of a target by the names of their files, in one order on every machine.
fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let files = fs::read_dir(folder(target)).unwrap();
    let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    let inputs = paths.into_iter().map(|path| {
        let input = fs::read(&path).unwrap();
        (path, input)
    });
    inputs.collect()
}

impl Seed {
    fn change(&mut self, input: &mut Vec<u8>, others: &[(PathBuf, Vec<u8>)]) {
        for _ in 0..=self.below(4) {
            let at = self.below(input.len() + 1);
            let byte = self.below(256) as u8;
            match self.below(6) {
                0 => input.insert(at, byte),
                1 if at < input.len() => input[at] = byte,
                2 if at < input.len() => input[at] ^= 1 << (byte % 8),
                3 => drop(input.drain(at..(at + self.below(9)).min(input.len()))),
                4 => input.truncate(at),
                _ => {
                    let other = &others[self.below(others.len())].1;
                    let from = self.below(other.len());
                    let to = (from + self.below(40)).min(other.len());
                    input.splice(at..at, other[from..to].iter().copied());
                }
            }
        }
    }
}

/// Names the input that a target panicked on.
struct Running<'a>(&'a str, &'a str, &'a [u8]);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            let Self(target, what, input) = self;
            println!("{target}: {what}: {}", input.escape_ascii());
        }
    }
}

#[test]
fn every_target_has_a_corpus() {
    let targets: BTreeSet<_> = fuzz::TARGETS
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .collect();
    let folders = fs::read_dir(folder("")).unwrap();
    let folders = folders.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(folders.collect::<BTreeSet<_>>(), targets);
    for target in targets {
        let bytes: usize = corpus(&target).iter().map(|(_, input)| input.len()).sum();
        assert!((1..=32_768).contains(&bytes), "{target}: {bytes} bytes");
    }
}

#[test]
fn what_was_found_stays_found() {
    for (name, target) in fuzz::TARGETS {
        for (path, input) in corpus(name) {
            let _running = Running(name, path.to_str().unwrap(), &input);
            target(&input);
        }
    }
}

/// A short run without guidance: it finds little, but on every compiler and in every check.
#[test]
fn changes_of_the_corpus_keep_every_promise() {
    let seed = match env::var("CORPUS_SEED") {
        Ok(seed) => seed.parse().unwrap(),
        Err(_) => SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs(),
    };
    for (name, target) in fuzz::TARGETS {
        let corpus = corpus(name);
        let mut random = Seed::new(seed);
        let (began, mut runs) = (Instant::now(), 0);
        while began.elapsed() < CHANGES {
            let mut input = corpus[random.below(corpus.len())].1.clone();
            random.change(&mut input, &corpus);
            let what = format!("CORPUS_SEED={seed}, run {runs}");
            let _running = Running(name, &what, &input);
            target(&input);
            runs += 1;
        }
        println!("CORPUS_SEED={seed} {name}: {runs} runs");
    }
}
