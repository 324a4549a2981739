//! Supervision, with scripted sources that fail and hang. Pauses and timeouts pass on a clock that the
//! tests advance.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::*;
use crate::camera::capture_thread::Open;
use crate::camera::sources::{self, OpenedSource, Shot, SourceError};
use crate::clock::tests::ManualClock;

/// The next action of a scripted source; after its last step it is finished.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Frame,
    Fail,
    Panic,
    /// Hangs until the test releases it, then delivers a frame.
    Hang,
}

use Step::{Fail, Frame as Give, Hang, Panic};

/// Timeout of opening and reading on the tests' clock: longer than all pauses together.
const TIMEOUT: Duration = Duration::from_hours(1);

/// The steps of consecutive openings. The first step of each belongs to opening, which succeeds if the
/// step is a frame. Further openings hang.
struct Script {
    openings: Mutex<VecDeque<&'static [Step]>>,
    opened: AtomicUsize,
    /// Number of sources that began to hang.
    hung: Arc<AtomicUsize>,
    release: Arc<AtomicBool>,
    clock: Arc<ManualClock>,
}

impl Script {
    fn new(openings: &[&'static [Step]]) -> Arc<Self> {
        Arc::new(Self {
            openings: Mutex::new(openings.iter().copied().collect()),
            opened: AtomicUsize::new(0),
            hung: Arc::default(),
            release: Arc::default(),
            clock: ManualClock::new(),
        })
    }

    fn opener(self: &Arc<Self>) -> Arc<Open> {
        let script = self.clone();
        Arc::new(move |_: &settings::Camera, clock: &SharedClock| {
            script.opened.fetch_add(1, Ordering::SeqCst);
            let steps = script.openings.lock().pop_front().unwrap_or(&[Hang]);
            let mut source = Scripted {
                steps: steps.iter().copied().collect(),
                hung: script.hung.clone(),
                release: script.release.clone(),
                clock: clock.clone(),
            };
            sources::Source::read(&mut source)?;
            Ok(OpenedSource {
                source: Box::new(source),
                schedule: None,
            })
        })
    }

    fn start_on(
        self: &Arc<Self>,
        clock: SharedClock,
        settings: settings::Camera,
        sink: &Arc<Recorder>,
    ) -> Camera {
        Camera::start_with(
            0,
            id("scripted"),
            settings,
            sink.clone(),
            clock,
            self.opener(),
        )
        .expect("the thread starts")
    }

    /// Starts a camera on the test's clock.
    fn start(self: &Arc<Self>, sink: &Arc<Recorder>) -> Camera {
        let settings = settings::Camera {
            open_timeout: TIMEOUT,
            read_timeout: TIMEOUT,
            ..settings(simulator(Pace::Native, None))
        };
        self.start_on(self.clock.clone(), settings, sink)
    }

    /// Advances the clock past each pause, and past each hang unless they are released, until the records
    /// satisfy `condition`.
    fn run_until(&self, camera: &Camera, sink: &Recorder, condition: impl Fn(&[Record]) -> bool) {
        let mut passed = 0;
        sink.wait_while_doing(condition, || {
            let waiting = matches!(
                sink.records().last(),
                Some(Record::State(CameraState::Waiting))
            );
            let released = self.release.load(Ordering::SeqCst);
            if !released && self.hung.load(Ordering::SeqCst) > passed {
                passed += 1;
                self.clock.advance(TIMEOUT);
            } else if waiting {
                self.clock.advance(Duration::from_millis(100));
            }
            camera.wake();
        });
    }

    /// Waits until the released capture threads have dropped their sources, and a moment for the threads to
    /// end.
    fn wait_until_no_thread_hangs(&self) {
        let deadline = SystemClock.now().monotonic + PATIENCE;
        while Arc::strong_count(&self.hung) > 1 {
            assert!(SystemClock.now().monotonic < deadline, "a thread hangs");
            thread::sleep(Duration::from_millis(2));
        }
        thread::sleep(Duration::from_millis(200));
    }

    fn join(&self, camera: Camera) -> bool {
        camera.join(self.clock.now().monotonic + PATIENCE)
    }
}

struct Scripted {
    steps: VecDeque<Step>,
    hung: Arc<AtomicUsize>,
    release: Arc<AtomicBool>,
    clock: SharedClock,
}

impl sources::Source for Scripted {
    fn read(&mut self) -> Result<Option<Shot>, SourceError> {
        match self.steps.pop_front() {
            None => return Ok(None),
            Some(Fail) => return Err(SourceError::StreamEnded),
            Some(Panic) => panic!("a scripted panic"),
            Some(Hang) => {
                self.hung.fetch_add(1, Ordering::SeqCst);
                while !self.release.load(Ordering::SeqCst) {
                    thread::sleep(Duration::from_millis(2));
                }
            }
            Some(Give) => {}
        }
        Ok(Some(Shot::unnamed(self.clock.now(), Ok(small_frame()))))
    }
}

fn patient() -> settings::Camera {
    settings(simulator(Pace::Native, None))
}

#[test]
fn events_follow_from_what_the_source_does() {
    let check = |openings: &[&'static [Step]], expected: &str| {
        let script = Script::new(openings);
        let sink = Arc::new(Recorder::default());
        let camera = script.start(&sink);
        script.run_until(&camera, &sink, has_ended);
        script.release.store(true, Ordering::SeqCst);
        assert_eq!(sink.words(), expected, "{openings:?}");
        script.join(camera);
        // Threads that hung have been released: their results are discarded.
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
    // An outage is reported once, however often and in whatever way opening fails; the next one again.
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
fn a_panic_is_reported_with_its_message() {
    let script = Script::new(&[&[Panic], &[Give]]);
    let sink = Arc::new(Recorder::default());
    let camera = script.start(&sink);
    script.run_until(&camera, &sink, has_ended);
    assert!(script.join(camera));
    let expected = "the capture thread panicked: a scripted panic";
    let records = sink.records();
    let is_expected =
        |record: &Record| matches!(record, Record::Trouble(_, reason) if reason == expected);
    assert!(records.iter().any(is_expected), "{records:?}");
}

#[test]
fn at_most_four_threads_hang_and_opening_resumes_when_one_ends() {
    let script = Script::new(&[]);
    let sink = Arc::new(Recorder::default());
    let camera = script.start(&sink);
    // After the fourth attempt, further ones open nothing.
    script.run_until(&camera, &sink, |records| records.len() > 20);
    assert_eq!(script.opened.load(Ordering::SeqCst), 4);
    assert_eq!(troubles(&sink.records()), [CameraTrouble::Stalled]);
    // In a pause, which ends only when the clock is advanced: the threads end before the next attempt.
    sink.wait_until(|records| matches!(records.last(), Some(Record::State(CameraState::Waiting))));
    script.release.store(true, Ordering::SeqCst);
    script.wait_until_no_thread_hangs();
    script.run_until(&camera, &sink, |records| {
        frames(records) > 0 || has_ended(records)
    });
    assert!(script.opened.load(Ordering::SeqCst) > 4);
    camera.stop();
    assert!(script.join(camera));
}

#[test]
fn a_camera_stops_within_the_grace_period_in_each_activity() {
    let check = |steps: &'static [Step], frames_first: usize, ends: bool| {
        let script = Script::new(&[steps]);
        let sink = Arc::new(Recorder::default());
        let camera = script.start_on(system_clock(), patient(), &sink);
        sink.wait_until(|records| !records.is_empty() && frames(records) >= frames_first);
        let start = SystemClock.now().monotonic;
        camera.stop();
        assert_eq!(camera.join(deadline()), ends, "{steps:?}");
        let elapsed = SystemClock.now().monotonic - start;
        assert!(elapsed < PATIENCE / 4, "{elapsed:?}");
        script.release.store(true, Ordering::SeqCst);
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
        reopen_after: Duration::from_hours(1),
        reopen_after_max: Duration::from_hours(1),
        ..patient()
    };
    let camera = script.start_on(system_clock(), settings, &sink);
    sink.wait_until(|records| matches!(records.last(), Some(Record::State(CameraState::Waiting))));
    camera.stop();
    assert!(camera.join(deadline()));
}

#[test]
fn a_sink_that_blocks_longer_than_the_read_timeout_is_not_a_stall() {
    let script = Script::new(&[&[Give, Give, Give]]);
    let read_timeout = Duration::from_millis(500);
    let sink = Arc::new(Recorder {
        delay: 2 * read_timeout,
        ..Recorder::default()
    });
    let settings = settings::Camera {
        read_timeout,
        ..patient()
    };
    let camera = script.start_on(system_clock(), settings, &sink);
    sink.wait_until_ended();
    assert!(camera.join(deadline()));
    assert_eq!(sink.words(), "Opening Running 1 2 Ended");
}

#[test]
fn triggered_frames_at_full_speed_wait_for_room() {
    let triggered = Mode::Triggered { queue: 8 };
    let check = |mode, pace, expected| {
        let sink = Arc::new(Recorder::default());
        let settings = settings::Camera {
            mode,
            ..settings(simulator(pace, Some(2)))
        };
        let camera = start("waits", settings, &sink);
        sink.wait_until_ended();
        assert!(camera.join(deadline()));
        let waits =
            |record: &&Record| matches!(record, Record::Frame(_, wait) if *wait == expected);
        assert_eq!(sink.records().iter().filter(waits).count(), 2);
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
    let camera = start("full", settings, &sink);
    sink.wait_until(|records| frames(records) == 1);
    camera.stop();
    assert!(camera.join(deadline()));
    assert_eq!(frames(&sink.records()), 1);
}

#[test]
fn a_camera_that_hangs_does_not_affect_another() {
    let hanging = Script::new(&[]);
    let hung_sink = Arc::new(Recorder::default());
    let hung = hanging.start(&hung_sink);
    let sink = Arc::new(Recorder::default());
    let camera = start(
        "sound",
        settings(simulator(Pace::Fps(200.0), Some(5))),
        &sink,
    );
    sink.wait_until_ended();
    assert_eq!(sink.words(), "Opening Running 1 2 3 4 5 Ended");
    assert!(camera.join(deadline()));
    assert_eq!(hung_sink.words(), "Opening");
    hanging.release.store(true, Ordering::SeqCst);
    hung.stop();
    hanging.join(hung);
}
