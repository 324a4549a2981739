//! Rules for frames: thresholds and minimum areas for the whole frame or for recipe regions, and masks,
//! prepared for one frame size. Pure.

use std::borrow::Cow;
use std::sync::Arc;

use thiserror::Error;

use crate::decision::Thresholds;
use crate::maps::{Grid, MapSize, Span};
use crate::partition::Area;
use crate::polygon::Polygon;
use crate::regions::RegionRules;

/// The rule for one area of a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    /// Thresholds for the score.
    pub thresholds: Thresholds,
    /// Minimum area of a defect, a fraction of the frame; 0 for no minimum.
    pub min_area: f32,
}

/// A recipe region: a polygon with its own rule.
#[derive(Clone, Debug, PartialEq)]
pub struct RuledPolygon {
    /// Name in judgements.
    pub name: Arc<str>,
    /// Polygon, in fractions of the inspected frame.
    pub polygon: Polygon,
    /// The rule.
    pub rule: Rule,
}

/// All rules for a frame.
#[derive(Clone, Debug, PartialEq)]
pub struct InspectionPlan {
    /// Rule for the area outside all regions.
    pub general: Rule,
    /// Recipe regions; the first one wins where they overlap.
    pub regions: Vec<RuledPolygon>,
    /// Masks: areas that are ignored, inside and outside regions.
    pub ignored: Vec<Polygon>,
    /// Which defects are listed. Unlisted defects still count for the decision.
    pub listing: RegionRules,
}

/// An area in which no defect can be found, because masks cover it or it is smaller than its minimum area.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum NothingInspected {
    /// A recipe region.
    #[error(
        "region \"{name}\" inspects nothing: masks or earlier regions cover it, or what is left is smaller than its min_area = {min_area}"
    )]
    Region {
        /// Name of the region.
        name: Arc<str>,
        /// Its minimum area, a fraction of the frame.
        min_area: f32,
    },
    /// The frame outside of regions.
    #[error(
        "nothing of the frame is inspected outside of regions: masks cover it, or what is left is smaller than min_area = {min_area}"
    )]
    Frame {
        /// Minimum area outside of regions, a fraction of the frame.
        min_area: f32,
    },
}

/// How much of an area is inspected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// A defect of the minimum area fits into it.
    Inspected,
    /// It has no pixels.
    Empty,
    /// No defect of the minimum area fits into it.
    TooSmall,
}

impl InspectionPlan {
    /// Checks that every region is inspected, and the rest, which may be empty if there are regions. `extents` are
    /// those of the regions in their order, then of the rest.
    pub(crate) fn check_inspected(&self, extents: &[Extent]) -> Result<(), NothingInspected> {
        for (region, extent) in self.regions.iter().zip(extents) {
            if *extent != Extent::Inspected {
                return Err(NothingInspected::Region {
                    name: Arc::clone(&region.name),
                    min_area: region.rule.min_area,
                });
            }
        }
        match extents[self.regions.len()] {
            Extent::Inspected => Ok(()),
            Extent::Empty if !self.regions.is_empty() => Ok(()),
            Extent::Empty | Extent::TooSmall => Err(NothingInspected::Frame {
                min_area: self.general.min_area,
            }),
        }
    }
}

/// The map size and frame size that rules are prepared for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FrameShape {
    /// Size of the model's maps.
    pub map: MapSize,
    /// Width of the inspected frame in pixels.
    pub width: u32,
    /// Height of the inspected frame in pixels.
    pub height: u32,
}

/// An [`InspectionPlan`], prepared for judging frames.
///
/// Dividing a frame of a megapixel takes some milliseconds, so rules are prepared once per camera and kept.
#[derive(Clone, Debug)]
pub struct Rules {
    plan: InspectionPlan,
    /// `None` without regions and masks.
    divided: Option<Divided>,
}

#[derive(Clone, Debug)]
struct Divided {
    shape: FrameShape,
    grid: Grid,
    /// One area per region, then the rest.
    areas: Vec<Area>,
}

impl Divided {
    fn new(plan: &InspectionPlan, shape: FrameShape) -> Self {
        let frame = [shape.width, shape.height];
        let polygons: Vec<&Polygon> = plan.regions.iter().map(|area| &area.polygon).collect();
        Self {
            shape,
            grid: Grid::new(shape.map, shape.width, shape.height),
            areas: Area::divide(&polygons, &plan.ignored, shape.map, frame),
        }
    }
}

impl Rules {
    /// Whether every defect of the frame counts: no part is masked, and none has a minimum area.
    pub fn covers_all(&self) -> bool {
        let InspectionPlan {
            general,
            regions,
            ignored,
            ..
        } = &self.plan;
        let rules = regions.iter().map(|region| region.rule).chain([*general]);
        ignored.is_empty() && rules.into_iter().all(|rule| rule.min_area <= 0.0)
    }

    /// Builds rules with the same thresholds for the whole frame, of any size.
    pub fn plain(thresholds: Thresholds, listing: RegionRules) -> Self {
        let general = Rule {
            thresholds,
            min_area: 0.0,
        };
        Self {
            plan: InspectionPlan {
                general,
                regions: Vec::new(),
                ignored: Vec::new(),
                listing,
            },
            divided: None,
        }
    }

    /// Prepares `plan` for frames and maps of the size `shape`.
    ///
    /// # Panics
    /// When a size is zero.
    pub fn new(plan: InspectionPlan, shape: FrameShape) -> Self {
        assert!(
            shape.map.cells() > 0 && shape.width > 0 && shape.height > 0,
            "sizes above zero"
        );
        let divides = !plan.regions.is_empty() || !plan.ignored.is_empty();
        let divided = divides.then(|| Divided::new(&plan, shape));
        Self { plan, divided }
    }

    /// Returns the plan.
    pub fn plan(&self) -> &InspectionPlan {
        &self.plan
    }

    /// Returns whether the rules are prepared for frames of this size. Otherwise each judgement prepares them
    /// again: correct, but slow.
    pub fn fits(&self, shape: FrameShape) -> bool {
        self.divided
            .as_ref()
            .is_none_or(|divided| divided.shape == shape)
    }

    /// Returns the areas of a frame with their rules, and the interpolation of its pixels.
    pub(crate) fn areas(&self, shape: FrameShape) -> RuledAreas<'_> {
        let (grid, areas) = match &self.divided {
            None => {
                let grid = Grid::new(shape.map, shape.width, shape.height);
                (Cow::Owned(grid), None)
            }
            Some(ready) if ready.shape == shape => {
                let areas = Cow::Borrowed(ready.areas.as_slice());
                (Cow::Borrowed(&ready.grid), Some(areas))
            }
            Some(_) => {
                let made = Divided::new(&self.plan, shape);
                (Cow::Owned(made.grid), Some(Cow::Owned(made.areas)))
            }
        };
        RuledAreas {
            plan: &self.plan,
            grid,
            areas,
        }
    }
}

/// The areas of a frame with their rules.
pub(crate) struct RuledAreas<'a> {
    plan: &'a InspectionPlan,
    /// Interpolation of the pixels.
    pub grid: Cow<'a, Grid>,
    areas: Option<Cow<'a, [Area]>>,
}

/// One area of a frame with its rule.
#[derive(Clone, Copy)]
pub(crate) struct RuledArea<'a> {
    /// Name of the recipe region; unset for the rest of the frame.
    pub name: Option<&'a Arc<str>>,
    /// The rule.
    pub rule: Rule,
    /// The area; unset for the whole frame.
    pub area: Option<&'a Area>,
}

impl RuledAreas<'_> {
    /// Iterates over the regions in their order, then the rest.
    pub fn iter(&self) -> impl Iterator<Item = RuledArea<'_>> {
        let regions = &self.plan.regions;
        let named = regions
            .iter()
            .map(|region| (Some(&region.name), region.rule));
        let rules = named.chain([(None, self.plan.general)]);
        rules.enumerate().map(|(index, (name, rule))| RuledArea {
            name,
            rule,
            area: self.areas.as_ref().map(|areas| &areas[index]),
        })
    }
}

impl RuledArea<'_> {
    /// Returns its pixels.
    pub fn spans<'s>(&'s self, grid: &Grid) -> Box<dyn Iterator<Item = Span> + 's> {
        match self.area {
            None => Box::new(grid.all()),
            Some(area) => Box::new(area.spans.iter().copied()),
        }
    }

    /// Returns the map restricted to this area: minus infinity outside.
    pub fn values<'m>(&self, map: &'m [f32], size: MapSize) -> Cow<'m, [f32]> {
        match self.area {
            None => Cow::Borrowed(map),
            Some(area) => Cow::Owned(area.values(map, size)),
        }
    }
}
