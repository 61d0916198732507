//! Base64url as RFC 4648, section 5, has it, read without a library: the model beside the code's.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The bytes; `None` for padding, other characters, lengths that no bytes have, and bits to spare
/// that are not zero.
pub(crate) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    if text.len() % 4 == 1 {
        return None;
    }
    let (mut bits, mut held) = (0_u32, 0);
    let mut bytes = Vec::new();
    for character in text {
        let value = ALPHABET.iter().position(|known| known == character)?;
        bits = bits << 6 | u32::try_from(value).unwrap();
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(bits >> held).unwrap());
            bits &= (1 << held) - 1;
        }
    }
    (bits == 0).then_some(bytes)
}

/// The text.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let mut group = [0; 4];
        group[1..=chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes(group);
        for place in 0..=chunk.len() {
            let value = usize::try_from(bits >> (18 - 6 * place)).unwrap() % 64;
            text.push(char::from(ALPHABET[value]));
        }
    }
    text
}
