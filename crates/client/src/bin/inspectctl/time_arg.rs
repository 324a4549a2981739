//! Times as operators write them: a moment, or how long ago.

use std::str::FromStr;
use std::time::{Duration, SystemTime};

use prost_types::Timestamp;
use thiserror::Error;

/// Longer ago than any journal reaches.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// A moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum When {
    /// So long ago.
    Ago(Duration),
    /// This one.
    At(Timestamp),
}

/// Why a text is no moment.
#[derive(Debug, Error)]
#[error("must be a time like 2026-11-24T06:00:00Z, or how long ago: 30s, 10m, 2h, 7d")]
pub struct WhenError;

impl When {
    /// As the daemon takes it, if it is `now`.
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

impl FromStr for When {
    type Err = WhenError;

    fn from_str(text: &str) -> Result<Self, WhenError> {
        if let Some(ago) = ago(text) {
            return Ok(Self::Ago(ago));
        }
        // A date alone would be read as its first moment: nobody means that by `--to`.
        let whole = text.contains('T');
        let time = whole.then(|| text.parse().ok()).flatten();
        time.map(Self::At).ok_or(WhenError)
    }
}

fn ago(text: &str) -> Option<Duration> {
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
    (ago <= LONGEST).then_some(ago)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_absolute_or_ago() {
        let check = |text: &str, expected: Option<u64>| {
            let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
            let when = text.parse::<When>().ok();
            let seconds = when.map(|when| when.timestamp(now).seconds);
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
