//! Both verifiers in their host: Envoy's BoringSSL and the module's own say the same of everything.
//!
//! The module is the one that traps on request: it also verifies on request.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use num_bigint::BigUint;

use crate::harness::block;
use crate::harness::bootstrap::{Listener, MAIN, Setup};
use crate::harness::client::{Pending, Request};
use crate::harness::document::{POOL, document};
use crate::harness::envoy::EnvoyUnderTest;
use crate::harness::issuer::TestKey;
use crate::harness::keyserver::KeyServer;
use crate::harness::published::{SETS, on_curve, published};
use crate::harness::seed::Seed;
use crate::harness::upstream::Upstream;

/// The header that asks.
pub(crate) const VERIFY: &str = "x-provoke-verify";

/// The same of ES384.
const VERIFY_ES384: &str = "x-provoke-verify-es384";

/// What is said of a signature.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Verdict {
    /// Both verifiers, and the host when it is asked outright.
    Valid,
    /// The same.
    Invalid,
    /// The key is none that would be asked.
    NoKey,
}

/// An Envoy that is asked over one connection.
struct Witness {
    connection: Option<Pending>,
    envoy: EnvoyUnderTest,
}

impl Witness {
    fn start() -> Self {
        let keys = KeyServer::start();
        let upstream = Upstream::start();
        keys.publish(POOL, &[TestKey::first()]);
        let setup = Setup::new(&keys, &upstream).provoked().workers(1);
        let envoy = EnvoyUnderTest::start(&setup.listener(Listener::new(MAIN, document(&[POOL]))));
        Self {
            connection: None,
            envoy,
        }
    }

    /// The verdict, in which all agree.
    #[track_caller]
    fn ask(
        &mut self,
        key: (&[u8], &[u8]),
        message: &[u8],
        signature: &[u8],
        what: &str,
    ) -> Verdict {
        let (modulus, exponent) = key;
        let parts =
            [modulus, exponent, message, signature].map(|part| URL_SAFE_NO_PAD.encode(part));
        let request = Request::get("/").header(VERIFY, parts.join("."));
        let connection = match &mut self.connection {
            Some(connection) => {
                connection.write(&request.head_bytes());
                connection
            }
            none => none.insert(request.open(self.envoy.main())),
        };
        let response = connection.next_response();
        match response.body.as_str() {
            "Valid true true" => Verdict::Valid,
            "Invalid false false" => Verdict::Invalid,
            refusal if refusal.contains("expected") => Verdict::NoKey,
            disagreement => panic!("{what}: {disagreement}\n{parts:?}"),
        }
    }
}

#[test]
fn both_verifiers_say_the_same_of_everything() {
    let mut witness = Witness::start();
    the_host_says_of_published_signatures_on_the_curve_what_is_published(&witness);
    both_verifiers_say_of_published_signatures_what_is_published(&mut witness);
    both_verifiers_give_one_verdict_on_thousands_of_signatures_and_keys(&mut witness);
}

/// Of the same signatures as `core/signatures.rs`, and of a point that is not on the curve.
fn the_host_says_of_published_signatures_on_the_curve_what_is_published(witness: &Witness) {
    let ask = |point: &[u8], message: &[u8], signature: &[u8]| {
        let (x, y) = point.split_at(48);
        let parts = [x, y, message, signature].map(|part| URL_SAFE_NO_PAD.encode(part));
        let request = Request::get("/").header(VERIFY_ES384, parts.join("."));
        match request.send(witness.envoy.main()).body.as_str() {
            "true" => true,
            "false" => false,
            other => panic!("{other}"),
        }
    };
    let all = on_curve();
    let wrong = all
        .iter()
        .filter(|one| ask(&one.point, &one.message, &one.signature) != one.genuine);
    let wrong: Vec<_> = wrong.map(|one| one.name.as_str()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let genuine = all.iter().find(|one| one.genuine).expect("one");
    let mut elsewhere = genuine.point.clone();
    elsewhere[95] ^= 1;
    assert!(!ask(&elsewhere, &genuine.message, &genuine.signature));
    assert!(all.len() > 200, "{} signatures", all.len());
}

fn both_verifiers_say_of_published_signatures_what_is_published(witness: &mut Witness) {
    let mut wrong = Vec::new();
    let mut asked = 0;
    for one in SETS.into_iter().flat_map(|(set, _)| published(set)) {
        let key = (one.modulus.as_slice(), one.exponent.as_slice());
        let found = witness.ask(key, &one.message, &one.signature, &one.name);
        let expected = if one.genuine {
            Verdict::Valid
        } else {
            Verdict::Invalid
        };
        if found != expected {
            wrong.push(format!("{}: found {found:?}", one.name));
        }
        asked += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(asked, SETS.iter().map(|(_, count)| count).sum::<usize>());
}

impl Seed {
    /// One bit, one byte, or one place more or less.
    fn disturb(&mut self, bytes: &mut Vec<u8>) {
        let at = self.below(bytes.len());
        match self.below(6) {
            0 | 1 => bytes[at] ^= 1 << self.below(8),
            2 => bytes[at] = self.bytes(1)[0],
            3 => drop(bytes.remove(at)),
            4 => bytes.insert(at, 0),
            _ => bytes.rotate_left(1),
        }
    }

    /// A number of about as many bits as a key has, and often one that no key has.
    fn modulus(&mut self) -> Vec<u8> {
        let bits = *self.choose(&[
            2040, 2047, 2048, 2048, 2049, 2056, 3071, 3072, 4095, 4096, 4097,
        ]);
        let mut bytes = self.bytes(usize::div_ceil(bits, 8));
        bytes[0] >>= bits.wrapping_neg() % 8;
        bytes[0] |= 1 << ((bits - 1) % 8);
        let last = bytes.len() - 1;
        match self.below(8) {
            0 => {}
            1 => bytes.fill(0xff),
            // Next to a power of two.
            2 => {
                bytes[1..].fill(0);
                bytes[last] = 1;
            }
            _ => bytes[last] |= 1,
        }
        bytes
    }

    fn exponent(&mut self) -> Vec<u8> {
        let exponents: [u64; 12] = [
            0,
            1,
            2,
            3,
            5,
            17,
            65_537,
            65_539,
            (1 << 31) + 1,
            (1 << 32) - 1,
            1 << 32,
            (1 << 32) + 1,
        ];
        let exponent = self.choose(&exponents).to_be_bytes();
        exponent[self.below(5)..].to_vec()
    }
}

/// Signatures that are right, almost right and anything; keys that are keys and numbers that are
/// none. Of the former it is known who made them, of the latter only that both must agree.
fn both_verifiers_give_one_verdict_on_thousands_of_signatures_and_keys(witness: &mut Witness) {
    let mut random = Seed::from_variable("VERIFIERS_SEED");
    let keys = [
        TestKey::first(),
        TestKey::second(),
        TestKey::third(),
        TestKey::low_exponent(),
        TestKey::large(),
    ];
    let signed = keys.map(|key| {
        let message = random.bytes(40);
        (key, key.sign(&message), message)
    });
    let (mut valid, mut invalid, mut no_key) = (0, 0, 0);
    for round in 0..2_400 {
        let what = format!("round {round}");
        let (key, genuine, message) = random.choose(&signed).clone();
        let (mut modulus, mut exponent) = (key.modulus(), key.exponent());
        let (mut signature, mut said) = (genuine.clone(), message.clone());
        let mut known = true;
        match random.below(12) {
            0 => {}
            1 => said = random.bytes(40),
            2..=4 => random.disturb(&mut signature),
            5 => {
                let congruent = BigUint::from_bytes_be(&genuine) + BigUint::from_bytes_be(&modulus);
                signature = congruent.to_bytes_be();
            }
            6 => signature = random.bytes(modulus.len()),
            7 => signature = vec![*random.choose(&[0, 1, 0xff]); modulus.len()],
            8 => {
                let mut block = block::right(&message, modulus.len());
                let at = random.below(block.len() - 1) + 1;
                block[at] ^= 1 << random.below(8);
                // The private operation on 4096 bits takes too long to be asked for often.
                if modulus.len() == 256 {
                    signature = key.sign_block(&block);
                }
            }
            9 => {
                let wrong = block::wrong(&message, 256);
                let (_, block) = random.choose(&wrong);
                if modulus.len() == 256 {
                    signature = key.sign_block(block);
                }
            }
            10 => {
                exponent = random.exponent();
                known = false;
            }
            _ => {
                modulus = random.modulus();
                exponent = random.exponent();
                signature.resize(modulus.len(), 0);
                // A number above the modulus is refused before anything else is looked at.
                if random.below(2) == 0 {
                    signature = random.bytes(modulus.len());
                    signature[0] = 0;
                }
                known = false;
            }
        }
        let unchanged = signature == genuine && said == message;
        match witness.ask((&modulus, &exponent), &said, &signature, &what) {
            Verdict::Valid => {
                assert!(unchanged, "{what}: a forgery");
                valid += 1;
            }
            Verdict::Invalid => {
                assert!(!(known && unchanged), "{what}: genuine");
                invalid += 1;
            }
            Verdict::NoKey => {
                assert!(!known, "{what}: a key");
                no_key += 1;
            }
        }
    }
    eprintln!("{valid} valid, {invalid} invalid, {no_key} without a key");
    assert!(valid > 100 && invalid > 1_500 && no_key > 50);
}
