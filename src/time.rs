//! Two clocks, never mixed: token times are wall-clock, everything the filter schedules is
//! monotonic.
//!
//! Nothing in the core reads a clock. Both kinds of time arrive as parameters, so that a test can
//! script a day in a millisecond, and a wall clock that jumps moves no lease, window or back-off.

use std::cmp::Ordering;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

/// A point in time as JWT writes it: seconds since 1970-01-01T00:00:00Z, fractions allowed
/// (`NumericDate`, RFC 7519, section 2).
///
/// Always finite and within `0..=2^53`, where an `f64` still holds every whole second.
#[derive(Clone, Copy, Debug)]
pub struct Timestamp(f64);

impl Timestamp {
    /// 2^53: beyond it neighbouring seconds are no longer distinct in an `f64`.
    pub const MAX_SECONDS: f64 = 9_007_199_254_740_992.0;

    /// Accepts a finite number of seconds in `0..=2^53`.
    #[must_use]
    pub fn from_seconds(seconds: f64) -> Option<Self> {
        (0.0..=Self::MAX_SECONDS)
            .contains(&seconds)
            // The zero that is added takes the sign off the other zero.
            .then_some(Self(seconds + 0.0))
    }

    /// The wall clock's reading, as a distance from the Unix epoch.
    #[must_use]
    pub fn since_epoch(elapsed: Duration) -> Self {
        Self(elapsed.as_secs_f64().min(Self::MAX_SECONDS))
    }

    /// Seconds since the Unix epoch.
    #[must_use]
    pub const fn seconds(self) -> f64 {
        self.0
    }

    /// The moment in UTC, to the second, as RFC 3339 writes it: `2023-11-14T22:13:20Z`. Years have
    /// four digits up to 9999, and more beyond.
    #[must_use]
    pub fn utc(self) -> String {
        const DAY: u64 = 86_400;
        let seconds = Duration::try_from_secs_f64(self.0)
            .unwrap_or_default()
            .as_secs();
        let (days, second) = (seconds / DAY, seconds % DAY);
        // Days from the first of March of the year 0 on, in eras of 400 years that are all alike.
        let days = days.saturating_add(719_468);
        let (era, day) = (days / 146_097, days % 146_097);
        let leaps = (day / 1460)
            .saturating_add(day / 146_096)
            .saturating_sub(day / 36_524);
        let year = day.saturating_sub(leaps) / 365;
        let before = year
            .saturating_mul(365)
            .saturating_add(year / 4)
            .saturating_sub(year / 100);
        let day = day.saturating_sub(before);
        let month = day.saturating_mul(5).saturating_add(2) / 153;
        let first = month.saturating_mul(153).saturating_add(2) / 5;
        let day = day.saturating_sub(first).saturating_add(1);
        let year = era.saturating_mul(400).saturating_add(year);
        // January and February belong to the year before.
        let (year, month) = match month {
            0..10 => (year, month.saturating_add(3)),
            _ => (year.saturating_add(1), month.saturating_sub(9)),
        };
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }

    /// Reads a moment as RFC 3339 writes it, with its zone: `2026-11-28T20:00:00Z`, or
    /// `2026-11-28T21:00:00.5+01:00`. Leap seconds, of which none is planned, are not read.
    ///
    /// # Errors
    /// Another form, no zone, or a time before 1970.
    pub fn parse(text: &str) -> Result<Self, InvalidTime> {
        let form = || InvalidTime::Form(text.to_owned());
        let (clock, rest) = text.as_bytes().split_first_chunk().ok_or_else(form)?;
        let seconds = local(clock).ok_or_else(form)?;
        let (fraction, zone) = fraction(rest).ok_or_else(form)?;
        if zone.is_empty() {
            return Err(InvalidTime::NoZone(text.to_owned()));
        }
        let time = offset(zone).map(|ahead| f64::from(ahead) * 60.0);
        let time = time.map(|ahead| seconds - ahead + fraction);
        time.and_then(Self::from_seconds).ok_or_else(form)
    }

    /// This moment, moved later by `tolerance`.
    #[must_use]
    pub fn plus(self, tolerance: Duration) -> Self {
        Self((self.0 + tolerance.as_secs_f64()).min(Self::MAX_SECONDS))
    }
}

impl Ord for Timestamp {
    /// No timestamp is `NaN`, and none is `-0`, so that this is the order of numbers.
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Timestamp {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Timestamp {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Timestamp {}

/// Why a text is no time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvalidTime {
    /// Not as RFC 3339 writes it, or before 1970.
    Form(String),
    /// Without a zone: it would mean another moment to every reader.
    NoZone(String),
}

impl fmt::Display for InvalidTime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (found, expected) = match self {
            Self::Form(found) => (found, "a time with its zone (RFC 3339)"),
            Self::NoZone(found) => (found, "a zone at its end, Z or +01:00"),
        };
        write!(
            formatter,
            "found {found:?}; expected {expected}, such as 2026-11-28T20:00:00Z"
        )
    }
}

/// Two digits as a number within these bounds.
fn pair(tens: u8, ones: u8, bounds: RangeInclusive<u32>) -> Option<u32> {
    let digit = |byte: u8| char::from(byte).to_digit(10);
    let number = digit(tens)?.checked_mul(10)?.checked_add(digit(ones)?)?;
    bounds.contains(&number).then_some(number)
}

/// The seconds since 1970 of `2026-11-28T20:00:00`, as if it were in UTC.
fn local(clock: &[u8; 19]) -> Option<f64> {
    let [
        c1,
        c2,
        y1,
        y2,
        b'-',
        m1,
        m2,
        b'-',
        d1,
        d2,
        b'T' | b't',
        h1,
        h2,
        b':',
        n1,
        n2,
        b':',
        s1,
        s2,
    ] = *clock
    else {
        return None;
    };
    let year = pair(c1, c2, 0..=99)?
        .saturating_mul(100)
        .saturating_add(pair(y1, y2, 0..=99)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let month = pair(m1, m2, 1..=12)?;
    let longest = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    let day = pair(d1, d2, 1..=longest)?;
    let (hour, minute) = (pair(h1, h2, 0..=23)?, pair(n1, n2, 0..=59)?);
    let second = pair(s1, s2, 0..=59)?;
    // Years begin in March, so that the leap day is their last: see [`Timestamp::utc`]. Those before
    // the year 1 are before 1970 as well.
    let (year, month) = match month {
        1 | 2 => (year.checked_sub(1)?, month.saturating_add(9)),
        _ => (year, month.saturating_sub(3)),
    };
    let months = month.saturating_mul(153).saturating_add(2) / 5;
    let days = year
        .saturating_mul(365)
        .saturating_add(year / 4)
        .saturating_sub(year / 100)
        .saturating_add(year / 400)
        .saturating_add(months)
        .saturating_add(day)
        .checked_sub(719_469)?;
    let minutes = f64::from(days) * 1440.0 + f64::from(hour.saturating_mul(60)) + f64::from(minute);
    Some(minutes * 60.0 + f64::from(second))
}

/// A fraction of a second, if there is one, and what follows it.
fn fraction(text: &[u8]) -> Option<(f64, &[u8])> {
    let Some((b'.', mut rest)) = text.split_first() else {
        return Some((0.0, text));
    };
    let (mut fraction, mut share) = (0.0, 0.1);
    let digits = rest;
    while let Some((byte @ b'0'..=b'9', after)) = rest.split_first() {
        fraction += f64::from(byte.saturating_sub(b'0')) * share;
        share /= 10.0;
        rest = after;
    }
    (rest.len() < digits.len()).then_some((fraction, rest))
}

/// By how many minutes a zone is ahead of UTC.
fn offset(zone: &[u8]) -> Option<i32> {
    match *zone {
        [b'Z' | b'z'] => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let hours = pair(h1, h2, 0..=23)?.saturating_mul(60);
            let ahead = i32::try_from(hours.saturating_add(pair(m1, m2, 0..=59)?)).ok()?;
            Some(if sign == b'-' {
                0_i32.saturating_sub(ahead)
            } else {
                ahead
            })
        }
        _ => None,
    }
}

/// A reading of the process's monotonic clock, as the distance from that clock's own origin.
///
/// All VMs of one Envoy read the same clock, so a reading may be handed from one to another
/// through shared data. It means nothing outside the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Monotonic(Duration);

/// A VM reads its clock when its callback begins, so that what another has written since may lie a
/// little ahead.
const AHEAD: Duration = Duration::from_secs(1);

impl Monotonic {
    /// A reading that lies `since_origin` after the clock's origin.
    #[must_use]
    pub const fn new(since_origin: Duration) -> Self {
        Self(since_origin)
    }

    /// The distance from the clock's origin.
    #[must_use]
    pub const fn since_origin(self) -> Duration {
        self.0
    }

    /// A reading as shared data has it.
    #[must_use]
    pub const fn from_nanoseconds(since_origin: u64) -> Self {
        Self(Duration::from_nanos(since_origin))
    }

    /// The distance from the clock's origin, as shared data has it: 64 bits are enough for 584 years.
    #[must_use]
    pub fn nanoseconds(self) -> u64 {
        u64::try_from(self.0.as_nanos()).unwrap_or(u64::MAX)
    }

    /// The moment `delay` from now; saturates at the clock's end.
    #[must_use]
    pub const fn after(self, delay: Duration) -> Self {
        Self(self.0.saturating_add(delay))
    }

    /// Whether less than `span` has gone by since a reading in shared data. Since one that lies further
    /// ahead than the clocks of VMs differ in, it has: no VM of this filter wrote it, and it would last
    /// for good.
    #[must_use]
    pub fn lasts(self, span: Duration, now: Self) -> bool {
        self <= now.after(AHEAD) && now < self.after(span)
    }

    /// How long ago `earlier` was; zero if it lies ahead.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// Both clocks, read at once.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// The wall clock, for tokens.
    pub wall: Timestamp,
    /// The monotonic clock, for everything else.
    pub monotonic: Monotonic,
}

/// The units of durations in the configuration, longest name first: `ms` also ends in `s`.
pub const UNITS: [(&str, Duration); 4] = [
    ("ms", Duration::from_millis(1)),
    ("s", Duration::from_secs(1)),
    ("m", Duration::from_secs(60)),
    ("h", Duration::from_secs(3600)),
];

/// A duration as the configuration writes it, in the largest unit that shows it as a whole number.
#[must_use]
pub fn written(duration: Duration) -> String {
    let millis = duration.as_millis();
    let whole = UNITS.iter().rev().find_map(|(name, unit)| {
        let count = millis.checked_div(unit.as_millis())?;
        (count > 0 && millis.checked_rem(unit.as_millis())? == 0).then(|| format!("{count}{name}"))
    });
    whole.unwrap_or_else(|| "0s".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against `date -u`, around every kind of leap day.
    #[test]
    fn a_timestamp_is_written_in_utc() {
        for (seconds, text) in [
            (0.0, "1970-01-01T00:00:00Z"),
            (951_782_399.9, "2000-02-28T23:59:59Z"),
            (951_782_400.0, "2000-02-29T00:00:00Z"),
            (951_868_800.0, "2000-03-01T00:00:00Z"),
            (1_700_000_000.0, "2023-11-14T22:13:20Z"),
            (1_704_067_199.0, "2023-12-31T23:59:59Z"),
            (1_704_067_200.0, "2024-01-01T00:00:00Z"),
            (1_709_164_800.0, "2024-02-29T00:00:00Z"),
            (4_107_542_400.0, "2100-03-01T00:00:00Z"),
            (4_107_542_399.0, "2100-02-28T23:59:59Z"),
            (253_402_300_799.0, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(Timestamp::from_seconds(seconds).unwrap().utc(), text);
        }
        assert!(Timestamp(Timestamp::MAX_SECONDS).utc().ends_with('Z'));
    }

    /// Against `date -u -d`, and back.
    #[test]
    fn a_time_is_read_as_rfc_3339_writes_it() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0.0),
            ("1970-01-01T01:00:00+01:00", 0.0),
            ("2000-02-28T23:59:59.5z", 951_782_399.5),
            ("2000-02-29t00:00:00Z", 951_782_400.0),
            ("2000-03-01T00:00:00-00:00", 951_868_800.0),
            ("2023-11-14T22:13:20Z", 1_700_000_000.0),
            ("2023-11-15T07:58:20+09:45", 1_700_000_000.0),
            ("2023-11-14T13:13:20-09:00", 1_700_000_000.0),
            ("2024-01-01T00:00:00.000000001Z", 1_704_067_200.0),
            ("2100-03-01T00:00:00Z", 4_107_542_400.0),
            ("9999-12-31T23:59:59Z", 253_402_300_799.0),
        ] {
            let read = Timestamp::parse(text).unwrap();
            assert_eq!(Some(read), Timestamp::from_seconds(seconds), "{text}");
        }
        for day in 0..80_000_u32 {
            let time = Timestamp(f64::from(day) * 86_400.0 + 3661.0);
            assert_eq!(Timestamp::parse(&time.utc()), Ok(time));
        }
    }

    #[test]
    fn a_text_of_another_form_is_no_time() {
        for text in [
            "",
            "2023",
            "2023-11-14",
            "2023-11-14 22:13:20Z",
            "2023-11-14T22:13Z",
            "2023-11-14T22:13:20.Z",
            "2023-11-14T22:13:20,5Z",
            "2023-11-14T22:13:20UTC",
            "2023-11-14T22:13:20+01",
            "2023-11-14T22:13:20+0100",
            "2023-11-14T22:13:20+1:00",
            "2023-11-14T22:13:20+24:00",
            "2023-11-14T22:13:20+01:60",
            "2023-11-14T22:13:20Zz",
            "2023-11-14T24:00:00Z",
            "2023-11-14T22:60:00Z",
            "2023-12-31T23:59:60Z",
            "2023-02-29T00:00:00Z",
            "2100-02-29T00:00:00Z",
            "2023-04-31T00:00:00Z",
            "2023-13-01T00:00:00Z",
            "2023-00-01T00:00:00Z",
            "2023-01-00T00:00:00Z",
            "2023-1-01T00:00:00Z",
            "+2023-01-01T00:00:00Z",
            "-023-01-01T00:00:00Z",
            "02023-01-01T00:00:00Z",
            "2023-01-01T+1:00:00Z",
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00+00:01",
            "２023-01-01T00:00:00Z",
            " 2023-01-01T00:00:00Z",
        ] {
            let form = Err(InvalidTime::Form(text.to_owned()));
            assert_eq!(Timestamp::parse(text), form, "{text}");
        }
        let text = "2023-11-14T22:13:20";
        let without = Err(InvalidTime::NoZone(text.to_owned()));
        assert_eq!(Timestamp::parse(text), without);
    }

    #[test]
    fn a_timestamp_is_finite_and_exact_to_the_second() {
        assert!(Timestamp::from_seconds(0.0).is_some());
        assert!(Timestamp::from_seconds(1.5).is_some());
        assert_eq!(Timestamp::from_seconds(-0.0), Timestamp::from_seconds(0.0));
        assert!(Timestamp::from_seconds(Timestamp::MAX_SECONDS).is_some());
        for refused in [-0.5, f64::NAN, f64::INFINITY, 9_007_199_254_740_994.0] {
            assert_eq!(Timestamp::from_seconds(refused), None, "{refused}");
        }
    }

    #[test]
    fn monotonic_arithmetic_saturates() {
        let early = Monotonic::new(Duration::from_secs(1));
        let late = early.after(Duration::from_secs(2));
        assert_eq!(late.since(early), Duration::from_secs(2));
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!(late.after(Duration::MAX).since_origin(), Duration::MAX);
    }
}
