//! Times as users type them: a date, a time, or how long ago.

use chrono::NaiveDate;
use sessile::Timestamp;

const SECOND: i64 = 1_000_000_000;
const DAY: i64 = 86_400 * SECOND;

/// A time as typed. How long ago is relative to the time of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    At(Timestamp),
    Ago(i64),
    /// This many days before today, plus an offset within that day, in UTC.
    Day {
        ago: i64,
        into: i64,
    },
}

impl Moment {
    /// A date means its beginning.
    pub(crate) fn since(text: &str) -> Result<Self, String> {
        Self::read(text, 0)
    }

    /// A date means its end.
    pub(crate) fn until(text: &str) -> Result<Self, String> {
        Self::read(text, DAY - 1)
    }

    fn read(text: &str, into_day: i64) -> Result<Self, String> {
        match text {
            "today" => return Ok(Self::Day { ago: 0, into: into_day }),
            "yesterday" => return Ok(Self::Day { ago: 1, into: into_day }),
            _ => {}
        }
        let is_date = text.len() == 10 && text.bytes().filter(|byte| *byte == b'-').count() == 2;
        let at = if is_date {
            time(&format!("{text}T00:00:00Z")).map(|at| Timestamp(at.0.saturating_add(into_day)))
        } else {
            time(text)
        };
        at.map(Self::At).or_else(|| ago(text).map(Self::Ago)).ok_or_else(|| {
            "a date, a time or how long ago was expected, as in 2026-01-02, \
             2026-01-02T03:04:05Z, 2w, 3d, 12h, today or yesterday"
                .to_owned()
        })
    }

    pub(crate) fn before(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Ago(ago) => Timestamp(now.0.saturating_sub(ago)),
            Self::Day { ago, into } => {
                let begun = now.0.saturating_sub(now.0.rem_euclid(DAY));
                Timestamp(begun.saturating_sub(ago * DAY).saturating_add(into))
            }
        }
    }
}

/// A time as typed, of a day that the calendar has. In a session file, the 30th of
/// February is a day of March, as it is for the programs.
pub(crate) fn time(text: &str) -> Option<Timestamp> {
    let day = text.trim().split(['T', 't']).next()?;
    NaiveDate::parse_from_str(day, "%Y-%m-%d").ok()?;
    Timestamp::parse(text)
}

fn ago(text: &str) -> Option<i64> {
    let (at, unit) = text.char_indices().next_back()?;
    let length = match unit {
        'm' => 60 * SECOND,
        'h' => 3_600 * SECOND,
        'd' => DAY,
        'w' => 7 * DAY,
        'y' => 365 * DAY,
        _ => return None,
    };
    let number: u32 = text[..at].parse().ok()?;
    Some(i64::from(number).saturating_mul(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_dates_times_or_how_long_ago() {
        let now = Timestamp::parse("2026-03-01T12:00:00Z").unwrap();
        let since = |text| Moment::since(text).map(|moment| moment.before(now).to_string());
        let until = |text| Moment::until(text).map(|moment| moment.before(now).to_string());

        assert_eq!(since("2026-01-02").unwrap(), "2026-01-02T00:00:00.000Z");
        assert_eq!(until("2026-01-02").unwrap(), "2026-01-02T23:59:59.999999999Z");
        assert_eq!(since("2026-01-02T03:04:05Z").unwrap(), "2026-01-02T03:04:05.000Z");
        assert_eq!(since("2w").unwrap(), "2026-02-15T12:00:00.000Z");
        assert_eq!(until("12h").unwrap(), "2026-03-01T00:00:00.000Z");
        assert_eq!(since("today").unwrap(), "2026-03-01T00:00:00.000Z");
        assert_eq!(since("yesterday").unwrap(), "2026-02-28T00:00:00.000Z");
        assert_eq!(until("yesterday").unwrap(), "2026-02-28T23:59:59.999999999Z");
        assert_eq!(since("2024-02-29").unwrap(), "2024-02-29T00:00:00.000Z");
        for wrong in ["", "w", "2", "-2d", "2x", "tomorrow", "2026-13-01"] {
            assert!(since(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_day_that_the_calendar_does_not_have_is_no_time() {
        for wrong in ["2026-02-30", "2026-04-31", "2026-02-29T12:00:00Z", "2026-06-31t00:00:00z"] {
            assert!(Moment::since(wrong).is_err(), "{wrong}");
            assert!(Moment::until(wrong).is_err(), "{wrong}");
        }
    }
}
