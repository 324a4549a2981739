//! What tests need from outside Cargo.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::skip::{missing, skip};

/// The root of the project.
fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// ONNX Runtime at the path in `ORT_DYLIB_PATH`, which `.cargo/config.toml` sets.
#[track_caller]
pub fn onnx_runtime() -> Option<()> {
    let library = std::env::var_os("ORT_DYLIB_PATH").map(PathBuf::from);
    match library {
        Some(path) if path.exists() => Some(()),
        Some(path) => missing(
            &format!("ONNX Runtime at {}", path.display()),
            "run `scripts/setup.sh runtime`, or set ORT_DYLIB_PATH to libonnxruntime.so",
        ),
        None => missing(
            "ONNX Runtime: ORT_DYLIB_PATH is not set",
            "run the tests with Cargo, or set ORT_DYLIB_PATH to libonnxruntime.so",
        ),
    }
}

/// The program `python3`.
#[track_caller]
pub fn python() -> Option<()> {
    let status = Command::new("python3")
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    if status.is_ok_and(|status| status.success()) {
        return Some(());
    }
    missing("the program python3", "run `scripts/setup.sh`")
}

/// The folder of Python packages, to be set as `PYTHONPATH`, with this package in it.
#[track_caller]
pub fn python_package(name: &str) -> Option<PathBuf> {
    python()?;
    let packages = root().join(".tools/python");
    if packages.join(name).is_dir() {
        return Some(packages);
    }
    missing(
        &format!("the Python package {name} in .tools/python"),
        "run `scripts/setup.sh checks`",
    )
}

/// The folder of NVIDIA's Triton Inference Server with its Python backend.
#[track_caller]
pub fn triton() -> Option<PathBuf> {
    if cfg!(not(target_arch = "x86_64")) {
        return skip("Triton, which exists only for x86-64");
    }
    let folder = root().join(".tools/triton");
    if folder
        .join("pytriton/tritonserver/bin/tritonserver")
        .is_file()
    {
        return Some(folder);
    }
    missing("Triton in .tools/triton", "run `scripts/setup.sh triton`")
}

/// The published checkpoint of a backbone, such as `efficientnet_lite0`.
#[track_caller]
pub fn backbone_checkpoint(name: &str) -> Option<PathBuf> {
    let path = root().join(format!(".tools/backbones/{name}.pth"));
    if path.is_file() {
        return Some(path);
    }
    missing(
        &format!("the checkpoint .tools/backbones/{name}.pth"),
        "run `scripts/setup.sh backbones`",
    )
}

/// The library that sets a program's clock.
#[track_caller]
pub fn libfaketime() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").into_iter().flatten();
    let found = folders
        .flatten()
        .map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"))
        .find(|path| path.exists());
    found.or_else(|| {
        missing(
            "libfaketime in /usr/lib/*/faketime",
            "install the Debian package faketime (`scripts/setup.sh` does)",
        )
    })
}

/// A file or folder of `tests/data`, which is part of the project.
///
/// # Panics
/// When it does not exist.
#[track_caller]
pub fn reference_data(path: &str) -> PathBuf {
    let file = root().join("tests/data").join(path);
    assert!(
        file.exists(),
        "tests/data/{path} does not exist: the checkout is incomplete"
    );
    file
}

/// A file or folder of data that the project may not contain, because of its licence: photographs, and
/// weights that were trained on photographs. It is looked for in the folder that `INSPECTD_SHARED_DATA`
/// names, or else in `../shared/data`, seen from the project's root.
///
/// Not everyone can have this data. Without `INSPECTD_SHARED_DATA` and `../shared/data` the test is
/// skipped and counted even where skips are not allowed. Where one of them exists, the data must be
/// complete.
#[track_caller]
pub fn external_data(path: &str) -> Option<PathBuf> {
    let named = std::env::var_os("INSPECTD_SHARED_DATA").map(PathBuf::from);
    let optional = named.is_none();
    let folder = named.unwrap_or_else(|| root().join("../shared/data"));
    if optional && !folder.is_dir() {
        return skip(&format!("no external data: {path}"));
    }
    let file = folder.join(path);
    if file.exists() {
        return Some(file);
    }
    missing(
        &format!("external data {path} in {}", folder.display()),
        "complete the folder, or unset INSPECTD_SHARED_DATA",
    )
}
