//! The drawing: the parts, their positions on the plate, and the rules between them.
//!
//! A good assembly has four screws, a label, a gasket, a nut, three capacitors in descending size from left to
//! right, and a connector in one of three colours, connected to the module by a cable of the same colour.

use super::geometry::Point;

/// Colours of connectors and cables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CableColour {
    Blue,
    Red,
    Yellow,
}

impl CableColour {
    pub(super) const ALL: [Self; 3] = [Self::Blue, Self::Red, Self::Yellow];
}

/// Sizes of capacitors, in their order from the left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    Large,
    Medium,
    Small,
}

impl Size {
    pub(super) const ORDER: [Self; 3] = [Self::Large, Self::Medium, Self::Small];

    /// Returns the radius of the can in scene units.
    pub(super) fn radius(self) -> f32 {
        match self {
            Self::Large => 0.060,
            Self::Medium => 0.047,
            Self::Small => 0.036,
        }
    }
}

/// Kinds of parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Screw,
    Capacitor(Size),
    Label,
    Gasket,
    Nut,
    Connector(CableColour),
    Module,
    Cable(CableColour),
}

impl Kind {
    /// Returns half the sides of the bounding box of a part that is not rotated, in scene units.
    pub(super) fn half(self) -> Point {
        match self {
            Self::Screw => [SCREW_RADIUS; 2],
            Self::Capacitor(size) => [size.radius() * 1.06; 2],
            Self::Label => [0.165, 0.058],
            Self::Gasket => [0.052; 2],
            Self::Nut => [0.045; 2],
            Self::Connector(_) => [0.078, 0.128],
            Self::Module => [0.105, 0.135],
            Self::Cable(_) => [(CABLE_TO - CABLE_FROM) * 0.5, CABLE_RADIUS],
        }
    }
}

/// Radius of a screw with its washer, in scene units.
pub(super) const SCREW_RADIUS: f32 = 0.036;
/// Radius of the cable, in scene units.
pub(super) const CABLE_RADIUS: f32 = 0.0175;
/// x of the cable's ends at the connector and at the module, on the plate.
pub(super) const CABLE_FROM: f32 = -0.205;
pub(super) const CABLE_TO: f32 = 0.17;
/// y of both ends of the cable, on the plate.
pub(super) const CABLE_LEVEL: f32 = -0.025;
/// Half the sides of the plate, in scene units.
pub(super) const PLATE: Point = [0.445, 0.372];

/// Positions of the screws on the plate.
pub(super) const SCREWS: [Point; 4] = [
    [-0.388, -0.315],
    [0.388, -0.315],
    [-0.388, 0.315],
    [0.388, 0.315],
];
/// Positions of the capacitors on the plate.
pub(super) const CAPACITORS: [Point; 3] = [[-0.135, 0.235], [0.005, 0.235], [0.122, 0.235]];
/// Positions of the nut and the gasket on the plate.
pub(super) const NUT: Point = [-0.282, 0.232];
pub(super) const GASKET: Point = [0.262, 0.232];

/// A part on the plate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    pub(super) kind: Kind,
    /// Centre on the plate, in scene units from the centre of the plate.
    pub(super) at: Point,
    /// Rotation on the plate, in radians.
    pub(super) rotation: f32,
}

/// The parts on one plate, the lowest first.
#[derive(Clone, Debug)]
pub(super) struct Assembly {
    pub(super) items: Vec<Item>,
}

impl Assembly {
    /// Returns the assembly of the drawing.
    pub(super) fn good(cable_colour: CableColour) -> Self {
        let item = |kind, at| Item {
            kind,
            at,
            rotation: 0.0,
        };
        let mut items = vec![
            item(Kind::Label, [-0.035, -0.25]),
            item(Kind::Gasket, GASKET),
            item(Kind::Nut, NUT),
        ];
        items.extend(SCREWS.map(|at| item(Kind::Screw, at)));
        items.extend(
            Size::ORDER
                .into_iter()
                .zip(CAPACITORS)
                .map(|(size, at)| item(Kind::Capacitor(size), at)),
        );
        let middle = (CABLE_FROM + CABLE_TO) * 0.5;
        items.push(item(Kind::Cable(cable_colour), [middle, CABLE_LEVEL]));
        items.push(item(Kind::Connector(cable_colour), [-0.29, -0.015]));
        items.push(item(Kind::Module, [0.272, -0.02]));
        Self { items }
    }

    /// Returns the number of parts that `is` accepts.
    #[cfg(test)]
    pub(super) fn count(&self, is: impl Fn(Kind) -> bool) -> usize {
        self.items.iter().filter(|item| is(item.kind)).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_assembly_has_the_number_of_parts_of_the_drawing() {
        type Rule = (&'static str, fn(Kind) -> bool, usize);
        let rules: [Rule; 7] = [
            ("screws", |k| k == Kind::Screw, 4),
            ("capacitors", |k| matches!(k, Kind::Capacitor(_)), 3),
            ("labels", |k| k == Kind::Label, 1),
            ("gaskets", |k| k == Kind::Gasket, 1),
            ("nuts", |k| k == Kind::Nut, 1),
            ("connectors", |k| matches!(k, Kind::Connector(_)), 1),
            ("cables", |k| matches!(k, Kind::Cable(_)), 1),
        ];
        for cable_colour in CableColour::ALL {
            let good = Assembly::good(cable_colour);
            for (what, is, count) in rules {
                assert_eq!(good.count(is), count, "{what}");
            }
        }
    }

    #[test]
    fn parts_do_not_overlap_and_are_within_the_plate() {
        let items = Assembly::good(CableColour::Red).items;
        for (place, a) in items.iter().enumerate() {
            let half = a.kind.half();
            for axis in 0..2 {
                assert!(a.at[axis].abs() + half[axis] < PLATE[axis], "{a:?}");
            }
            for b in &items[place + 1..] {
                let apart =
                    (0..2).any(|c| (a.at[c] - b.at[c]).abs() > half[c] + b.kind.half()[c] - 0.005);
                let joined = matches!(a.kind, Kind::Cable(_));
                assert!(apart || joined, "{a:?} {b:?}");
            }
        }
    }
}
