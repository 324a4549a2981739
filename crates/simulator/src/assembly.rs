//! The drawing: which parts sit where on the plate, and the rules between them.
//!
//! A sound assembly has four screws, a label, a gasket, a nut, three capacitors that get smaller
//! from left to right, and a connector in one of three colours, joined to the module by a cable of
//! the same colour.

use super::geometry::Point;

/// The colours that connectors and cables come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Livery {
    Blue,
    Red,
    Yellow,
}

impl Livery {
    pub(super) const ALL: [Self; 3] = [Self::Blue, Self::Red, Self::Yellow];
}

/// The capacitors' sizes, in their order from the left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    Large,
    Medium,
    Small,
}

impl Size {
    pub(super) const ORDER: [Self; 3] = [Self::Large, Self::Medium, Self::Small];

    /// The can's radius in scene units.
    pub(super) fn radius(self) -> f32 {
        match self {
            Self::Large => 0.060,
            Self::Medium => 0.047,
            Self::Small => 0.036,
        }
    }
}

/// The kinds of part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Screw,
    Capacitor(Size),
    Label,
    Gasket,
    Nut,
    Connector(Livery),
    Module,
    Cable(Livery),
}

impl Kind {
    /// Half the sides of the box that a part fills, in scene units, without turn.
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

/// The radius of a screw's head with its washer, scene units.
pub(super) const SCREW_RADIUS: f32 = 0.036;
/// The cable's radius, scene units.
pub(super) const CABLE_RADIUS: f32 = 0.0175;
/// Where the cable leaves the connector and enters the module, x on the plate.
pub(super) const CABLE_FROM: f32 = -0.205;
pub(super) const CABLE_TO: f32 = 0.17;
/// The height of both ends, y on the plate.
pub(super) const CABLE_LEVEL: f32 = -0.025;
/// Half the plate's sides, scene units.
pub(super) const PLATE: Point = [0.445, 0.372];

/// Where the drawing puts screws, on the plate.
pub(super) const SCREWS: [Point; 4] = [
    [-0.388, -0.315],
    [0.388, -0.315],
    [-0.388, 0.315],
    [0.388, 0.315],
];
/// Where the drawing puts capacitors, on the plate.
pub(super) const CAPACITORS: [Point; 3] = [[-0.135, 0.235], [0.005, 0.235], [0.122, 0.235]];
/// Where the drawing puts the nut and the gasket, on the plate.
pub(super) const NUT: Point = [-0.282, 0.232];
pub(super) const GASKET: Point = [0.262, 0.232];

/// A part on the plate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    pub(super) kind: Kind,
    /// Its middle on the plate, scene units from the plate's middle.
    pub(super) at: Point,
    /// Its turn on the plate, radians.
    pub(super) turn: f32,
}

/// The parts on one plate, lowest first.
#[derive(Clone, Debug)]
pub(super) struct Assembly {
    pub(super) items: Vec<Item>,
}

impl Assembly {
    /// What the drawing asks for.
    pub(super) fn sound(livery: Livery) -> Self {
        let item = |kind, at| Item {
            kind,
            at,
            turn: 0.0,
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
        items.push(item(Kind::Cable(livery), [middle, CABLE_LEVEL]));
        items.push(item(Kind::Connector(livery), [-0.29, -0.015]));
        items.push(item(Kind::Module, [0.272, -0.02]));
        Self { items }
    }

    /// How many parts `is` accepts.
    #[cfg(test)]
    pub(super) fn count(&self, is: impl Fn(Kind) -> bool) -> usize {
        self.items.iter().filter(|item| is(item.kind)).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_drawing_in_numbers() {
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
        for livery in Livery::ALL {
            let sound = Assembly::sound(livery);
            for (what, is, count) in rules {
                assert_eq!(sound.count(is), count, "{what}");
            }
        }
    }

    #[test]
    fn parts_do_not_overlap_and_stay_on_the_plate() {
        let items = Assembly::sound(Livery::Red).items;
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
