//! The parameters of a query as API Gateway tells them to a function.

/// The parameters in their order, decoded once, with `+` as a space. One that is not UTF-8 is left
/// out: to replace characters would show the function another value than the upstream gets.
pub(super) fn parameters(path: &[u8]) -> Vec<(String, String)> {
    let parameters = text(path).split(|byte| *byte == b'&');
    parameters
        .filter(|parameter| !parameter.is_empty())
        .filter_map(|parameter| {
            let mut parts = parameter.splitn(2, |byte| *byte == b'=');
            let name = decoded(parts.next()?)?;
            let value = decoded(parts.next().unwrap_or_default())?;
            Some((name, value))
        })
        .collect()
}

/// The query as it stands; what is not ASCII, as an escape.
pub(super) fn raw(path: &[u8]) -> String {
    let mut raw = String::new();
    for byte in text(path) {
        match byte.is_ascii() {
            true => raw.push(char::from(*byte)),
            false => raw.push_str(&format!("%{byte:02X}")),
        }
    }
    raw
}

fn text(path: &[u8]) -> &[u8] {
    let mut parts = path.splitn(2, |byte| *byte == b'?');
    parts.next();
    parts.next().unwrap_or_default()
}

/// A broken escape stays as it is.
fn decoded(text: &[u8]) -> Option<String> {
    let digit = |digit: u8| char::from(digit).to_digit(16);
    let escaped = |high: u8, low: u8| {
        let value = digit(high)?.checked_mul(16)?.checked_add(digit(low)?)?;
        u8::try_from(value).ok()
    };
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if let (b'%', [high, low, after @ ..]) = (*first, after)
            && let Some(byte) = escaped(*high, *low)
        {
            bytes.push(byte);
            rest = after;
        } else {
            bytes.push(if *first == b'+' { b' ' } else { *first });
        }
    }
    String::from_utf8(bytes).ok()
}
