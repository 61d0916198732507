use super::*;

fn proof_key() -> PublicKey {
    use rsa::pkcs8::DecodePublicKey;
    use rsa::traits::PublicKeyParts;
    let key = rsa::PublicKey::from_public_key_der(PROOF.spki).unwrap();
    PublicKey::new(&key.n_bytes(), &key.e_bytes()).unwrap()
}

fn verify(algorithm: &Rs256, message: &[u8], signature: &[u8]) -> bool {
    let signature = Signature::new(signature.to_vec());
    algorithm.verify_signature(&signature, &proof_key(), message)
}

#[test]
fn the_module_verifies_what_openssl_signed() {
    let module = Rs256::module();
    assert_eq!(module.name(), "RS256");
    assert_eq!(proof_key().spki(), PROOF.spki);
    assert!(verify(&module, PROOF.message, PROOF.signature));
    assert!(!verify(&module, b"other", PROOF.signature));
    let mut forged = PROOF.signature.to_vec();
    forged[100] ^= 1;
    assert!(!verify(&module, PROOF.message, &forged));
}

#[test]
fn a_signature_has_the_length_of_the_modulus() {
    for signature in [
        &[][..],
        &PROOF.signature[1..],
        &[&[0], PROOF.signature].concat(),
    ] {
        assert!(!verify(&Rs256::module(), PROOF.message, signature));
    }
}

#[derive(Clone, Copy)]
struct Host(fn(bool) -> HostAnswer);

impl HostVerifier for Host {
    fn verify(&self, spki: &[u8], message: &[u8], signature: &[u8]) -> HostAnswer {
        assert_eq!(spki, PROOF.spki);
        (self.0)(verify(&Rs256::module(), message, signature))
    }
}

fn honest(valid: bool) -> HostAnswer {
    if valid {
        HostAnswer::Valid
    } else {
        HostAnswer::Invalid
    }
}

#[test]
fn a_host_is_used_once_it_has_proved_itself() {
    let host = Rs256::host_if_proven(Rc::new(Host(honest)));
    assert!(host.is_host());
    assert!(verify(&host, PROOF.message, PROOF.signature));
    assert!(!verify(&host, b"other", PROOF.signature));
    let liars: [fn(bool) -> HostAnswer; 4] = [
        |_| HostAnswer::Valid,
        |_| HostAnswer::Invalid,
        |_| HostAnswer::None,
        |valid| honest(!valid),
    ];
    for liar in liars {
        assert!(!Rs256::host_if_proven(Rc::new(Host(liar))).is_host());
    }
}

#[test]
fn a_host_that_falls_silent_is_stood_in_for() {
    let silent = Rs256 {
        host: Some(Rc::new(Host(|_| HostAnswer::None))),
    };
    assert!(verify(&silent, PROOF.message, PROOF.signature));
    assert!(!verify(&silent, b"other", PROOF.signature));
}

/// A number of this many bits, odd unless told otherwise.
fn modulus(bits: usize, last: u8) -> Vec<u8> {
    let mut bytes = vec![0xff; bits.div_ceil(8)];
    bytes[0] >>= bits.wrapping_neg() % 8;
    *bytes.last_mut().unwrap() = last;
    bytes
}

#[track_caller]
fn key(modulus: &[u8], exponent: &[u8], expected: Result<(), &str>) {
    let made = PublicKey::new(modulus, exponent).map(|_| ());
    assert_eq!(
        made.map_err(|error| error.to_string()),
        expected.map_err(str::to_owned)
    );
}

#[test]
fn keys_of_a_safe_size_are_taken() {
    let f4 = [1, 0, 1];
    let size = "the modulus is too short or too long; expected 2048 to 4096 bits";
    for bits in [2048, 2049, 3072, 4096] {
        key(&modulus(bits, 0xff), &f4, Ok(()));
    }
    key(
        &[&[0, 0], modulus(2048, 0xff).as_slice()].concat(),
        &f4,
        Ok(()),
    );
    for bits in [8, 512, 2047, 4097, 80_000] {
        key(&modulus(bits, 0xff), &f4, Err(size));
    }
    let even = "the modulus is even; expected a product of two large primes";
    key(&modulus(2048, 0xfe), &f4, Err(even));
    key(&[], &f4, Err(even));
}

#[test]
fn exponents_are_odd_and_small() {
    let n = modulus(2048, 0xff);
    let range = "the exponent is out of range; expected an odd number from 3 to 2^32";
    for exponent in [&[3][..], &[1, 0, 1], &[0, 0, 3], &[0xff, 0xff, 0xff, 0xff]] {
        key(&n, exponent, Ok(()));
    }
    for exponent in [
        &[][..],
        &[0],
        &[1],
        &[2],
        &[4],
        &[1, 0, 0, 0, 1],
        &[0xff; 9],
    ] {
        key(&n, exponent, Err(range));
    }
}
