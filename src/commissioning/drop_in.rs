//! The drop-in of the systemd unit: what the sandbox of the unit must allow for a configuration.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::plan::{Plan, PlannedSource};

/// Path of the drop-in within the folder of systemd's units.
pub const DROP_IN_FILE: &str = "inspectd.service.d/50-init.conf";

/// Folders that the unit may write.
const WRITABLE: [&str; 3] = ["/var/lib/inspectd", "/var/cache/inspectd", "/run/inspectd"];

/// Folders that `ProtectHome` hides.
const HOMES: [&str; 3] = ["/home", "/root", "/run/user"];

/// Folders that `PrivateTmp` replaces.
const TEMPORARY: [&str; 2] = ["/tmp", "/var/tmp"];

/// Groups of the unit that own devices.
const GROUPS: [&str; 2] = ["video", "render"];

/// Major number of V4L2 devices, which the unit allows (`char-video4linux`).
const VIDEO4LINUX: u64 = 81;

/// What is known of this machine.
#[derive(Clone, Debug)]
pub struct Sandbox {
    /// The text of `/etc/group`.
    pub groups: String,
    /// Folder of the configuration; relative paths start there.
    pub folder: PathBuf,
    /// The program and the configuration, if that is not the one of the unit.
    pub other_configuration: Option<[PathBuf; 2]>,
}

/// Lines of the drop-in, each with its reason.
#[derive(Debug, Default)]
struct Lines(Vec<(String, String)>);

impl Lines {
    fn add(&mut self, line: String, reason: String) {
        if !self.0.iter().any(|(present, _)| *present == line) {
            self.0.push((line, reason));
        }
    }
}

/// Returns the text of the drop-in; none if the unit needs none.
pub fn drop_in(plan: &Plan, sandbox: &Sandbox) -> Option<String> {
    let mut lines = Lines::default();
    let absolute = |path: &Path| sandbox.folder.join(path);
    if let Some([program, configuration]) = &sandbox.other_configuration {
        let command = format!(
            "ExecStart=\nExecStart={} --config {}",
            quoted(program),
            quoted(configuration)
        );
        lines.add(
            command,
            "Another configuration than that of the unit.".to_owned(),
        );
        reads(&mut lines, configuration, "the configuration");
    }
    reads(&mut lines, &absolute(&plan.bundle), "the model bundle");
    for camera in &plan.cameras {
        let reason = format!("camera {}", camera.id);
        match &camera.source {
            PlannedSource::Device { path, .. } => {
                device(&mut lines, &absolute(path), &reason, sandbox);
            }
            PlannedSource::Folder { path } | PlannedSource::File { path } => {
                reads(&mut lines, &absolute(path), &reason);
            }
            PlannedSource::Url { .. } | PlannedSource::Simulator => {}
        }
    }
    if let Some(journal) = &plan.journal {
        writes(&mut lines, &absolute(journal), "the journal");
    }
    let Lines(lines) = lines;
    if lines.is_empty() {
        return None;
    }
    let mut text =
        "# Written by `inspectd init`: what the configuration needs beyond the unit.\n[Service]\n"
            .to_owned();
    for (line, reason) in lines {
        let _ = writeln!(text, "# {reason}\n{line}");
    }
    Some(text)
}

fn below(path: &Path, folders: &[&str]) -> bool {
    folders.iter().any(|folder| path.starts_with(folder))
}

/// A path in a unit file: quoted, with `%` and quotes escaped.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-@+:".contains(c);
    if text.chars().all(plain) {
        return text;
    }
    let escaped = text
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('%', "%%");
    format!("\"{escaped}\"")
}

fn reads(lines: &mut Lines, path: &Path, reason: &str) {
    if below(path, &HOMES) {
        lines.add(
            "ProtectHome=tmpfs".to_owned(),
            "Home folders stay hidden, except for what is bound below.".to_owned(),
        );
    }
    if below(path, &HOMES) || below(path, &TEMPORARY) {
        lines.add(
            format!("BindReadOnlyPaths={}", quoted(path)),
            format!("Read by {reason}."),
        );
    }
}

fn writes(lines: &mut Lines, path: &Path, reason: &str) {
    if below(path, &WRITABLE) {
        return;
    }
    if below(path, &HOMES) {
        lines.add(
            "ProtectHome=tmpfs".to_owned(),
            "Home folders stay hidden, except for what is bound below.".to_owned(),
        );
    }
    let key = if below(path, &HOMES) || below(path, &TEMPORARY) {
        "BindPaths"
    } else {
        "ReadWritePaths"
    };
    lines.add(
        format!("{key}={}", quoted(path)),
        format!("Written by {reason}; the folder must exist and belong to the user inspectd."),
    );
}

fn device(lines: &mut Lines, path: &Path, reason: &str, sandbox: &Sandbox) {
    let Ok(metadata) = fs::metadata(path) else {
        return;
    };
    let group = group_name(&sandbox.groups, metadata.gid());
    if metadata.gid() != 0 && !GROUPS.contains(&group.as_str()) {
        lines.add(
            format!("SupplementaryGroups={group}"),
            format!("The group of the device of {reason}."),
        );
    }
    if metadata.file_type().is_char_device() && major(metadata.rdev()) != VIDEO4LINUX {
        lines.add(
            format!("DeviceAllow={} rw", quoted(path)),
            format!("The device of {reason}, which is no V4L2 device."),
        );
    }
}

/// The major number of a device (`gnu_dev_major`).
fn major(device: u64) -> u64 {
    ((device >> 8) & 0xfff) | ((device >> 32) & !0xfff)
}

/// The name of a group, or its number.
fn group_name(groups: &str, id: u32) -> String {
    let named = groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, _password, number) = (fields.next()?, fields.next()?, fields.next()?);
        (number.parse() == Ok(id)).then(|| name.to_owned())
    });
    named.unwrap_or_else(|| id.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commissioning::plan::{CameraPlan, PlannedMode};

    fn sandbox() -> Sandbox {
        Sandbox {
            groups: "root:x:0:\nvideo:x:44:inspectd\nplugdev:x:46:\n".to_owned(),
            folder: "/etc/inspectd".into(),
            other_configuration: None,
        }
    }

    fn plan(bundle: &str, journal: &str, source: PlannedSource) -> Plan {
        Plan {
            bundle: bundle.into(),
            threshold: 0.5,
            journal: Some(journal.into()),
            cameras: vec![CameraPlan {
                id: "one".parse().expect("an id"),
                about: String::new(),
                source,
                mode: PlannedMode::Triggered,
                exposure: None,
                latency_ms: None,
                crop: None,
                size: None,
                upscaled: false,
                limits: None,
            }],
        }
    }

    fn settings(text: &str) -> Vec<&str> {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.collect()
    }

    #[test]
    fn usual_folders_need_no_drop_in() {
        let plan = plan(
            "/var/lib/inspectd/bundles/a",
            "/var/lib/inspectd/journal",
            PlannedSource::Simulator,
        );
        assert_eq!(drop_in(&plan, &sandbox()), None);
    }

    #[test]
    fn hidden_and_read_only_folders_are_allowed() {
        let source = PlannedSource::Folder {
            path: "/home/ann/parts of 100 %".into(),
        };
        let plan = plan("/tmp/bundle", "/srv/journal", source);
        let text = drop_in(&plan, &sandbox()).expect("a drop-in");
        assert_eq!(
            settings(&text),
            [
                "[Service]",
                "BindReadOnlyPaths=/tmp/bundle",
                "ProtectHome=tmpfs",
                "BindReadOnlyPaths=\"/home/ann/parts of 100 %%\"",
                "ReadWritePaths=/srv/journal",
            ]
        );
    }

    #[test]
    fn relative_folders_are_those_next_to_the_configuration() {
        let plan = plan("/usr/share/b", "journal", PlannedSource::Simulator);
        let text = drop_in(&plan, &sandbox()).expect("a drop-in");
        assert_eq!(
            settings(&text),
            ["[Service]", "ReadWritePaths=/etc/inspectd/journal"]
        );
    }

    #[test]
    fn another_configuration_is_that_of_the_unit() {
        let plan = plan(
            "/usr/share/b",
            "/var/lib/inspectd/journal",
            PlannedSource::Simulator,
        );
        let sandbox = Sandbox {
            other_configuration: Some(["/usr/bin/inspectd".into(), "/home/ann/line.toml".into()]),
            ..sandbox()
        };
        let text = drop_in(&plan, &sandbox).expect("a drop-in");
        assert_eq!(
            settings(&text),
            [
                "[Service]",
                "ExecStart=",
                "ExecStart=/usr/bin/inspectd --config /home/ann/line.toml",
                "ProtectHome=tmpfs",
                "BindReadOnlyPaths=/home/ann/line.toml",
            ]
        );
    }

    #[test]
    fn device_of_another_kind_and_group_is_allowed() {
        let groups = group_name(&sandbox().groups, 46);
        assert_eq!(groups, "plugdev");
        assert_eq!(group_name(&sandbox().groups, 4711), "4711");
        let path = "/dev/null".into();
        let source = PlannedSource::Device { path, format: None };
        let plan = plan("/usr/share/b", "/var/lib/inspectd/journal", source);
        let text = drop_in(&plan, &sandbox()).expect("a drop-in");
        assert_eq!(settings(&text), ["[Service]", "DeviceAllow=/dev/null rw"]);
        // The numbers of /dev/null and of /dev/video0.
        assert_eq!((major(0x103), major(0x5100)), (1, 81));
    }
}
