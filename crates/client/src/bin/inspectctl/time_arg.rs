//! Times on the command line: a date and time, or an age.

use std::str::FromStr;
use std::time::{Duration, SystemTime};

use prost_types::Timestamp;
use thiserror::Error;

/// The largest age: older than any journal.
const LARGEST_AGE: Duration = Duration::from_hours(100 * 365 * 24);

/// A time on the command line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TimeArg {
    /// This long ago.
    Ago(Duration),
    /// This date and time.
    At(Timestamp),
}

/// The text is not a time.
#[derive(Debug, Error)]
#[error("must be a time such as 2026-11-24T06:00:00Z, or an age: 30s, 10m, 2h, 7d")]
pub struct TimeArgError;

impl TimeArg {
    /// Returns the timestamp, where `now` is the current time.
    pub fn timestamp(self, now: SystemTime) -> Timestamp {
        match self {
            Self::Ago(ago) => {
                let time = now.checked_sub(ago).unwrap_or(SystemTime::UNIX_EPOCH);
                time.max(SystemTime::UNIX_EPOCH).into()
            }
            Self::At(time) => time,
        }
    }
}

impl FromStr for TimeArg {
    type Err = TimeArgError;

    fn from_str(text: &str) -> Result<Self, TimeArgError> {
        if let Some(ago) = age(text) {
            return Ok(Self::Ago(ago));
        }
        // A date without a time would mean its first second, which is not what `--to DATE` suggests.
        let complete = text.contains('T');
        let time = complete.then(|| text.parse().ok()).flatten();
        time.map(Self::At).ok_or(TimeArgError)
    }
}

fn age(text: &str) -> Option<Duration> {
    let unit = text.chars().last()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 24 * 3600,
        _ => return None,
    };
    let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
    let ago = Duration::from_secs(number.checked_mul(seconds)?);
    (ago <= LARGEST_AGE).then_some(ago)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_dates_with_a_time_or_ages() {
        let check = |text: &str, expected: Option<u64>| {
            let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
            let time = text.parse::<TimeArg>().ok();
            let seconds = time.map(|time| time.timestamp(now).seconds);
            assert_eq!(seconds, expected.map(|seconds| seconds as i64), "{text:?}");
        };
        check("30s", Some(999_970));
        check("10m", Some(999_400));
        check("2h", Some(992_800));
        check("7d", Some(395_200));
        check("36500d", Some(0));
        check("1970-01-01T00:01:40Z", Some(100));
        check("1970-01-01T02:01:40+02:00", Some(100));
        check("1970-01-02", None);
        check("10", None);
        check("m", None);
        check("-3m", None);
        check("99999999999999999999d", None);
        check("yesterday", None);
        check("", None);
    }
}
