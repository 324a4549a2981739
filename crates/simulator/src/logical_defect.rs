//! Logical defects: changes to an assembly that violate a rule of the drawing.

use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use super::assembly::{Assembly, CABLE_RADIUS, CableColour, Item, Kind, Size};
use super::defect::Defect;
use super::geometry::{Point, Pose};
use super::part;
use super::region::Region;
use super::shape::Shape;
use super::variation::Variation;

/// Positions on the plate where an additional part does not touch another part.
const FREE_PLACES: [Point; 4] = [
    [0.262, -0.262],
    [-0.292, -0.232],
    [0.0, 0.118],
    [-0.06, -0.145],
];

/// Parts that can be displaced, and their displacements in x and y, in scene units.
const DISPLACEMENTS: [(Kind, [Point; 2]); 4] = [
    (Kind::Label, [[0.11, 0.004], [-0.09, 0.0]]),
    (Kind::Nut, [[0.0, -0.066], [-0.072, -0.04]]),
    (Kind::Gasket, [[0.0, -0.064], [0.068, -0.045]]),
    (
        Kind::Capacitor(Size::Medium),
        [[0.004, -0.088], [0.006, 0.066]],
    ),
];

/// Margin of the mask around a missing or additional part, in scene units: the part can be anywhere within the
/// tolerance of the drawing.
const TOLERANCE: f32 = 0.008;

/// Applies `defect` to the assembly, and returns the region on the plate where it can be seen.
pub(super) fn apply(
    defect: Defect,
    assembly: &mut Assembly,
    variation: &Variation,
    rng: &mut ChaCha8Rng,
) -> Region {
    match defect {
        Defect::Missing => missing(assembly, rng),
        Defect::Extra => extra(assembly, rng),
        Defect::Swapped => swapped(assembly, rng),
        Defect::WrongPlace => wrong_place(assembly, rng),
        Defect::WrongPairing => wrong_pairing(assembly, variation, rng),
        Defect::Scratch | Defect::Dent | Defect::Stain | Defect::Crack => Region::default(),
    }
}

fn missing(assembly: &mut Assembly, rng: &mut ChaCha8Rng) -> Region {
    let removable: Vec<usize> = places(assembly, |kind| {
        matches!(
            kind,
            Kind::Screw | Kind::Capacitor(_) | Kind::Label | Kind::Gasket | Kind::Nut
        )
    });
    let Some(&place) = removable.choose(rng) else {
        return Region::default();
    };
    Region::of(outline(&assembly.items.remove(place), TOLERANCE))
}

fn extra(assembly: &mut Assembly, rng: &mut ChaCha8Rng) -> Region {
    let kind = [Kind::Screw, Kind::Nut, Kind::Gasket][rng.random_range(0..3_u32) as usize];
    // The lower positions have only enough space for a screw.
    let choices = if kind == Kind::Screw { 4 } else { 2 };
    let at = FREE_PLACES[rng.random_range(0..choices as u32) as usize];
    let mut near = || rng.random_range(-0.006..=0.006_f32);
    let item = Item {
        kind,
        at: [at[0] + near(), at[1] + near()],
        rotation: 0.0,
    };
    assembly.items.insert(0, item);
    Region::of(outline(&item, TOLERANCE))
}

fn swapped(assembly: &mut Assembly, rng: &mut ChaCha8Rng) -> Region {
    let row = places(assembly, |kind| matches!(kind, Kind::Capacitor(_)));
    // One of the two is the large one, because medium and small are hard to distinguish.
    let Some((&a, others)) = row.split_first() else {
        return Region::default();
    };
    let Some(&b) = others.choose(rng) else {
        return Region::default();
    };
    let mut region = Region::default();
    for place in [a, b] {
        region.add(outline(&assembly.items[place], 0.0));
    }
    let kept = assembly.items[a].kind;
    assembly.items[a].kind = assembly.items[b].kind;
    assembly.items[b].kind = kept;
    for place in [a, b] {
        region.add(outline(&assembly.items[place], 0.0));
    }
    region
}

fn wrong_place(assembly: &mut Assembly, rng: &mut ChaCha8Rng) -> Region {
    let present: Vec<_> = DISPLACEMENTS
        .iter()
        .filter(|(kind, _)| assembly.items.iter().any(|item| item.kind == *kind))
        .collect();
    let Some(&&(kind, shifts)) = present.choose(rng) else {
        return Region::default();
    };
    let shift = shifts[rng.random_range(0..2_u32) as usize];
    let rotation = rng.random_range(-0.1..=0.1_f32);
    let mut region = Region::default();
    for item in assembly.items.iter_mut().filter(|item| item.kind == kind) {
        region.add(outline(item, 0.0));
        item.at = [item.at[0] + shift[0], item.at[1] + shift[1]];
        item.rotation = rotation;
        region.add(outline(item, 0.0));
    }
    region
}

fn wrong_pairing(assembly: &mut Assembly, variation: &Variation, rng: &mut ChaCha8Rng) -> Region {
    let others: Vec<CableColour> = CableColour::ALL
        .into_iter()
        .filter(|&cable_colour| cable_colour != variation.cable_colour)
        .collect();
    let cable_colour = others[rng.random_range(0..others.len() as u32) as usize];
    let mut region = Region::default();
    for item in &mut assembly.items {
        match item.kind {
            Kind::Cable(_) => {
                item.kind = Kind::Cable(cable_colour);
                let line = Shape::path(&part::cable_path(variation), CABLE_RADIUS);
                region.add((line, Pose::new([0.0; 2], 0.0)));
            }
            Kind::Connector(_) => region.add(outline(item, 0.0)),
            _ => {}
        }
    }
    region
}

fn places(assembly: &Assembly, is: impl Fn(Kind) -> bool) -> Vec<usize> {
    (0..assembly.items.len())
        .filter(|&place| is(assembly.items[place].kind))
        .collect()
}

/// Returns the outline of a part on the plate, enlarged by `margin`.
fn outline(item: &Item, margin: f32) -> (Shape, Pose) {
    let half = item.kind.half().map(|side| side + margin);
    let shape = match item.kind {
        Kind::Screw | Kind::Gasket | Kind::Nut => Shape::Disc { radius: half[0] },
        _ => Shape::Block { half, corner: 0.01 },
    };
    (shape, Pose::new(item.at, item.rotation))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn broken(defect: Defect, seed: u64) -> (Assembly, CableColour) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let variation = Variation::draw(&mut rng);
        let mut assembly = Assembly::good(variation.cable_colour);
        apply(defect, &mut assembly, &variation, &mut rng);
        (assembly, variation.cable_colour)
    }

    #[test]
    fn each_logical_defect_violates_only_its_own_rule() {
        for (defect, parts) in [
            (Defect::Missing, 12),
            (Defect::Extra, 14),
            (Defect::Swapped, 13),
            (Defect::WrongPlace, 13),
            (Defect::WrongPairing, 13),
        ] {
            for seed in 0..40 {
                let (assembly, cable_colour) = broken(defect, seed);
                assert_eq!(assembly.items.len(), parts, "{defect}");
                let row: Vec<Kind> = assembly
                    .items
                    .iter()
                    .map(|item| item.kind)
                    .filter(|kind| matches!(kind, Kind::Capacitor(_)))
                    .collect();
                let ordered = row == Size::ORDER.map(Kind::Capacitor);
                assert!(ordered != (defect == Defect::Swapped) || defect == Defect::Missing);
                let matching = assembly.count(|k| k == Kind::Cable(cable_colour)) == 1;
                assert_eq!(matching, defect != Defect::WrongPairing);
            }
        }
    }

    #[test]
    fn additional_and_displaced_parts_do_not_touch_other_parts() {
        for defect in [Defect::Extra, Defect::WrongPlace] {
            for seed in 0..60 {
                let (assembly, _) = broken(defect, seed);
                for (place, a) in assembly.items.iter().enumerate() {
                    for b in &assembly.items[place + 1..] {
                        let cable = |item: &Item| matches!(item.kind, Kind::Cable(_));
                        let apart = (0..2).any(|c| {
                            (a.at[c] - b.at[c]).abs() > a.kind.half()[c] + b.kind.half()[c] - 0.012
                        });
                        assert!(apart || cable(a) || cable(b), "{defect} {a:?} {b:?}");
                    }
                }
            }
        }
    }
}
