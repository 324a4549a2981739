//! The belt with its rails, and the plate without parts.

use super::assembly::{CAPACITORS, GASKET, NUT, PLATE, SCREWS, Size};
use super::geometry::{Point, Pose};
use super::material::{Finish, Material};
use super::part_builder::{PartBuilder, block, disc};
use super::shape::Shape;
use super::solid::Solid;
use super::texture::Texture;
use super::variation::Variation;

/// Returns the belt and its steel rails, which do not move.
pub(super) fn belt(variation: &Variation) -> Vec<Solid> {
    let still = Pose::new([0.5, 0.5], 0.0);
    let moved = Pose::new(variation.belt, 0.0);
    let everywhere = || block(40.0, 40.0, 0.0);
    let rubber = Material::textured(
        Texture::Rough,
        [0.03, 0.033, 0.036],
        0.35,
        0.007,
        Finish::MATTE,
    )
    .seeded(variation.seed ^ 1)
    .embossed(0.5);
    let ribs = Material {
        tint: [0.012, 0.013, 0.014],
        second: [0.06, 0.064, 0.068],
        ..Material::textured(Texture::Tread, [0.04; 3], 0.5, 0.034, Finish::SATIN)
    };
    let steel = Material::textured(
        Texture::Brushed,
        [0.36, 0.37, 0.38],
        0.2,
        0.007,
        Finish::BRUSHED,
    )
    .seeded(9);
    let mut solids = vec![
        Solid::flat(everywhere(), still, ribs.embossed(0.8)).on(moved),
        Solid::flat(everywhere(), still, rubber)
            .on(moved)
            .with_opacity(0.55),
    ];
    for y in [-0.012, 1.012] {
        let pose = Pose::new([0.5, y], 0.0);
        solids.push(
            Solid::flat(block(40.0, 0.034, 0.002), pose, steel)
                .raised(0.03)
                .edged(0.007, 0.9),
        );
    }
    solids
}

/// Returns the plate without its parts: with holes, pads and engravings, which are visible if a part is missing.
pub(super) fn plate(pose: Pose, variation: &Variation) -> Vec<Solid> {
    let mut builder = PartBuilder::new(pose);
    let metal = plate_metal(variation);
    let body = builder.piece(block(PLATE[0], PLATE[1], 0.035), [0.0; 2], 0.0, metal);
    builder.add(body.raised(0.022).edged(0.009, 0.9));
    let frame = Shape::Rim {
        of: Box::new(block(PLATE[0] - 0.024, PLATE[1] - 0.024, 0.022)),
        half_width: 0.0022,
    };
    let groove = builder.piece(frame, [0.0; 2], 0.0, metal);
    builder.add(groove.edged(0.0022, -0.7));
    for at in SCREWS {
        hole(&mut builder, at, 0.021);
    }
    hole(&mut builder, NUT, 0.02);
    hole(&mut builder, GASKET, 0.026);
    for (at, size) in CAPACITORS.into_iter().zip(Size::ORDER) {
        pads(&mut builder, at, size.radius());
    }
    builder.write("REV C", [0.245, -0.205], 0.0, 0.021, [0.16, 0.16, 0.17]);
    builder.solids
}

/// Returns the metal of the plate, which dents use too.
pub(super) fn plate_metal(variation: &Variation) -> Material {
    Material::textured(
        Texture::Brushed,
        [0.50, 0.51, 0.525],
        0.24,
        0.0085,
        Finish::BRUSHED,
    )
    .seeded(variation.seed ^ 2)
}

fn hole(builder: &mut PartBuilder, at: Point, radius: f32) {
    let metal = Material::smooth([0.45, 0.46, 0.47], Finish::METAL);
    let chamfer = builder.piece(disc(radius * 1.2), at, 0.0, metal);
    builder.add(chamfer.edged(radius * 0.5, -0.9));
    let dark = Material::smooth([0.012, 0.012, 0.014], Finish::MATTE);
    let bore = builder.piece(disc(radius), at, 0.0, dark);
    builder.add(bore.raised(-0.02));
}

/// Adds the two tinned pads under a capacitor, on a strip of insulation.
fn pads(builder: &mut PartBuilder, at: Point, radius: f32) {
    let film = Material::smooth([0.05, 0.11, 0.07], Finish::SATIN);
    let tin = Material::textured(Texture::Speckle, [0.6, 0.6, 0.58], 0.1, 0.01, Finish::METAL);
    let strip = builder.piece(block(radius * 0.9, radius * 0.62, 0.008), at, 0.0, film);
    builder.add(strip);
    for side in [-0.5, 0.5] {
        let pad = block(radius * 0.26, radius * 0.4, 0.004);
        let pad = builder.piece(pad, [at[0] + side * radius, at[1]], 0.0, tin);
        builder.add(pad.edged(0.004, 0.4));
    }
}
