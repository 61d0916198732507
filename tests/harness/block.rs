//! The block under a signature (EMSA-PKCS1-v1_5: RFC 8017, section 9.2), right and wrong.

use sha2::{Digest as _, Sha256};

/// DigestInfo of SHA-256 up to the digest.
const SHA256: [u8; 19] = [
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05,
    0x00, 0x04, 0x20,
];

/// `00 01 ff .. ff 00` and what follows, in `length` bytes.
fn padded(info: &[u8], length: usize) -> Vec<u8> {
    let padding = vec![0xff; length - info.len() - 3];
    [&[0, 1], padding.as_slice(), &[0], info].concat()
}

fn info(prefix: &[u8], message: &[u8]) -> Vec<u8> {
    [prefix, &Sha256::digest(message)].concat()
}

/// The one block that is right.
pub(crate) fn right(message: &[u8], length: usize) -> Vec<u8> {
    padded(&info(&SHA256, message), length)
}

/// Blocks that some verifier has taken, or could take, for the right one.
pub(crate) fn wrong(message: &[u8], length: usize) -> Vec<(&'static str, Vec<u8>)> {
    let right = right(message, length);
    let digest = info(&SHA256, message);
    let changed = |at: usize, byte: u8| {
        let mut block = right.clone();
        assert_ne!(block[at], byte);
        block[at] = byte;
        block
    };
    let from_end = |back: usize| length - back;
    let mut without_null = info(&SHA256, message);
    without_null.drain(15..17);
    without_null[1] -= 2;
    without_null[3] -= 2;
    let mut long_length = info(&SHA256, message);
    long_length.splice(1..2, [0x81, 0x31]);
    let mut in_parameters = info(&SHA256, message);
    in_parameters.splice(15..17, [0x04, 0x02, 0xaa, 0xbb]);
    in_parameters[1] += 2;
    in_parameters[3] += 2;
    let mut hidden = vec![0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0];
    hidden.extend_from_slice(&digest);
    hidden.resize(length, 0xa5);
    vec![
        ("block type 2, of encryption", changed(1, 2)),
        ("block type 0", changed(1, 0)),
        ("a first byte that is not zero", changed(0, 1)),
        ("a padding byte that is not 0xff", changed(40, 0xfe)),
        ("the zero after eight bytes of padding", changed(10, 0)),
        ("no zero after the padding", changed(from_end(52), 0xff)),
        ("short padding, and garbage after the digest", hidden),
        ("SHA-224 by name", changed(from_end(37), 4)),
        ("SHA-384 by name", changed(from_end(37), 2)),
        ("a NULL with contents", changed(from_end(35), 1)),
        ("no NULL", padded(&without_null, length)),
        ("garbage in the parameters", padded(&in_parameters, length)),
        ("a length in its long form", padded(&long_length, length)),
        (
            "a digest and a byte more",
            padded(&[digest.as_slice(), &[0]].concat(), length),
        ),
        (
            "the digest of other words",
            padded(&info(&SHA256, b"other words"), length),
        ),
        (
            "a digest without its name",
            padded(&Sha256::digest(message), length),
        ),
        ("a message in place of its digest", padded(message, length)),
        ("nothing after the padding", padded(&[], length)),
    ]
}
