//! Supervision, with sources that fail and hang by a script.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::*;
use crate::camera::Camera;
use crate::camera::capture_thread::Open;
use crate::camera::sources::{self, Opened, Shot, SourceError};
use inspectd_core::moment::Moment;

/// What a scripted source does next; after its last step it ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Frame,
    Fail,
    Panic,
    /// Hangs until the test lets go, then gives a frame.
    Hang,
}

use Step::{Fail, Frame as Give, Hang, Panic};

/// Openings one after another: the first step of each is its opening's, and succeeds if it is a frame.
struct Script {
    openings: Mutex<VecDeque<&'static [Step]>>,
    opened: AtomicUsize,
    let_go: Arc<AtomicBool>,
}

impl Script {
    fn new(openings: &[&'static [Step]]) -> Arc<Self> {
        Arc::new(Self {
            openings: Mutex::new(openings.iter().copied().collect()),
            opened: AtomicUsize::new(0),
            let_go: Arc::default(),
        })
    }

    fn opener(self: &Arc<Self>) -> Arc<Open> {
        let script = self.clone();
        Arc::new(move |_, _| {
            script.opened.fetch_add(1, Ordering::SeqCst);
            let mut openings = script.openings.lock().expect("the script is whole");
            let steps = openings.pop_front().unwrap_or(&[Hang]);
            drop(openings);
            let mut source = Scripted {
                steps: steps.iter().copied().collect(),
                let_go: script.let_go.clone(),
            };
            sources::Source::read(&mut source)?;
            Ok(Opened {
                source: Box::new(source),
                schedule: None,
            })
        })
    }

    fn start(self: &Arc<Self>, settings: settings::Camera, sink: &Arc<Recorder>) -> Camera {
        Camera::start_with(id("scripted"), settings, sink.clone(), self.opener())
            .expect("there are threads")
    }
}

struct Scripted {
    steps: VecDeque<Step>,
    let_go: Arc<AtomicBool>,
}

impl sources::Source for Scripted {
    fn read(&mut self) -> Result<Option<Shot>, SourceError> {
        match self.steps.pop_front() {
            None => return Ok(None),
            Some(Fail) => return Err(SourceError::StreamEnded),
            Some(Panic) => panic!("the script says so"),
            Some(Hang) => {
                while !self.let_go.load(Ordering::SeqCst) {
                    thread::sleep(Duration::from_millis(2));
                }
            }
            Some(Give) => {}
        }
        Ok(Some(Shot {
            moment: Moment::now(),
            frame: Ok(small_frame()),
            item: String::new(),
            truth: String::new(),
        }))
    }
}

fn patient() -> settings::Camera {
    settings(simulator(Pace::Native, None))
}

/// Time-outs that a hanging source exceeds soon; so may a panic that prints where it came from.
fn impatient() -> settings::Camera {
    settings::Camera {
        open_timeout: Duration::from_millis(500),
        read_timeout: Duration::from_millis(500),
        ..patient()
    }
}

#[test]
fn what_a_camera_tells_follows_from_what_its_source_does() {
    let check = |openings: &[&'static [Step]], expected: &str| {
        let script = Script::new(openings);
        let sink = Arc::new(Recorder::default());
        let hangs = openings.iter().any(|steps| steps.contains(&Hang));
        let settings = if hangs { impatient() } else { patient() };
        let camera = script.start(settings, &sink);
        sink.until_ended();
        script.let_go.store(true, Ordering::SeqCst);
        assert_eq!(sink.words(), expected, "{openings:?}");
        camera.join(soon());
        // What hung has woken up by now or soon: nobody listens to it.
        thread::sleep(Duration::from_millis(20));
        assert_eq!(sink.words(), expected, "{openings:?}, later");
    };
    check(&[&[Give]], "Opening Ended");
    check(&[&[Give, Give, Give]], "Opening Running 1 2 Ended");
    check(
        &[&[Give, Give, Hang, Give], &[Give, Give, Give]],
        "Opening Running 1 Stalled! Waiting Opening Running 2 3 Ended",
    );
    check(
        &[&[Hang], &[Give, Give]],
        "Opening Stalled! Waiting Opening Running 1 Ended",
    );
    check(
        &[&[Give, Give, Panic], &[Give, Give]],
        "Opening Running 1 Lost! Waiting Opening Running 2 Ended",
    );
    // A loss is told once, however often opening fails and in whatever way; the next loss is told again.
    check(
        &[
            &[Fail],
            &[Panic],
            &[Hang],
            &[Give, Fail],
            &[Give, Give, Fail],
            &[Give, Give],
        ],
        "Opening Lost! Waiting Opening Waiting Opening Waiting Opening Waiting Opening Running 1 \
         Lost! Waiting Opening Running 2 Ended",
    );
}

#[test]
fn a_panic_gives_its_reason() {
    let script = Script::new(&[&[Panic], &[Give]]);
    let sink = Arc::new(Recorder::default());
    let camera = script.start(patient(), &sink);
    sink.until_ended();
    assert!(camera.join(soon()));
    let reason = "the capture panicked: the script says so";
    let told = sink.told();
    assert!(
        told.iter()
            .any(|told| matches!(told, Told::Trouble(_, said) if said == reason))
    );
}

#[test]
fn threads_that_hang_are_bounded() {
    let script = Script::new(&[]);
    let sink = Arc::new(Recorder::default());
    let settings = settings::Camera {
        open_timeout: Duration::from_millis(30),
        ..patient()
    };
    let camera = script.start(settings, &sink);
    // Some of the attempts after the fourth are those that open nothing.
    sink.until(|told| told.len() > 20);
    assert_eq!(script.opened.load(Ordering::SeqCst), 4);
    assert_eq!(troubles(&sink.told()), [CameraTrouble::Stalled]);
    script.let_go.store(true, Ordering::SeqCst);
    sink.until(|told| {
        frames(told) > 0 || matches!(told.last(), Some(Told::State(CameraState::Ended)))
    });
    assert!(script.opened.load(Ordering::SeqCst) > 4);
    camera.stop();
    assert!(camera.join(soon()));
}

#[test]
fn a_camera_stops_soon_whatever_it_does() {
    let check = |steps: &'static [Step], frames_first: usize, ends: bool| {
        let script = Script::new(&[steps]);
        let sink = Arc::new(Recorder::default());
        let camera = script.start(patient(), &sink);
        sink.until(|told| !told.is_empty() && frames(told) >= frames_first);
        let start = Instant::now();
        camera.stop();
        assert_eq!(camera.join(soon()), ends, "{steps:?}");
        assert!(start.elapsed() < PATIENCE / 4, "{:?}", start.elapsed());
        script.let_go.store(true, Ordering::SeqCst);
    };
    check(&[Hang], 0, false);
    check(&[Give, Give, Hang], 1, false);
    check(&[Give, Give, Fail], 1, true);
}

#[test]
fn a_stop_ends_a_long_pause() {
    let script = Script::new(&[&[Fail]]);
    let sink = Arc::new(Recorder::default());
    let settings = settings::Camera {
        reopen_after: Duration::from_secs(3600),
        reopen_after_max: Duration::from_secs(3600),
        ..patient()
    };
    let camera = script.start(settings, &sink);
    sink.until(|told| matches!(told.last(), Some(Told::State(CameraState::Waiting))));
    camera.stop();
    assert!(camera.join(soon()));
}

#[test]
fn a_slow_sink_is_no_stall() {
    let script = Script::new(&[&[Give, Give, Give]]);
    let sink = Arc::new(Recorder {
        slowness: 2 * impatient().read_timeout,
        ..Recorder::default()
    });
    let camera = script.start(impatient(), &sink);
    sink.until_ended();
    assert!(camera.join(soon()));
    assert_eq!(sink.words(), "Opening Running 1 2 Ended");
}

#[test]
fn at_full_speed_frames_that_all_count_wait_for_room() {
    let triggered = Mode::Triggered { queue: 8 };
    let check = |mode, pace, expected| {
        let sink = Arc::new(Recorder::default());
        let settings = settings::Camera {
            mode,
            ..settings(simulator(pace, Some(2)))
        };
        let camera = Camera::start(id("waits"), settings, sink.clone()).expect("there are threads");
        sink.until_ended();
        assert!(camera.join(soon()));
        let told = sink.told();
        let waits = |told: &Told| matches!(told, Told::Frame(_, wait) if *wait == expected);
        assert_eq!(told.iter().filter(|told| waits(told)).count(), 2);
    };
    check(triggered, Pace::Fast, true);
    check(triggered, Pace::Fps(50.0), false);
    check(Mode::FreeRunning, Pace::Fast, false);
}

#[test]
fn a_camera_that_waits_for_room_stops() {
    let sink = Arc::new(Recorder::default());
    sink.full.store(true, Ordering::Relaxed);
    let settings = settings::Camera {
        mode: Mode::Triggered { queue: 1 },
        ..settings(simulator(Pace::Fast, None))
    };
    let camera = Camera::start(id("full"), settings, sink.clone()).expect("there are threads");
    sink.until(|told| frames(told) == 1);
    camera.stop();
    assert!(camera.join(soon()));
    assert_eq!(frames(&sink.told()), 1);
}

#[test]
fn a_camera_that_hangs_does_not_touch_another() {
    let hanging = Script::new(&[]);
    let hung_sink = Arc::new(Recorder::default());
    let hung = hanging.start(patient(), &hung_sink);
    let sink = Arc::new(Recorder::default());
    let source = simulator(Pace::Fps(200.0), Some(5));
    let camera = Camera::start(id("sound"), settings(source), sink.clone());
    sink.until_ended();
    assert_eq!(sink.words(), "Opening Running 1 2 3 4 5 Ended");
    assert!(camera.expect("there are threads").join(soon()));
    assert_eq!(hung_sink.words(), "Opening");
    hung.stop();
    hung.join(soon());
    hanging.let_go.store(true, Ordering::SeqCst);
}
