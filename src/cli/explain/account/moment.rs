//! Times as people read and write them.

use cognito_authorizer::time::Timestamp;
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A time given by hand: RFC 3339, or seconds since the epoch as a token has them.
pub(crate) fn read_instant(text: &str) -> Result<Timestamp, String> {
    let wrong = || {
        format!(
            "found {text:?}; expected a time such as 2026-01-31T12:00:00Z, or seconds since 1970"
        )
    };
    if let Ok(seconds) = text.parse::<f64>() {
        return Timestamp::from_seconds(seconds).ok_or_else(wrong);
    }
    let instant = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| wrong())?;
    let seconds = u64::try_from(instant.unix_timestamp()).map_err(|_| wrong())?;
    Ok(Timestamp::since_epoch(Duration::new(
        seconds,
        instant.nanosecond(),
    )))
}

/// RFC 3339, in UTC, to the millisecond; plain seconds where that has no spelling (after 9999).
pub(crate) fn instant(time: Timestamp) -> String {
    let plain = || time.seconds().to_string();
    let Ok(elapsed) = Duration::try_from_secs_f64(time.seconds()) else {
        return plain();
    };
    // A fraction in binary has more digits than anybody wrote.
    let milliseconds = elapsed.as_nanos().saturating_add(500_000) / 1_000_000;
    i128::try_from(milliseconds)
        .ok()
        .and_then(|milliseconds| milliseconds.checked_mul(1_000_000))
        .and_then(|nanoseconds| OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).ok())
        .and_then(|instant| instant.format(&Rfc3339).ok())
        .unwrap_or_else(plain)
}

/// How far two times are apart.
pub(super) fn apart(one: Timestamp, other: Timestamp) -> Duration {
    Duration::try_from_secs_f64((one.seconds() - other.seconds()).abs()).unwrap_or_default()
}

/// A length of time in its two largest units: `3 min 20 s`.
pub(crate) fn span(length: Duration) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    if length < Duration::from_secs(1) {
        let milliseconds = length.as_millis();
        return match milliseconds {
            0 => "0 s".to_owned(),
            some => format!("{some} ms"),
        };
    }
    let mut left = length.as_secs();
    let mut parts = Vec::new();
    for (size, name) in UNITS {
        let count = left.checked_div(size).unwrap_or_default();
        left = left.checked_rem(size).unwrap_or_default();
        if count > 0 {
            parts.push(format!("{count} {name}"));
        } else if !parts.is_empty() {
            break;
        }
    }
    parts.truncate(2);
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: f64) -> Timestamp {
        Timestamp::from_seconds(seconds).unwrap()
    }

    #[test]
    fn times_are_read_as_people_and_tokens_write_them() {
        for (text, seconds) in [
            ("1700000000", 1_700_000_000.0),
            ("1700000000.5", 1_700_000_000.5),
            ("2023-11-14T22:13:20Z", 1_700_000_000.0),
            ("2023-11-14T23:13:20.5+01:00", 1_700_000_000.5),
            ("1970-01-01T00:00:00Z", 0.0),
        ] {
            assert_eq!(read_instant(text), Ok(at(seconds)), "{text}");
        }
        for text in [
            "",
            "now",
            "-1",
            "NaN",
            "1e300",
            "2023-11-14",
            "1969-12-31T23:59:59Z",
        ] {
            assert_eq!(
                read_instant(text).unwrap_err(),
                format!(
                    "found {text:?}; expected a time such as 2026-01-31T12:00:00Z, or seconds since 1970"
                )
            );
        }
    }

    #[test]
    fn times_are_written_in_utc() {
        assert_eq!(instant(at(1_700_000_000.0)), "2023-11-14T22:13:20Z");
        assert_eq!(instant(at(1_700_000_000.5)), "2023-11-14T22:13:20.5Z");
        assert_eq!(
            instant(at(1_700_000_000.123_456)),
            "2023-11-14T22:13:20.123Z"
        );
        assert_eq!(instant(at(Timestamp::MAX_SECONDS)), "9007199254740992");
    }

    #[test]
    fn lengths_are_told_in_two_units() {
        for (seconds, text) in [
            (0.0, "0 s"),
            (0.5, "500 ms"),
            (59.9, "59 s"),
            (60.0, "1 min"),
            (200.0, "3 min 20 s"),
            (3_600.0, "1 h"),
            (3_601.0, "1 h"),
            (3_660.0, "1 h 1 min"),
            (90_061.0, "1 d 1 h"),
            (8_640_000.0, "100 d"),
        ] {
            assert_eq!(span(Duration::from_secs_f64(seconds)), text, "{seconds}");
        }
    }
}
