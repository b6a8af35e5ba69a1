//! The virtual clock: an instant is a count of nanoseconds since 1970-01-01T00:00:00Z.
//!
//! Nothing in the world asks the machine's own clock; only the [agenda](super::agenda) moves
//! this one, and it never goes back.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};
pub use std::time::Duration;

/// An instant of virtual time, in nanoseconds since the Unix epoch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(u64);

impl Time {
    /// 2021-01-04T14:45:00Z, where a scenario starts that names no other instant.
    pub const DEFAULT: Time = Time::from_unix(1_609_771_500);

    /// The instant `seconds` after the Unix epoch.
    pub const fn from_unix(seconds: u64) -> Time {
        Time(seconds * 1_000_000_000)
    }

    /// The instant `nanos` nanoseconds after the Unix epoch.
    pub const fn from_nanos(nanos: u64) -> Time {
        Time(nanos)
    }

    /// Whole seconds since the Unix epoch, as time(2) tells them.
    pub const fn unix(self) -> u64 {
        self.0 / 1_000_000_000
    }

    /// Nanoseconds since the Unix epoch.
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// Microseconds within the second, as gettimeofday(2) tells them.
    pub const fn subsec_micros(self) -> u32 {
        (self.0 % 1_000_000_000 / 1_000) as u32
    }

    /// Time passed since `earlier`; zero if `earlier` is later.
    pub fn since(self, earlier: Time) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The instant as a calendar date and time in UTC, the only zone of the lab.
    pub fn civil(self) -> jiff::civil::DateTime {
        jiff::Timestamp::from_nanosecond(i128::from(self.0))
            .map(|t| jiff::tz::TimeZone::UTC.to_datetime(t))
            .unwrap_or(jiff::civil::DateTime::MAX)
    }

    /// The instant of the same day at a time of day, written `14:45:09` or `14:45:09.003`.
    pub fn today(now: Time, text: &str) -> Option<Time> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let mut parts = whole.split(':').map(|p| p.parse::<u64>().ok());
        let (h, m, s) = (parts.next()??, parts.next()??, parts.next().unwrap_or(Some(0))?);
        let digits = fraction.len() <= 9 && fraction.bytes().all(|b| b.is_ascii_digit());
        if parts.next().is_some() || h > 23 || m > 59 || s > 60 || !digits {
            return None;
        }
        let nanos = format!("{fraction:0<9}").parse::<u64>().ok()?;
        let day = now.0 - now.0 % 86_400_000_000_000;
        Some(Time(day + (h * 3600 + m * 60 + s) * 1_000_000_000 + nanos))
    }

    /// The instant written by a strftime(3) format, in UTC.
    pub fn strftime(self, format: &str) -> String {
        let instant = jiff::Timestamp::from_nanosecond(i128::from(self.0)).unwrap_or(jiff::Timestamp::MAX);
        jiff::ZonedDateTime::new(instant, jiff::tz::TimeZone::UTC).strftime(format).to_string()
    }
}

impl Add<Duration> for Time {
    type Output = Time;
    fn add(self, d: Duration) -> Time {
        Time(self.0.saturating_add(u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl AddAssign<Duration> for Time {
    fn add_assign(&mut self, d: Duration) {
        *self = *self + d;
    }
}

impl Sub for Time {
    type Output = Duration;
    fn sub(self, earlier: Time) -> Duration {
        self.since(earlier)
    }
}

impl fmt::Display for Time {
    /// The time of day to the millisecond, as the trace shows it: `14:45:09.001`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0 / 1_000_000;
        let (s, ms) = (ms / 1000, ms % 1000);
        write!(f, "{:02}:{:02}:{:02}.{ms:03}", s / 3600 % 24, s / 60 % 60, s % 60)
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}T{self}", self.civil().date())
    }
}
