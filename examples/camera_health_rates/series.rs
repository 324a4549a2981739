//! The measured faults with their strengths.

use inspectd::camera::health::HealthFault;
use inspectd_core::frame::Frame;

use crate::cameras::{NOISE, straight};
use crate::degrade::{defocus, expose, smear, view};

/// A fault and the degradation that produces it.
pub struct Series {
    pub name: &'static str,
    pub kind: HealthFault,
    pub strengths: &'static [f32],
    pub worsen: fn(&Frame, f32, u64) -> Frame,
}

/// All faults.
pub const FAULTS: [Series; 6] = [
    Series {
        name: "dark: share of the light",
        kind: HealthFault::Dark,
        strengths: &[0.8, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.03],
        worsen: |scene, factor, seed| expose(&straight(scene), factor, NOISE, seed),
    },
    Series {
        name: "saturated: times the light",
        kind: HealthFault::Saturated,
        strengths: &[1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0, 10.0],
        worsen: |scene, factor, seed| expose(&straight(scene), factor, NOISE, seed),
    },
    Series {
        name: "defocus: sigma, % of the longer side",
        kind: HealthFault::Blurred,
        strengths: &[0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0, 2.0],
        worsen: |scene, sigma, seed| {
            let sharp = straight(scene);
            let longer = sharp.width().max(sharp.height()) as f32;
            expose(&defocus(&sharp, sigma / 100.0 * longer), 1.0, NOISE, seed)
        },
    },
    Series {
        name: "motion blur: path, % of the longer side",
        kind: HealthFault::Blurred,
        strengths: &[0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0],
        worsen: |scene, path, seed| {
            let sharp = straight(scene);
            let longer = sharp.width().max(sharp.height()) as f32;
            let length = (path / 100.0 * longer).round() as usize;
            expose(&smear(&sharp, length.max(1)), 1.0, NOISE, seed)
        },
    },
    Series {
        name: "shift: % of the longer side",
        kind: HealthFault::ViewMoved,
        strengths: &[0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0],
        worsen: |scene, percent, seed| {
            let (sin, cos) = (seed as f32).sin_cos();
            let shift = percent / 100.0;
            expose(
                &view(scene, [cos * shift, sin * shift], 0.0),
                1.0,
                NOISE,
                seed,
            )
        },
    },
    Series {
        name: "turn: degrees",
        kind: HealthFault::ViewMoved,
        strengths: &[0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0],
        worsen: |scene, degrees, seed| {
            let turn = if seed.is_multiple_of(2) {
                degrees
            } else {
                -degrees
            };
            expose(&view(scene, [0.0, 0.0], turn), 1.0, NOISE, seed)
        },
    },
];
