//! Durations as the configuration writes them: `500ms`, `1.5h`.

use crate::time::{UNITS, written};
use std::fmt;
use std::time::Duration;

/// Reads `<number><unit>`: digits with an optional fraction, and one of `ms s m h`.
pub(super) fn read(text: &str) -> Option<Duration> {
    let (number, unit) = UNITS
        .iter()
        .find_map(|(name, unit)| Some((text.strip_suffix(name)?, unit)))?;
    let (whole, fraction) = match number.split_once('.') {
        None => (number, None),
        Some((whole, fraction)) => (whole, Some(fraction)),
    };
    let whole = unit.checked_mul(digits(whole)?)?;
    let Some(fraction) = fraction else {
        return Some(whole);
    };
    let parts = 10_u32.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let part = unit.checked_mul(digits(fraction)?)?.checked_div(parts)?;
    whole.checked_add(part)
}

/// Reads one to nine digits: no sign, no exponent, and no overflow of what follows.
fn digits(text: &str) -> Option<u32> {
    let digits_only = text.bytes().all(|byte| byte.is_ascii_digit());
    if digits_only && (1..=9).contains(&text.len()) {
        text.parse().ok()
    } else {
        None
    }
}

/// The shortest and the longest duration that a field takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) min: Duration,
    pub(super) max: Duration,
}

impl Bounds {
    /// Whether a duration lies within.
    pub(super) fn contain(&self, duration: Duration) -> bool {
        (self.min..=self.max).contains(&duration)
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "from {} to {}",
            written(self.min),
            written(self.max)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_a_number_and_a_unit() {
        for (text, millis) in [
            ("100ms", 100),
            ("0s", 0),
            ("5s", 5_000),
            ("0.25s", 250),
            ("1.5m", 90_000),
            ("720h", 2_592_000_000),
            ("999999999h", 3_599_999_996_400_000),
        ] {
            assert_eq!(read(text), Some(Duration::from_millis(millis)), "{text}");
        }
        assert_eq!(read("0.000001ms"), Some(Duration::from_nanos(1)));
    }

    #[test]
    fn anything_else_is_none() {
        for text in [
            "",
            "5",
            "s",
            "5 s",
            " 5s",
            "5s ",
            "5S",
            "5sec",
            "5d",
            "-5s",
            "+5s",
            ".5s",
            "5.s",
            "1e3s",
            "1_000s",
            "1,5s",
            "1.2.3s",
            "1m30s",
            "9999999999s",
            "٥s",
            "0x5s",
        ] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }

    #[test]
    fn bounds_name_the_largest_whole_unit() {
        let bounds = |min, max| {
            let (min, max) = (Duration::from_millis(min), Duration::from_millis(max));
            Bounds { min, max }.to_string()
        };
        assert_eq!(bounds(0, 300_000), "from 0s to 5m");
        assert_eq!(bounds(100, 30_000), "from 100ms to 30s");
        assert_eq!(bounds(3_600_000, 2_592_000_000), "from 1h to 720h");
    }
}
