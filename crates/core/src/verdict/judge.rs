//! Judges a frame by its maps, or again by a stored map.
//!
//! The score of an area is defined on the combined map, resized to the size of the frame: it is the largest
//! value of the area's pixels. With a minimum area, it is the highest level at which the cells at or above
//! the level contain a connected component of that area, and at most the largest pixel value. Areas are
//! counted in cells, as for the regions that a judgement lists.

use std::borrow::Cow;

use super::{AnomalyKind, Decision, JudgeError, Judgement, NothingInspected, Region, RegionScore};
use crate::area_opening::area_opening;
use crate::maps::{Grid, MapCalibration, MapSize, Place, Score, combine, finite};
use crate::partition::SAMPLES;
use crate::regions::{MapCells, RegionRules, regions};
use crate::rules::{Extent, FrameShape, RuledArea, Rules};

/// The two maps of a frame, and the size of the frame.
#[derive(Clone, Copy, Debug)]
pub struct FrameMaps<'a> {
    /// Structural map `A_s`, row-major.
    pub structural: &'a [f32],
    /// Logical map `A_g`, row-major; its values are ignored if the calibration has no quantiles for it.
    pub logical: &'a [f32],
    /// Size of both maps.
    pub size: MapSize,
    /// Width of the inspected frame in pixels.
    pub width: u32,
    /// Height of the inspected frame in pixels.
    pub height: u32,
}

/// Judges a frame by its maps.
///
/// # Errors
/// When a map has a non-finite value, also if it is under a mask, or an area that should be inspected has no score.
/// The frame is then a FAULT, never a PASS.
///
/// # Panics
/// When a map does not have the stated size, or a size is zero.
pub fn judge(
    maps: FrameMaps<'_>,
    calibration: &MapCalibration,
    rules: &Rules,
) -> Result<Judgement, JudgeError> {
    let combined = combine(maps.structural, maps.logical, calibration);
    let shape = FrameShape {
        map: maps.size,
        width: maps.width,
        height: maps.height,
    };
    judge_combined(&combined, shape, rules, Branches::Raw { maps, calibration })
}

/// Judges a frame again by its stored combined map. The decision, the scores and the thresholds are those
/// that [`judge`] returns.
///
/// `structural` is the structural map's share of the combined map. If it is unset, the whole map counts as
/// structural, and the branches in the judgement are meaningless.
///
/// # Errors
/// As [`judge`].
///
/// # Panics
/// When a map does not have the size of `shape`, or a size is zero.
pub fn rejudge(
    combined: &[f32],
    structural: Option<&[f32]>,
    shape: FrameShape,
    rules: &Rules,
) -> Result<Judgement, JudgeError> {
    let structural = structural.unwrap_or(combined);
    assert_eq!(structural.len(), combined.len(), "maps of equal length");
    judge_combined(combined, shape, rules, Branches::Kept { structural })
}

/// Checks that every region of `rules`, and something of the frame, can be rejected, for frames of the size `shape`.
///
/// # Errors
/// The first area in which no defect can be found.
///
/// # Panics
/// When a size is zero.
pub fn check_inspected(rules: &Rules, shape: FrameShape) -> Result<(), NothingInspected> {
    // On a map without differences, an area has a score exactly if a defect of its minimum area fits into it.
    let flat = vec![0.0; shape.map.cells()];
    match judge_combined(&flat, shape, rules, Branches::Kept { structural: &flat }) {
        Err(JudgeError::NothingInspected(area)) => Err(area),
        Ok(_) | Err(JudgeError::NotFinite) => Ok(()),
    }
}

/// Source of the shares of the two branches.
#[derive(Clone, Copy)]
enum Branches<'a> {
    Raw {
        maps: FrameMaps<'a>,
        calibration: &'a MapCalibration,
    },
    Kept {
        structural: &'a [f32],
    },
}

impl<'a> Branches<'a> {
    fn score(self, PlacedScore { score, place }: PlacedScore, size: MapSize) -> Score {
        let (structural, logical) = match self {
            Self::Raw { maps, calibration } => (
                calibration.structural_part(place.of(maps.structural, size)),
                calibration.logical_part(place.of(maps.logical, size)),
            ),
            Self::Kept { structural } => {
                let structural = place.of(structural, size);
                (structural, score - structural)
            }
        };
        Score {
            score,
            structural,
            logical,
        }
    }

    /// Returns the structural map's share of the combined map.
    fn structural(self) -> Cow<'a, [f32]> {
        match self {
            Self::Raw { maps, calibration } => {
                Cow::Owned(calibration.structural_share(maps.structural))
            }
            Self::Kept { structural } => Cow::Borrowed(structural),
        }
    }
}

/// A score and its position.
#[derive(Clone, Copy)]
struct PlacedScore {
    score: f32,
    place: Place,
}

fn judge_combined(
    combined: &[f32],
    shape: FrameShape,
    rules: &Rules,
    branches: Branches<'_>,
) -> Result<Judgement, JudgeError> {
    let size = shape.map;
    assert!(
        size.cells() > 0 && shape.width > 0 && shape.height > 0,
        "sizes above zero"
    );
    assert_eq!(combined.len(), size.cells(), "a map of {size:?}");
    if !finite(combined) {
        return Err(JudgeError::NotFinite);
    }
    let areas = rules.areas(shape);
    let mut scores = Vec::new();
    let mut places = Vec::new();
    let mut states = Vec::new();
    for area in areas.iter() {
        let state = area_score(combined, size, &areas.grid, area)?;
        let found = match state {
            AreaScore::Found(found) => Some(found),
            AreaScore::Empty | AreaScore::TooSmall => None,
        };
        states.push(state.extent());
        let score = found.map(|found| found.score);
        let thresholds = area.rule.thresholds;
        places.push(found);
        scores.push(RegionScore {
            name: area.name.cloned(),
            score,
            thresholds,
            decision: score.map_or(Decision::Pass, |score| thresholds.decide(score)),
        });
    }
    rules.plan().check_inspected(&states)?;
    let decider = deciding_area(&scores);
    let score = places[decider].map_or(NO_SCORE, |found| branches.score(found, size));
    let highest = scores.iter().filter_map(|area| area.score);
    let regions = if scores[decider].decision == Decision::Pass {
        Vec::new()
    } else {
        let failed = areas.iter().zip(&scores);
        let failed = failed.filter(|(_, score)| score.decision != Decision::Pass);
        let failed = failed.map(|(area, _)| area);
        list_regions(combined, &branches.structural(), size, rules, failed)
    };
    Ok(Judgement {
        decision: scores[decider].decision,
        score,
        thresholds: scores[decider].thresholds,
        decided_by: scores[decider].name.clone(),
        highest: highest.max_by(f32::total_cmp).unwrap_or(0.0),
        rules: scores,
        dominant: AnomalyKind::of(score.structural, score.logical),
        regions,
    })
}

/// Score of a frame without an area that has a score.
const NO_SCORE: Score = Score {
    score: 0.0,
    structural: 0.0,
    logical: 0.0,
};

/// The score of an area, or why it has none.
#[derive(Clone, Copy)]
enum AreaScore {
    Found(PlacedScore),
    Empty,
    TooSmall,
}

impl AreaScore {
    fn extent(self) -> Extent {
        match self {
            Self::Found(_) => Extent::Inspected,
            Self::Empty => Extent::Empty,
            Self::TooSmall => Extent::TooSmall,
        }
    }
}

/// Returns the score of an area.
fn area_score(
    combined: &[f32],
    size: MapSize,
    grid: &Grid,
    area: RuledArea<'_>,
) -> Result<AreaScore, JudgeError> {
    let Some(peak) = grid.maximum(combined, area.spans(grid)) else {
        return Ok(AreaScore::Empty);
    };
    // Interpolation between finite values can overflow single precision.
    if !peak.value.is_finite() {
        return Err(JudgeError::NotFinite);
    }
    let largest = PlacedScore {
        score: peak.value,
        place: peak.place,
    };
    if area.rule.min_area <= 0.0 {
        return Ok(AreaScore::Found(largest));
    }
    let values = area.values(combined, size);
    let samples = |cell: usize| area.area.map_or(SAMPLES, |area| area.samples[cell]);
    let level = area_opening(&values, samples, size.width, area.rule.min_area);
    let Some(level) = level else {
        return Ok(AreaScore::TooSmall);
    };
    // The centre of a cell can be between pixels and higher than all of them.
    if level.value >= largest.score {
        return Ok(AreaScore::Found(largest));
    }
    let centre = || Place::cell(level.cell, size);
    Ok(AreaScore::Found(PlacedScore {
        score: level.value,
        place: area
            .area
            .map_or_else(centre, |area| area.place(level.cell, size)),
    }))
}

/// Returns the index of the area that decides: the most severe decision, then the largest margin, then the
/// first area.
fn deciding_area(scores: &[RegionScore]) -> usize {
    let margin = |area: &RegionScore| {
        let margin = area.score.map(|score| area.thresholds.margin(score));
        // Below every area that has a score.
        margin.unwrap_or(f32::NEG_INFINITY)
    };
    let order = |one: &RegionScore, other: &RegionScore| {
        let severity = one.decision.severity();
        severity
            .cmp(&other.decision.severity())
            .then(margin(one).total_cmp(&margin(other)))
    };
    let areas = scores.iter().enumerate().rev();
    let worst = areas.max_by(|(_, one), (_, other)| order(one, other));
    worst.map_or(0, |(index, _)| index)
}

/// Returns the defect regions of the areas that did not pass, each above the level of its own area.
fn list_regions<'a>(
    combined: &[f32],
    structural: &[f32],
    size: MapSize,
    rules: &Rules,
    failed: impl Iterator<Item = RuledArea<'a>>,
) -> Vec<Region> {
    let listing = rules.plan().listing;
    let mut all = Vec::new();
    for area in failed {
        let cells = MapCells {
            combined: &area.values(combined, size),
            structural: &area.values(structural, size),
            samples: area.area.map(|area| area.samples.as_slice()),
            width: size.width,
        };
        let listed = RegionRules {
            min_area: listing.min_area.max(area.rule.min_area),
            limit: listing.limit,
        };
        let found = regions(cells, area.rule.thresholds.level(), listed);
        all.extend(found.into_iter().map(|region| Region {
            rule: area.name.cloned(),
            ..region
        }));
    }
    all.sort_by(|one, other| other.peak.total_cmp(&one.peak));
    all.truncate(listing.limit);
    all
}
