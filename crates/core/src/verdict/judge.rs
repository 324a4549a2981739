//! Judging a frame by its maps, and once more by a map that was kept.
//!
//! What a part of a frame scores is defined on the pixels of the combined map at the frame's own size:
//! the largest value of the part's pixels. With a least area it is the highest level at which cells of
//! the map at or above it hang together over that area within the part, and no more than the largest
//! value. Areas are counted in cells, as they are for the regions that a judgement lists.

use std::borrow::Cow;

use super::{AnomalyKind, Decision, Judgement, NotFinite, Region, RegionScore};
use crate::area_opening::opened;
use crate::maps::{Grid, MapCalibration, Place, Score, combine, finite};
use crate::partition::SAMPLES;
use crate::regions::{Cells, RegionRules, regions};
use crate::rules::{FrameShape, Part, Rules};

/// One frame's maps, square and of one size, and the frame's own size in pixels.
#[derive(Clone, Copy, Debug)]
pub struct FrameMaps<'a> {
    /// `A_s`, row-major.
    pub structural: &'a [f32],
    /// `A_g`, row-major.
    pub logical: &'a [f32],
    /// Cells a side.
    pub side: usize,
    /// The inspected frame's width, pixels.
    pub width: u32,
    /// The inspected frame's height, pixels.
    pub height: u32,
}

/// Judges a frame by its maps.
///
/// # Errors
/// When a value is no number, be it where nothing counts: a FAULT, never a PASS.
///
/// # Panics
/// When a map is not square or a size is zero.
pub fn judge(
    maps: FrameMaps<'_>,
    calibration: &MapCalibration,
    rules: &Rules,
) -> Result<Judgement, NotFinite> {
    let combined = combine(maps.structural, maps.logical, calibration);
    let shape = FrameShape {
        side: maps.side,
        width: maps.width,
        height: maps.height,
    };
    weigh(&combined, shape, rules, Branches::Raw { maps, calibration })
}

/// Judges a frame anew by the combined map that was kept of it. The decision, every score and what they
/// are held against are those that [`judge`] gives.
///
/// `structural` is the structural map's share of the combined one. If it is unset, the whole map counts
/// as structural: branches then say nothing.
///
/// # Errors
/// When a value of the combined map is no number.
///
/// # Panics
/// When a map is not square, the maps differ in size, or a size is zero.
pub fn rejudge(
    combined: &[f32],
    structural: Option<&[f32]>,
    shape: FrameShape,
    rules: &Rules,
) -> Result<Judgement, NotFinite> {
    let structural = structural.unwrap_or(combined);
    assert_eq!(structural.len(), combined.len(), "one map's cells");
    weigh(combined, shape, rules, Branches::Kept { structural })
}

/// What tells the two branches' shares.
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
    fn score(self, Found { score, place }: Found, side: usize) -> Score {
        let (structural, logical) = match self {
            Self::Raw { maps, calibration } => (
                calibration.structural_part(place.of(maps.structural, side)),
                calibration.logical_part(place.of(maps.logical, side)),
            ),
            Self::Kept { structural } => {
                let structural = place.of(structural, side);
                (structural, score - structural)
            }
        };
        Score {
            score,
            structural,
            logical,
        }
    }

    /// The structural map's share of the combined one.
    fn structural(self) -> Cow<'a, [f32]> {
        match self {
            Self::Raw { maps, calibration } => {
                Cow::Owned(calibration.structural_share(maps.structural))
            }
            Self::Kept { structural } => Cow::Borrowed(structural),
        }
    }
}

/// A score and its place.
#[derive(Clone, Copy)]
struct Found {
    score: f32,
    place: Place,
}

fn weigh(
    combined: &[f32],
    shape: FrameShape,
    rules: &Rules,
    branches: Branches<'_>,
) -> Result<Judgement, NotFinite> {
    let FrameShape {
        side,
        width,
        height,
    } = shape;
    assert!(side > 0 && width > 0 && height > 0, "sizes with an area");
    assert_eq!(combined.len(), side * side, "a square map");
    if !finite(combined) {
        return Err(NotFinite);
    }
    let parts = rules.parts(shape);
    let mut scores = Vec::new();
    let mut places = Vec::new();
    for part in parts.iter() {
        let found = find(combined, side, &parts.grid, part)?;
        let score = found.map(|found| found.score);
        let thresholds = part.rule.thresholds;
        places.push(found);
        scores.push(RegionScore {
            name: part.name.cloned(),
            score,
            thresholds,
            decision: score.map_or(Decision::Pass, |score| thresholds.decide(score)),
        });
    }
    let decider = decider(&scores);
    let score = places[decider].map_or(NOTHING, |found| branches.score(found, side));
    let highest = scores.iter().filter_map(|part| part.score);
    let regions = if scores[decider].decision == Decision::Pass {
        Vec::new()
    } else {
        let failed = parts.iter().zip(&scores);
        let failed = failed.filter(|(_, score)| score.decision != Decision::Pass);
        let failed = failed.map(|(part, _)| part);
        listed(combined, &branches.structural(), side, rules, failed)
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

/// The score of a frame in which nothing counts.
const NOTHING: Score = Score {
    score: 0.0,
    structural: 0.0,
    logical: 0.0,
};

/// A part's score; nothing if nothing in it counts.
fn find(
    combined: &[f32],
    side: usize,
    grid: &Grid,
    part: Part<'_>,
) -> Result<Option<Found>, NotFinite> {
    let Some(peak) = grid.maximum(combined, part.spans(grid)) else {
        return Ok(None);
    };
    // Numbers whose difference is beyond single precision.
    if !peak.value.is_finite() {
        return Err(NotFinite);
    }
    let largest = Found {
        score: peak.value,
        place: peak.place,
    };
    if part.rule.min_area <= 0.0 {
        return Ok(Some(largest));
    }
    let values = part.values(combined, side);
    let samples = |cell: usize| part.area.map_or(SAMPLES, |area| area.samples[cell]);
    let level = opened(&values, samples, side, part.rule.min_area);
    Ok(level.map(|level| {
        // A cell's middle may be between the pixels, and higher than any of them.
        if level.value >= largest.score {
            return largest;
        }
        let middle = || Place::cell(level.cell, side);
        Found {
            score: level.value,
            place: part
                .area
                .map_or_else(middle, |area| area.place(level.cell, side)),
        }
    }))
}

/// The part that decides: the worst decision, then the largest margin, then the first.
fn decider(scores: &[RegionScore]) -> usize {
    let severity = |decision| match decision {
        Decision::Pass => 0,
        Decision::Review => 1,
        Decision::Reject | Decision::Fault => 2,
    };
    let margin = |part: &RegionScore| {
        let margin = part.score.map(|score| part.thresholds.margin(score));
        // Below every part that has a score.
        margin.unwrap_or(f32::NEG_INFINITY)
    };
    let order = |one: &RegionScore, other: &RegionScore| {
        severity(one.decision)
            .cmp(&severity(other.decision))
            .then(margin(one).total_cmp(&margin(other)))
    };
    let parts = scores.iter().enumerate().rev();
    let worst = parts.max_by(|(_, one), (_, other)| order(one, other));
    worst.map_or(0, |(index, _)| index)
}

/// The defects of the parts that did not pass, each above what its own part is held to.
fn listed<'a>(
    combined: &[f32],
    structural: &[f32],
    side: usize,
    rules: &Rules,
    failed: impl Iterator<Item = Part<'a>>,
) -> Vec<Region> {
    let listing = rules.plan().listing;
    let mut all = Vec::new();
    for part in failed {
        let cells = Cells {
            combined: &part.values(combined, side),
            structural: &part.values(structural, side),
            samples: part.area.map(|area| area.samples.as_slice()),
            width: side,
        };
        let wanted = RegionRules {
            min_area: listing.min_area.max(part.rule.min_area),
            limit: listing.limit,
        };
        let found = regions(cells, part.rule.thresholds.level(), wanted);
        all.extend(found.into_iter().map(|region| Region {
            rule: part.name.cloned(),
            ..region
        }));
    }
    all.sort_by(|one, other| other.peak.total_cmp(&one.peak));
    all.truncate(listing.limit);
    all
}
