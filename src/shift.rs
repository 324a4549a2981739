//! Shifts: each lasts from one time of day to the next, by the clocks of a time zone. Pure: the time and the time zone are
//! passed in.

use std::collections::BTreeSet;
use std::fmt::{self, Display, Formatter};
use std::time::SystemTime;

use chrono::{DateTime, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Utc};
use serde::{Serialize, Serializer};
use thiserror::Error;

/// Maximum number of shifts in a day.
const MOST_STARTS: usize = 24;

/// The starts around a time are searched on so many days before and after it: more than the difference between any two time
/// zones, as the time zone may be changed meanwhile.
const SEARCHED_DAYS: i64 = 2;

/// The longest time that clocks leave out when they are set forward, minutes: a country that moves across the date line leaves
/// out a day.
const LONGEST_GAP_MINUTES: i64 = 24 * 60;

/// The times of day at which shifts start: 1 to 24, all different, in ascending order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShiftStarts(Vec<NaiveTime>);

/// Why texts are not the starts of shifts.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ShiftStartsError {
    /// There is no text.
    #[error("an empty list")]
    Empty,
    /// There are too many.
    #[error("{0} times")]
    TooMany(usize),
    /// A text is not a time of day.
    #[error("{0:?}")]
    NotATime(String),
    /// A time is listed twice.
    #[error("{0:?} twice")]
    Twice(String),
}

/// A shift.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shift {
    /// When it starts.
    pub start: SystemTime,
    /// When the next one starts.
    pub end: SystemTime,
}

impl Shift {
    /// Whether `time` is in the shift.
    pub fn contains(&self, time: SystemTime) -> bool {
        (self.start..self.end).contains(&time)
    }
}

impl ShiftStarts {
    /// Parses times of day, `HH:MM`, in any order.
    ///
    /// # Errors
    /// When there is none, there are more than 24, one of them is not a time of day, or one is listed twice.
    pub fn parse(texts: &[&str]) -> Result<Self, ShiftStartsError> {
        if texts.is_empty() {
            return Err(ShiftStartsError::Empty);
        }
        if texts.len() > MOST_STARTS {
            return Err(ShiftStartsError::TooMany(texts.len()));
        }
        let mut starts = BTreeSet::new();
        for &text in texts {
            let start =
                time_of_day(text).ok_or_else(|| ShiftStartsError::NotATime(text.to_owned()))?;
            if !starts.insert(start) {
                return Err(ShiftStartsError::Twice(text.to_owned()));
            }
        }
        Ok(Self(starts.into_iter().collect()))
    }

    /// The shift that `time` is in, by the clocks of `zone`. A start that clocks show twice, because they are set back, is the
    /// first of the two; one that they leave out, because they are set forward, is the moment at which they are set.
    ///
    /// # Panics
    /// If `time` is more than 250,000 years from now.
    pub fn shift_at<Z: TimeZone>(&self, zone: &Z, time: SystemTime) -> Shift {
        let time = DateTime::<Utc>::from(time);
        let today = time.with_timezone(zone).date_naive();
        let days = (-SEARCHED_DAYS..=SEARCHED_DAYS).map(|days| today + TimeDelta::days(days));
        let starts = days.flat_map(|day| self.0.iter().map(move |start| day.and_time(*start)));
        let starts: Vec<_> = starts.map(|start| moment(zone, start)).collect();
        let start = starts.iter().copied().filter(|start| *start <= time).max();
        let end = starts.iter().copied().filter(|start| *start > time).min();
        Shift {
            start: start.expect("a shift started the day before").into(),
            end: end.expect("a shift starts the day after").into(),
        }
    }

    fn texts(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|start| start.format("%H:%M").to_string())
    }
}

/// The moment at which the clocks of `zone` show `local`, as [`ShiftStarts::shift_at`] defines it.
fn moment<Z: TimeZone>(zone: &Z, local: NaiveDateTime) -> DateTime<Utc> {
    let shown = |minutes| {
        let local = local + TimeDelta::minutes(minutes);
        let found = zone.from_local_datetime(&local);
        let candidates = [found.clone().earliest(), found.latest()];
        let candidates = candidates.into_iter().flatten().map(|found| found.to_utc());
        // `chrono::Local` 0.4.45 returns the later moment first, and counts the time at which clocks are set back among those that
        // they show twice.
        candidates
            .filter(|found| found.with_timezone(zone).naive_local() == local)
            .min()
    };
    (0..=LONGEST_GAP_MINUTES)
        .find_map(shown)
        .unwrap_or_else(|| local.and_utc())
}

/// Parses `HH:MM`.
fn time_of_day(text: &str) -> Option<NaiveTime> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |digits: &str| {
        let two = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse::<u32>().ok().filter(|_| two)
    };
    NaiveTime::from_hms_opt(number(hours)?, number(minutes)?, 0)
}

impl Display for ShiftStarts {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.texts().collect::<Vec<_>>().join(", "))
    }
}

impl Serialize for ShiftStarts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.texts())
    }
}

#[cfg(test)]
mod tests {
    use chrono::{FixedOffset, MappedLocalTime, NaiveDate};
    use proptest::prelude::*;

    use super::*;

    const USUAL: &[&str] = &["06:00", "14:00", "22:00"];

    fn offset(hours: i32) -> FixedOffset {
        FixedOffset::east_opt(hours * 3600).expect("less than a day")
    }

    fn local(month: u32, day: u32, hour: u32) -> NaiveDateTime {
        let day = NaiveDate::from_ymd_opt(2026, month, day).expect("a day");
        day.and_hms_opt(hour, 0, 0).expect("a time")
    }

    /// Central European Time of 2026: on March 29, clocks are set from 02:00 to 03:00; on October 25, from 03:00 to 02:00.
    #[derive(Clone)]
    struct Berlin;

    impl TimeZone for Berlin {
        type Offset = FixedOffset;

        fn from_offset(_: &FixedOffset) -> Self {
            Self
        }

        fn offset_from_local_date(&self, local: &NaiveDate) -> MappedLocalTime<FixedOffset> {
            self.offset_from_local_datetime(&local.and_time(NaiveTime::MIN))
        }

        /// As `chrono::Local` does it: the later moment first, and with both ends of a change.
        fn offset_from_local_datetime(&self, time: &NaiveDateTime) -> MappedLocalTime<FixedOffset> {
            let [forward, back] = [local(3, 29, 2), local(10, 25, 2)];
            let hour = TimeDelta::hours(1);
            if (back..=back + hour).contains(time) {
                MappedLocalTime::Ambiguous(offset(1), offset(2))
            } else if (forward + hour..back).contains(time) {
                MappedLocalTime::Single(offset(2))
            } else if (forward..forward + hour).contains(time) && *time > forward {
                MappedLocalTime::None
            } else {
                MappedLocalTime::Single(offset(1))
            }
        }

        fn offset_from_utc_date(&self, utc: &NaiveDate) -> FixedOffset {
            self.offset_from_utc_datetime(&utc.and_time(NaiveTime::MIN))
        }

        fn offset_from_utc_datetime(&self, utc: &NaiveDateTime) -> FixedOffset {
            let summer = (local(3, 29, 1)..local(10, 25, 1)).contains(utc);
            offset(if summer { 2 } else { 1 })
        }
    }

    fn utc(text: &str) -> DateTime<Utc> {
        text.parse().expect("a time")
    }

    fn check<Z: TimeZone>(zone: &Z, starts: &[&str], at: &str, expected: [&str; 2]) {
        let starts = ShiftStarts::parse(starts).expect("times of day");
        let Shift { start, end } = starts.shift_at(zone, utc(at).into());
        let found = [start, end].map(DateTime::<Utc>::from);
        assert_eq!(found, expected.map(utc), "{starts} at {at}");
    }

    #[test]
    fn shift_lasts_from_the_last_start_to_the_next_one() {
        let check = |at, expected| check(&offset(0), USUAL, at, expected);
        let [early, late, night] = [
            ["2026-07-01T06:00:00Z", "2026-07-01T14:00:00Z"],
            ["2026-07-01T14:00:00Z", "2026-07-01T22:00:00Z"],
            ["2026-07-01T22:00:00Z", "2026-07-02T06:00:00Z"],
        ];
        check("2026-07-01T06:00:00Z", early);
        check("2026-07-01T13:59:59.999999999Z", early);
        check("2026-07-01T14:00:00Z", late);
        check("2026-07-01T23:30:00Z", night);
        check("2026-07-02T00:00:00Z", night);
        check("2026-07-02T05:59:59Z", night);
    }

    #[test]
    fn only_one_start_makes_shifts_of_a_day() {
        let midnight = ["2026-12-31T00:00:00Z", "2027-01-01T00:00:00Z"];
        check(&offset(0), &["00:00"], "2026-12-31T00:00:00Z", midnight);
        check(&offset(0), &["00:00"], "2026-12-31T23:59:59Z", midnight);
        let noon = ["2026-06-30T12:00:00Z", "2026-07-01T12:00:00Z"];
        check(&offset(0), &["12:00"], "2026-07-01T11:00:00Z", noon);
    }

    #[test]
    fn starts_are_local_times() {
        let expected = ["2025-12-31T21:00:00Z", "2026-01-01T05:00:00Z"];
        check(&offset(9), USUAL, "2026-01-01T04:59:59Z", expected);
        let expected = ["2026-01-01T01:00:00Z", "2026-01-01T09:00:00Z"];
        check(&offset(-3), USUAL, "2026-01-01T01:00:00Z", expected);
    }

    #[test]
    fn night_of_a_change_of_clocks_is_shorter_or_longer() {
        let spring = ["2026-03-28T21:00:00Z", "2026-03-29T04:00:00Z"];
        check(&Berlin, USUAL, "2026-03-28T23:30:00Z", spring);
        check(&Berlin, USUAL, "2026-03-29T03:59:59Z", spring);
        let autumn = ["2026-10-24T20:00:00Z", "2026-10-25T05:00:00Z"];
        check(&Berlin, USUAL, "2026-10-25T00:30:00Z", autumn);
        check(&Berlin, USUAL, "2026-10-25T04:59:59Z", autumn);
    }

    #[test]
    fn start_that_clocks_leave_out_is_the_moment_at_which_they_are_set() {
        let set = "2026-03-29T01:00:00Z";
        let before = ["2026-03-28T01:30:00Z", set];
        check(&Berlin, &["02:30"], "2026-03-29T00:59:59Z", before);
        check(&Berlin, &["02:30"], set, [set, "2026-03-30T00:30:00Z"]);
        check(&Berlin, &["03:00"], set, [set, "2026-03-30T01:00:00Z"]);
        let both = ["02:00", "02:30"];
        check(&Berlin, &both, set, [set, "2026-03-30T00:00:00Z"]);
    }

    #[test]
    fn start_that_clocks_show_twice_is_the_first_one() {
        let first = ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"];
        check(&Berlin, &["02:30"], "2026-10-25T00:30:00Z", first);
        check(&Berlin, &["02:30"], "2026-10-25T01:45:00Z", first);
        // Clocks are set back when it would be 03:00: they show it once, an hour later.
        let once = ["2026-10-24T01:00:00Z", "2026-10-25T02:00:00Z"];
        check(&Berlin, &["03:00"], "2026-10-25T01:30:00Z", once);
    }

    #[test]
    fn starts_are_1_to_24_different_times_of_day() {
        let check = |texts: &[&str], expected: Result<&str, &str>| {
            let found = ShiftStarts::parse(texts).map(|starts| starts.to_string());
            let found = found.map_err(|error| error.to_string());
            assert_eq!(found.as_deref().map_err(String::as_str), expected);
        };
        check(USUAL, Ok("06:00, 14:00, 22:00"));
        check(&["23:59", "00:00"], Ok("00:00, 23:59"));
        check(&[], Err("an empty list"));
        check(&["06:00"; 25], Err("25 times"));
        check(&["06:00", "14:00", "06:00"], Err("\"06:00\" twice"));
        for text in [
            "", "6", "6:00", "06:0", "24:00", "06:60", "06:00:00", "+6:00", "06-00", "0６:00",
        ] {
            check(&["14:00", text], Err(&format!("{text:?}")));
        }
    }

    proptest! {
        #[test]
        fn shifts_follow_each_other_without_a_gap(
            minutes in prop::collection::btree_set(0_u32..1440, 1..=24),
            seconds in 0_u64..31_536_000,
        ) {
            let texts: Vec<String> = minutes
                .iter()
                .map(|minutes| format!("{:02}:{:02}", minutes / 60, minutes % 60))
                .collect();
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let starts = ShiftStarts::parse(&texts).expect("times of day");
            let year = SystemTime::from(utc("2026-01-01T00:00:00Z"));
            let time = year + std::time::Duration::from_secs(seconds);
            let shift = starts.shift_at(&Berlin, time);
            prop_assert!(shift.contains(time));
            prop_assert_eq!(starts.shift_at(&Berlin, shift.start), shift);
            prop_assert_eq!(starts.shift_at(&Berlin, shift.end).start, shift.end);
        }
    }
}
