//! Ids of cameras and recipes.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use thiserror::Error;

/// Declares an id type: 1 to 64 lower-case letters, digits, `-` and `_`.
macro_rules! id {
    ($(#[$meta:meta])* $name:ident, $error:ident, $what:literal) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        pub struct $name(String);

        #[doc = concat!("The text is not a ", $what, " id.")]
        #[derive(Clone, Debug, Error, PartialEq, Eq)]
        #[error("{0:?} is not a {what} id: must be 1 to 64 of a-z, 0-9, '-' and '_'", what = $what)]
        pub struct $error(pub String);

        impl $name {
            /// Returns the id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = $error;

            fn from_str(text: &str) -> Result<Self, $error> {
                if is_id(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err($error(text.to_owned()))
                }
            }
        }
    };
}

id!(
    /// The id of a camera: 1 to 64 lower-case letters, digits, `-` and `_`.
    CameraId, CameraIdError, "camera"
);
id!(
    /// The id of a recipe, which is its file name without `.toml`: 1 to 64 lower-case letters, digits, `-`
    /// and `_`.
    RecipeId, RecipeIdError, "recipe"
);

fn is_id(text: &str) -> bool {
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    (1..=64).contains(&text.len()) && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_is_1_to_64_lower_case_letters_digits_hyphens_and_underscores() {
        let check = |text: &str, expected: bool| {
            assert_eq!(text.parse::<CameraId>().is_ok(), expected, "{text:?}");
            assert_eq!(text.parse::<RecipeId>().is_ok(), expected, "{text:?}");
        };
        check("cam-1_a", true);
        check(&"a".repeat(64), true);
        check(&"a".repeat(65), false);
        check("", false);
        check("Top", false);
        check("a.b", false);
        check("ä", false);
        check("a/b", false);
    }

    #[test]
    fn error_contains_the_text_and_the_allowed_characters() {
        let error = "Top".parse::<CameraId>().expect_err("an upper-case letter");
        assert_eq!(
            error.to_string(),
            "\"Top\" is not a camera id: must be 1 to 64 of a-z, 0-9, '-' and '_'"
        );
    }
}
