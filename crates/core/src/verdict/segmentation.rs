//! Which pixels of a judged frame are anomalous, and how. Pure.
//!
//! A pixel is anomalous if the value of the resized map at its centre does not pass the thresholds of its area. With a
//! minimum area, the defect around it must be large enough to count.

use std::sync::Arc;

use super::{AnomalyKind, Decision, Judgement};
use crate::maps::{MapSize, Place};
use crate::regions::{MapCells, component};
use crate::rules::{FrameShape, RuledArea, Rules};

/// The maps of a judged frame, and what they were judged by.
#[derive(Clone, Debug)]
pub struct JudgedMaps {
    /// The combined map, row-major.
    pub combined: Vec<f32>,
    /// The structural map's share of the combined map.
    pub structural: Vec<f32>,
    /// Size of the maps and of the frame.
    pub shape: FrameShape,
    /// The rules.
    pub rules: Arc<Rules>,
}

/// What an anomaly is listed as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnomalyClass {
    /// An anomaly in a region of the recipe.
    Region {
        /// Position of the region in the recipe.
        index: usize,
        /// Its name.
        name: Arc<str>,
    },
    /// An anomaly in no region of the recipe, by the branch that finds it.
    Branch(AnomalyKind),
}

/// Anomalous pixels of one class in one row: the columns `from..to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PixelRun {
    /// The row.
    pub row: u32,
    /// The first column.
    pub from: u32,
    /// The column after the last one.
    pub to: u32,
    /// Index of the class in [`Segmentation::classes`].
    pub class: usize,
}

/// The anomalous pixels of a frame.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Segmentation {
    /// What was found, each class once.
    pub classes: Vec<AnomalyClass>,
    /// The pixels. No pixel is in two runs.
    pub runs: Vec<PixelRun>,
}

impl Segmentation {
    /// Returns the number of pixels of each class.
    pub fn pixels(&self) -> Vec<u64> {
        let mut pixels = vec![0; self.classes.len()];
        for run in &self.runs {
            pixels[run.class] += u64::from(run.to - run.from);
        }
        pixels
    }

    fn class(&mut self, class: &AnomalyClass) -> usize {
        let known = self.classes.iter().position(|known| known == class);
        known.unwrap_or_else(|| {
            self.classes.push(class.clone());
            self.classes.len() - 1
        })
    }

    /// Adds a pixel to the right of the last one, or in a later row or area.
    fn add(&mut self, row: u32, column: u32, class: usize) {
        match self.runs.last_mut() {
            Some(last) if (last.row, last.to, last.class) == (row, column, class) => last.to += 1,
            _ => self.runs.push(PixelRun {
                row,
                from: column,
                to: column + 1,
                class,
            }),
        }
    }
}

impl JudgedMaps {
    /// Returns the anomalous pixels of the frame with this judgement, which was made from these maps. The class of the
    /// area that decided is listed even if none of its pixels is anomalous; a frame that passed has no class.
    ///
    /// # Panics
    /// When the judgement is that of other rules.
    pub fn segment(&self, judgement: &Judgement) -> Segmentation {
        let areas = self.rules.areas(self.shape);
        let mut found = Segmentation::default();
        let mut judged = judgement.rules.iter();
        for (index, area) in areas.iter().enumerate() {
            let score = judged.next().expect("a score of each area");
            if score.decision == Decision::Pass {
                continue;
            }
            let class = |kind| match area.name {
                Some(name) => AnomalyClass::Region {
                    index,
                    name: Arc::clone(name),
                },
                None => AnomalyClass::Branch(kind),
            };
            if score.decision == judgement.decision && score.name == judgement.decided_by {
                found.class(&class(judgement.dominant));
            }
            let kinds = self.cell_kinds(area);
            let fails = |value| area.rule.thresholds.decide(value) != Decision::Pass;
            for span in area.spans(&areas.grid) {
                areas
                    .grid
                    .visit(&self.combined, span, fails, |column, place| {
                        if let Some(kind) = self.kind(area, &kinds, place) {
                            let class = found.class(&class(kind));
                            found.add(span.row, column, class);
                        }
                    });
            }
        }
        found
    }

    /// Returns the branch of each cell that belongs to a defect of the area, which is large enough to count.
    fn cell_kinds(&self, area: RuledArea<'_>) -> Vec<Option<AnomalyKind>> {
        let size = self.shape.map;
        let (combined, structural) = (
            area.values(&self.combined, size),
            area.values(&self.structural, size),
        );
        let cells = MapCells {
            combined: &combined,
            structural: &structural,
            samples: area.area.map(|area| area.samples.as_slice()),
            width: size.width,
        };
        let passes = |value: &f32| area.rule.thresholds.decide(*value) == Decision::Pass;
        let mut visited: Vec<bool> = combined.iter().map(passes).collect();
        let mut kinds = vec![None; combined.len()];
        for start in 0..combined.len() {
            if visited[start] {
                continue;
            }
            let members = component(cells, &mut visited, start);
            if cells.area(&members) < area.rule.min_area {
                continue;
            }
            let highest = members
                .iter()
                .max_by(|&&one, &&other| combined[one].total_cmp(&combined[other]));
            let highest = *highest.expect("a component has at least one cell");
            let kind = kind_of(combined[highest], structural[highest]);
            for cell in members {
                kinds[cell] = Some(kind);
            }
        }
        kinds
    }

    /// Returns the branch of an anomalous pixel: that of the nearest defect around it. None if all are too small to count.
    fn kind(
        &self,
        area: RuledArea<'_>,
        kinds: &[Option<AnomalyKind>],
        place: Place,
    ) -> Option<AnomalyKind> {
        let size: MapSize = self.shape.map;
        let found = place.cells(size).into_iter().find_map(|cell| kinds[cell]);
        // The defect may be in the cells of another area.
        let own = || {
            let (value, structural) = (
                place.of(&self.combined, size),
                place.of(&self.structural, size),
            );
            (area.rule.min_area <= 0.0).then(|| kind_of(value, structural))
        };
        found.or_else(own)
    }
}

fn kind_of(combined: f32, structural: f32) -> AnomalyKind {
    AnomalyKind::of(structural, combined - structural)
}
