//! The choice of cameras when no option names one.

use std::io::{self, Write};
use std::path::Path;

use anyhow::{Result, anyhow, bail};
use inspectd::commissioning::{DeviceInfo, PlannedSource, list_devices};
use inspectd_core::id::CameraId;

use super::arguments::{free_id, source};
use super::{Chosen, prompts, report};

/// The devices of this machine, which are listed on standard output.
///
/// # Errors
/// When standard output is closed.
pub fn found(folder: &Path) -> Result<Vec<DeviceInfo>> {
    let devices = list_devices(folder);
    for device in &devices {
        writeln!(
            io::stdout(),
            "found: {}, {}",
            device.path.display(),
            report::named(device)
        )?;
    }
    Ok(devices)
}

/// All devices, with free ids.
pub fn all(devices: Vec<DeviceInfo>) -> Vec<Chosen> {
    let mut taken = Vec::new();
    let chosen = devices.into_iter().map(|device| {
        let id = free_id(&taken);
        taken.push(id.clone());
        of_device(id, device)
    });
    chosen.collect()
}

fn of_device(id: CameraId, device: DeviceInfo) -> Chosen {
    Chosen {
        id,
        source: PlannedSource::Device {
            path: device.path.clone(),
            format: None,
        },
        device: Some(device),
    }
}

/// Asks which of the devices, and which other sources, are cameras.
///
/// # Errors
/// When the person interrupts, or chooses none.
pub fn ask(devices: &[DeviceInfo]) -> Result<Vec<Chosen>> {
    let mut items: Vec<String> = devices
        .iter()
        .map(|device| format!("{}, {}", device.path.display(), device.name))
        .collect();
    let other = [
        "a network camera",
        "a folder of images",
        "a video file",
        "the simulator (rendered parts)",
    ];
    items.extend(other.map(str::to_owned));
    let chosen = prompts::choose_several("Cameras", &items)?;
    let mut cameras: Vec<Chosen> = Vec::new();
    let count = devices.len();
    for position in chosen {
        let taken: Vec<CameraId> = cameras.iter().map(|camera| camera.id.clone()).collect();
        let camera = if let Some(device) = devices.get(position) {
            of_device(ask_id(&taken, &items[position])?, device.clone())
        } else {
            let source = ask_source(position - count)?;
            let id = ask_id(&taken, &items[position])?;
            Chosen {
                id,
                source,
                device: None,
            }
        };
        cameras.push(camera);
    }
    if cameras.is_empty() {
        bail!("no camera was chosen");
    }
    Ok(cameras)
}

fn ask_id(taken: &[CameraId], item: &str) -> Result<CameraId> {
    let check = |text: &str| match text.parse::<CameraId>() {
        Ok(id) if taken.contains(&id) => Err(format!("{id} is the id of another camera")),
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    };
    let question = format!("Id of {item}");
    let answer = prompts::input(&question, Some(free_id(taken).to_string()), check)?;
    Ok(answer.parse()?)
}

/// Asks for the address, the folder or the file of a source that is no device.
fn ask_source(kind: usize) -> Result<PlannedSource> {
    let question = match kind {
        0 => "Address of the network camera (rtsp://, rtsps://, http://, https://)",
        1 => "Folder of images",
        2 => "Video file",
        _ => return Ok(PlannedSource::Simulator),
    };
    let fits = |text: &str| {
        let found = source(text)?;
        let fits = match kind {
            0 => matches!(found, PlannedSource::Url { .. }),
            1 => matches!(found, PlannedSource::Folder { .. }),
            _ => matches!(found, PlannedSource::File { .. }),
        };
        if fits {
            Ok(found)
        } else {
            Err("must be what the question asks for".to_owned())
        }
    };
    let answer = prompts::input(question, None, |text| fits(text).map(|_| ()))?;
    fits(&answer).map_err(|error| anyhow!(error))
}
