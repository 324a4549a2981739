//! The settings: validated, complete, in the daemon's own types. [`super::load`] makes them of files
//! and variables; nothing downstream validates them again.
//!
//! Each key is declared once, in the file of its section. The declaration makes the field, the checks,
//! the conversions and the key's line in `docs/configuration.md`.

mod camera;
mod challenge;
mod engine;
mod health;
mod journal;
mod process;
mod remote;
mod server;
mod shadow;
mod shifts;
mod size;
mod source;
mod thresholds;
mod traces;

use std::collections::BTreeMap;

use serde::Serialize;

use inspectd_core::id::CameraId;

pub use camera::{Camera, Check, Crop, Mode, NoJudgement, Rotation, Shed};
pub use challenge::{Challenge, ChallengeFailure};
pub use engine::{Engine, Model, Precision, ProviderChoice};
pub use health::{HealthLimits, LARGEST_TURN_DEG};
pub use journal::{Evidence, HoldOverflow, Journal, MissingView, OnFailure, Parts, Recipes};
pub use process::{Life, Log, LogFormat};
pub use remote::Remote;
pub use server::{Access, Server, Tls};
pub use shadow::Shadow;
pub use shifts::Shifts;
pub use source::{Controls, Pace, Source, before_appsink};
pub use thresholds::{Overrides, Verdict};
pub use traces::Traces;

use super::group::{Group, Output, Section};
use super::kind::Setting;
use super::section;
use super::values::Values;

/// Makes the struct of all settings and the list of their sections of the same lines.
macro_rules! settings {
    ($(#[doc = $about:literal] $(#[serde($($serde:tt)*)])? pub $field:ident: $type:ty,)+) => {
        /// All settings. The configuration's hash is taken over them in this order.
        #[derive(Clone, Debug, PartialEq, Serialize)]
        pub struct Settings {
            $(#[doc = $about] $(#[serde($($serde)*)])? pub $field: $type,)+
        }

        impl Settings {
            /// Makes the settings of valid values: nothing is missing and every relation holds.
            ///
            /// # Panics
            /// If the values are not valid.
            pub(super) fn read(values: &Values) -> Self {
                Self {
                    $($field: <$type as Group>::read(&values.part(<$type as Section>::NAME)),)+
                }
            }

            /// Values of all keys that are set, by path.
            pub(super) fn values(&self) -> BTreeMap<String, Setting> {
                let mut values = BTreeMap::new();
                $(<$type as Group>::write(&self.$field, &mut Output {
                    path: <$type as Section>::NAME.to_owned(),
                    values: &mut values,
                });)+
                values
            }
        }

        /// The sections of the file.
        pub(super) fn sections() -> Vec<section::Section> {
            vec![$(section::Section {
                name: <$type as Section>::NAME,
                doc: <$type as Section>::DOC,
                keys: <$type as Group>::keys(),
            },)+]
        }
    };
}

settings! {
    /// `[server]`
    pub server: Server,
    /// `[tls]`; none without a certificate.
    pub tls: Option<Tls>,
    /// `[access]`
    pub access: Access,
    /// `[model]`
    pub model: Model,
    /// `[engine]`
    pub engine: Engine,
    /// `[verdict]`
    pub verdict: Verdict,
    /// `[cameras.ID]`, at least one.
    pub cameras: BTreeMap<CameraId, Camera>,
    /// `[recipes]`
    pub recipes: Recipes,
    /// `[parts]`
    pub parts: Parts,
    /// `[journal]`
    pub journal: Journal,
    /// `[evidence]`
    pub evidence: Evidence,
    /// `[challenge]`
    #[serde(skip_serializing_if = "Challenge::is_unset")]
    pub challenge: Challenge,
    /// `[shadow]`
    #[serde(skip_serializing_if = "Shadow::is_unset")]
    pub shadow: Shadow,
    /// `[shifts]`
    #[serde(skip_serializing_if = "Shifts::is_usual")]
    pub shifts: Shifts,
    /// `[life]`
    pub life: Life,
    /// `[log]`
    pub log: Log,
    /// `[traces]`
    #[serde(skip_serializing_if = "Traces::is_unset")]
    pub traces: Traces,
}
