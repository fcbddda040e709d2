//! Modification times of files, over the whole range that file systems have.

use std::fmt;
use std::time::{Duration, SystemTime};

use crate::model::Timestamp;

const NANOS: i64 = 1_000_000_000;

/// The problem recorded for a session that has no other time than its file's, if that
/// is out of range.
pub(crate) const BEYOND: &str = "the file's time is not within the years 1677 to 2262; \
                                 the session has the nearest time";

/// A modification time to the nanosecond.
///
/// File systems have 64 bits for seconds, a [`Timestamp`] has 64 bits for
/// nanoseconds. A time out of its range is kept as the nearest timestamp with the
/// same fraction of a second, and the seconds from there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FileTime {
    nearest: i64,
    beyond: i64,
}

impl FileTime {
    /// From seconds since the epoch, and the nanoseconds within that second.
    pub(crate) fn new(seconds: i64, nanos: i64) -> Self {
        let nanos = nanos.clamp(0, NANOS - 1);
        let exact = i128::from(seconds) * i128::from(NANOS) + i128::from(nanos);
        if let Ok(nearest) = i64::try_from(exact) {
            return Self { nearest, beyond: 0 };
        }
        // Leaves room for any nanoseconds.
        let near = seconds.clamp(i64::MIN / NANOS, i64::MAX / NANOS - 1);
        Self { nearest: near * NANOS + nanos, beyond: seconds - near }
    }

    /// From the columns of a database, which may hold any numbers.
    pub(crate) fn from_columns(nearest: Timestamp, beyond: i64) -> Self {
        Self { nearest: nearest.0, beyond }
    }

    /// The time, or the end of the range that it exceeds.
    pub(crate) fn nearest(self) -> Timestamp {
        Timestamp(self.nearest)
    }

    /// Seconds from [`nearest`](Self::nearest) to the time itself.
    pub(crate) fn beyond(self) -> i64 {
        self.beyond
    }

    pub(crate) fn is_beyond(self) -> bool {
        self.beyond != 0
    }

    fn seconds(self) -> i64 {
        self.nearest.div_euclid(NANOS).saturating_add(self.beyond)
    }

    fn nanos(self) -> u32 {
        self.nearest.rem_euclid(NANOS) as u32
    }

    pub(crate) fn system_time(self) -> SystemTime {
        let seconds = Duration::from_secs(self.seconds().unsigned_abs());
        let whole = if self.seconds() < 0 {
            SystemTime::UNIX_EPOCH.checked_sub(seconds)
        } else {
            SystemTime::UNIX_EPOCH.checked_add(seconds)
        };
        let time =
            whole.and_then(|time| time.checked_add(Duration::from_nanos(self.nanos().into())));
        // A system without such times has no file systems with them either.
        time.unwrap_or(SystemTime::UNIX_EPOCH)
    }
}

impl PartialOrd for FileTime {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for FileTime {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.seconds(), self.nanos()).cmp(&(other.seconds(), other.nanos()))
    }
}

impl From<Timestamp> for FileTime {
    fn from(at: Timestamp) -> Self {
        Self { nearest: at.0, beyond: 0 }
    }
}

impl fmt::Display for FileTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.is_beyond() {
            return self.nearest().fmt(f);
        }
        match chrono::DateTime::from_timestamp(self.seconds(), self.nanos()) {
            Some(time) => f.write_str(&time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)),
            None => write!(f, "{} seconds from 1970", self.seconds()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(seconds: i64, nanos: i64, shown: &str) {
        let time = FileTime::new(seconds, nanos);
        assert_eq!((time.seconds(), i64::from(time.nanos())), (seconds, nanos));
        assert_eq!(FileTime::from_columns(time.nearest(), time.beyond()), time);
        assert_eq!(time.to_string(), shown);
        let whole = Duration::from_secs(seconds.unsigned_abs());
        let expected = if seconds < 0 {
            SystemTime::UNIX_EPOCH - whole
        } else {
            SystemTime::UNIX_EPOCH + whole
        };
        assert_eq!(time.system_time(), expected + Duration::from_nanos(nanos.unsigned_abs()));
    }

    #[test]
    fn every_time_that_a_file_can_have_is_kept() {
        check(0, 0, "1970-01-01T00:00:00.000Z");
        check(-1, 999_999_999, "1969-12-31T23:59:59.999999999Z");
        check(-9_223_372_036, 1, "1677-09-21T00:12:44.000000001Z");
        check(-9_223_372_037, 1, "1677-09-21T00:12:43.000000001Z");
        check(9_223_372_036, 999_999_999, "2262-04-11T23:47:16.999999999Z");
        check(13_569_465_600, 7, "2400-01-01T00:00:00.000000007Z");
        check(i64::MAX, 999_999_999, "9223372036854775807 seconds from 1970");
        check(i64::MIN, 0, "-9223372036854775808 seconds from 1970");
    }

    #[test]
    fn times_are_in_order_beyond_the_ends_too() {
        let times = [(i64::MIN, 5), (-9_223_372_037, 0), (-1, 3), (0, 0), (9_223_372_040, 0)];
        let times = times.map(|(seconds, nanos)| FileTime::new(seconds, nanos));
        assert!(times.is_sorted());
    }
}
