//! Composes the random solids of a clutter image.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::geometry::{Point, Pose};
use super::lettering;
use super::material::{Finish, Material};
use super::portable_math::wave;
use super::random_scene::{RandomScene, colour};
use super::shape::Shape;
use super::solid::Solid;

/// Maximum number of objects in one image. Each has at most twelve solids, so the index of a solid fits into the
/// 16 bits of the labels.
const MAX_OBJECTS: u32 = 30;

/// Returns the solids of one image, the lowest first.
pub(super) fn solids(rng: &mut ChaCha8Rng) -> Vec<Solid> {
    let colours = rng.random_range(3..=7_u32);
    let palette = (0..colours).map(|_| colour(rng)).collect();
    let mut scene = RandomScene { rng, palette };
    let mut solids = vec![scene.ground()];
    for _ in 0..scene.rng.random_range(0..=3_u32) {
        solids.push(scene.panel());
    }
    for _ in 0..scene.rng.random_range(5..=MAX_OBJECTS) {
        scene.object(&mut solids);
    }
    if scene.rng.random_bool(0.3) {
        scene.wear(&mut solids);
    }
    solids
}

impl RandomScene<'_> {
    /// Returns the background, which fills any frame.
    fn ground(&mut self) -> Solid {
        let shape = Shape::Block {
            half: [40.0, 40.0],
            corner: 0.0,
        };
        Solid::flat(shape, Pose::new([0.5, 0.5], 0.0), self.material())
    }

    /// Returns a large block that covers a part of the background.
    fn panel(&mut self) -> Solid {
        let half = [self.within(0.2, 0.9), self.within(0.15, 0.7)];
        let corner = self.octaves(0.0, 0.1);
        let pose = self.pose();
        let material = self.material();
        let height = self.octaves(0.0, 0.08);
        Solid::flat(Shape::Block { half, corner }, pose, material)
            .raised(height)
            .edged(height * 0.3, 0.8)
    }

    /// Adds an object: a single solid, a screw, a cable, a word or a row of equal solids.
    fn object(&mut self, solids: &mut Vec<Solid>) {
        let pose = self.pose();
        match self.rng.random_range(0..20_u32) {
            0..=11 => {
                let size = 0.02 + self.octaves(0.0, 0.3);
                let shape = self.shape(size);
                let solid = self.random_solid(shape, pose, size);
                solids.push(solid);
            }
            12 | 13 => self.screw(pose, solids),
            14 | 15 => self.cable(pose, solids),
            16 | 17 => self.word(pose, solids),
            _ => self.row(pose, solids),
        }
    }

    fn screw(&mut self, pose: Pose, solids: &mut Vec<Solid>) {
        let size = self.within(0.015, 0.08);
        let metal = Material::smooth(self.colour(), Finish::METAL);
        let head = match self.rng.random_range(0..3_u32) {
            0 => Shape::regular(6, size),
            _ => Shape::Disc { radius: size },
        };
        let dome = self.one_of(&[0.2, 0.9]);
        solids.push(
            Solid::flat(head, pose, metal)
                .raised(size * 0.5)
                .edged(size * dome, 0.6),
        );
        let arm = size * 0.6;
        let mut segments = vec![[[-arm, 0.0], [arm, 0.0]]];
        if self.rng.random_bool(0.6) {
            segments.push([[0.0, -arm], [0.0, arm]]);
        }
        let slot = Shape::Strokes {
            segments,
            radius: size * 0.12,
        };
        let dark = Material::smooth([0.04; 3], Finish::METAL);
        solids.push(Solid::flat(slot, pose, dark).raised(-size * 0.2));
    }

    fn cable(&mut self, pose: Pose, solids: &mut Vec<Solid>) {
        let radius = 0.003 + self.octaves(0.0, 0.03);
        let long = self.within(0.15, 0.6);
        let (bend, waves) = (self.within(-0.25, 0.25), self.within(0.2, 1.2));
        let points: Vec<Point> = (-10..=10_i8)
            .map(|i| {
                let t = f32::from(i) / 10.0;
                [t * long, bend * wave(t * waves)]
            })
            .collect();
        let sheath = Material::smooth(self.colour(), self.one_of(&[Finish::SATIN, Finish::GLOSSY]));
        let solid = Solid::flat(Shape::path(&points, radius), pose, sheath);
        solids.push(solid.raised(radius * 1.6).edged(radius, 1.0));
    }

    fn word(&mut self, pose: Pose, solids: &mut Vec<Solid>) {
        let height = self.within(0.02, 0.12);
        let letters: String = (0..self.rng.random_range(1..=7_u32))
            .map(|_| lettering::letter(self.rng.random()))
            .collect();
        let stroke = height * self.within(0.08, 0.25);
        if let Some(shape) = lettering::text(&letters, height, stroke) {
            let ink = Material::smooth(self.colour(), Finish::SATIN);
            let raised = self.one_of(&[0.0, 0.0, stroke * 0.5, -stroke * 0.4]);
            solids.push(
                Solid::flat(shape, pose, ink)
                    .raised(raised)
                    .edged(stroke * 0.4, 0.6),
            );
        }
    }

    /// Adds up to twelve equal solids in rows, such as holes, keys, fins or pins.
    fn row(&mut self, pose: Pose, solids: &mut Vec<Solid>) {
        let size = self.within(0.008, 0.04);
        let shape = self.shape(size);
        let first = self.random_solid(shape, pose, size);
        let columns = self.rng.random_range(2..=6_u8);
        let rows = self.rng.random_range(1..=2_u8);
        let pitch = size * self.within(2.1, 3.2);
        for row in 0..rows {
            for column in 0..columns {
                let at = [f32::from(column) * pitch, f32::from(row) * pitch];
                let pose = pose.then(&Pose::new(at, 0.0));
                solids.push(Solid {
                    pose,
                    ground: pose,
                    ..first.clone()
                });
            }
        }
    }

    /// Adds one to five scratches over everything.
    fn wear(&mut self, solids: &mut Vec<Solid>) {
        for _ in 0..self.rng.random_range(1..=5_u32) {
            let pose = self.pose();
            let long = self.within(0.05, 0.4);
            let points = [[-long, 0.0], [0.0, self.within(-0.05, 0.05)], [long, 0.0]];
            let shape = Shape::path(&points, self.within(0.001, 0.004));
            let bare = Material::smooth(self.colour(), Finish::METAL);
            let opacity = self.within(0.4, 1.0);
            solids.push(Solid::flat(shape, pose, bare).with_opacity(opacity));
        }
    }
}
