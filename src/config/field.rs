//! Conversion between a validated value of a key and the type of its field in the settings.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use inspectd_core::id::{CameraId, RecipeId};
use inspectd_core::preprocess::Rotation;

use super::key::{Key, Unit};
use super::kind::{Kind, Setting};
use crate::shift::ShiftStarts;

const MIB: u64 = 1 << 20;

const SECONDS_PER_DAY: f64 = 86_400.0;

/// The type of a field. The unit of the key decides how its number is converted.
pub(super) trait FieldValue: Sized {
    /// Returns the field for a value that the key's [`Kind`] accepted; none if the types do not match.
    fn from_setting(setting: &Setting, key: &Key) -> Option<Self>;

    /// Returns the value for the field; none if the key is not set.
    fn to_setting(&self, key: &Key) -> Option<Setting>;

    /// Returns the field of a key that is not set; none if the type has no such value.
    fn unset() -> Option<Self> {
        None
    }
}

impl<T: FieldValue> FieldValue for Option<T> {
    fn from_setting(setting: &Setting, key: &Key) -> Option<Self> {
        match setting {
            Setting::Off => Some(None),
            setting => T::from_setting(setting, key).map(Some),
        }
    }

    fn to_setting(&self, key: &Key) -> Option<Setting> {
        match (self, key.kind) {
            (Some(value), _) => value.to_setting(key),
            (None, Kind::AddressOrOff) => Some(Setting::Off),
            (None, _) => None,
        }
    }

    fn unset() -> Option<Self> {
        Some(None)
    }
}

/// Types that a [`Setting`] holds as they are.
macro_rules! same {
    ($($type:ty: $variant:ident),+ $(,)?) => {
        $(impl FieldValue for $type {
            fn from_setting(setting: &Setting, _: &Key) -> Option<Self> {
                match setting {
                    Setting::$variant(value) => Some(value.clone()),
                    _ => None,
                }
            }

            fn to_setting(&self, _: &Key) -> Option<Setting> {
                Some(Setting::$variant(self.clone()))
            }
        })+
    };
}

same!(f64: Number, String: Text, PathBuf: Path, SocketAddr: Address, ShiftStarts: Times);

/// Whole numbers. In the settings, MiB become bytes.
macro_rules! whole {
    ($($type:ty),+) => {
        $(impl FieldValue for $type {
            fn from_setting(setting: &Setting, key: &Key) -> Option<Self> {
                match setting {
                    Setting::Whole(number) if key.unit == Unit::Mib => {
                        number.checked_mul(MIB)?.try_into().ok()
                    }
                    Setting::Whole(number) => (*number).try_into().ok(),
                    _ => None,
                }
            }

            fn to_setting(&self, key: &Key) -> Option<Setting> {
                let number = u64::try_from(*self).ok()?;
                let mib = key.unit == Unit::Mib;
                Some(Setting::Whole(if mib { number / MIB } else { number }))
            }
        })+
    };
}

whole!(i32, u32, u64, usize);

impl FieldValue for f32 {
    fn from_setting(setting: &Setting, key: &Key) -> Option<Self> {
        f64::from_setting(setting, key).map(|number| number as f32)
    }

    fn to_setting(&self, key: &Key) -> Option<Setting> {
        f64::from(*self).to_setting(key)
    }
}

impl FieldValue for bool {
    fn from_setting(setting: &Setting, key: &Key) -> Option<Self> {
        match (setting, key.kind) {
            (Setting::Flag(flag), _) => Some(*flag),
            (Setting::Text(word), Kind::Either { yes, .. }) => Some(word == yes),
            _ => None,
        }
    }

    fn to_setting(&self, key: &Key) -> Option<Setting> {
        Some(match key.kind {
            Kind::Either { no, yes } => Setting::Text(if *self { yes } else { no }.to_owned()),
            _ => Setting::Flag(*self),
        })
    }
}

impl FieldValue for Duration {
    fn from_setting(setting: &Setting, key: &Key) -> Option<Self> {
        let number = f64::from_setting(setting, key)?;
        let seconds = match key.unit {
            Unit::Milliseconds => number / 1000.0,
            // To whole milliseconds, so that a duration that was converted to days and back is the same.
            Unit::Days => (number * SECONDS_PER_DAY * 1000.0).round() / 1000.0,
            _ => number,
        };
        Self::try_from_secs_f64(seconds).ok()
    }

    fn to_setting(&self, key: &Key) -> Option<Setting> {
        let seconds = self.as_secs_f64();
        Some(Setting::Number(match key.unit {
            Unit::Milliseconds => seconds * 1000.0,
            Unit::Days => seconds / SECONDS_PER_DAY,
            _ => seconds,
        }))
    }
}

impl FieldValue for CameraId {
    fn from_setting(setting: &Setting, _: &Key) -> Option<Self> {
        setting.text()?.parse().ok()
    }

    fn to_setting(&self, _: &Key) -> Option<Setting> {
        Some(Setting::Text(self.as_str().to_owned()))
    }
}

impl FieldValue for RecipeId {
    fn from_setting(setting: &Setting, _: &Key) -> Option<Self> {
        setting.text()?.parse().ok()
    }

    fn to_setting(&self, _: &Key) -> Option<Setting> {
        Some(Setting::Text(self.as_str().to_owned()))
    }
}

impl FieldValue for Rotation {
    fn from_setting(setting: &Setting, _: &Key) -> Option<Self> {
        match setting {
            Setting::Whole(0) => Some(Self::R0),
            Setting::Whole(90) => Some(Self::R90),
            Setting::Whole(180) => Some(Self::R180),
            Setting::Whole(270) => Some(Self::R270),
            _ => None,
        }
    }

    fn to_setting(&self, _: &Key) -> Option<Setting> {
        Some(Setting::Whole(match self {
            Self::R0 => 0,
            Self::R90 => 90,
            Self::R180 => 180,
            Self::R270 => 270,
        }))
    }
}

/// A V4L2 pixel format: four ASCII characters, padded with spaces at its end.
impl FieldValue for [u8; 4] {
    fn from_setting(setting: &Setting, _: &Key) -> Option<Self> {
        format!("{:4}", setting.text()?).as_bytes().try_into().ok()
    }

    fn to_setting(&self, _: &Key) -> Option<Setting> {
        Some(Setting::Text(
            String::from_utf8_lossy(self).trim_end().to_owned(),
        ))
    }
}

/// Declares an enum whose values are words in the configuration.
macro_rules! choice {
    (
        $(#[doc = $about:literal])*
        pub enum $name:ident {
            $($(#[doc = $doc:literal])* $variant:ident = $word:literal,)+
        }
    ) => {
        $(#[doc = $about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
        pub enum $name {
            $($(#[doc = $doc])* #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// The words, in the order of declaration.
            pub(in crate::config) const WORDS: &'static [&'static str] = &[$($word),+];

            /// Returns the word for the value.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl $crate::config::field::FieldValue for $name {
            fn from_setting(
                setting: &$crate::config::kind::Setting,
                _: &$crate::config::key::Key,
            ) -> Option<Self> {
                match setting.text()? {
                    $($word => Some(Self::$variant),)+
                    _ => None,
                }
            }

            fn to_setting(
                &self,
                _: &$crate::config::key::Key,
            ) -> Option<$crate::config::kind::Setting> {
                Some($crate::config::kind::Setting::Text(self.name().to_owned()))
            }
        }
    };
}
pub(super) use choice;
