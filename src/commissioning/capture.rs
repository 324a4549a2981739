//! Takes pictures with a camera of the daemon: the same sources, processes and time limits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use inspectd_core::frame::Frame;
use inspectd_core::id::CameraId;
use parking_lot::{Condvar, Mutex};
use thiserror::Error;

use crate::camera::{Camera, CameraEvent, CameraState, Captured, Sink};
use crate::clock::SharedClock;
use crate::config::settings;

/// Pixels of all pictures of an album, bytes: with large frames there are fewer pictures.
const MOST_BYTES: usize = 512 << 20;

/// Time between two looks at whether the person interrupted.
const POLL: Duration = Duration::from_millis(100);

/// Time for the camera's threads to end.
const CLOSING: Duration = Duration::from_secs(5);

/// The pictures to take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wanted {
    /// Number of pictures, at least 1.
    pub pictures: usize,
    /// Frames that are left out at the beginning, while automatic exposure settles.
    pub skipped: u64,
    /// Every how many frames a picture is taken, at least 1.
    pub every: u64,
    /// Least time between two pictures.
    pub pause: Duration,
    /// Time limit for all of them.
    pub limit: Duration,
}

/// The pictures of a camera.
#[derive(Clone, Debug, Default)]
pub struct Album {
    /// The pictures, in the order of their capture.
    pub pictures: Vec<Frame>,
    /// Frames per second, if there were enough frames.
    pub fps: Option<f64>,
    /// Number of captures without usable pixels, and the reason of the first.
    pub unusable: Option<(u64, String)>,
}

/// Why there are no pictures.
#[derive(Debug, Error)]
pub enum CaptureFailure {
    /// The camera cannot be opened, or delivers nothing.
    #[error("{0}")]
    Camera(String),
    /// The person interrupted.
    #[error("interrupted")]
    Interrupted,
}

/// What the sink has received.
#[derive(Debug, Default)]
struct Received {
    album: Album,
    bytes: usize,
    frames: u64,
    first: Option<Instant>,
    last: Option<Instant>,
    last_picture: Option<Instant>,
    trouble: Option<String>,
    ended: bool,
    full: bool,
}

/// Collects pictures until there are enough.
#[derive(Debug)]
struct Collector {
    wanted: Wanted,
    received: Mutex<Received>,
    changed: Condvar,
}

impl Sink for Collector {
    fn captured(&self, _: &CameraId, captured: Captured, _wait: bool, _stopped: &dyn Fn() -> bool) {
        let mut received = self.received.lock();
        received.take(captured, &self.wanted);
        self.changed.notify_all();
    }

    fn event(&self, _: &CameraId, event: CameraEvent) {
        let mut received = self.received.lock();
        match event {
            CameraEvent::Trouble { reason, .. } => received.trouble = Some(reason),
            CameraEvent::State(CameraState::Ended) => received.ended = true,
            CameraEvent::State(_) => {}
        }
        self.changed.notify_all();
    }
}

impl Received {
    fn take(&mut self, captured: Captured, wanted: &Wanted) {
        if self.full {
            return;
        }
        let now = captured.moment.monotonic;
        self.frames += 1;
        self.first.get_or_insert(now);
        self.last = Some(now);
        let frame = match captured.frame {
            Ok(frame) => frame,
            Err(error) => {
                let reason = || error.to_string();
                let unusable = self.album.unusable.get_or_insert_with(|| (0, reason()));
                unusable.0 += 1;
                return;
            }
        };
        let number = self.frames - 1;
        let due =
            number >= wanted.skipped && (number - wanted.skipped).is_multiple_of(wanted.every);
        let early = self
            .last_picture
            .is_some_and(|last| now.saturating_duration_since(last) < wanted.pause);
        if !due || early {
            return;
        }
        self.last_picture = Some(now);
        self.bytes += frame.rgb().len();
        self.album.pictures.push(frame);
        self.full = self.album.pictures.len() >= wanted.pictures || self.bytes >= MOST_BYTES;
    }

    /// Whether nothing more is to come.
    fn finished(&self) -> bool {
        self.full || self.ended || self.trouble.is_some()
    }

    fn into_album(self) -> Album {
        let span = self.first.zip(self.last);
        let seconds = span.map(|(first, last)| last.saturating_duration_since(first).as_secs_f64());
        let fps = seconds.filter(|seconds| *seconds > 0.0 && self.frames > 3);
        Album {
            fps: fps.map(|seconds| (self.frames - 1) as f64 / seconds),
            ..self.album
        }
    }
}

/// Takes pictures. A source that ends, or stays silent until the time limit, gives those that it has delivered.
///
/// # Errors
/// When there is no picture, or `interrupted` returns true meanwhile.
pub fn take(
    id: &CameraId,
    camera: settings::Camera,
    wanted: Wanted,
    clock: &SharedClock,
    interrupted: &dyn Fn() -> bool,
) -> Result<Album, CaptureFailure> {
    let collector = Arc::new(Collector {
        wanted,
        received: Mutex::default(),
        changed: Condvar::new(),
    });
    let sink: Arc<dyn Sink> = collector.clone();
    let failed = Arc::new(|| ());
    let camera = Camera::start_after(0, id.clone(), camera, sink, clock.clone(), failed)
        .map_err(|error| CaptureFailure::Camera(error.to_string()))?;
    let end = clock.now().monotonic + wanted.limit;
    let mut stopped = false;
    {
        let mut received = collector.received.lock();
        while !received.finished() && clock.now().monotonic < end {
            stopped = interrupted();
            if stopped {
                break;
            }
            collector.changed.wait_for(&mut received, POLL);
        }
    }
    camera.stop();
    // A thread that hangs is left behind; its process ends with this one.
    camera.join(clock.now().monotonic + CLOSING);
    if stopped {
        return Err(CaptureFailure::Interrupted);
    }
    let received = std::mem::take(&mut *collector.received.lock());
    if !received.album.pictures.is_empty() {
        return Ok(received.into_album());
    }
    Err(CaptureFailure::Camera(why_none(&received, wanted.limit)))
}

/// Why there is no picture.
fn why_none(received: &Received, limit: Duration) -> String {
    match (&received.trouble, &received.album.unusable) {
        (Some(trouble), _) => trouble.clone(),
        (None, Some((_, reason))) => reason.clone(),
        (None, None) if received.frames > 0 => format!(
            "only {} frames were delivered, which are left out while automatic exposure settles",
            received.frames
        ),
        (None, None) => format!("no frame within {} s", limit.as_secs()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::config;
    use std::path::Path;

    fn camera(keys: &str) -> settings::Camera {
        let text = format!("model.bundle = \"b\"\n[cameras.one]\n{keys}");
        let loaded = config::parse(Path::new("/tmp/inspectd.toml"), &text, &[]);
        let loaded = loaded.expect("valid");
        loaded.settings.cameras.into_values().next().expect("one")
    }

    fn wanted(pictures: usize) -> Wanted {
        Wanted {
            pictures,
            skipped: 0,
            every: 1,
            pause: Duration::ZERO,
            limit: Duration::from_secs(30),
        }
    }

    fn taken(keys: &str, wanted: Wanted) -> Result<Album, CaptureFailure> {
        let clock: SharedClock = Arc::new(SystemClock);
        let id = "one".parse().expect("an id");
        take(&id, camera(keys), wanted, &clock, &|| false)
    }

    const SIMULATOR: &str = "source = \"simulator\"\nwidth = 64\nheight = 48\npace = \"fast\"\n";

    #[test]
    fn pictures_are_taken_until_there_are_enough_or_the_source_ends() {
        let album = taken(SIMULATOR, wanted(5)).expect("pictures");
        assert_eq!(album.pictures.len(), 5);
        assert_ne!(album.pictures[0], album.pictures[1]);
        let three = format!("{SIMULATOR}parts = 3\n");
        assert_eq!(
            taken(&three, wanted(5)).expect("pictures").pictures.len(),
            3
        );
    }

    #[test]
    fn frames_are_skipped_at_the_beginning_and_between_pictures() {
        let every = Wanted {
            skipped: 2,
            every: 3,
            ..wanted(2)
        };
        let all = taken(SIMULATOR, wanted(6)).expect("pictures").pictures;
        let some = taken(SIMULATOR, every).expect("pictures").pictures;
        assert_eq!(some, [all[2].clone(), all[5].clone()]);
    }

    #[test]
    fn source_without_pictures_is_reported_with_its_reason() {
        let folder = tempfile::tempdir().expect("a folder");
        let keys = format!(
            "source = \"folder\"\npath = \"{}\"\n",
            folder.path().display()
        );
        let error = taken(&keys, wanted(1)).expect_err("an empty folder");
        assert!(error.to_string().contains("contains no image"), "{error}");
        std::fs::write(folder.path().join("a.png"), "text").expect("written");
        let error = taken(&keys, wanted(1)).expect_err("not an image");
        assert!(error.to_string().contains("not an image"), "{error}");
    }

    #[test]
    fn interruption_ends_the_capture() {
        let clock: SharedClock = Arc::new(SystemClock);
        let id = "one".parse().expect("an id");
        let slow = camera("source = \"simulator\"\nfps = 0.1\n");
        let taken = take(&id, slow, wanted(9), &clock, &|| true);
        assert!(
            matches!(taken, Err(CaptureFailure::Interrupted)),
            "{taken:?}"
        );
    }
}
