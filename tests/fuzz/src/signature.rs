//! RSA signatures: of all bytes, exactly the genuine ones are a key's over a message.

use std::sync::OnceLock;

use arbitrary::{Result, Unstructured};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cognito_authorizer::rs256::{PublicKey, Rs256, Signature};
use jwt_compact::{Algorithm as _, AlgorithmSignature as _};
use num_bigint::BigUint;

use super::issuer::TestKey;

const MESSAGES: [&[u8]; 3] = [b"", b"e30.e30", b"eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbm4ifQ"];

struct Signed {
    key: usize,
    message: usize,
    signature: Vec<u8>,
}

fn test_keys() -> [&'static TestKey; 2] {
    [TestKey::first(), TestKey::second()]
}

/// RSASSA-PKCS1-v1_5 is deterministic: these are all the signatures there are.
fn genuine() -> &'static [Signed] {
    static SIGNED: OnceLock<Vec<Signed>> = OnceLock::new();
    SIGNED.get_or_init(|| {
        let keys = test_keys();
        let pairs =
            (0..keys.len()).flat_map(|key| (0..MESSAGES.len()).map(move |message| (key, message)));
        let signed = pairs.map(|(key, message)| Signed {
            key,
            message,
            signature: keys[key].sign(MESSAGES[message]),
        });
        signed.collect()
    })
}

fn public(key: &TestKey) -> PublicKey {
    let exponent = URL_SAFE_NO_PAD
        .decode(key.jwk()["e"].as_str().unwrap())
        .unwrap();
    PublicKey::new(&key.modulus(), &exponent).expect("a key")
}

fn check(input: &mut Unstructured<'_>) -> Result<()> {
    let base = input.choose(genuine())?;
    let mut bytes = base.signature.clone();
    let mut key = base.key;
    let mut message = MESSAGES[base.message].to_vec();
    for _ in 0..input.int_in_range(0..=3)? {
        let at = input.choose_index(bytes.len().max(1))?;
        match input.int_in_range(0..=9)? {
            0 if at < bytes.len() => bytes[at] = input.arbitrary()?,
            1 if at < bytes.len() => bytes[at] ^= 1 << input.int_in_range(0..=7)?,
            2 => bytes.truncate(at),
            3 => bytes.insert(at.min(bytes.len()), input.arbitrary()?),
            4 => bytes.insert(0, 0),
            // Congruent to the genuine one.
            5 => {
                let modulus = BigUint::from_bytes_be(&test_keys()[key].modulus());
                bytes = (BigUint::from_bytes_be(&bytes) + modulus).to_bytes_be();
            }
            6 => key = input.choose_index(test_keys().len())?,
            7 => message = input.choose(&MESSAGES)?.to_vec(),
            8 => message.push(input.arbitrary()?),
            _ => bytes = vec![input.arbitrary()?; bytes.len()],
        }
    }
    let public = public(test_keys()[key]);
    let signature = Signature::try_from_slice(&bytes).expect("any bytes");
    let accepted = Rs256::module().verify_signature(&signature, &public, &message);
    let known = genuine()
        .iter()
        .any(|one| one.key == key && MESSAGES[one.message] == message && one.signature == bytes);
    assert_eq!(accepted, known, "{bytes:02x?} {message:?}");
    Ok(())
}

/// A signature is accepted only if it is the one that the key makes.
pub fn signature(data: &[u8]) {
    // An input that is too short asks nothing.
    let _ = check(&mut Unstructured::new(data));
}
