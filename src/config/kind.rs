//! Types of keys: the allowed values and their description.

use std::net::SocketAddr;
use std::path::PathBuf;

use ::config::{Value, ValueKind};

use super::document;
use crate::shift::{ShiftStarts, ShiftStartsError};

/// A validated value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Setting {
    /// A whole number.
    Whole(u64),
    /// A finite number.
    Number(f64),
    /// `true` or `false`.
    Flag(bool),
    /// A text or a choice.
    Text(String),
    /// An absolute path.
    Path(PathBuf),
    /// An address.
    Address(SocketAddr),
    /// An address that is switched off.
    Off,
    /// Times of day at which shifts start.
    Times(ShiftStarts),
}

impl Setting {
    /// The text or choice, if it is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number, whole or not, if it is one.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Whole(number) => Some(*number as f64),
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }
}

/// Whether single precision holds the number exactly.
fn is_single(number: f64) -> bool {
    f64::from(number as f32).to_bits() == number.to_bits()
}

impl std::fmt::Display for Setting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Whole(number) => number.fmt(f),
            // Written with the digits of single precision if it was read in single precision.
            Self::Number(number) if is_single(*number) => (*number as f32).fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Flag(flag) => flag.fmt(f),
            Self::Text(text) => f.write_str(text),
            Self::Path(path) => path.display().fmt(f),
            Self::Address(address) => address.fmt(f),
            Self::Off => f.write_str("off"),
            Self::Times(starts) => starts.fmt(f),
        }
    }
}

/// The allowed values of a key.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// A whole number within a range, bounds included.
    Whole(u64, u64),
    /// One of these whole numbers.
    OneOf(&'static [u64]),
    /// A number within a range, bounds included.
    Number(f64, f64),
    /// A finite number within the range of single precision.
    Finite,
    /// `true` or `false`.
    Flag,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// One of two words for false and true.
    Either {
        /// False.
        no: &'static str,
        /// True.
        yes: &'static str,
    },
    /// A path. The layer makes it absolute before it is parsed.
    Path,
    /// An IP address and a port.
    Address,
    /// An IP address and a port, or `off`.
    AddressOrOff,
    /// A text that the function accepts, and the description of such a text.
    Text(fn(&str) -> bool, &'static str),
    /// A list of times of day at which shifts start.
    Times,
}

/// The largest whole number of TOML. A range up to it is described as one without an upper bound.
pub(super) const UNBOUNDED: u64 = i64::MAX as u64;

/// Description of a secret value.
pub(super) fn hidden() -> String {
    "a value that is not shown, as it may hold a password".to_owned()
}

/// Description of a value.
pub(super) fn found(value: &ValueKind) -> String {
    match value {
        ValueKind::String(text) => document::quoted(text),
        ValueKind::Float(number) => format!("{number:?}"),
        other => other.to_string(),
    }
}

/// The starts of shifts in a list; a description of what is wrong with it.
fn shift_starts(list: &[Value]) -> Result<ShiftStarts, String> {
    let mut texts = Vec::new();
    for value in list {
        match &value.kind {
            ValueKind::String(text) => texts.push(text.as_str()),
            other => return Err(found(other)),
        }
    }
    ShiftStarts::parse(&texts).map_err(|error| match error {
        ShiftStartsError::NotATime(text) => document::quoted(&text),
        error => error.to_string(),
    })
}

impl Kind {
    /// Whether the value is a list.
    pub fn is_list(&self) -> bool {
        matches!(self, Self::Times)
    }

    /// Description of a value that is refused; of a list, what is wrong with it.
    pub fn found(&self, value: &ValueKind) -> String {
        match (self, value) {
            (Self::Times, ValueKind::Array(list)) => match shift_starts(list) {
                Ok(starts) => starts.to_string(),
                Err(wrong) => wrong,
            },
            _ => found(value),
        }
    }

    /// Returns the value if it is allowed. A whole number is allowed where a number is.
    pub fn parse(&self, value: &ValueKind) -> Option<Setting> {
        match (self, value) {
            (Self::Whole(least, most), ValueKind::I64(number)) => {
                let number = u64::try_from(*number).ok()?;
                (*least..=*most)
                    .contains(&number)
                    .then_some(Setting::Whole(number))
            }
            (Self::OneOf(numbers), ValueKind::I64(number)) => {
                let number = u64::try_from(*number).ok()?;
                numbers.contains(&number).then_some(Setting::Whole(number))
            }
            (Self::Number(..) | Self::Finite, ValueKind::I64(number)) => {
                self.number(*number as f64)
            }
            (Self::Number(..) | Self::Finite, ValueKind::Float(number)) => self.number(*number),
            (Self::Flag, ValueKind::Boolean(flag)) => Some(Setting::Flag(*flag)),
            (Self::Times, ValueKind::Array(list)) => shift_starts(list).ok().map(Setting::Times),
            (_, ValueKind::String(text)) => self.text(text),
            _ => None,
        }
    }

    fn number(&self, number: f64) -> Option<Setting> {
        let (least, most) = match self {
            Self::Number(least, most) => (*least, *most),
            _ => (f64::from(f32::MIN), f64::from(f32::MAX)),
        };
        (least..=most)
            .contains(&number)
            .then_some(Setting::Number(number))
    }

    fn text(&self, text: &str) -> Option<Setting> {
        let setting = || Setting::Text(text.to_owned());
        match self {
            Self::Choice(words) => words.contains(&text).then(setting),
            Self::Either { no, yes } => (text == *no || text == *yes).then(setting),
            Self::Text(accepts, _) => accepts(text).then(setting),
            Self::Path => {
                let legal = !text.is_empty() && !text.contains('\0');
                legal.then(|| Setting::Path(text.into()))
            }
            Self::AddressOrOff if text == "off" => Some(Setting::Off),
            Self::Address | Self::AddressOrOff => text.parse().ok().map(Setting::Address),
            _ => None,
        }
    }

    /// Converts the text of an environment variable to the type of the key; a text if that fails.
    pub fn typed(&self, text: &str) -> ValueKind {
        let typed = match self {
            Self::Whole(..) | Self::OneOf(_) => text.parse().ok().map(ValueKind::I64),
            Self::Number(..) | Self::Finite => text.parse().ok().map(ValueKind::Float),
            Self::Flag => text.parse().ok().map(ValueKind::Boolean),
            Self::Times => {
                let times: Vec<&str> = text.split(',').map(str::trim).collect();
                Some(times.into())
            }
            _ => None,
        };
        typed.unwrap_or_else(|| ValueKind::String(text.to_owned()))
    }

    /// Description of the allowed values.
    pub fn allowed(&self) -> String {
        match self {
            Self::Whole(least, UNBOUNDED) => format!("a whole number, {least} or more"),
            Self::Whole(least, most) => format!("a whole number, {least} to {most}"),
            Self::OneOf(numbers) => either(numbers.iter().map(ToString::to_string)),
            Self::Number(least, most) => format!("a number, {least} to {most}"),
            Self::Finite => "a finite number".to_owned(),
            Self::Flag => "true or false".to_owned(),
            Self::Choice(words) => either(words.iter().map(|word| format!("{word:?}"))),
            Self::Either { no, yes } => format!("{no:?} or {yes:?}"),
            Self::Path => "a path".to_owned(),
            Self::Address => "an IP address and a port, such as \"127.0.0.1:50051\"".to_owned(),
            Self::AddressOrOff => {
                "an IP address and a port, such as \"127.0.0.1:9464\", or \"off\"".to_owned()
            }
            Self::Text(_, allowed) => (*allowed).to_owned(),
            Self::Times => {
                "a list of 1 to 24 different times of day, such as [\"06:00\", \"14:00\", \"22:00\"]".to_owned()
            }
        }
    }
}

/// `a, b or c`.
pub(super) fn either(words: impl Iterator<Item = String>) -> String {
    let words: Vec<String> = words.collect();
    match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, first)) => format!("{} or {last}", first.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: Kind, value: impl Into<ValueKind>, expected: impl Into<Option<Setting>>) {
        let value = value.into();
        assert_eq!(kind.parse(&value), expected.into(), "{kind:?} {value:?}");
    }

    #[test]
    fn whole_number_outside_its_range_is_rejected() {
        let kind = Kind::Whole(1, 512);
        check(kind, 1_i64, Some(Setting::Whole(1)));
        check(kind, 512_i64, Some(Setting::Whole(512)));
        check(kind, 0_i64, None);
        check(kind, 513_i64, None);
        check(kind, -1_i64, None);
        check(kind, 1.0, None);
        check(kind, "1", None);
        check(Kind::OneOf(&[0, 90]), 90_i64, Some(Setting::Whole(90)));
        check(Kind::OneOf(&[0, 90]), 45_i64, None);
    }

    #[test]
    fn number_must_be_finite_and_may_be_whole() {
        let kind = Kind::Number(0.1, 300.0);
        check(kind, 5_i64, Some(Setting::Number(5.0)));
        check(kind, 0.1, Some(Setting::Number(0.1)));
        check(kind, 300.1, None);
        check(kind, f64::NAN, None);
        check(kind, "5", None);
        check(Kind::Finite, -2.5, Some(Setting::Number(-2.5)));
        check(Kind::Finite, 1e300, None);
        check(Kind::Finite, f64::INFINITY, None);
        check(Kind::Finite, f64::NAN, None);
    }

    #[test]
    fn text_is_parsed_by_its_kind() {
        let address = "[::1]:50051".parse().expect("an address");
        check(
            Kind::Address,
            "[::1]:50051",
            Some(Setting::Address(address)),
        );
        check(Kind::Address, "localhost:50051", None);
        check(Kind::Address, "off", None);
        check(Kind::AddressOrOff, "off", Some(Setting::Off));
        check(
            Kind::Choice(&["cpu"]),
            "cpu",
            Some(Setting::Text("cpu".to_owned())),
        );
        check(Kind::Choice(&["cpu"]), "gpu", None);
        check(Kind::Path, "/a", Some(Setting::Path("/a".into())));
        check(Kind::Path, "", None);
        check(Kind::Path, "/a\0", None);
        check(Kind::Flag, true, Some(Setting::Flag(true)));
        check(Kind::Flag, "true", None);
    }

    #[test]
    fn list_of_times_is_refused_with_what_is_wrong_in_it() {
        let starts = ShiftStarts::parse(&["06:00", "18:30"]).expect("times of day");
        check(
            Kind::Times,
            vec!["18:30", "06:00"],
            Some(Setting::Times(starts)),
        );
        check(Kind::Times, "06:00", None);
        let refused = |list: ValueKind, expected: &str| {
            check(Kind::Times, list.clone(), None);
            assert_eq!(Kind::Times.found(&list), expected);
        };
        refused(Vec::<&str>::new().into(), "an empty list");
        refused(vec!["06:00", "6 pm"].into(), "\"6 pm\"");
        refused(vec!["06:00", "06:00"].into(), "\"06:00\" twice");
        refused(vec![6_i64].into(), "6");
    }

    #[test]
    fn text_of_a_variable_becomes_the_type_of_its_key() {
        let check = |kind: Kind, text: &str, expected: ValueKind| {
            assert_eq!(kind.typed(text), expected, "{kind:?} {text}");
        };
        check(Kind::Whole(0, 9), "8", 8_i64.into());
        check(Kind::Whole(0, 9), "eight", "eight".into());
        check(Kind::Number(0.0, 9.0), "8", 8.0.into());
        check(Kind::Flag, "true", true.into());
        check(Kind::Path, "8", "8".into());
        check(Kind::Times, "06:00, 18:00", vec!["06:00", "18:00"].into());
    }

    #[test]
    fn long_value_is_shortened() {
        let text = found(&"é".repeat(100).into());
        assert_eq!(text, format!("\"{}\" and more", "é".repeat(80)));
    }
}
