//! Which key must have signed, and what is not its signature.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::admission::{bearer, with_part};
use crate::harness::document::POOL;
use crate::harness::issuer::{TestKey, Token, compact, now, signed};
use crate::harness::table::Table;

pub(crate) fn signature(table: &mut Table<'_>, at: &str) {
    let id = Token::id(POOL);
    let good = id.mint();
    table.accepted(
        at,
        "the other key",
        &bearer(&id.clone().signed_by(TestKey::second()).mint()),
    );
    table.accepted(
        at,
        "4096 bits",
        &bearer(&id.clone().signed_by(TestKey::large()).mint()),
    );
    // Made before the answer that has no such key.
    let older = id.clone().claim("iat", now() - 60);
    let unknown = older.clone().signed_by(TestKey::third()).mint();
    table.refused(
        at,
        "a key that is not published",
        &bearer(&unknown),
        "unknown_key",
    );
    // Published, but too small to be believed.
    let small = older.signed_by(TestKey::small()).mint();
    table.refused(at, "1024 bits", &bearer(&small), "unknown_key");
    let forged = signed(&id.header_bytes(), &id.payload_bytes(), TestKey::third());
    table.refused(
        at,
        "another key under the kid",
        &bearer(&forged),
        "invalid_signature",
    );
    let crossed = id.clone().header("kid", TestKey::second().kid()).mint();
    table.refused(
        at,
        "one key under the other's kid",
        &bearer(&crossed),
        "invalid_signature",
    );
    let other = Token::access(POOL).mint();
    let stolen = with_part(&good, 2, other.rsplit('.').next().expect("a signature"));
    table.refused(
        at,
        "another token's signature",
        &bearer(&stolen),
        "invalid_signature",
    );
    let payload = id.clone().claim("sub", "somebody else").payload_bytes();
    let tampered = with_part(&good, 1, &URL_SAFE_NO_PAD.encode(payload));
    table.refused(
        at,
        "a changed payload",
        &bearer(&tampered),
        "invalid_signature",
    );
    for (what, signature) in [
        // As an unsecured JWS has it (RFC 7515, appendix A.5).
        ("no signature", Vec::new()),
        ("a short signature", vec![1; 255]),
        ("a long signature", vec![1; 257]),
        ("a signature of zeros", vec![0; 256]),
        ("a signature of 0xff", vec![0xff; 256]),
    ] {
        let token = compact(&id.header_bytes(), &id.payload_bytes(), &signature);
        table.refused(at, what, &bearer(&token), "invalid_signature");
    }
    // Cheap refusals come first: what the signature would say does not matter.
    let both = with_part(&id.clone().claim("aud", "stranger").mint(), 2, "AAAA");
    table.refused(
        at,
        "a stranger's with a bad signature",
        &bearer(&both),
        "wrong_client",
    );
}
