//! The machine and the versions of what runs on it.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use super::folders::{disk, folders};
use super::{Context, Parts, rfc3339};
use crate::journal::statistics::sqlite_version;

/// The commit that was built.
const COMMIT: &str = env!("INSPECTD_COMMIT");

/// Files of the kernel and of the distribution that describe the machine.
const FILES: [&str; 10] = [
    "/etc/os-release",
    "/etc/debian_version",
    "/proc/version",
    "/proc/uptime",
    "/proc/loadavg",
    "/proc/pressure/cpu",
    "/proc/pressure/io",
    "/proc/pressure/memory",
    "/proc/driver/nvidia/version",
    "/etc/timezone",
];

/// Lines of `/proc/cpuinfo` that are the same for all cores.
const CPU_LINES: [&str; 4] = ["vendor_id", "model name", "microcode", "flags"];

/// Lines of `/proc/meminfo`.
const MEMORY_LINES: [&str; 5] = ["MemTotal", "MemAvailable", "SwapTotal", "SwapFree", "Dirty"];

/// Limits of the control group of this process.
const GROUP_FILES: [&str; 4] = [
    "cpu.max",
    "memory.max",
    "memory.high",
    "cpuset.cpus.effective",
];

/// Libraries whose versions are in their file names.
const LIBRARIES: [&str; 4] = [
    "libopencv_core",
    "libopencv_videoio",
    "libgstreamer-1",
    "libavcodec",
];

pub(super) fn collect(context: &Context<'_>, parts: &mut Parts) {
    parts.add(
        "versions.txt",
        "versions of inspectd, ONNX Runtime, OpenCV, SQLite, kernel and distribution",
        Ok(versions(context)),
    );
    parts.add(
        "machine.txt",
        "CPU, memory, limits, and the disks of all folders",
        Ok(machine(context)),
    );
}

fn versions(context: &Context<'_>) -> String {
    let mut out = format!(
        "inspectd {}\ncommit {COMMIT}\nprogram {}\nSQLite {}\ntime {}\n",
        env!("CARGO_PKG_VERSION"),
        context.options.inspectd.display(),
        sqlite_version(),
        rfc3339(context.options.now),
    );
    match runtime_library(context) {
        Some(path) => {
            // The version is in the name of the file that the link names.
            let target = fs::canonicalize(&path);
            let target =
                target.map_or_else(|error| error.to_string(), |path| path.display().to_string());
            let _ = writeln!(out, "ONNX Runtime {} -> {target}", path.display());
        }
        None => out.push_str("ONNX Runtime: neither engine.library nor ORT_DYLIB_PATH is set\n"),
    }
    for library in libraries() {
        let _ = writeln!(out, "library {}", library.display());
    }
    for file in FILES {
        if let Ok(text) = fs::read_to_string(file) {
            let _ = writeln!(out, "\n{file}\n{}", text.trim_end());
        }
    }
    out
}

/// The library of ONNX Runtime that the configuration or the environment of this process names, or that is installed.
fn runtime_library(context: &Context<'_>) -> Option<PathBuf> {
    let variable = || std::env::var_os("ORT_DYLIB_PATH").map(PathBuf::from);
    let installed = || {
        let folder = context.options.inspectd.parent()?;
        let path = folder.join("../lib/inspectd/libonnxruntime.so");
        path.exists().then_some(path)
    };
    context
        .path("engine.library")
        .or_else(variable)
        .or_else(installed)
}

/// The files of the libraries that this process has loaded.
fn libraries() -> Vec<PathBuf> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let paths = maps
        .lines()
        .filter_map(|line| line.split_whitespace().nth(5));
    let mut found: Vec<PathBuf> = paths
        .filter(|path| LIBRARIES.iter().any(|name| path.contains(name)))
        .map(|path| fs::canonicalize(path).unwrap_or_else(|_| path.into()))
        .collect();
    found.sort();
    found.dedup();
    found
}

fn machine(context: &Context<'_>) -> String {
    let mut out = String::new();
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cores = cpus
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count();
    let _ = writeln!(out, "cores {cores}");
    let usable = std::thread::available_parallelism().map_or(0, usize::from);
    let _ = writeln!(out, "cores that this process may use {usable}");
    for name in CPU_LINES {
        if let Some(line) = cpus.lines().find(|line| line.starts_with(name)) {
            let _ = writeln!(out, "{line}");
        }
    }
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let wanted = |line: &&str| MEMORY_LINES.iter().any(|name| line.starts_with(name));
    for line in memory.lines().filter(wanted) {
        let _ = writeln!(out, "{line}");
    }
    for name in GROUP_FILES {
        if let Some((path, text)) = group_file(name) {
            let _ = writeln!(out, "{}: {}", path.display(), text.trim_end());
        }
    }
    out.push_str("\ndisks\n");
    for (what, path) in folders(context) {
        let _ = writeln!(out, "{what}: {}", disk(&path));
    }
    out
}

/// A file of the control group of this process, or of the nearest one above that has it.
fn group_file(name: &str) -> Option<(PathBuf, String)> {
    let group = fs::read_to_string("/proc/self/cgroup").ok()?;
    let group = group.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let folder = Path::new("/sys/fs/cgroup").join(group);
    folder.ancestors().find_map(|folder| {
        let path = folder.join(name);
        let text = fs::read_to_string(&path).ok()?;
        Some((path, text))
    })
}
