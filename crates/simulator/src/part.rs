//! Appearance of each kind of part: the connector, the module and the cable here, the small parts in
//! [`hardware`].

use super::assembly::{CABLE_FROM, CABLE_LEVEL, CABLE_RADIUS, CABLE_TO, CableColour, Item, Kind};
use super::geometry::{Colour, Point, Pose};
use super::hardware;
use super::material::{Finish, Material};
use super::part_builder::{BLACK_PLASTIC, PartBuilder, block, disc};
use super::shape::Shape;
use super::solid::Solid;
use super::texture::Texture;
use super::variation::Variation;

/// Returns the reflectance of the plastic of a colour.
fn reflectance(colour: CableColour) -> Colour {
    match colour {
        CableColour::Blue => [0.02, 0.09, 0.42],
        CableColour::Red => [0.46, 0.028, 0.022],
        CableColour::Yellow => [0.66, 0.36, 0.018],
    }
}

/// Returns the solids of one part on the plate.
pub(super) fn solids(item: &Item, plate: &Pose, variation: &Variation) -> Vec<Solid> {
    let pose = plate.then(&Pose::new(item.at, item.rotation));
    let mut builder = PartBuilder::new(pose);
    match item.kind {
        Kind::Screw => hardware::screw(&mut builder, variation.screw_rotation(item.at)),
        Kind::Capacitor(size) => hardware::capacitor(&mut builder, size),
        Kind::Label => hardware::label(&mut builder),
        Kind::Gasket => hardware::gasket(&mut builder),
        Kind::Nut => hardware::nut(&mut builder, variation.screw_rotation(item.at)),
        Kind::Connector(cable_colour) => connector(
            &mut builder,
            variation.tinted(reflectance(cable_colour)),
            variation,
        ),
        Kind::Module => module(&mut builder),
        Kind::Cable(cable_colour) => {
            builder.pose = *plate;
            cable(
                &mut builder,
                variation.tinted(reflectance(cable_colour)),
                variation,
            );
        }
    }
    builder.solids
}

/// Adds a terminal block: three wells with clamping screws, and three ports.
fn connector(builder: &mut PartBuilder, colour: Colour, variation: &Variation) {
    let [x, y] = Kind::Connector(CableColour::Blue).half();
    let plastic = Material::smooth(colour, Finish::SATIN);
    let shell = builder.piece(block(x, y, 0.012), [0.0; 2], 0.0, plastic);
    builder.add(shell.raised(0.045).edged(0.011, 0.8));
    let deck = builder.piece(
        block(x * 0.5, y - 0.016, 0.008),
        [-x * 0.28, 0.0],
        0.0,
        plastic,
    );
    builder.add(deck.raised(0.012).edged(0.006, 0.7));
    let dark = Material::smooth(colour.map(|c| c * 0.12), Finish::MATTE);
    let steel = Material::textured(
        Texture::Cloud,
        [0.55, 0.55, 0.56],
        0.06,
        0.02,
        Finish::METAL,
    );
    for (place, at) in [-0.074, 0.0, 0.074].into_iter().enumerate() {
        let well = builder.piece(disc(0.0265), [-x * 0.28, at], 0.0, dark);
        builder.add(well.raised(-0.016).edged(0.003, -0.8));
        let clamp = builder.piece(disc(0.0205), [-x * 0.28, at], 0.0, steel);
        builder.add(clamp.edged(0.0205, 0.3));
        let slot = builder.piece(
            block(0.0165, 0.0035, 0.001),
            [-x * 0.28, at],
            variation.clamp_rotations[place],
            Material::smooth([0.03, 0.03, 0.03], Finish::MATTE),
        );
        builder.add(slot.raised(-0.004));
        let port = builder.piece(block(0.014, 0.019, 0.003), [x * 0.62, at], 0.0, dark);
        builder.add(port.raised(-0.02).edged(0.003, -0.7));
    }
}

/// Adds a moulded module with cooling ribs, a printed name and gold terminals.
fn module(builder: &mut PartBuilder) {
    let [x, y] = Kind::Module.half();
    let gold = Material::smooth([0.72, 0.48, 0.16], Finish::METAL);
    for place in 0..5_u8 {
        let at = [x - 0.004, (f32::from(place) - 2.0) * 0.046];
        let pin = builder.piece(block(0.022, 0.0085, 0.003), at, 0.0, gold);
        builder.add(pin.raised(0.01).edged(0.004, 0.7));
    }
    let plastic = Material::textured(
        Texture::Rough,
        [0.035, 0.036, 0.04],
        0.2,
        0.006,
        Finish::SATIN,
    );
    let body = builder.piece(
        block(x - 0.008, y, 0.01),
        [-0.008, 0.0],
        0.0,
        plastic.embossed(0.4),
    );
    builder.add(body.raised(0.05).edged(0.009, 0.85));
    for place in 0..4_u8 {
        let at = [-0.006, 0.012 + f32::from(place) * 0.029];
        let rib = builder.piece(block(x - 0.032, 0.0075, 0.006), at, 0.0, plastic);
        builder.add(rib.raised(0.014).edged(0.006, 0.9));
    }
    builder.write("K7 24V", [-0.008, -0.068], 0.0, 0.034, [0.6, 0.6, 0.58]);
    builder.write("PS 130", [-0.008, -0.027], 0.0, 0.02, [0.45, 0.45, 0.44]);
    let dot = Material::smooth([0.6, 0.6, 0.58], Finish::MATTE);
    builder.add(builder.piece(disc(0.007), [-x + 0.024, -y + 0.024], 0.0, dot));
}

/// Adds the cable and its two strain reliefs, in the frame of the plate.
fn cable(builder: &mut PartBuilder, colour: Colour, variation: &Variation) {
    let sheath = Material::smooth(colour, Finish::GLOSSY);
    let line = Shape::path(&cable_path(variation), CABLE_RADIUS);
    let line = builder.piece(line, [0.0; 2], 0.0, sheath);
    builder.add(line.raised(0.026).edged(CABLE_RADIUS, 1.0));
    let black = Material::smooth(BLACK_PLASTIC, Finish::SATIN);
    for at in [CABLE_FROM, CABLE_TO] {
        let relief = builder.piece(block(0.026, 0.026, 0.006), [at, CABLE_LEVEL], 0.0, black);
        builder.add(relief.raised(0.03).edged(0.008, 0.8));
    }
}

/// Returns the centre line of the cable on the plate: a cubic Bezier curve, level at both ends.
pub(super) fn cable_path(variation: &Variation) -> Vec<Point> {
    const PIECES: u8 = 20;
    let [first, second] = variation.sag;
    let reach = (CABLE_TO - CABLE_FROM) * 0.42;
    (0..=PIECES)
        .map(|piece| {
            let t = f32::from(piece) / f32::from(PIECES);
            let s = 1.0 - t;
            let [a, b, c, d] = [s * s * s, 3.0 * s * s * t, 3.0 * s * t * t, t * t * t];
            let x = (a + b) * CABLE_FROM + (c + d) * CABLE_TO + (b - c) * reach;
            [x, CABLE_LEVEL + b * first + c * second]
        })
        .collect()
}
