//! Paints solids and their shadows on top of each other, in linear light.

use std::ops::Range;

use super::geometry::{Colour, Point, View, mix, scale, unit};
use super::light::Light;
use super::material::Grain;
use super::portable_math::smoothstep;
use super::solid::Solid;

/// Labels of each pixel, for training; the image does not need them.
#[derive(Clone, Debug, Default)]
pub(super) struct Labels {
    /// Index of the topmost solid in the painting order.
    pub(super) solid: Vec<u16>,
    /// Reflectance without shading.
    pub(super) albedo: Vec<Colour>,
}

/// An image while it is painted.
pub(super) struct Canvas {
    /// Mapping between pixels and scene points.
    pub(super) view: View,
    /// Linear light of each pixel, `[height, width]`.
    pub(super) light: Vec<Colour>,
    /// Labels, if they were requested.
    pub(super) labels: Option<Labels>,
}

/// Distance to which a solid darkens its surroundings, per unit of its height.
const SHADOW_REACH: f32 = 2.2;

/// Values that are the same for all pixels of one solid.
struct Brush<'a> {
    solid: &'a Solid,
    lamp: &'a Light,
    grain: Grain<'a>,
    direction: Point,
    pixel: f32,
    place: u16,
}

impl Canvas {
    pub(super) fn new(view: View, labelled: bool) -> Self {
        let pixels = view.width * view.height;
        Self {
            view,
            light: vec![[0.0; 3]; pixels],
            labels: labelled.then(|| Labels {
                solid: vec![0; pixels],
                albedo: vec![[0.0; 3]; pixels],
            }),
        }
    }

    /// Paints `solids` on top of each other, the lowest first.
    pub(super) fn paint(&mut self, solids: &[Solid], lamp: &Light) {
        let cover = self.cover(solids);
        for (place, solid) in solids.iter().enumerate() {
            let grain = solid
                .material
                .grain(&solid.ground, self.view.pixel, lamp.towards);
            let brush = Brush {
                solid,
                lamp,
                direction: grain.direction(),
                grain,
                pixel: self.view.pixel,
                place: place as u16,
            };
            let (columns, rows) = self.window(solid, solid.height.max(0.0) * SHADOW_REACH);
            for row in rows {
                for column in columns.clone() {
                    let pixel = row * self.view.width + column;
                    if cover[pixel] <= brush.place {
                        self.paint_pixel(&brush, column, row);
                    }
                }
            }
        }
    }

    /// Returns for each pixel the last solid that hides everything below it. Painting hidden solids would take
    /// most of the time.
    fn cover(&self, solids: &[Solid]) -> Vec<u16> {
        let mut cover = vec![0; self.view.width * self.view.height];
        for (place, solid) in solids.iter().enumerate() {
            if solid.opacity < 1.0 {
                continue;
            }
            let (columns, rows) = self.window(solid, 0.0);
            for row in rows {
                for column in columns.clone() {
                    let distance = solid.distance(self.view.centre(column, row));
                    if distance <= -0.5 * self.view.pixel {
                        cover[row * self.view.width + column] = place as u16;
                    }
                }
            }
        }
        cover
    }

    /// Returns the columns and rows that a solid with a margin around it can cover.
    fn window(&self, solid: &Solid, margin: f32) -> (Range<usize>, Range<usize>) {
        let margin = margin + self.view.pixel;
        let half = solid.pose.reach(solid.shape.reach()).map(|h| h + margin);
        self.view.window(solid.pose.at(), half)
    }

    fn paint_pixel(&mut self, brush: &Brush<'_>, column: usize, row: usize) {
        let p = self.view.centre(column, row);
        let pixel = row * self.view.width + column;
        let distance = brush.solid.distance(p);
        let coverage = (0.5 - distance / brush.pixel).clamp(0.0, 1.0) * brush.solid.opacity;
        if coverage < 1.0 && brush.solid.height > 0.0 {
            self.light[pixel] = scale(self.light[pixel], brush.shadow(p, distance));
        }
        if coverage <= 0.0 {
            return;
        }
        let (albedo, light) = brush.colour(p, -distance);
        self.light[pixel] = mix(self.light[pixel], light, coverage);
        if let Some(labels) = &mut self.labels {
            labels.albedo[pixel] = mix(labels.albedo[pixel], albedo, coverage);
            if coverage > 0.5 {
                labels.solid[pixel] = brush.place;
            }
        }
    }
}

impl Brush<'_> {
    /// Returns the share of light next to a solid: a cast shadow, which is softer for higher solids, and ambient
    /// occlusion.
    fn shadow(&self, p: Point, distance: f32) -> f32 {
        let height = self.solid.height;
        let throw = self.lamp.throw;
        let from = [p[0] - throw[0] * height, p[1] - throw[1] * height];
        let soft = height * 0.45 + self.pixel * 0.5;
        let cast = smoothstep(soft, -soft, self.solid.distance(from));
        let near = (1.0 - distance.max(0.0) / (height * 0.9 + 1e-4)).clamp(0.0, 1.0);
        (1.0 - 0.58 * self.solid.opacity * cast) * (1.0 - 0.35 * self.solid.opacity * near * near)
    }

    /// Returns reflectance and light at a point `depth` inside the outline.
    fn colour(&self, p: Point, depth: f32) -> (Colour, Colour) {
        let solid = self.solid;
        let look = self.grain.at(p);
        let slope = solid.slope(p, depth);
        let normal = unit([slope[0], slope[1], 1.0]);
        let lit = if solid.height < 0.0 {
            self.light_in_hollow(p, depth)
        } else {
            1.0
        };
        let finish = &solid.material.finish;
        let light = self
            .lamp
            .shade(p, normal, look.albedo, finish, self.direction, lit);
        (look.albedo, scale(light, look.emboss * (0.55 + 0.45 * lit)))
    }

    /// Returns the share of the lamp's light that reaches the floor of a hollow.
    fn light_in_hollow(&self, p: Point, depth: f32) -> f32 {
        let height = -self.solid.height;
        let throw = self.lamp.throw;
        let towards = [p[0] - throw[0] * height, p[1] - throw[1] * height];
        let soft = height * 0.35 + self.pixel * 0.5;
        let open = smoothstep(soft, -soft, self.solid.distance(towards));
        open * (0.5 + 0.5 * (depth / (height + 1e-4)).clamp(0.0, 1.0))
    }
}
