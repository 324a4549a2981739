//! Small parts: screw, nut, gasket, capacitor and label.

use std::f32::consts::{FRAC_PI_2, PI};

use super::assembly::{Kind, SCREW_RADIUS, Size};
use super::geometry::Colour;
use super::material::{Finish, Material};
use super::part_builder::{BLACK_PLASTIC, PartBuilder, block, disc};
use super::shape::Shape;
use super::texture::Texture;

const INK: Colour = [0.025, 0.025, 0.03];
const SILVER: Colour = [0.62, 0.62, 0.63];

/// Adds a cross-recessed screw on its washer.
pub(super) fn screw(builder: &mut PartBuilder, rotation: f32) {
    let zinc = Material::textured(
        Texture::Speckle,
        [0.5, 0.5, 0.49],
        0.05,
        0.012,
        Finish::METAL,
    );
    let steel = Material::textured(Texture::Cloud, [0.58, 0.58, 0.6], 0.08, 0.02, Finish::METAL);
    let washer = builder.piece(disc(SCREW_RADIUS), [0.0; 2], 0.0, zinc);
    builder.add(washer.raised(0.006).edged(0.004, 0.8));
    let head = builder.piece(disc(0.0275), [0.0; 2], 0.0, steel);
    builder.add(head.raised(0.016).edged(0.0275, 0.42));
    // The cross recess is dark, except for the lit far walls.
    let arm = 0.0145;
    let cross = Shape::Strokes {
        segments: vec![[[-arm, 0.0], [arm, 0.0]], [[0.0, -arm], [0.0, arm]]],
        radius: 0.0044,
    };
    let recess = Material::smooth([0.07, 0.07, 0.075], Finish::METAL);
    let recess = builder.piece(cross, [0.0; 2], rotation, recess);
    builder.add(recess.raised(-0.008).edged(0.0025, -0.9));
}

/// Adds a brass nut.
pub(super) fn nut(builder: &mut PartBuilder, rotation: f32) {
    let brass = Material::textured(Texture::Cloud, [0.60, 0.40, 0.13], 0.1, 0.03, Finish::METAL);
    let hexagon = builder.piece(Shape::regular(6, 0.045), [0.0; 2], rotation * 0.08, brass);
    builder.add(hexagon.raised(0.022).edged(0.006, 0.7));
    let face = builder.piece(Shape::ring(0.021, 0.037), [0.0; 2], 0.0, brass);
    builder.add(face.edged(0.003, 0.35));
    let thread = Material::smooth([0.05, 0.035, 0.015], Finish::METAL);
    let bore = builder.piece(disc(0.02), [0.0; 2], 0.0, thread);
    builder.add(bore.raised(-0.02).edged(0.003, -0.9));
}

/// Adds a rubber ring.
pub(super) fn gasket(builder: &mut PartBuilder) {
    let rubber = Material::smooth([0.016, 0.016, 0.017], Finish::SATIN);
    let ring = builder.piece(Shape::ring(0.03, 0.052), [0.0; 2], 0.0, rubber);
    builder.add(ring.raised(0.014).edged(0.011, 0.9));
}

/// Adds a radial capacitor: an aluminium can on a moulded base, with the dark field that marks its negative side.
pub(super) fn capacitor(builder: &mut PartBuilder, size: Size) {
    let radius = size.radius();
    let (mark, text) = match size {
        Size::Large => ([0.015, 0.02, 0.09], "470"),
        Size::Medium => ([0.02, 0.02, 0.022], "220"),
        Size::Small => ([0.12, 0.02, 0.06], "47"),
    };
    let base = Material::smooth(BLACK_PLASTIC, Finish::SATIN);
    let foot = builder.piece(
        block(radius * 1.06, radius * 1.06, radius * 0.25),
        [0.0; 2],
        0.0,
        base,
    );
    builder.add(foot.raised(0.008).edged(0.004, 0.7));
    let can = Material::textured(Texture::Cloud, SILVER, 0.03, 0.04, Finish::METAL);
    let lid = builder.piece(disc(radius * 0.97), [0.0; 2], 0.0, can);
    builder.add(lid.raised(0.034).edged(radius * 0.2, 0.85));
    let field = Shape::Cap {
        radius: radius * 0.8,
        chord: radius * 0.3,
    };
    let paint = Material::smooth(mark, Finish::SATIN);
    builder.add(builder.piece(field, [0.0; 2], PI, paint));
    builder.write(text, [radius * 0.2, 0.0], FRAC_PI_2, radius * 0.42, INK);
}

/// Adds a paper sticker with a bar code and two lines of text.
pub(super) fn label(builder: &mut PartBuilder) {
    let [x, y] = Kind::Label.half();
    let paper = Material::textured(
        Texture::Rough,
        [0.78, 0.77, 0.73],
        0.02,
        0.008,
        Finish::MATTE,
    );
    let sheet = builder.piece(block(x, y, 0.008), [0.0; 2], 0.0, paper);
    builder.add(sheet.raised(0.003).edged(0.002, 0.25));
    let ink = Material::smooth(INK, Finish::MATTE);
    let mut left = -x + 0.02;
    // Widths of each bar and the gap after it, in units of the narrowest bar.
    for pair in [
        [2, 1],
        [1, 2],
        [3, 1],
        [1, 1],
        [2, 2],
        [1, 1],
        [3, 2],
        [1, 1],
        [1, 2],
        [2, 1],
        [1, 1],
        [3, 1_u8],
    ] {
        let [bar, gap] = pair.map(|width| f32::from(width) * 0.0042);
        let middle = [left + bar * 0.5, -0.003];
        builder.add(builder.piece(block(bar * 0.5, y - 0.02, 0.0), middle, 0.0, ink));
        left += bar + gap;
    }
    builder.write("MX 24V", [0.082, -0.018], 0.0, 0.03, INK);
    builder.write("SN 0417", [0.082, 0.024], 0.0, 0.022, INK);
    let stripe = Material::smooth([0.35, 0.02, 0.02], Finish::MATTE);
    builder.add(builder.piece(block(0.068, 0.004, 0.0), [0.082, 0.047], 0.0, stripe));
}
