//! The small parts: screw, nut, gasket, capacitor and label.

use std::f32::consts::{FRAC_PI_2, PI};

use super::assembly::{Kind, SCREW_RADIUS, Size};
use super::geometry::Colour;
use super::material::{Finish, Material};
use super::part_builder::{BLACK_PLASTIC, PartBuilder, block, disc};
use super::shape::Shape;
use super::texture::Texture;

const INK: Colour = [0.025, 0.025, 0.03];
const SILVER: Colour = [0.62, 0.62, 0.63];

/// A cross-recessed screw on its washer.
pub(super) fn screw(bench: &mut PartBuilder, turn: f32) {
    let zinc = Material::textured(
        Texture::Speckle,
        [0.5, 0.5, 0.49],
        0.05,
        0.012,
        Finish::METAL,
    );
    let steel = Material::textured(Texture::Cloud, [0.58, 0.58, 0.6], 0.08, 0.02, Finish::METAL);
    let washer = bench.piece(disc(SCREW_RADIUS), [0.0; 2], 0.0, zinc);
    bench.add(washer.raised(0.006).edged(0.004, 0.8));
    let head = bench.piece(disc(0.0275), [0.0; 2], 0.0, steel);
    bench.add(head.raised(0.016).edged(0.0275, 0.42));
    // A cross recess: dark, with the far walls catching the light.
    let arm = 0.0145;
    let cross = Shape::Strokes {
        segments: vec![[[-arm, 0.0], [arm, 0.0]], [[0.0, -arm], [0.0, arm]]],
        radius: 0.0044,
    };
    let recess = Material::smooth([0.07, 0.07, 0.075], Finish::METAL);
    let recess = bench.piece(cross, [0.0; 2], turn, recess);
    bench.add(recess.raised(-0.008).edged(0.0025, -0.9));
}

/// A brass nut.
pub(super) fn nut(bench: &mut PartBuilder, turn: f32) {
    let brass = Material::textured(Texture::Cloud, [0.60, 0.40, 0.13], 0.1, 0.03, Finish::METAL);
    let hexagon = bench.piece(Shape::regular(6, 0.045), [0.0; 2], turn * 0.08, brass);
    bench.add(hexagon.raised(0.022).edged(0.006, 0.7));
    let face = bench.piece(Shape::ring(0.021, 0.037), [0.0; 2], 0.0, brass);
    bench.add(face.edged(0.003, 0.35));
    let thread = Material::smooth([0.05, 0.035, 0.015], Finish::METAL);
    let bore = bench.piece(disc(0.02), [0.0; 2], 0.0, thread);
    bench.add(bore.raised(-0.02).edged(0.003, -0.9));
}

/// A rubber ring.
pub(super) fn gasket(bench: &mut PartBuilder) {
    let rubber = Material::smooth([0.016, 0.016, 0.017], Finish::SATIN);
    let ring = bench.piece(Shape::ring(0.03, 0.052), [0.0; 2], 0.0, rubber);
    bench.add(ring.raised(0.014).edged(0.011, 0.9));
}

/// A radial aluminium can on a moulded base, with the dark field that marks its negative side.
pub(super) fn capacitor(bench: &mut PartBuilder, size: Size) {
    let radius = size.radius();
    let (mark, text) = match size {
        Size::Large => ([0.015, 0.02, 0.09], "470"),
        Size::Medium => ([0.02, 0.02, 0.022], "220"),
        Size::Small => ([0.12, 0.02, 0.06], "47"),
    };
    let base = Material::smooth(BLACK_PLASTIC, Finish::SATIN);
    let foot = bench.piece(
        block(radius * 1.06, radius * 1.06, radius * 0.25),
        [0.0; 2],
        0.0,
        base,
    );
    bench.add(foot.raised(0.008).edged(0.004, 0.7));
    let can = Material::textured(Texture::Cloud, SILVER, 0.03, 0.04, Finish::METAL);
    let lid = bench.piece(disc(radius * 0.97), [0.0; 2], 0.0, can);
    bench.add(lid.raised(0.034).edged(radius * 0.2, 0.85));
    let field = Shape::Cap {
        radius: radius * 0.8,
        chord: radius * 0.3,
    };
    let paint = Material::smooth(mark, Finish::SATIN);
    bench.add(bench.piece(field, [0.0; 2], PI, paint));
    bench.write(text, [radius * 0.2, 0.0], FRAC_PI_2, radius * 0.42, INK);
}

/// A paper sticker with a bar code and two lines of print.
pub(super) fn label(bench: &mut PartBuilder) {
    let [x, y] = Kind::Label.half();
    let paper = Material::textured(
        Texture::Rough,
        [0.78, 0.77, 0.73],
        0.02,
        0.008,
        Finish::MATTE,
    );
    let sheet = bench.piece(block(x, y, 0.008), [0.0; 2], 0.0, paper);
    bench.add(sheet.raised(0.003).edged(0.002, 0.25));
    let ink = Material::smooth(INK, Finish::MATTE);
    let mut left = -x + 0.02;
    // Widths of bar and gap in turn, in units of the narrowest bar.
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
        bench.add(bench.piece(block(bar * 0.5, y - 0.02, 0.0), middle, 0.0, ink));
        left += bar + gap;
    }
    bench.write("MX 24V", [0.082, -0.018], 0.0, 0.03, INK);
    bench.write("SN 0417", [0.082, 0.024], 0.0, 0.022, INK);
    let stripe = Material::smooth([0.35, 0.02, 0.02], Finish::MATTE);
    bench.add(bench.piece(block(0.068, 0.004, 0.0), [0.082, 0.047], 0.0, stripe));
}
