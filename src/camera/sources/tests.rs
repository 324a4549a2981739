//! Real sources: files written for the tests, and pipelines run by GStreamer.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use inspectd_test_support::reference_data;
use opencv::core::{CV_8UC3, Mat, Scalar, Size};
use opencv::videoio::{CAP_FFMPEG, VideoWriter, VideoWriterTrait, VideoWriterTraitConst};
use tempfile::TempDir;

use super::*;
use crate::camera::tests::{
    Record, Recorder, deadline, jpeg, rtsp, settings, simulator, start, system_clock,
};
use crate::clock::Clock;
use crate::clock::tests::ManualClock;
use crate::config::settings::Source as Setting;

fn opened(source: Setting) -> Result<OpenedSource, SourceError> {
    open_in_process(&settings(source), &system_clock())
}

/// The next `count` shots, fewer if the source ends earlier.
fn shots(source: Setting, count: usize) -> Vec<Shot> {
    let mut opened = opened(source).expect("the source works");
    let next = || opened.source.read().expect("the source works");
    std::iter::from_fn(next).take(count).collect()
}

fn items(shots: &[Shot]) -> Vec<&str> {
    shots.iter().map(|shot| shot.item.as_str()).collect()
}

/// The grey level of each frame's first pixel.
fn greys(shots: &[Shot]) -> Vec<u8> {
    let grey = |shot: &Shot| shot.frame.as_ref().expect("the frame is valid").rgb()[0];
    shots.iter().map(grey).collect()
}

fn folder(path: &Path, repeat: bool) -> Setting {
    Setting::Folder {
        path: path.to_owned(),
        repeat,
        pace: Pace::Fast,
    }
}

fn write_png(path: &Path, grey: u8) {
    let picture = image::RgbImage::from_pixel(40, 32, image::Rgb([grey; 3]));
    picture.save(path).expect("the folder is writable");
}

/// Four images in two folders, one of which is truncated, and a file that is not an image.
fn images() -> TempDir {
    let folder = TempDir::new().expect("there is disk space");
    let path = folder.path();
    fs::create_dir(path.join("b")).expect("the folder is writable");
    write_png(&path.join("b/2.PNG"), 20);
    write_png(&path.join("a.png"), 10);
    write_png(&path.join("c.png"), 30);
    let whole = fs::read(path.join("b/2.PNG")).expect("it was written");
    fs::write(path.join("b/1.png"), &whole[..whole.len() / 2]).expect("the folder is writable");
    fs::write(path.join("readme.txt"), "not an image").expect("the folder is writable");
    // As macOS writes them next to files on other file systems.
    fs::write(path.join("b/._2.PNG"), "not an image").expect("the folder is writable");
    fs::create_dir(path.join(".trash")).expect("the folder is writable");
    write_png(&path.join(".trash/d.png"), 40);
    folder
}

#[test]
fn a_folder_delivers_its_images_by_path_and_reports_damaged_ones() {
    let images = images();
    let shots = shots(folder(images.path(), false), 99);
    assert_eq!(items(&shots), ["a.png", "b/1.png", "b/2.PNG", "c.png"]);
    let damaged = shots[1]
        .frame
        .as_ref()
        .expect_err("the file is truncated")
        .to_string();
    assert!(damaged.contains("corrupt or truncated"), "{damaged}");
    assert!(shots.iter().all(|shot| shot.truth.is_empty()));
    let valid: Vec<Shot> = shots
        .into_iter()
        .filter(|shot| shot.frame.is_ok())
        .collect();
    assert_eq!(greys(&valid), [10, 20, 30]);
}

#[test]
fn a_repeating_folder_starts_again_after_its_last_image() {
    let images = images();
    let shots = shots(folder(images.path(), true), 6);
    let expected = ["a.png", "b/1.png", "b/2.PNG", "c.png", "a.png", "b/1.png"];
    assert_eq!(items(&shots), expected);
}

#[test]
fn a_folder_without_images_is_refused() {
    let empty = TempDir::new().expect("there is disk space");
    fs::write(empty.path().join("a.gif"), "GIF89a").expect("the folder is writable");
    let check = |path: &Path, expected: &str| {
        let error = opened(folder(path, false))
            .err()
            .expect("the folder has no image");
        assert!(error.to_string().contains(expected), "{error}");
    };
    check(
        empty.path(),
        "one file ending in png, jpg, jpeg, bmp, tif, tiff",
    );
    check(&empty.path().join("nowhere"), "No such file");
    check(&empty.path().join("a.gif"), "Not a directory");
}

#[test]
fn the_simulator_delivers_the_same_parts_each_time_and_ends() {
    let [one, two] = [1, 2].map(|_| shots(simulator(Pace::Fast, Some(8)), 99));
    let expected: Vec<String> = (1..=8).map(|part| format!("part {part}")).collect();
    assert_eq!(items(&one), expected);
    for (a, b) in one.iter().zip(&two) {
        let [a_frame, b_frame] = [a, b].map(|shot| shot.frame.as_ref().expect("it is rendered"));
        assert_eq!((a_frame, &a.truth), (b_frame, &b.truth));
    }
    assert!(one.iter().any(|shot| shot.truth == "good"));
    assert!(one.iter().any(|shot| shot.truth != "good"));
    let frame = one[0].frame.as_ref().expect("rendering does not fail");
    assert_eq!((frame.width(), frame.height()), (48, 32));
}

fn file(path: &Path, repeat: bool, pace: Pace) -> Setting {
    Setting::File {
        path: path.to_owned(),
        repeat,
        pace,
    }
}

/// A video of five grey frames: 0, 40, 80, 120, 160; 20 frames a second.
fn write_video(path: &Path) {
    write_frames(path, 5);
}

/// A video of grey frames, 20 a second.
fn write_frames(path: &Path, count: u32) {
    let fourcc = VideoWriter::fourcc('M', 'J', 'P', 'G').expect("four letters");
    let size = Size::new(64, 48);
    let name = path.to_str().expect("temporary folders have plain names");
    let mut writer = VideoWriter::new_with_backend(name, CAP_FFMPEG, fourcc, 20.0, size, true)
        .expect("FFMPEG is available");
    assert!(writer.is_opened().expect("FFMPEG is available"));
    for number in 0..count {
        let grey = Scalar::all(f64::from(number * 40 % 200));
        let picture = Mat::new_rows_cols_with_default(48, 64, CV_8UC3, grey);
        let written = writer.write(&picture.expect("there is memory"));
        written.expect("there is disk space");
    }
    writer.release().expect("there is disk space");
}

/// Lossy coding changes values slightly.
fn assert_greys(shots: &[Shot], expected: &[u8]) {
    let greys = greys(shots);
    let close = |(a, b): (&u8, &u8)| a.abs_diff(*b) <= 3;
    let all = greys.len() == expected.len() && greys.iter().zip(expected).all(close);
    assert!(all, "{greys:?} are not {expected:?}");
}

#[test]
fn a_video_file_ends_or_repeats() {
    let temporary = TempDir::new().expect("there is disk space");
    let path = temporary.path().join("video.avi");
    write_video(&path);
    let once = shots(file(&path, false, Pace::Fast), 99);
    assert_greys(&once, &[0, 40, 80, 120, 160]);
    let expected = ["frame 1", "frame 2", "frame 3", "frame 4", "frame 5"];
    assert_eq!(items(&once), expected);
    let again = shots(file(&path, true, Pace::Fast), 12);
    assert_greys(&again, &[0, 40, 80, 120, 160, 0, 40, 80, 120, 160, 0, 40]);
    assert_eq!(again[5].item, "frame 1");
}

#[test]
fn a_video_file_without_an_index_repeats_too() {
    let temporary = TempDir::new().expect("there is disk space");
    let path = temporary.path().join("video.mjpeg");
    let frames: Vec<u8> = [50, 100, 150].into_iter().flat_map(jpeg).collect();
    fs::write(&path, frames).expect("there is disk space");
    let again = shots(file(&path, true, Pace::Fast), 7);
    assert_greys(&again, &[50, 100, 150, 50, 100, 150, 50]);
}

#[test]
fn a_video_file_is_read_at_its_native_rate() {
    let temporary = TempDir::new().expect("there is disk space");
    let path = temporary.path().join("video.avi");
    write_video(&path);
    let sink = Arc::new(Recorder::default());
    let settings = settings(file(&path, false, Pace::Native));
    let camera = start("video", settings, &sink);
    sink.wait_until_ended();
    assert!(camera.join(deadline()));
    let moment = |record: &Record| match record {
        Record::Frame(captured, _) => Some(captured.moment.monotonic),
        _ => None,
    };
    let moments: Vec<Instant> = sink.records().iter().filter_map(moment).collect();
    assert_eq!(moments.len(), 5);
    // Four intervals of 50 ms, less the possible delay of the first frame.
    assert!(moments[4] - moments[0] > Duration::from_millis(120));
}

#[test]
fn a_file_that_is_not_a_video_is_refused() {
    let temporary = TempDir::new().expect("there is disk space");
    let text = temporary.path().join("text.avi");
    fs::write(&text, "not a video").expect("there is disk space");
    let check = |path: &Path, expected: &str| {
        let error = opened(file(path, false, Pace::Fast)).err();
        let error = error.expect("it is not a video").to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(
        &text,
        "text.avi: cannot be opened (OpenCV's FFMPEG backend)",
    );
    check(&temporary.path().join("nowhere.avi"), "No such file");
    check(temporary.path(), "not a regular file; must be a video file");
    let empty = temporary.path().join("empty.avi");
    fs::write(&empty, "").expect("there is disk space");
    check(&empty, "contains no frame that can be decoded");
}

#[test]
fn files_folders_and_simulators_have_a_schedule_unless_their_pace_is_fast() {
    let temporary = images();
    let video = temporary.path().join("video.avi");
    write_video(&video);
    let check = |source: fn(&Path, Pace) -> Setting, pace, interval_ms: Option<u64>| {
        let opened = opened(source(temporary.path(), pace)).expect("the source works");
        let now = ManualClock::new().now().monotonic;
        let interval = opened.schedule.map(|mut schedule| {
            let first = schedule.next(now);
            schedule.next(now).duration_since(first).as_millis() as u64
        });
        assert_eq!(interval, interval_ms, "{pace:?}");
    };
    let video = |path: &Path, pace| file(&path.join("video.avi"), false, pace);
    let images = |path: &Path, pace| Setting::Folder {
        path: path.to_owned(),
        repeat: false,
        pace,
    };
    check(video, Pace::Native, Some(50));
    check(video, Pace::Fps(4.0), Some(250));
    check(video, Pace::Fast, None);
    check(images, Pace::Native, Some(100));
    check(images, Pace::Fast, None);
    check(|_, pace| simulator(pace, None), Pace::Native, Some(100));
    check(|_, pace| simulator(pace, None), Pace::Fast, None);
}

#[test]
fn a_pipeline_delivers_frames_until_its_stream_ends() {
    let pipeline = "videotestsrc num-buffers=3 pattern=red ! video/x-raw,width=64,height=48 \
                    ! videoconvert ! video/x-raw,format=BGR ! appsink";
    let pipeline = pipeline.to_owned();
    let mut opened = opened(Setting::GStreamer { pipeline }).expect("GStreamer is available");
    for _ in 0..3 {
        let shot = opened
            .source
            .read()
            .expect("there are three frames")
            .expect("the stream has not ended");
        let frame = shot.frame.expect("the frame is valid");
        assert_eq!((frame.width(), frame.height()), (64, 48));
        assert!(frame.rgb()[0] > 250 && frame.rgb()[1..3].iter().all(|value| *value < 5));
    }
    let end = opened
        .source
        .read()
        .expect_err("there are only three frames");
    assert_eq!(end.to_string(), "the stream ended");
}

/// The first frame of a pipeline.
fn first_of(pipeline: &str) -> Result<inspectd_core::frame::Frame, SourceError> {
    let pipeline = pipeline.to_owned();
    let mut opened = opened(Setting::GStreamer { pipeline })?;
    let shot = opened.source.read()?.expect("the stream has not ended");
    Ok(shot.frame.expect("the frame is valid"))
}

#[test]
fn a_pipeline_delivers_the_right_picture_in_every_raw_format() {
    for format in ["I420", "NV12", "YUY2", "UYVY", "RGB", "BGRx", "GRAY8"] {
        let frame = first_of(&format!(
            "videotestsrc pattern=red ! video/x-raw,format={format},width=64,height=48 ! appsink"
        ))
        .expect(format);
        assert_eq!((frame.width(), frame.height()), (64, 48), "{format}");
        let [red, green, blue] = [frame.rgb()[0], frame.rgb()[1], frame.rgb()[2]];
        if format == "GRAY8" {
            assert!(red == green && green == blue, "{format}");
        } else {
            assert!(
                red > 240 && green < 15 && blue < 15,
                "{format}: {red} {green} {blue}"
            );
        }
    }
}

#[test]
fn a_pipeline_with_a_bayer_pattern_is_refused() {
    const CHILD: &str = "INSPECTD_TEST_BAYER";
    if std::env::var_os(CHILD).is_some() {
        let pipeline =
            "videotestsrc num-buffers=2 ! video/x-bayer,format=rggb,width=64,height=48 ! appsink";
        let error = first_of(pipeline).expect_err("not raw video").to_string();
        let expected = "bayer2rgb converts Bayer patterns";
        assert!(error.contains(expected), "{error}");
        return;
    }
    // In a process of its own, as in the daemon: OpenCV 4.6 releases a pipeline that did not start without stopping it, and its
    // thread may then access freed memory. A process that is killed by that says nothing about the refusal.
    let run = || {
        let test = std::env::current_exe().expect("the path of the tests");
        std::process::Command::new(test)
            .args([
                "--exact",
                "camera::sources::tests::a_pipeline_with_a_bayer_pattern_is_refused",
            ])
            .env(CHILD, "1")
            .output()
            .expect("a started process")
    };
    let mut outputs = (0..5).map(|_| run());
    let output = outputs.find(|output| output.status.code().is_some());
    let output = output.expect("a process that is not killed");
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn a_video_is_rotated_as_its_metadata_ask() {
    let shown = reference_data("video/rotated90-first-frame.png");
    let expected = image::open(shown).expect("an image").into_rgb8();
    let path = reference_data("video/rotated90.mp4");
    let shots = shots(file(&path, false, Pace::Fast), 1);
    let frame = shots[0].frame.as_ref().expect("the frame is valid");
    assert_eq!((frame.width(), frame.height()), expected.dimensions());
    let differences = frame.rgb().iter().zip(expected.as_raw());
    let sum: u64 = differences.map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    let mean = sum as f64 / frame.rgb().len() as f64;
    assert!(mean < 5.0, "mean difference {mean}");
}

#[test]
fn a_video_file_that_is_cut_short_ends_with_a_fault() {
    let temporary = TempDir::new().expect("there is disk space");
    let path = temporary.path().join("video.avi");
    write_frames(&path, 200);
    let whole = fs::read(&path).expect("it was written");
    let cut = temporary.path().join("cut.avi");
    fs::write(&cut, &whole[..whole.len() / 4 * 3]).expect("there is disk space");
    for repeat in [false, true] {
        let shots = shots(file(&cut, repeat, Pace::Fast), 201);
        let faults: Vec<usize> = (0..shots.len())
            .filter(|&index| shots[index].frame.is_err())
            .collect();
        let first = faults[0];
        assert!((100..190).contains(&first), "{first}");
        let fault = shots[first]
            .frame
            .as_ref()
            .expect_err("a fault")
            .to_string();
        assert!(fault.contains("it is cut short"), "{fault}");
        assert_eq!(shots[first].item, format!("frame {}", first + 1));
        if repeat {
            assert_eq!(shots[first + 1].item, "frame 1");
        } else {
            assert_eq!(shots.len(), first + 1);
        }
    }
    let all = shots(file(&path, false, Pace::Fast), 999);
    assert_eq!(all.len(), 200);
    assert!(all.iter().all(|shot| shot.frame.is_ok()));
}

#[test]
fn a_pipeline_that_does_not_start_is_refused_without_its_secrets() {
    // Not a source with its own threads: OpenCV 4.6 releases a pipeline that did not start without
    // stopping it, and such a thread may then access freed memory.
    let pipeline = "filesrc location=/u:secret@cam ! no-such-element ! appsink".into();
    let error = opened(Setting::GStreamer { pipeline }).err();
    let error = error.expect("the element does not exist").to_string();
    assert!(
        error.starts_with("the pipeline: cannot be opened (OpenCV's GStreamer backend); "),
        "{error}"
    );
    assert!(!error.contains("secret"), "{error}");
}

#[test]
fn frames_that_waited_in_the_buffers_of_a_stream_are_as_old_as_they_are() {
    let url = rtsp::start(true, false, false);
    let source = Setting::Url {
        url,
        rtsp_tcp: true,
    };
    let mut opened = opened(source).expect("it is served");
    let clock = system_clock();
    let mut age = || {
        let shot = opened
            .source
            .read()
            .expect("it is served")
            .expect("endless");
        let now = clock.now().monotonic;
        now.saturating_duration_since(shot.moment.monotonic)
    };
    // The first ones waited while the stream was opened.
    for _ in 0..50 {
        age();
    }
    std::thread::sleep(Duration::from_millis(800));
    let late = age();
    assert!(late > Duration::from_millis(600), "{late:?}");
    let latest = (0..60).map(|_| age()).last();
    assert!(latest < Some(Duration::from_millis(300)), "{latest:?}");
}
