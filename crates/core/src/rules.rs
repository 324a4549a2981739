//! What frames are held to: thresholds for the whole frame or for parts of it, and parts that count
//! for nothing, prepared for one size of frames. Pure.

use std::borrow::Cow;
use std::sync::Arc;

use crate::decision::Thresholds;
use crate::maps::{Grid, Span};
use crate::partition::Area;
use crate::polygon::Polygon;
use crate::regions::RegionRules;

/// What one part of a frame is held to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    /// The decision about its score.
    pub thresholds: Thresholds,
    /// Smaller connected defects do not count, as a fraction of the frame; 0 for none.
    pub min_area: f32,
}

/// A part of the frame with a rule of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct RuledPolygon {
    /// Its name in judgements.
    pub name: Arc<str>,
    /// Where it is, in fractions of the inspected frame.
    pub polygon: Polygon,
    /// What it is held to.
    pub rule: Rule,
}

/// Everything that a frame is held to.
#[derive(Clone, Debug, PartialEq)]
pub struct InspectionPlan {
    /// For what is in no region.
    pub general: Rule,
    /// Parts with rules of their own; the first holds where they overlap.
    pub regions: Vec<RuledPolygon>,
    /// Parts that count for nothing, in regions or out of them.
    pub ignored: Vec<Polygon>,
    /// Which defects are listed. Those that are not count all the same.
    pub listing: RegionRules,
}

/// The sizes that rules are prepared for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FrameShape {
    /// Cells a side of the model's maps.
    pub side: usize,
    /// The inspected frame's width, pixels.
    pub width: u32,
    /// The inspected frame's height, pixels.
    pub height: u32,
}

/// A [`InspectionPlan`] that frames can be judged by.
///
/// Dividing a frame of a megapixel takes some milliseconds, so rules are made once a camera and kept.
#[derive(Clone, Debug)]
pub struct Rules {
    plan: InspectionPlan,
    /// Nothing if there is nothing to divide.
    divided: Option<Divided>,
}

#[derive(Clone, Debug)]
struct Divided {
    shape: FrameShape,
    grid: Grid,
    /// One for each region, then the rest.
    areas: Vec<Area>,
}

impl Divided {
    fn new(plan: &InspectionPlan, shape: FrameShape) -> Self {
        let FrameShape {
            side,
            width,
            height,
        } = shape;
        let polygons: Vec<&Polygon> = plan.regions.iter().map(|area| &area.polygon).collect();
        Self {
            shape,
            grid: Grid::new(side, width, height),
            areas: Area::divide(&polygons, &plan.ignored, side, [width, height]),
        }
    }
}

impl Rules {
    /// Thresholds for the whole frame, of any size.
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

    /// Prepares `plan` for frames and maps of a size.
    ///
    /// # Panics
    /// When a size is zero.
    pub fn new(plan: InspectionPlan, shape: FrameShape) -> Self {
        assert!(
            shape.side > 0 && shape.width > 0 && shape.height > 0,
            "sizes with an area"
        );
        let divides = !plan.regions.is_empty() || !plan.ignored.is_empty();
        let divided = divides.then(|| Divided::new(&plan, shape));
        Self { plan, divided }
    }

    /// What they were made from.
    pub fn plan(&self) -> &InspectionPlan {
        &self.plan
    }

    /// Whether they are prepared for such frames. If they are not, judging prepares them anew for each
    /// frame: right, but slow.
    pub fn fit(&self, shape: FrameShape) -> bool {
        self.divided
            .as_ref()
            .is_none_or(|divided| divided.shape == shape)
    }

    /// The parts of a frame, and how its pixels are computed.
    pub(crate) fn parts(&self, shape: FrameShape) -> Parts<'_> {
        let (grid, areas) = match &self.divided {
            None => {
                let grid = Grid::new(shape.side, shape.width, shape.height);
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
        Parts {
            plan: &self.plan,
            grid,
            areas,
        }
    }
}

/// A frame's parts.
pub(crate) struct Parts<'a> {
    plan: &'a InspectionPlan,
    /// How pixels are computed.
    pub grid: Cow<'a, Grid>,
    areas: Option<Cow<'a, [Area]>>,
}

/// One part of a frame.
#[derive(Clone, Copy)]
pub(crate) struct Part<'a> {
    /// The region's name; nothing for what is in no region.
    pub name: Option<&'a Arc<str>>,
    /// What it is held to.
    pub rule: Rule,
    /// Where it is; nothing for the whole frame.
    pub area: Option<&'a Area>,
}

impl Parts<'_> {
    /// The regions in their order, then the rest.
    pub fn iter(&self) -> impl Iterator<Item = Part<'_>> {
        let regions = &self.plan.regions;
        let named = regions
            .iter()
            .map(|region| (Some(&region.name), region.rule));
        let rules = named.chain([(None, self.plan.general)]);
        rules.enumerate().map(|(index, (name, rule))| Part {
            name,
            rule,
            area: self.areas.as_ref().map(|areas| &areas[index]),
        })
    }
}

impl Part<'_> {
    /// Its pixels.
    pub fn spans<'s>(&'s self, grid: &Grid) -> Box<dyn Iterator<Item = Span> + 's> {
        match self.area {
            None => Box::new(grid.all()),
            Some(area) => Box::new(area.spans.iter().copied()),
        }
    }

    /// The map in it: minus infinity outside.
    pub fn values<'m>(&self, map: &'m [f32], side: usize) -> Cow<'m, [f32]> {
        match self.area {
            None => Cow::Borrowed(map),
            Some(area) => Cow::Owned(area.values(map, side)),
        }
    }
}
