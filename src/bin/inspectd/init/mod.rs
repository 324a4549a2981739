//! `inspectd init`: from cameras to a configuration, by questions on a terminal or by options.

mod arguments;
mod camera_setup;
mod missing;
mod pictures;
mod prompts;
mod report;
mod sources;
mod unit;

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, anyhow, bail};
use chrono::{DateTime, Utc};
use inspectd::clock::{Clock, SystemClock};
use inspectd::commissioning::{
    CONFIGURATION_MODE, DeviceInfo, Installed, Plan, PlannedSource, check_target,
    configuration_text, install, is_untouched, query,
};
use inspectd::config::Sources;
use inspectd::daemon;
use inspectd_core::bundle::Bundle;
use inspectd_core::id::CameraId;
use inspectd_core::precision::Precision;
use signal_hook::consts::{SIGINT, SIGTERM};

pub use arguments::{AFTER_HELP, Arguments};

use arguments::journal_folder;
use camera_setup::{ChosenBundle, Session};
use pictures::PictureFolder;

/// Default folder of the journal of an installed daemon.
const JOURNAL: &str = "/var/lib/inspectd/journal";

/// The configuration of an installed daemon.
const INSTALLED: &str = "/etc/inspectd/inspectd.toml";

/// The configuration that the package, or `systemd/install.sh`, creates at the first installation, below the prefix of the
/// programs.
const SHIPPED: &str = "share/inspectd/inspectd.toml";

/// Exit codes: not written, wrong usage, interrupted.
const EXIT_FAILURE: u8 = 1;
const EXIT_USAGE: u8 = 64;
const EXIT_INTERRUPTED: u8 = 130;

/// The person interrupted.
#[derive(Debug, thiserror::Error)]
#[error("interrupted; nothing was written")]
pub struct Interrupted;

/// Options that do not fit together.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Usage(String);

/// Writes the configuration `file`. Returns the exit code.
pub fn run(arguments: &Arguments, file: &Path) -> u8 {
    let Err(error) = write_configuration(arguments, file) else {
        return 0;
    };
    eprintln!("inspectd: {error:#}");
    if error.is::<Interrupted>() {
        EXIT_INTERRUPTED
    } else if error.is::<Usage>() {
        EXIT_USAGE
    } else {
        EXIT_FAILURE
    }
}

/// A camera to set up.
struct Chosen {
    id: CameraId,
    source: PlannedSource,
    device: Option<DeviceInfo>,
}

fn write_configuration(arguments: &Arguments, file: &Path) -> Result<()> {
    let file = std::path::absolute(file).with_context(|| file.display().to_string())?;
    let given = arguments.sources().map_err(Usage)?;
    // Nobody wrote the one of a fresh installation.
    let force = arguments.force || is_untouched(&file, &shipped(arguments));
    check_target(&file, force)?;
    let flag = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, flag.clone()).context("the signals")?;
    }
    let interrupted = || flag.load(Ordering::Relaxed);
    let asks = io::stdin().is_terminal() && !arguments.yes;
    if !asks {
        let missing = missing::options(arguments, &given);
        if !missing.is_empty() {
            bail!("{}", missing::message(&missing, arguments.yes));
        }
    }
    let cameras = choose_cameras(arguments, given, asks)?;
    let ids: Vec<CameraId> = cameras.iter().map(|camera| camera.id.clone()).collect();
    arguments.check_ids(&ids).map_err(Usage)?;
    let clock = Arc::new(SystemClock);
    let session = Session {
        arguments,
        file: &file,
        asks,
        bundle: choose_bundle(arguments, asks)?,
        clock: clock.clone(),
        interrupted: &interrupted,
    };
    let mut folder = PictureFolder::of(&file);
    let mut plans = Vec::new();
    for Chosen { id, source, device } in cameras {
        plans.push(camera_setup::set_up(
            &session,
            &mut folder,
            id,
            source,
            device.as_ref(),
        )?);
    }
    let plan = Plan {
        journal: choose_journal(arguments, &file, asks)?,
        bundle: session.bundle.folder.clone(),
        threshold: session.bundle.threshold,
        cameras: plans,
    };
    let now = DateTime::<Utc>::from(clock.now().utc);
    let text = configuration_text(&plan, &now.format("%Y-%m-%d").to_string());
    if asks {
        writeln!(io::stdout(), "\n{text}")?;
        if !prompts::confirm(&format!("Write {}", file.display()), true)? {
            bail!("not written");
        }
    }
    if interrupted() {
        return Err(Interrupted.into());
    }
    let stamp = now.format("%Y%m%dT%H%M%SZ").to_string();
    let unit = unit::Unit::of(&plan, &file, arguments.systemd_dir.as_deref());
    unit.check(arguments.force)?;
    let check = |part: &Path| {
        let checked = daemon::check(&Sources::of_process(part.to_owned(), true));
        checked.map(|_| ()).map_err(|failure| failure.to_string())
    };
    let written = install(&file, &text, CONFIGURATION_MODE, force, &stamp, check)?;
    folder.keep();
    report_written(&written)?;
    unit.install(arguments.force, &stamp)?;
    report_next(&file, unit.is_installed())
}

/// The configuration of a fresh installation.
fn shipped(arguments: &Arguments) -> PathBuf {
    let of_prefix = || {
        let program = std::env::current_exe().ok()?;
        // PREFIX/bin/inspectd
        Some(program.parent()?.parent()?.join(SHIPPED))
    };
    let usual = || Path::new("/usr").join(SHIPPED);
    let given = arguments.shipped.clone();
    given.or_else(of_prefix).unwrap_or_else(usual)
}

/// The cameras of the options, otherwise those that are found or chosen.
fn choose_cameras(
    arguments: &Arguments,
    given: Vec<(CameraId, PlannedSource)>,
    asks: bool,
) -> Result<Vec<Chosen>> {
    if given.is_empty() {
        let found = sources::found(&arguments.device_folder)?;
        return if asks {
            sources::ask(&found)
        } else if found.is_empty() {
            bail!(
                "no camera found in {}; must be given by {}",
                arguments.device_folder.display(),
                missing::CAMERAS
            )
        } else {
            Ok(sources::all(found))
        };
    }
    let chosen = given.into_iter().map(|(id, source)| {
        let device = match &source {
            PlannedSource::Device { path, .. } => {
                let found =
                    query(path).with_context(|| format!("camera {id}: {}", path.display()))?;
                let none = || {
                    anyhow!(
                        "camera {id}: {}: not a device that captures video",
                        path.display()
                    )
                };
                Some(found.ok_or_else(none)?)
            }
            _ => None,
        };
        Ok(Chosen { id, source, device })
    });
    chosen.collect()
}

/// The bundle, with what the proposals depend on.
fn choose_bundle(arguments: &Arguments, asks: bool) -> Result<ChosenBundle> {
    let open = |folder: &Path| Bundle::open_in(folder, &[Precision::Int8, Precision::F32]);
    let folder = match &arguments.bundle {
        Some(folder) => folder.clone(),
        None if asks => {
            let check = |folder: &str| {
                let opened = open(Path::new(folder));
                opened.map(|_| ()).map_err(|error| error.to_string())
            };
            prompts::input("Folder of the model bundle", None, check)?.into()
        }
        None => bail!("--bundle is missing"),
    };
    let folder = std::path::absolute(&folder).with_context(|| folder.display().to_string())?;
    let bundle = open(&folder).map_err(|error| anyhow!("--bundle: {error}"))?;
    let manifest = bundle.manifest();
    Ok(ChosenBundle {
        folder,
        input: [manifest.input.width, manifest.input.height],
        threshold: manifest.threshold.value,
    })
}

/// The folder of the journal. In the folder of the configuration, its path is relative to it.
fn choose_journal(arguments: &Arguments, file: &Path, asks: bool) -> Result<Option<PathBuf>> {
    let usual = if file == Path::new(INSTALLED) {
        JOURNAL
    } else {
        "journal"
    };
    let answer = match &arguments.journal {
        Some(folder) if folder == Path::new("none") => return Ok(None),
        Some(folder) => {
            std::path::absolute(folder).with_context(|| folder.display().to_string())?
        }
        None if asks => {
            let check = |text: &str| match text {
                "" => Err("must be a folder, or none".to_owned()),
                _ => Ok(()),
            };
            let question = "Folder of the journal, which keeps all verdicts; or none";
            prompts::input(question, Some(usual.to_owned()), check)?.into()
        }
        None => usual.into(),
    };
    Ok(journal_folder(&answer))
}

fn report_written(written: &Installed) -> Result<()> {
    let mut out = io::stdout();
    writeln!(out, "\nwritten: {}", written.path.display())?;
    if let Some(backup) = &written.backup {
        writeln!(out, "kept: {}", backup.display())?;
    }
    Ok(())
}

fn report_next(file: &Path, unit: bool) -> Result<()> {
    let mut out = io::stdout();
    writeln!(out, "\nNext:")?;
    let shown = file.display();
    if file == Path::new(INSTALLED) || unit {
        let check = if file == Path::new(INSTALLED) {
            "inspectd check".to_owned()
        } else {
            format!("inspectd --config {shown} check")
        };
        writeln!(out, "  {check}")?;
        writeln!(
            out,
            "  sudo systemctl daemon-reload && sudo systemctl enable --now inspectd"
        )?;
    } else {
        writeln!(out, "  inspectd --config {shown} check")?;
        writeln!(out, "  inspectd --config {shown}")?;
    }
    Ok(writeln!(out, "  inspectctl watch")?)
}

/// The text of `/etc/group`; empty if it cannot be read.
fn groups() -> String {
    fs::read_to_string("/etc/group").unwrap_or_default()
}
