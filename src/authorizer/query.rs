//! The parameters of a query as API Gateway tells them to a function.

use crate::percent;

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
    percent::encoded(text(path), |byte| byte.is_ascii())
}

fn text(path: &[u8]) -> &[u8] {
    let mut parts = path.splitn(2, |byte| *byte == b'?');
    parts.next();
    parts.next().unwrap_or_default()
}

/// A broken escape stays as it is.
fn decoded(text: &[u8]) -> Option<String> {
    let spaced = text
        .iter()
        .map(|byte| if *byte == b'+' { b' ' } else { *byte });
    let spaced: Vec<_> = spaced.collect();
    String::from_utf8(percent::decoded(&spaced).into_owned()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn reads(path: &str, expected: &[(&str, &str)]) {
        let parameters = parameters(path.as_bytes());
        let parameters: Vec<_> = parameters.iter().map(|(n, v)| (&**n, &**v)).collect();
        assert_eq!(parameters, expected, "{path}");
    }

    #[test]
    fn parameters_are_decoded_once() {
        reads("/a", &[]);
        reads("/a?", &[]);
        reads("/a?b", &[("b", "")]);
        reads("/a?b=", &[("b", "")]);
        reads("/a?b=1&&c=2&", &[("b", "1"), ("c", "2")]);
        reads("/a?b=1&b=2", &[("b", "1"), ("b", "2")]);
        reads("/a?b=c=d?e", &[("b", "c=d?e")]);
        reads("/a?=b", &[("", "b")]);
        reads("/a?%62=%2520+%2B%c3%a9", &[("b", "%20 +é")]);
        reads(
            "/a?b=%&c=%4&d=%4g&e=%+1",
            &[("b", "%"), ("c", "%4"), ("d", "%4g"), ("e", "% 1")],
        );
        reads("/a?b=1;c=2", &[("b", "1;c=2")]);
    }

    #[test]
    fn what_is_not_utf_8_is_left_out() {
        reads("/a?b=%ff&c=1&%ff=2", &[("c", "1")]);
        assert_eq!(
            parameters(b"/a?b=\xff&c=1"),
            [("c".to_owned(), "1".to_owned())]
        );
    }

    #[test]
    fn the_raw_query_is_what_was_sent() {
        assert_eq!(raw(b"/a"), "");
        assert_eq!(raw(b"/a?b=%2F+&c?"), "b=%2F+&c?");
        assert_eq!(raw("/a?b=é".as_bytes()), "b=%C3%A9");
    }
}
