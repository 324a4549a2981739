//! The command line of `inspectd init`: every answer can be given by an option.

use std::path::{Path, PathBuf};

use clap::Args;
use inspectd::commissioning::{PlannedMode, PlannedSource};
use inspectd::config::settings::Crop;
use inspectd_core::id::CameraId;

/// Shown below the help.
pub const AFTER_HELP: &str = "An option with ID= concerns one camera; without ID= it concerns all cameras that have no option of their own.
With --yes, or with an option for every question, nothing is asked. Without a terminal, the missing options are listed.

Exit codes: 0 written; 1 not written; 64 wrong usage; 130 interrupted, nothing written.";

/// Arguments of `init`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// A camera. SOURCE: a device (/dev/video0), an address (rtsp://, rtsps://, http://, https://), a folder of images, a
    /// video file, or the word simulator. Can be repeated
    #[arg(long = "camera", value_name = "ID=SOURCE", value_parser = camera)]
    cameras: Vec<Keyed<PlannedSource>>,
    /// A V4L2 device. Can be repeated
    #[arg(long = "device", value_name = "[ID=]PATH", value_parser = device)]
    devices: Vec<Keyed<PlannedSource>>,
    /// A network camera. Can be repeated
    #[arg(long = "url", value_name = "[ID=]URL", value_parser = url)]
    urls: Vec<Keyed<PlannedSource>>,
    /// A folder of images. Can be repeated
    #[arg(long = "folder", value_name = "[ID=]PATH", value_parser = folder)]
    folders: Vec<Keyed<PlannedSource>>,
    /// A video file. Can be repeated
    #[arg(long = "file", value_name = "[ID=]PATH", value_parser = file)]
    files: Vec<Keyed<PlannedSource>>,
    /// Rendered parts, without a camera; ID: demo if not given
    #[arg(long, value_name = "ID", num_args = 0..=1, default_missing_value = "demo")]
    simulator: Option<CameraId>,
    /// Folder of the model bundle
    #[arg(long, value_name = "FOLDER")]
    pub bundle: Option<PathBuf>,
    /// Folder of the journal, or none
    #[arg(long, value_name = "FOLDER")]
    pub journal: Option<PathBuf>,
    /// Which frames count: free-running, triggered or requested. Can be repeated
    #[arg(long = "mode", value_name = "[ID=]MODE", value_parser = mode)]
    pub modes: Vec<Keyed<PlannedMode>>,
    /// The part of the frame that is inspected: auto, none, or four sides in pixels. Can be repeated
    #[arg(long = "crop", value_name = "[ID=]LEFT,TOP,RIGHT,BOTTOM", value_parser = crop)]
    pub crops: Vec<Keyed<CropAnswer>>,
    /// Exposure of a device: auto (search for it), keep (the camera's own), or microseconds. Can be repeated
    #[arg(long = "exposure-us", value_name = "[ID=]NUMBER", value_parser = exposure)]
    pub exposures: Vec<Keyed<ExposureAnswer>>,
    /// Pixel format and size of a device, such as MJPG:1280x720. Can be repeated
    #[arg(long = "format", value_name = "[ID=]CODE:WIDTHxHEIGHT", value_parser = format)]
    pub formats: Vec<Keyed<(String, [u32; 2])>>,
    /// Time from the exposure of a frame to its delivery, of a network camera in mode requested. Can be repeated
    #[arg(long = "latency-ms", value_name = "[ID=]NUMBER", value_parser = latency)]
    pub latencies: Vec<Keyed<f64>>,
    /// Number of pictures that are taken with each camera
    #[arg(long, value_name = "NUMBER", default_value_t = 12, value_parser = clap::value_parser!(u16).range(2..=200))]
    pub pictures: u16,
    /// Longest exposure that is proposed, microseconds: longer ones blur moving parts
    #[arg(long, value_name = "NUMBER", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_exposure_us: u32,
    /// Folder that is searched for V4L2 devices
    #[arg(long, value_name = "FOLDER", default_value = "/dev")]
    pub device_folder: PathBuf,
    /// Folder of systemd's units, where the drop-in is written [default: /etc/systemd/system for the configuration
    /// /etc/inspectd/inspectd.toml; for others the drop-in is only shown]
    #[arg(long, value_name = "FOLDER")]
    pub systemd_dir: Option<PathBuf>,
    /// Configuration of a fresh installation: a configuration that is equal to it is replaced without --force [default:
    /// share/inspectd/inspectd.toml in the prefix of the program, such as /usr]
    #[arg(long, value_name = "FILE")]
    pub shipped: Option<PathBuf>,
    /// Accept all proposals
    #[arg(long, short)]
    pub yes: bool,
    /// Replace a configuration that exists; a copy of it is kept
    #[arg(long)]
    pub force: bool,
}

/// A value for one camera, or for all.
#[derive(Clone, Debug, PartialEq)]
pub struct Keyed<T> {
    /// The camera; none: all.
    pub id: Option<CameraId>,
    /// The value.
    pub value: T,
}

/// The answer to the question for a crop.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum CropAnswer {
    /// What is proposed.
    Auto,
    /// The whole frame.
    None,
    /// These pixels.
    Sides(Crop),
}

/// The answer to the question for an exposure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ExposureAnswer {
    /// The one that a search finds.
    Auto,
    /// The camera's own.
    Keep,
    /// This one, microseconds.
    Fixed(u32),
}

impl Arguments {
    /// The sources that were given, in the order of the options; those without an id get one.
    ///
    /// # Errors
    /// When an id is given twice.
    pub fn sources(&self) -> Result<Vec<(CameraId, PlannedSource)>, String> {
        let given = [
            &self.cameras,
            &self.devices,
            &self.urls,
            &self.folders,
            &self.files,
        ];
        let mut given: Vec<Keyed<PlannedSource>> = given.into_iter().flatten().cloned().collect();
        given.extend(self.simulator.clone().map(|id| Keyed {
            id: Some(id),
            value: PlannedSource::Simulator,
        }));
        let mut taken: Vec<CameraId> = Vec::new();
        for id in given.iter().filter_map(|source| source.id.as_ref()) {
            if taken.contains(id) {
                return Err(format!("camera {id}: given twice, must be given once"));
            }
            taken.push(id.clone());
        }
        let sources = given.into_iter().map(|Keyed { id, value }| {
            let id = id.unwrap_or_else(|| {
                let free = free_id(&taken);
                taken.push(free.clone());
                free
            });
            (id, value)
        });
        Ok(sources.collect())
    }

    /// Checks that every option with an id names one of the cameras.
    ///
    /// # Errors
    /// When one does not.
    pub fn check_ids(&self, cameras: &[CameraId]) -> Result<(), String> {
        fn ids<T>(option: &'static str, values: &[Keyed<T>]) -> Vec<(&'static str, CameraId)> {
            let ids = values.iter().filter_map(|value| value.id.clone());
            ids.map(|id| (option, id)).collect()
        }
        let all = [
            ids("--mode", &self.modes),
            ids("--crop", &self.crops),
            ids("--exposure-us", &self.exposures),
            ids("--format", &self.formats),
            ids("--latency-ms", &self.latencies),
        ];
        let unknown = all
            .concat()
            .into_iter()
            .find(|(_, id)| !cameras.contains(id));
        match unknown {
            None => Ok(()),
            Some((option, id)) => {
                let known: Vec<&str> = cameras.iter().map(CameraId::as_str).collect();
                Err(format!(
                    "{option} {id}=: must name one of the cameras: {}",
                    known.join(", ")
                ))
            }
        }
    }
}

/// The first of `camera1`, `camera2` ... that is free.
pub fn free_id(taken: &[CameraId]) -> CameraId {
    let names = (1..).map(|number| format!("camera{number}"));
    let mut ids = names.map(|name| name.parse().expect("letters and digits"));
    ids.find(|id| !taken.contains(id)).expect("endless")
}

/// The value for a camera: its own, otherwise that for all cameras.
pub fn value_for<'a, T>(values: &'a [Keyed<T>], id: &CameraId) -> Option<&'a T> {
    let own = values.iter().rfind(|value| value.id.as_ref() == Some(id));
    let for_all = || values.iter().rfind(|value| value.id.is_none());
    own.or_else(for_all).map(|value| &value.value)
}

fn keyed<T>(text: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<Keyed<T>, String> {
    let split = text.split_once('=');
    let id = split.and_then(|(id, rest)| Some((id.parse::<CameraId>().ok()?, rest)));
    Ok(match id {
        Some((id, rest)) => Keyed {
            id: Some(id),
            value: parse(rest)?,
        },
        None => Keyed {
            id: None,
            value: parse(text)?,
        },
    })
}

fn absolute(text: &str) -> Result<PathBuf, String> {
    std::path::absolute(text).map_err(|error| error.to_string())
}

fn camera(text: &str) -> Result<Keyed<PlannedSource>, String> {
    let found = keyed(text, source)?;
    match &found.id {
        Some(_) => Ok(found),
        None => Err("must be ID=SOURCE, with an id of a-z, 0-9, '-' and '_'".to_owned()),
    }
}

/// A source by its form.
pub fn source(text: &str) -> Result<PlannedSource, String> {
    if text == "simulator" {
        return Ok(PlannedSource::Simulator);
    }
    if text.contains("://") {
        return Ok(PlannedSource::Url {
            url: text.to_owned(),
        });
    }
    let path = absolute(text)?;
    if path.starts_with("/dev") {
        return Ok(PlannedSource::Device { path, format: None });
    }
    if path.is_dir() {
        return Ok(PlannedSource::Folder { path });
    }
    if path.is_file() {
        return Ok(PlannedSource::File { path });
    }
    Err("must be a device below /dev, an address with ://, a folder or a file that exists, or simulator".to_owned())
}

fn device(text: &str) -> Result<Keyed<PlannedSource>, String> {
    keyed(text, |path| {
        let path = absolute(path)?;
        Ok(PlannedSource::Device { path, format: None })
    })
}

fn url(text: &str) -> Result<Keyed<PlannedSource>, String> {
    keyed(text, |url| {
        let url = url.to_owned();
        Ok(PlannedSource::Url { url })
    })
}

fn folder(text: &str) -> Result<Keyed<PlannedSource>, String> {
    keyed(text, |path| {
        let path = absolute(path)?;
        Ok(PlannedSource::Folder { path })
    })
}

fn file(text: &str) -> Result<Keyed<PlannedSource>, String> {
    keyed(text, |path| {
        let path = absolute(path)?;
        Ok(PlannedSource::File { path })
    })
}

fn mode(text: &str) -> Result<Keyed<PlannedMode>, String> {
    keyed(text, |word| {
        let found = PlannedMode::ALL
            .into_iter()
            .find(|mode| mode.name() == word);
        found.ok_or_else(|| "must be free-running, triggered or requested".to_owned())
    })
}

fn crop(text: &str) -> Result<Keyed<CropAnswer>, String> {
    keyed(text, crop_answer)
}

/// `auto`, `none`, or four sides.
pub fn crop_answer(text: &str) -> Result<CropAnswer, String> {
    match text {
        "auto" => return Ok(CropAnswer::Auto),
        "none" => return Ok(CropAnswer::None),
        _ => {}
    }
    let sides: Option<Vec<u32>> = text
        .split(',')
        .map(|side| side.trim().parse().ok())
        .collect();
    match sides.as_deref() {
        Some(&[left, top, right, bottom]) if left < right && top < bottom => {
            Ok(CropAnswer::Sides(Crop {
                left,
                top,
                right,
                bottom,
            }))
        }
        _ => Err(
            "must be auto, none, or LEFT,TOP,RIGHT,BOTTOM with left < right and top < bottom"
                .to_owned(),
        ),
    }
}

fn exposure(text: &str) -> Result<Keyed<ExposureAnswer>, String> {
    keyed(text, |text| match text {
        "auto" => Ok(ExposureAnswer::Auto),
        "keep" => Ok(ExposureAnswer::Keep),
        _ => exposure_us(text).map(ExposureAnswer::Fixed),
    })
}

/// Microseconds of an exposure.
pub fn exposure_us(text: &str) -> Result<u32, String> {
    let number = text.trim().parse::<u32>().ok();
    let allowed = number.filter(|number| (1..=10_000_000).contains(number));
    allowed.ok_or_else(|| "must be auto, keep, or 1 to 10000000 microseconds".to_owned())
}

fn format(text: &str) -> Result<Keyed<(String, [u32; 2])>, String> {
    keyed(text, |text| {
        let parts = text.split_once(':').and_then(|(code, size)| {
            let (width, height) = size.split_once('x')?;
            Some((code.to_owned(), [width.parse().ok()?, height.parse().ok()?]))
        });
        parts.ok_or_else(|| "must be CODE:WIDTHxHEIGHT, such as MJPG:1280x720".to_owned())
    })
}

fn latency(text: &str) -> Result<Keyed<f64>, String> {
    keyed(text, latency_ms)
}

/// Milliseconds of a latency.
pub fn latency_ms(text: &str) -> Result<f64, String> {
    let number = text.trim().parse::<f64>().ok();
    let allowed = number.filter(|number| (0.0..=60_000.0).contains(number));
    allowed.ok_or_else(|| "must be 0 to 60000 milliseconds".to_owned())
}

/// The folder of the journal in an answer: none for the word `none`.
pub fn journal_folder(answer: &Path) -> Option<PathBuf> {
    (answer != Path::new("none")).then(|| answer.to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn parsed(line: &str) -> Arguments {
        let words = std::iter::once("init").chain(line.split_whitespace());
        Cli::try_parse_from(words).expect("accepted").arguments
    }

    #[test]
    fn sources_have_the_ids_that_were_given_or_free_ones() {
        let arguments = parsed(
            "--camera top=/dev/video0 --url rtsp://a/s?x=1 --url street=http://b --folder /tmp --simulator",
        );
        let sources = arguments.sources().expect("different ids");
        let named: Vec<_> = sources
            .iter()
            .map(|(id, source)| (id.as_str(), source.clone()))
            .collect();
        assert_eq!(
            named,
            [
                (
                    "top",
                    PlannedSource::Device {
                        path: "/dev/video0".into(),
                        format: None
                    }
                ),
                (
                    "camera1",
                    PlannedSource::Url {
                        url: "rtsp://a/s?x=1".into()
                    }
                ),
                (
                    "street",
                    PlannedSource::Url {
                        url: "http://b".into()
                    }
                ),
                (
                    "camera2",
                    PlannedSource::Folder {
                        path: "/tmp".into()
                    }
                ),
                ("demo", PlannedSource::Simulator),
            ]
        );
        let twice = parsed("--camera a=simulator --url a=rtsp://b");
        assert!(twice.sources().is_err());
    }

    #[test]
    fn option_of_a_camera_precedes_that_of_all() {
        let arguments =
            parsed("--mode triggered --mode left=requested --crop none --crop left=1,2,30,40");
        let id = |name: &str| name.parse::<CameraId>().expect("an id");
        assert_eq!(
            value_for(&arguments.modes, &id("left")),
            Some(&PlannedMode::Requested)
        );
        assert_eq!(
            value_for(&arguments.modes, &id("right")),
            Some(&PlannedMode::Triggered)
        );
        assert_eq!(
            value_for(&arguments.crops, &id("right")),
            Some(&CropAnswer::None)
        );
        assert_eq!(value_for(&arguments.latencies, &id("right")), None);
        assert!(arguments.check_ids(&[id("left")]).is_ok());
        let error = arguments
            .check_ids(&[id("right")])
            .expect_err("left is no camera");
        assert_eq!(error, "--mode left=: must name one of the cameras: right");
    }

    #[test]
    fn values_that_are_not_allowed_are_refused() {
        for line in [
            "--camera /dev/video0",
            "--camera a=/nonexistent",
            "--mode fast",
            "--crop 1,2,3",
            "--crop 9,2,3,4",
            "--exposure-us soon",
            "--exposure-us 0",
            "--format MJPG",
            "--latency-ms -1",
            "--pictures 1",
        ] {
            let words = std::iter::once("init").chain(line.split_whitespace());
            assert!(Cli::try_parse_from(words).is_err(), "{line}");
        }
    }
}
