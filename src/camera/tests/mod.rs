//! Whole cameras: threads, time-outs and sinks.

mod network;
mod rtsp;
mod server;
mod supervision;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

pub use server::jpeg;

use super::{CameraEvent, CameraState, CameraTrouble, Captured, Sink};
use crate::config::settings::{self, Check, Mode, Overrides, Pace, Rotation, Source};
use inspectd_core::frame::Frame;
use inspectd_core::id::CameraId;

/// Far more than anything here takes, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(20);

/// A camera with short pauses and long time-outs.
pub fn settings(source: Source) -> settings::Camera {
    settings::Camera {
        source,
        mode: Mode::FreeRunning,
        shed: settings::Shed::Newest,
        deadline: None,
        on_deadline: settings::NoJudgement::Fault,
        group: None,
        part_counter: false,
        crop: None,
        rotate: Rotation::default(),
        expected_size: None,
        allow_upscaling: false,
        open_timeout: PATIENCE,
        read_timeout: PATIENCE,
        reopen_after: Duration::from_millis(20),
        reopen_after_max: Duration::from_millis(100),
        check: Check::default(),
        thresholds: Overrides::default(),
    }
}

/// A simulated camera of small frames.
pub fn simulator(pace: Pace, parts: Option<u64>) -> Source {
    Source::Simulator {
        seed: 7,
        defect_rate: 0.5,
        width: 48,
        height: 32,
        pace,
        parts,
    }
}

pub fn id(text: &str) -> CameraId {
    text.parse().expect("tests name cameras well")
}

pub fn soon() -> Instant {
    Instant::now() + PATIENCE
}

/// What a camera told.
#[derive(Debug)]
pub enum Told {
    Frame(Captured, bool),
    State(CameraState),
    Trouble(CameraTrouble, String),
}

/// Keeps all that a camera tells.
#[derive(Default)]
pub struct Recorder {
    told: Mutex<Vec<Told>>,
    /// While set, a frame that may wait does.
    full: AtomicBool,
    /// How long taking a frame takes.
    slowness: Duration,
}

impl Sink for Recorder {
    fn captured(&self, _: &CameraId, captured: Captured, wait: bool, stopped: &dyn Fn() -> bool) {
        self.told().push(Told::Frame(captured, wait));
        thread::sleep(self.slowness);
        while wait && self.full.load(Ordering::Relaxed) && !stopped() {
            thread::sleep(Duration::from_millis(2));
        }
    }

    fn event(&self, _: &CameraId, event: CameraEvent) {
        self.told().push(match event {
            CameraEvent::State(state) => Told::State(state),
            CameraEvent::Trouble {
                trouble, reason, ..
            } => Told::Trouble(trouble, reason),
        });
    }
}

impl Recorder {
    pub fn told(&self) -> std::sync::MutexGuard<'_, Vec<Told>> {
        self.told.lock().expect("no test panics while it records")
    }

    /// Waits until what was told fulfils `condition`.
    fn until(&self, condition: impl Fn(&[Told]) -> bool) {
        let deadline = soon();
        while !condition(&self.told()) {
            let told = self.told();
            assert!(Instant::now() < deadline, "waited for too long: {told:?}");
            drop(told);
            thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn until_ended(&self) {
        self.until(|told| matches!(told.last(), Some(Told::State(CameraState::Ended))));
    }

    /// What was told, a word each: a frame's number, or an event's name.
    fn words(&self) -> String {
        let word = |told: &Told| match told {
            Told::Frame(captured, _) => captured.frame_id.to_string(),
            Told::State(state) => format!("{state:?}"),
            Told::Trouble(trouble, _) => format!("{trouble:?}!"),
        };
        self.told().iter().map(word).collect::<Vec<_>>().join(" ")
    }
}

fn frames(told: &[Told]) -> usize {
    let is_frame = |told: &&Told| matches!(told, Told::Frame(..));
    told.iter().filter(is_frame).count()
}

fn troubles(told: &[Told]) -> Vec<CameraTrouble> {
    let trouble = |told: &Told| match told {
        Told::Trouble(trouble, _) => Some(*trouble),
        _ => None,
    };
    told.iter().filter_map(trouble).collect()
}

fn small_frame() -> Frame {
    Frame::new(2, 1, vec![9; 6]).expect("two pixels have six bytes")
}
