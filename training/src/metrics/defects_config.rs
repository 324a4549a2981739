//! `defects_config.json` of MVTec LOCO AD: how much of a defect must be found for it to count as found.
//!
//! A missing part can be anywhere in the area where it belongs; no method can be asked to mark all of it.
//! So a defect's overlap saturates (Bergmann et al., Beyond Dents and Scratches, IJCV 2022, section 4).

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// The saturation of each kind of defect, by the value of its pixels in the masks.
#[derive(Clone, Debug, PartialEq)]
pub struct DefectsConfig {
    entries: BTreeMap<u8, Saturation>,
}

/// How much of a defect is enough.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Saturation {
    /// This share of its area, above 0 and at most 1.
    Relative(f64),
    /// So many pixels, or the whole defect where it is smaller.
    Absolute(u64),
}

/// An entry as the file has it. Fields that are not known are let pass: the file is the data set's.
#[derive(Deserialize)]
struct RawEntry {
    defect_name: String,
    pixel_value: u8,
    saturation_threshold: f64,
    relative_saturation: bool,
}

impl DefectsConfig {
    /// Reads the file.
    ///
    /// # Errors
    /// When it cannot be read or an entry is not allowed; both are named.
    pub fn load(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path)
            .with_context(|| format!("{}: cannot be read", path.display()))?;
        Self::parse(&text).with_context(|| path.display().to_string())
    }

    /// Parses the file's text.
    ///
    /// # Errors
    /// When it is no list of entries, has none, or one is not allowed.
    pub fn parse(text: &str) -> Result<Self> {
        let raw: Vec<RawEntry> = serde_json::from_str(text)?;
        ensure!(!raw.is_empty(), "no defect; must have at least one");
        let mut entries = BTreeMap::new();
        for entry in raw {
            let name = &entry.defect_name;
            let saturation = saturation(&entry).with_context(|| format!("defect {name:?}"))?;
            ensure!(
                entry.pixel_value > 0,
                "defect {name:?}: pixel_value = 0: must be 1 to 255"
            );
            let before = entries.insert(entry.pixel_value, saturation);
            ensure!(
                before.is_none(),
                "defect {name:?}: pixel_value = {}: another defect has it",
                entry.pixel_value
            );
        }
        Ok(Self { entries })
    }

    /// How many pixels of a defect of `area` pixels are enough, at least one; nothing where no defect has
    /// this pixel value.
    pub fn saturation_area(&self, pixel_value: u8, area: u64) -> Option<u64> {
        let enough = match self.entries.get(&pixel_value)? {
            Saturation::Relative(share) => (share * area as f64) as u64,
            Saturation::Absolute(pixels) => area.min(*pixels),
        };
        // The official code divides by zero where a share of a tiny defect rounds down to nothing.
        Some(enough.max(1))
    }

    /// The pixel values that masks may have, for messages.
    pub(super) fn pixel_values(&self) -> String {
        let values: Vec<String> = self.entries.keys().map(u8::to_string).collect();
        values.join(", ")
    }
}

fn saturation(entry: &RawEntry) -> Result<Saturation> {
    let threshold = entry.saturation_threshold;
    if entry.relative_saturation {
        ensure!(
            threshold > 0.0 && threshold <= 1.0,
            "saturation_threshold = {threshold}: a relative one must be above 0 and at most 1"
        );
        return Ok(Saturation::Relative(threshold));
    }
    ensure!(
        threshold >= 1.0 && threshold.fract() == 0.0 && threshold < 1e15,
        "saturation_threshold = {threshold}: an absolute one must be a whole number of pixels, at least 1"
    );
    Ok(Saturation::Absolute(threshold as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(value: u32, threshold: &str, relative: bool) -> String {
        format!(
            r#"{{"defect_name": "d{value}", "pixel_value": {value}, "saturation_threshold": {threshold}, "relative_saturation": {relative}}}"#
        )
    }

    #[test]
    fn saturation_is_a_share_or_a_number_of_pixels() {
        let text = format!(
            "[{}, {}, {}]",
            entry(255, "90", false),
            entry(254, "0.4", true),
            entry(1, "1.0", true)
        );
        let config = DefectsConfig::parse(&text).expect("valid");
        let check = |value, area, expected| {
            assert_eq!(config.saturation_area(value, area), expected, "{value}");
        };
        check(255, 1000, Some(90));
        check(255, 50, Some(50));
        check(254, 1000, Some(400));
        check(254, 9, Some(3));
        check(254, 2, Some(1));
        check(1, 7, Some(7));
        check(7, 7, None);
    }

    #[test]
    fn what_is_not_allowed_is_named() {
        let check = |entries: &[String], expected: &str| {
            let error = DefectsConfig::parse(&format!("[{}]", entries.join(", ")))
                .expect_err("not allowed");
            let error = format!("{error:#}");
            assert!(error.contains(expected), "{error}");
        };
        check(&[], "at least one");
        check(&[entry(0, "1.0", true)], "1 to 255");
        check(&[entry(256, "1.0", true)], "256");
        check(
            &[entry(9, "1.5", true)],
            "\"d9\": saturation_threshold = 1.5",
        );
        check(&[entry(9, "0", true)], "above 0");
        check(&[entry(9, "0.5", false)], "whole number");
        check(&[entry(9, "0", false)], "at least 1");
        check(
            &[entry(9, "1", true), entry(9, "3", false)],
            "another defect has it",
        );
        check(&["{}".to_owned()], "defect_name");
    }
}
