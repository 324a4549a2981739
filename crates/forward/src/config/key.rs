//! The declaration of a configuration key: its name, its value, its default and what it does. The documentation is made of
//! the same declarations.

use std::fmt::{self, Display, Formatter};

/// A key of a table.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// The name.
    pub name: &'static str,
    /// What is allowed.
    pub kind: Kind,
    /// The value without the key.
    pub default: Default,
    /// What it does, in sentences.
    pub doc: &'static str,
}

/// What a key has if the file does not set it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Default {
    /// The file must set it.
    Required,
    /// No value; the description says what that means.
    Unset,
    /// This value, as in the file without quotes.
    Value(&'static str),
}

/// The values that a key allows.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A text that is not empty, described by these words.
    Text(&'static str),
    /// A text that may contain a secret, and is not shown in messages.
    Secret(&'static str),
    /// A path; a relative one is relative to the folder of the file.
    Path,
    /// A whole number from the first to the second, with its unit.
    Whole(u64, u64, &'static str),
    /// A number from the first to the second, with its unit.
    Number(f64, f64, &'static str),
    /// One of these texts.
    Choice(&'static [&'static str]),
    /// A list of texts, each described by these words.
    List(&'static str),
}

impl Display for Kind {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(words) | Self::Secret(words) => f.write_str(words),
            Self::Path => f.write_str("a path"),
            Self::Whole(least, most, "") => write!(f, "a whole number, {least} to {most}"),
            Self::Whole(least, most, unit) => {
                write!(f, "a whole number, {least} to {most}, {unit}")
            }
            Self::Number(least, most, unit) => write!(f, "a number, {least} to {most}, {unit}"),
            Self::Choice(choices) => f.write_str(&alternatives(choices)),
            Self::List(words) => write!(f, "a list of {words}"),
        }
    }
}

/// `"a", "b" or "c"`.
fn alternatives(choices: &[&str]) -> String {
    let quoted: Vec<String> = choices
        .iter()
        .map(|choice| format!("\"{choice}\""))
        .collect();
    match quoted.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        _ => quoted.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allowed_values_are_described_in_words() {
        let check = |kind: Kind, expected: &str| assert_eq!(kind.to_string(), expected);
        check(Kind::Whole(1, 9, ""), "a whole number, 1 to 9");
        check(
            Kind::Number(0.5, 9.0, "seconds"),
            "a number, 0.5 to 9, seconds",
        );
        check(Kind::Choice(&["a"]), "\"a\"");
        check(Kind::Choice(&["a", "b", "c"]), "\"a\", \"b\" or \"c\"");
        check(Kind::List("ids of cameras"), "a list of ids of cameras");
    }
}
