//! The arithmetic and the types that inspectd and its trainer share, in the order in which a frame passes
//! them: frames ([`frame`], [`image_file`], [`preprocess`]), model bundles ([`bundle`], [`manifest`]),
//! anomaly maps ([`maps`]), rules and scores ([`rules`], [`score`]), and verdicts ([`verdict`],
//! [`record`]).
//!
//! Nothing in this crate reads a clock, starts a thread or is async. Only [`atomic_file`], [`bundle`],
//! [`image_file`] and [`model_repository`] read or write files.
//!
//! # Example
//! Judging a frame by the two anomaly maps that a model gave for it:
//! ```
//! use inspectd_core::decision::{Decision, Thresholds};
//! use inspectd_core::maps::{MapCalibration, MapSize, Quantiles};
//! use inspectd_core::regions::RegionRules;
//! use inspectd_core::rules::Rules;
//! use inspectd_core::verdict::{FrameMaps, judge};
//!
//! // Quantiles of the maps of good images, which a model's manifest contains.
//! let quantiles = Quantiles::try_new(0.0, 0.1)?;
//! let calibration = MapCalibration {
//!     structural: quantiles,
//!     logical: Some(quantiles),
//!     weights: [1.0, 1.0],
//! };
//! let thresholds = Thresholds {
//!     reject_above: 0.5,
//!     review_from: None,
//! };
//! let listing = RegionRules {
//!     min_area: 0.0,
//!     limit: 8,
//! };
//! // Maps of 2 x 2 cells for a frame of 64 x 64 pixels, with a defect at the lower right.
//! let maps = FrameMaps {
//!     structural: &[0.0, 0.0, 0.0, 0.8],
//!     logical: &[0.1, 0.1, 0.1, 0.1],
//!     size: MapSize::square(2),
//!     width: 64,
//!     height: 64,
//! };
//! let judgement = judge(maps, &calibration, &Rules::plain(thresholds, listing))?;
//! assert_eq!(judgement.decision, Decision::Reject);
//! assert!((judgement.score.score - 0.9).abs() < 1e-6);
//! assert_eq!(judgement.regions.len(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod atomic_file;
pub mod frame;
pub mod id;
pub mod image_file;
pub mod moment;
pub mod precision;
pub mod preprocess;

pub mod bundle;
pub mod manifest;

mod area_opening;
pub mod decision;
pub mod maps;
pub mod model_repository;
mod partition;
pub mod polygon;
pub mod record;
pub mod regions;
pub mod rules;
pub mod score;
pub mod verdict;
