//! `defects_config.json` of MVTec LOCO AD: how many pixels of a defect have to be detected.
//!
//! A missing part can be anywhere in the area where it belongs, so a method cannot be required to mark all of
//! it. Therefore the overlap with a defect saturates (Bergmann et al., Beyond Dents and Scratches, IJCV 2022,
//! section 4).

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// Saturation thresholds by the pixel value of a defect in the masks.
#[derive(Clone, Debug, PartialEq)]
pub struct DefectsConfig {
    entries: BTreeMap<u8, Saturation>,
}

/// Number of pixels of a defect at which its overlap saturates.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Saturation {
    /// Fraction of the defect's area, above 0 and at most 1.
    Relative(f64),
    /// Number of pixels, or the whole defect if it is smaller.
    Absolute(u64),
}

/// An entry of the file. Unknown fields are ignored, because the file is part of the dataset.
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
    /// Returns an error that names the file and the entry if the file cannot be read or an entry is invalid.
    pub fn load(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path)
            .with_context(|| format!("{}: cannot be read", path.display()))?;
        Self::parse(&text).with_context(|| path.display().to_string())
    }

    /// Parses the file's text.
    ///
    /// # Errors
    /// Returns an error if the text is not a list of entries, the list is empty, or an entry is invalid.
    pub fn parse(text: &str) -> Result<Self> {
        let raw: Vec<RawEntry> = serde_json::from_str(text)?;
        ensure!(!raw.is_empty(), "no defects; at least one is required");
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
                "defect {name:?}: pixel_value = {}: used by another defect",
                entry.pixel_value
            );
        }
        Ok(Self { entries })
    }

    /// Returns the number of pixels at which the overlap with a defect of `area` pixels saturates, at least 1.
    /// `None` if no defect has this pixel value.
    pub fn saturation_area(&self, pixel_value: u8, area: u64) -> Option<u64> {
        let pixels = match self.entries.get(&pixel_value)? {
            Saturation::Relative(share) => (share * area as f64) as u64,
            Saturation::Absolute(pixels) => area.min(*pixels),
        };
        // The official code divides by zero if a fraction of a tiny defect rounds down to 0.
        Some(pixels.max(1))
    }

    /// Lists the allowed pixel values, for error messages.
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
            "saturation_threshold = {threshold}: must be above 0 and at most 1 if relative"
        );
        return Ok(Saturation::Relative(threshold));
    }
    ensure!(
        threshold >= 1.0 && threshold.fract() == 0.0 && threshold < 1e15,
        "saturation_threshold = {threshold}: must be a whole number of pixels, at least 1, if absolute"
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
    fn saturation_is_a_fraction_or_a_number_of_pixels() {
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
    fn invalid_entries_are_reported_by_name() {
        let check = |entries: &[String], expected: &str| {
            let error =
                DefectsConfig::parse(&format!("[{}]", entries.join(", "))).expect_err("invalid");
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
            "used by another defect",
        );
        check(&["{}".to_owned()], "defect_name");
    }
}
