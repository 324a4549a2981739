//! Cameras for measuring the checks, each with its reference, limits and scenes.

use inspectd::camera::health::{HealthFault, HealthMonitor, Measurements};
use inspectd::config::settings::HealthLimits;
use inspectd_core::frame::Frame;

use crate::degrade::{expose, other_part, view};

/// Noise of every frame in grey levels, typical of a good sensor.
pub const NOISE: f32 = 1.5;

/// A camera with its reference, its limits and the scenes that are measured.
pub struct Camera {
    pub reference: Frame,
    pub limits: HealthLimits,
    pub scenes: Vec<Frame>,
}

/// A set of cameras whose rates are reported together.
pub struct Set {
    pub name: &'static str,
    pub cameras: Vec<Camera>,
    /// For each scene, a scene of another camera to simulate another part; empty if every scene shows
    /// another part anyway.
    pub others: Vec<Frame>,
}

impl Set {
    pub fn line(name: &'static str, scenes: &[Frame]) -> Self {
        let reference = straight(&scenes[0]);
        let good: Vec<Frame> = scenes[1..].iter().step_by(2).map(straight).collect();
        let limits = limits(&reference, &good);
        let scenes = scenes[2..].iter().step_by(2).cloned().collect();
        let camera = Camera {
            reference,
            limits,
            scenes,
        };
        Self {
            name,
            cameras: vec![camera],
            others: Vec::new(),
        }
    }

    pub fn scenes(name: &'static str, scenes: &[Frame]) -> Self {
        let others: Vec<Frame> = (0..scenes.len())
            .map(|at| straight(&scenes[(at + 1) % scenes.len()]))
            .collect();
        let camera = |(scene, other): (&Frame, &Frame)| {
            let reference = straight(scene);
            let factors = [0.9, 1.0, 1.1];
            let mut good: Vec<_> = (1..)
                .zip(factors)
                .map(|(seed, factor)| expose(&reference, factor, NOISE, seed))
                .collect();
            good.push(expose(&other_part(&reference, other), 1.0, NOISE, 9));
            let limits = limits(&reference, &good);
            Camera {
                reference,
                limits,
                scenes: vec![scene.clone()],
            }
        };
        let cameras = scenes.iter().zip(&others).map(camera).collect();
        Self {
            name,
            cameras,
            others,
        }
    }

    pub fn print_summary(&self) {
        let scenes: usize = self.cameras.iter().map(|camera| camera.scenes.len()).sum();
        eprintln!(
            "{}: {scenes} scenes, {} cameras, first limits {:?}",
            self.name,
            self.cameras.len(),
            self.cameras[0].limits
        );
    }

    /// Applies `change`, with the scene's number, to every scene and returns the findings of the checks.
    pub fn findings(&self, change: &dyn Fn(&Frame, u64) -> Frame) -> Vec<Vec<HealthFault>> {
        let mut all = Vec::new();
        for camera in &self.cameras {
            let mut monitor = HealthMonitor::new(Some(&camera.reference));
            for scene in &camera.scenes {
                let frame = change(scene, all.len() as u64);
                all.push(found(&camera.limits, &monitor.measure(&frame, 0.0)));
            }
        }
        all
    }
}

/// Returns the findings of all checks, not only the first one: each check is measured separately.
fn found(limits: &HealthLimits, measured: &Measurements) -> Vec<HealthFault> {
    let off = HealthLimits::default();
    let single_checks = [
        HealthLimits {
            dark_below: limits.dark_below,
            ..off
        },
        HealthLimits {
            saturated_above: limits.saturated_above,
            ..off
        },
        HealthLimits {
            blurred_below: limits.blurred_below,
            ..off
        },
        HealthLimits {
            shift_above: limits.shift_above,
            turn_above_deg: limits.turn_above_deg,
            ..off
        },
    ];
    single_checks
        .iter()
        .filter_map(|limits| Some(limits.judge(measured)?.kind))
        .collect()
}

pub fn straight(scene: &Frame) -> Frame {
    view(scene, [0.0, 0.0], 0.0)
}

fn limits(reference: &Frame, good: &[Frame]) -> HealthLimits {
    let mut monitor = HealthMonitor::new(Some(reference));
    let measured: Vec<_> = (100..)
        .zip(good)
        .map(|(seed, frame)| monitor.measure(&expose(frame, 1.0, NOISE, seed), 0.0))
        .collect();
    HealthLimits::suggested(&measured).expect("there are good frames")
}

pub fn share(findings: &[Vec<HealthFault>], kind: HealthFault) -> f32 {
    findings
        .iter()
        .filter(|found| found.contains(&kind))
        .count() as f32
        / findings.len() as f32
}
