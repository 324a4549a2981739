//! Sets one camera up: takes pictures, measures them, and proposes exposure and crop.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use inspectd::camera::health::ViewAids;
use inspectd::clock::SharedClock;
use inspectd::commissioning::{
    Album, CameraPlan, CaptureFailure, CropProposal, DeviceInfo, ExposureMeasurement, ExposurePlan,
    ExposureResult, ExposureSearch, KeptControls, PictureMeasurements, Plan, PlannedMode,
    PlannedSource, Wanted, configuration_text, propose_crop, suggested_limits, take,
};
use inspectd::config;
use inspectd::config::settings::{self, Crop, Pace, Source};
use inspectd_core::frame::Frame;
use inspectd_core::id::CameraId;

use super::arguments::{
    Arguments, CropAnswer, ExposureAnswer, crop_answer, exposure_us, latency_ms, value_for,
};
use super::pictures::PictureFolder;
use super::{Interrupted, prompts, report};

/// Frames that are left out while automatic exposure settles.
const SETTLING: u64 = 8;

/// Time between two pictures of a live camera: long enough for parts to move.
const PAUSE: Duration = Duration::from_millis(200);

/// Every how many frames of a video file there is a picture.
const FILE_STEP: u64 = 5;

/// Time for opening a camera and for its first frames.
const OPENING: Duration = Duration::from_secs(20);

/// V4L2's unit of exposure, microseconds.
const EXPOSURE_UNIT_US: u32 = 100;

/// A model bundle.
pub struct ChosenBundle {
    /// Its folder.
    pub folder: PathBuf,
    /// Width and height of the input of the model, pixels.
    pub input: [u32; 2],
    /// Its threshold.
    pub threshold: f32,
}

/// What is the same for all cameras.
pub struct Session<'a> {
    /// The command line.
    pub arguments: &'a Arguments,
    /// The configuration to write, absolute.
    pub file: &'a Path,
    /// Whether questions are asked.
    pub asks: bool,
    /// The model bundle.
    pub bundle: ChosenBundle,
    /// The clock.
    pub clock: SharedClock,
    /// Whether the person has interrupted.
    pub interrupted: &'a dyn Fn() -> bool,
}

/// Sets a camera up.
///
/// # Errors
/// When it delivers no picture, an answer does not fit it, or the person interrupts.
pub fn set_up(
    session: &Session<'_>,
    folder: &mut PictureFolder,
    id: CameraId,
    source: PlannedSource,
    device: Option<&DeviceInfo>,
) -> Result<CameraPlan> {
    let mut plan = CameraPlan {
        id,
        about: String::new(),
        source,
        mode: PlannedMode::FreeRunning,
        exposure: None,
        latency_ms: None,
        crop: None,
        size: None,
        upscaled: false,
        limits: None,
    };
    report::camera(&plan.id, &plan.source, device)?;
    // The camera gets its own values again: the daemon sets those of the configuration.
    let _kept = device.map(|device| KeptControls::of(&device.path));
    set_format(session, &mut plan, device)?;
    let mut album = session.shoot(&plan, session.wanted(&plan.source))?;
    if set_exposure(session, &mut plan, device, &album)? {
        album = session.shoot(&plan, session.wanted(&plan.source))?;
    }
    let measured = PictureMeasurements::of(&album.pictures);
    let measured = measured.ok_or_else(|| anyhow!("camera {}: no picture", plan.id))?;
    plan.size = common_size(&album.pictures);
    report::measurements(&plan, &album, &measured)?;
    report::files(&folder.add(&plan.id, &album.pictures)?)?;
    set_mode(session, &mut plan)?;
    set_crop(session, &mut plan, folder, &album.pictures, measured.noise)?;
    plan.upscaled = is_upscaled(&plan, session.bundle.input, &album.pictures);
    plan.limits = suggested_limits(&album.pictures);
    plan.about = report::about(&plan, device, &album);
    Ok(plan)
}

impl Session<'_> {
    fn wanted(&self, source: &PlannedSource) -> Wanted {
        let pictures = usize::from(self.arguments.pictures);
        let live = source.live();
        Wanted {
            pictures,
            skipped: if live { SETTLING } else { 0 },
            every: match source {
                PlannedSource::File { .. } => FILE_STEP,
                _ => 1,
            },
            pause: if live { PAUSE } else { Duration::ZERO },
            limit: OPENING + Duration::from_secs(u64::from(self.arguments.pictures)),
        }
    }

    /// Takes pictures with the settings that the plan makes.
    fn shoot(&self, plan: &CameraPlan, wanted: Wanted) -> Result<Album> {
        let taken = take(
            &plan.id,
            self.settings(plan)?,
            wanted,
            &self.clock,
            self.interrupted,
        );
        taken.map_err(|failure| match failure {
            CaptureFailure::Interrupted => Interrupted.into(),
            CaptureFailure::Camera(reason) => anyhow!("camera {}: {reason}", plan.id),
        })
    }

    fn settings(&self, plan: &CameraPlan) -> Result<settings::Camera> {
        let text = configuration_text(
            &Plan {
                bundle: self.bundle.folder.clone(),
                threshold: self.bundle.threshold,
                journal: None,
                cameras: vec![plan.clone()],
            },
            "",
        );
        // Its lines are not those of a file that a person could look at.
        let loaded = config::parse(self.file, &text, &[]).map_err(|error| {
            let faults = error.faults.iter().map(|fault| {
                let text = fault.to_string();
                let place = format!("{}: ", fault.place());
                text.strip_prefix(&place).unwrap_or(&text).to_owned()
            });
            anyhow!("{}", faults.collect::<Vec<_>>().join("\n"))
        })?;
        let mut camera = loaded.settings.cameras[&plan.id].clone();
        if let Source::File { pace, .. }
        | Source::Folder { pace, .. }
        | Source::Simulator { pace, .. } = &mut camera.source
        {
            *pace = Pace::Fast;
        }
        Ok(camera)
    }
}

/// The size of all pictures; none if they differ.
fn common_size(pictures: &[Frame]) -> Option<[u32; 2]> {
    let size = |frame: &Frame| [frame.width(), frame.height()];
    let first = size(pictures.first()?);
    pictures
        .iter()
        .all(|picture| size(picture) == first)
        .then_some(first)
}

/// Whether the inspected part of any picture is smaller than the input of the model.
fn is_upscaled(plan: &CameraPlan, [width, height]: [u32; 2], pictures: &[Frame]) -> bool {
    pictures.iter().any(|picture| {
        let whole = [picture.width(), picture.height()];
        let inspected = plan.crop.map_or(whole, |crop| {
            [crop.right - crop.left, crop.bottom - crop.top]
        });
        inspected[0] < width || inspected[1] < height
    })
}

fn set_format(
    session: &Session<'_>,
    plan: &mut CameraPlan,
    device: Option<&DeviceInfo>,
) -> Result<()> {
    let given = value_for(&session.arguments.formats, &plan.id).cloned();
    let PlannedSource::Device { format, .. } = &mut plan.source else {
        return Ok(());
    };
    *format = given;
    let Some(device) = device.filter(|_| session.asks && format.is_none()) else {
        return Ok(());
    };
    let offered = device.formats.iter().flat_map(|format| {
        let sizes = format.sizes.iter();
        sizes.map(|size| (format.code.clone(), *size))
    });
    let offered: Vec<(String, [u32; 2])> = offered.collect();
    if offered.len() < 2 {
        return Ok(());
    }
    let mut items = vec!["the camera's own".to_owned()];
    items.extend(
        offered
            .iter()
            .map(|(code, [width, height])| format!("{code} {width}x{height}")),
    );
    let chosen = prompts::choose(
        &format!("Camera {}: pixel format and size", plan.id),
        &items,
        0,
    )?;
    *format = chosen
        .checked_sub(1)
        .map(|position| offered[position].clone());
    Ok(())
}

/// Sets the exposure. Returns whether pictures at another exposure are necessary.
fn set_exposure(
    session: &Session<'_>,
    plan: &mut CameraPlan,
    device: Option<&DeviceInfo>,
    album: &Album,
) -> Result<bool> {
    let given = value_for(&session.arguments.exposures, &plan.id).copied();
    let range = device.and_then(|device| device.exposure);
    let Some(range) = range else {
        if matches!(given, Some(ExposureAnswer::Fixed(_))) {
            bail!(
                "camera {}: its exposure cannot be set; must be left out, or --exposure-us {}=keep",
                plan.id,
                plan.id
            );
        }
        return Ok(false);
    };
    let chosen = match given {
        Some(ExposureAnswer::Keep) => None,
        Some(ExposureAnswer::Fixed(exposure_us)) => Some(ExposurePlan {
            exposure_us,
            measured: None,
        }),
        None | Some(ExposureAnswer::Auto) => {
            let longest = range.most_us.min(session.arguments.max_exposure_us);
            let frame_us = album.fps.map_or(u32::MAX, |fps| (1e6 / fps) as u32);
            let mut search = ExposureSearch::new(
                range.least_us,
                longest.min(frame_us.max(range.least_us)),
                range.present_us,
            );
            match search_exposure(session, plan, &mut search)? {
                Some(found) => ask_exposure(session, plan, given, &found)?,
                None => None,
            }
        }
    };
    plan.exposure = chosen;
    Ok(chosen.is_some())
}

/// Tries exposures. None if the camera does not take one.
fn search_exposure(
    session: &Session<'_>,
    plan: &CameraPlan,
    search: &mut ExposureSearch,
) -> Result<Option<ExposureResult>> {
    let wanted = Wanted {
        pictures: 1,
        skipped: 3,
        every: 1,
        pause: Duration::ZERO,
        limit: OPENING,
    };
    while let Some(exposure_us) = search.next_us() {
        let tried = CameraPlan {
            exposure: Some(ExposurePlan {
                exposure_us,
                measured: None,
            }),
            ..plan.clone()
        };
        let album = match session.shoot(&tried, wanted) {
            Ok(album) => album,
            Err(error) if error.is::<Interrupted>() => return Err(error),
            Err(error) => {
                writeln!(
                    std::io::stdout(),
                    "  exposure    not searched: at {exposure_us} us, {error}"
                )?;
                return Ok(None);
            }
        };
        let aids = ViewAids::of(&album.pictures[0]);
        search.measured(ExposureMeasurement {
            exposure_us,
            mean: aids.mean,
            clipped: aids.clipped,
        });
    }
    let result = search.result();
    if let Some(result) = &result {
        report::exposure(result)?;
    }
    Ok(result)
}

fn ask_exposure(
    session: &Session<'_>,
    plan: &CameraPlan,
    given: Option<ExposureAnswer>,
    found: &ExposureResult,
) -> Result<Option<ExposurePlan>> {
    // The camera rounds to its unit.
    let units = found.best.exposure_us.div_ceil(EXPOSURE_UNIT_US).max(1);
    let proposed = ExposurePlan {
        exposure_us: units * EXPOSURE_UNIT_US,
        measured: Some(found.best),
    };
    if !session.asks || given.is_some() {
        return Ok(Some(proposed));
    }
    let items = [
        format!("{} us, as proposed", proposed.exposure_us),
        "the camera's own exposure".to_owned(),
        "another one".to_owned(),
    ];
    match prompts::choose(&format!("Camera {}: exposure", plan.id), &items, 0)? {
        0 => Ok(Some(proposed)),
        1 => Ok(None),
        _ => {
            let check = |text: &str| exposure_us(text).map(|_| ());
            let answer = prompts::input("Exposure, microseconds", None, check)?;
            let exposure_us = exposure_us(&answer).map_err(|error| anyhow!(error))?;
            Ok(Some(ExposurePlan {
                exposure_us,
                measured: None,
            }))
        }
    }
}

/// The mode that fits most lines with such a source.
fn usual_mode(source: &PlannedSource) -> PlannedMode {
    if source.live() {
        PlannedMode::FreeRunning
    } else {
        PlannedMode::Triggered
    }
}

fn set_mode(session: &Session<'_>, plan: &mut CameraPlan) -> Result<()> {
    let usual = usual_mode(&plan.source);
    plan.mode = match value_for(&session.arguments.modes, &plan.id) {
        Some(mode) => *mode,
        None if session.asks => {
            let items = [
                "free-running: the camera streams, and the latest frame counts",
                "triggered: the camera delivers one frame for each part (hardware trigger, folder), and each counts",
                "requested: a PLC or a program asks for each inspection (TriggerInspection)",
            ];
            let default = PlannedMode::ALL.iter().position(|mode| *mode == usual);
            let question = format!("Camera {}: which frames count", plan.id);
            let chosen =
                prompts::choose(&question, &items.map(str::to_owned), default.unwrap_or(0))?;
            PlannedMode::ALL[chosen]
        }
        None => usual,
    };
    let stream = matches!(plan.source, PlannedSource::Url { .. });
    plan.latency_ms = value_for(&session.arguments.latencies, &plan.id).copied();
    if plan.mode == PlannedMode::Requested && stream && plan.latency_ms.is_none() && session.asks {
        let check = |text: &str| latency_ms(text).map(|_| ());
        let question = format!(
            "Camera {}: milliseconds from exposure to delivery (`inspectctl camera latency` measures it later)",
            plan.id
        );
        let answer = prompts::input(&question, Some("500".to_owned()), check)?;
        plan.latency_ms = Some(latency_ms(&answer).map_err(|error| anyhow!(error))?);
    }
    Ok(())
}

fn set_crop(
    session: &Session<'_>,
    plan: &mut CameraPlan,
    folder: &mut PictureFolder,
    pictures: &[Frame],
    noise: f32,
) -> Result<()> {
    let given = value_for(&session.arguments.crops, &plan.id).copied();
    let crop = match given {
        Some(CropAnswer::None) => None,
        Some(CropAnswer::Sides(crop)) => Some(crop),
        None | Some(CropAnswer::Auto) => {
            let proposal = propose_crop(pictures, noise, session.bundle.input);
            report::crop(&proposal)?;
            if let Some(crop) = proposal.crop {
                let file = folder.add_crop(&plan.id, &pictures[0], crop)?;
                report::files(&[file])?;
            }
            if session.asks && given.is_none() {
                ask_crop(plan, &proposal)?
            } else {
                proposal.crop
            }
        }
    };
    if let Some(crop) = crop {
        check_crop(plan, crop, pictures)?;
        folder.add_crop(&plan.id, &pictures[0], crop)?;
    }
    plan.crop = crop;
    Ok(())
}

fn ask_crop(plan: &CameraPlan, proposal: &CropProposal) -> Result<Option<Crop>> {
    let whole = "the whole frame".to_owned();
    let other = "other sides".to_owned();
    let mut items = vec![whole, other];
    if let Some(crop) = proposal.crop {
        items.insert(0, format!("{}, as proposed", report::sides(crop)));
    }
    let chosen = prompts::choose(&format!("Camera {}: what is inspected", plan.id), &items, 0)?;
    let beyond = items.len() - 1;
    match (proposal.crop, chosen) {
        (_, chosen) if chosen == beyond => {
            let check = |text: &str| crop_answer(text).map(|_| ());
            let answer = prompts::input("LEFT,TOP,RIGHT,BOTTOM in pixels", None, check)?;
            match crop_answer(&answer).map_err(|error| anyhow!(error))? {
                CropAnswer::Sides(crop) => Ok(Some(crop)),
                CropAnswer::Auto => Ok(proposal.crop),
                CropAnswer::None => Ok(None),
            }
        }
        (Some(crop), 0) => Ok(Some(crop)),
        _ => Ok(None),
    }
}

/// A crop is inside all pictures.
fn check_crop(plan: &CameraPlan, crop: Crop, pictures: &[Frame]) -> Result<()> {
    let outside = pictures
        .iter()
        .find(|picture| crop.right > picture.width() || crop.bottom > picture.height());
    match outside {
        None => Ok(()),
        Some(picture) => bail!(
            "camera {}: the crop {} is not inside its picture, must be within {}x{} pixels",
            plan.id,
            report::sides(crop),
            picture.width(),
            picture.height()
        ),
    }
}
