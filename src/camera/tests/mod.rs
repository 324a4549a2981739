//! Whole cameras: threads, timeouts and sinks.

mod network;
pub mod rtsp;
mod server;
mod supervision;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use inspectd_core::frame::Frame;
use inspectd_core::id::CameraId;
use parking_lot::{Mutex, MutexGuard};

pub use server::jpeg;

use super::{Camera, CameraEvent, CameraState, CameraTrouble, Captured, Sink, sources};
use crate::clock::{Clock, SharedClock, SystemClock};
use crate::config::settings::{self, Check, Mode, Overrides, Pace, Rotation, Source};

/// Much more than anything here takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A camera with short pauses and long timeouts.
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
        latency: None,
        bit_depth: None,
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
        prerender: None,
        seed: 7,
        defect_rate: 0.5,
        width: 48,
        height: 32,
        pace,
        parts,
    }
}

pub fn id(text: &str) -> CameraId {
    text.parse().expect("a valid id")
}

pub fn system_clock() -> SharedClock {
    Arc::new(SystemClock)
}

/// Starts a camera on the system's clock.
pub fn start(name: &str, settings: settings::Camera, sink: &Arc<Recorder>) -> Camera {
    let open = Arc::new(sources::open_in_process);
    let camera = Camera::start_with(0, id(name), settings, sink.clone(), system_clock(), open);
    camera.expect("the thread starts")
}

/// The deadline of a test's waits.
pub fn deadline() -> Instant {
    SystemClock.now().monotonic + PATIENCE
}

/// One call of the sink.
#[derive(Debug)]
pub enum Record {
    Frame(Captured, bool),
    State(CameraState),
    Trouble(CameraTrouble, String),
}

/// A sink that records all calls.
#[derive(Default)]
pub struct Recorder {
    records: Mutex<Vec<Record>>,
    /// While set, a frame that may wait does.
    full: AtomicBool,
    /// How long taking a frame takes.
    delay: Duration,
}

impl Sink for Recorder {
    fn captured(&self, _: &CameraId, captured: Captured, wait: bool, stopped: &dyn Fn() -> bool) {
        self.records().push(Record::Frame(captured, wait));
        thread::sleep(self.delay);
        while wait && self.full.load(Ordering::Relaxed) && !stopped() {
            thread::sleep(Duration::from_millis(2));
        }
    }

    fn event(&self, _: &CameraId, event: CameraEvent) {
        self.records().push(match event {
            CameraEvent::State(state) => Record::State(state),
            CameraEvent::Trouble {
                trouble, reason, ..
            } => Record::Trouble(trouble, reason),
        });
    }
}

impl Recorder {
    pub fn records(&self) -> MutexGuard<'_, Vec<Record>> {
        self.records.lock()
    }

    /// Waits until the records satisfy `condition`.
    fn wait_until(&self, condition: impl Fn(&[Record]) -> bool) {
        self.wait_while_doing(condition, || ());
    }

    /// Calls `action` until the records satisfy `condition`.
    fn wait_while_doing(&self, condition: impl Fn(&[Record]) -> bool, mut action: impl FnMut()) {
        let deadline = deadline();
        loop {
            {
                let records = self.records();
                if condition(&records) {
                    return;
                }
                let now = SystemClock.now().monotonic;
                assert!(now < deadline, "waited for too long: {records:?}");
            }
            action();
            thread::sleep(Duration::from_millis(1));
        }
    }

    pub fn wait_until_ended(&self) {
        self.wait_until(has_ended);
    }

    /// The records, one word each: the number of a frame, or the name of an event.
    fn words(&self) -> String {
        let word = |record: &Record| match record {
            Record::Frame(captured, _) => captured.frame_id.to_string(),
            Record::State(state) => format!("{state:?}"),
            Record::Trouble(trouble, _) => format!("{trouble:?}!"),
        };
        let words: Vec<String> = self.records().iter().map(word).collect();
        words.join(" ")
    }
}

fn has_ended(records: &[Record]) -> bool {
    matches!(records.last(), Some(Record::State(CameraState::Ended)))
}

fn frames(records: &[Record]) -> usize {
    let is_frame = |record: &&Record| matches!(record, Record::Frame(..));
    records.iter().filter(is_frame).count()
}

fn troubles(records: &[Record]) -> Vec<CameraTrouble> {
    let trouble = |record: &Record| match record {
        Record::Trouble(trouble, _) => Some(*trouble),
        _ => None,
    };
    records.iter().filter_map(trouble).collect()
}

fn small_frame() -> Frame {
    Frame::new(2, 1, vec![9; 6]).expect("two pixels have six bytes")
}
