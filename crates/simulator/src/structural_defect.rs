//! Structural defects: damage to the plate or to a part on it.

use std::f32::consts::{PI, TAU};

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::assembly::{Assembly, Kind, PLATE};
use super::defect::Defect;
use super::geometry::{Point, Pose};
use super::material::{Finish, Material};
use super::plate;
use super::region::Region;
use super::shape::Shape;
use super::solid::Solid;
use super::variation::Variation;

/// Damage: the solids that are painted over the part, and the region where they can be seen.
pub(super) struct Damage {
    pub(super) solids: Vec<Solid>,
    pub(super) region: Region,
}

/// The plate with its parts, on which damage is placed.
struct Target<'a> {
    assembly: &'a Assembly,
    plate: &'a Pose,
    variation: &'a Variation,
}

/// Draws random damage of the kind `defect`.
pub(super) fn draw(
    defect: Defect,
    assembly: &Assembly,
    variation: &Variation,
    rng: &mut ChaCha8Rng,
) -> Damage {
    let target = Target {
        assembly,
        plate: &variation.plate,
        variation,
    };
    match defect {
        Defect::Scratch => scratch(&target, rng),
        Defect::Dent => dent(&target, rng),
        Defect::Stain => stain(&target, rng),
        _ => crack(&target, rng),
    }
}

/// Draws a scratch: a slightly bent groove with bright flanks.
fn scratch(target: &Target<'_>, rng: &mut ChaCha8Rng) -> Damage {
    let long = rng.random_range(0.07..0.11_f32); // half the length
    let bend = rng.random_range(-0.25..0.25_f32);
    let rotation = rng.random_range(0.25..PI - 0.25); // never parallel to the brushing
    let wide = rng.random_range(0.0030..0.0042_f32); // half the width
    let line: Vec<Point> = (-6..=6_i8)
        .map(|i| {
            let t = f32::from(i) / 6.0;
            [t * long, bend * long * (t * t - 0.4)]
        })
        .collect();
    let pose = target.bare_pose(&line, rotation, rng);
    let bright = Material::smooth([0.85, 0.86, 0.88], Finish::METAL);
    let dark = Material::smooth([0.10, 0.10, 0.105], Finish::METAL);
    let offset = pose.moved([wide * 0.7, wide * 0.9]);
    Damage {
        solids: vec![
            Solid::flat(Shape::path(&line, wide), offset, dark).with_opacity(0.7),
            Solid::flat(Shape::path(&line, wide * 0.85), pose, bright).edged(wide, -0.9),
        ],
        region: Region::of((Shape::path(&line, wide * 1.7), pose)),
    }
}

/// Draws a dent: a shallow hollow with a raised lip; the brushing of the plate continues through it.
fn dent(target: &Target<'_>, rng: &mut ChaCha8Rng) -> Damage {
    let radius = rng.random_range(0.030..0.040_f32);
    let half = [radius, radius * rng.random_range(0.7..1.0_f32)];
    let ends = [
        [-radius, 0.0],
        [radius, 0.0],
        [0.0, half[1]],
        [0.0, -half[1]],
    ];
    let rotation = rng.random_range(0.0..PI);
    let pose = target.bare_pose(&ends, rotation, rng);
    let metal = plate::plate_metal(target.variation);
    let bowl = Shape::Oval { half };
    let lip = Shape::Oval {
        half: half.map(|side| side * 1.12),
    };
    let deep = rng.random_range(0.75..1.0_f32);
    Damage {
        solids: vec![
            Solid::flat(lip.clone(), pose, metal)
                .on(*target.plate)
                .edged(radius * 0.14, 0.45),
            Solid::flat(bowl, pose, metal)
                .on(*target.plate)
                .edged(half[1] * 0.95, -deep),
        ],
        region: Region::of((lip, pose)),
    }
}

/// Draws a stain: a film with a dark rim.
fn stain(target: &Target<'_>, rng: &mut ChaCha8Rng) -> Damage {
    let radius = rng.random_range(0.030..0.046_f32);
    let shape = Shape::Blob {
        radius,
        roughness: 0.35,
        seed: rng.random(),
    };
    let ends = [[-radius, 0.0], [radius, 0.0], [0.0, radius], [0.0, -radius]];
    let pose = target.bare_pose(&ends, 0.0, rng);
    let oil = [0.10, 0.055, 0.018].map(|c: f32| c * rng.random_range(0.7..1.2_f32));
    let film = Material::smooth(oil, Finish::MATTE);
    let rim = Shape::Rim {
        of: Box::new(shape.clone()),
        half_width: 0.0032,
    };
    let strength = rng.random_range(0.62..0.78_f32);
    Damage {
        solids: vec![
            Solid::flat(shape.clone(), pose, film).with_opacity(strength),
            Solid::flat(rim, pose, film).with_opacity(strength * 0.8),
        ],
        region: Region::of((shape, pose)),
    }
}

/// Draws a crack: a jagged line from the edge of the plate inwards, or across the housing of the connector.
fn crack(target: &Target<'_>, rng: &mut ChaCha8Rng) -> Damage {
    let (start, heading, long) = if rng.random_bool(0.65) {
        crack_from_the_edge(rng)
    } else {
        target.crack_on_the_connector(rng)
    };
    let trunk = jagged(start, heading, long, rng);
    let fork = trunk[trunk.len() / 2];
    let aside = heading + if rng.random_bool(0.5) { 0.7 } else { -0.7 };
    let branch = jagged(fork, aside, long * 0.4, rng);
    let gap = Material::smooth([0.008, 0.008, 0.009], Finish::MATTE);
    let flank = Material::smooth([0.75, 0.75, 0.76], Finish::SATIN);
    let mut damage = Damage {
        solids: Vec::new(),
        region: Region::default(),
    };
    for (line, wide) in [(trunk, 0.0034), (branch, 0.0024)] {
        let pose = *target.plate;
        let lit = pose.moved([0.0024, 0.0028]);
        let shape = Shape::path(&line, wide);
        damage
            .solids
            .push(Solid::flat(shape.clone(), lit, flank).with_opacity(0.5));
        damage.solids.push(Solid::flat(shape, pose, gap));
        damage.region.add((Shape::path(&line, wide + 0.0022), pose));
    }
    damage
}

/// Returns a jagged line from `start` in the direction `heading`, in the frame of `start`.
fn jagged(start: Point, heading: f32, long: f32, rng: &mut ChaCha8Rng) -> Vec<Point> {
    const STEPS: u8 = 7;
    let mut points = vec![start];
    let mut at = start;
    for _ in 0..STEPS {
        let way = Pose::new(at, heading + rng.random_range(-0.75..0.75_f32));
        at = way.outward([long / f32::from(STEPS), 0.0]);
        points.push(at);
    }
    points
}

/// Returns the start of a crack on the outline of the plate, its heading inwards and its length.
fn crack_from_the_edge(rng: &mut ChaCha8Rng) -> (Point, f32, f32) {
    let slant = rng.random_range(-0.4..0.4_f32);
    let long = rng.random_range(0.09..0.13_f32);
    let [x, y] = PLATE;
    // Sections of the outline where the plate has no parts.
    let (start, inwards) = match rng.random_range(0..4_u32) {
        0 => ([rng.random_range(0.17..0.3_f32), -y], 0.25 * TAU),
        1 => ([rng.random_range(-0.3..-0.22_f32), -y], 0.25 * TAU),
        2 => ([-x, rng.random_range(0.13..0.24_f32)], 0.0),
        _ => ([rng.random_range(0.18..0.22_f32), y], -0.25 * TAU),
    };
    (start, inwards + slant, long)
}

impl Target<'_> {
    /// Returns a pose in the scene, rotated by `rotation` on the plate, at which `points` are on bare metal: the
    /// random position with the largest distance from all parts.
    fn bare_pose(&self, points: &[Point], rotation: f32, rng: &mut ChaCha8Rng) -> Pose {
        const TRIES: u8 = 40;
        /// Sufficient distance in scene units; larger distances count the same.
        const ROOM: f32 = 0.012;
        let mut best = (f32::MIN, Pose::new([0.0; 2], rotation));
        for _ in 0..TRIES {
            let at = [0, 1].map(|c| rng.random_range(-1.0..1.0_f32) * (PLATE[c] - 0.05));
            let pose = Pose::new(at, rotation);
            let room = points
                .iter()
                .map(|&p| self.clearance(pose.outward(p)))
                .fold(ROOM, f32::min);
            if room > best.0 {
                best = (room, pose);
            }
        }
        self.plate.then(&best.1)
    }

    /// Returns the distance of a point on the plate from the parts and the rim of the plate.
    fn clearance(&self, p: Point) -> f32 {
        let rim = (PLATE[0] - 0.03 - p[0].abs()).min(PLATE[1] - 0.03 - p[1].abs());
        self.assembly
            .items
            .iter()
            .map(|item| {
                // The cable sags, so its box is enlarged.
                let sway = if matches!(item.kind, Kind::Cable(_)) {
                    0.03
                } else {
                    0.0
                };
                let half = item.kind.half();
                let [x, y] = [0, 1].map(|c| (p[c] - item.at[c]).abs() - half[c]);
                x.max(y - sway)
            })
            .fold(rim, f32::min)
    }

    fn crack_on_the_connector(&self, rng: &mut ChaCha8Rng) -> (Point, f32, f32) {
        let home = self
            .assembly
            .items
            .iter()
            .find(|item| matches!(item.kind, Kind::Connector(_)))
            .map_or([0.0; 2], |item| item.at);
        let [x, y] = Kind::Connector(self.variation.cable_colour).half();
        let along = rng.random_range(-0.5..0.5_f32) * y;
        let heading = PI + rng.random_range(-0.5..0.5_f32);
        ([home[0] + x * 0.95, home[1] + along], heading, x * 1.7)
    }
}
