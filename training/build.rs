//! Compiles the C++ shim against libtorch's headers, and the protobuf definitions.

use std::path::{Path, PathBuf};
use std::{env, io};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let libraries = env::var("DEP_TCH_LIBTORCH_LIB")?;
    shim(Path::new(&libraries));
    println!("cargo:rustc-link-arg=-Wl,-rpath,{libraries}");
    println!("cargo:rustc-link-arg=-Wl,-rpath,$ORIGIN/lib");
    println!("cargo:rustc-env=MHKD_REVISION={}", revision());
    protocols()?;
    Ok(())
}

fn shim(libraries: &Path) {
    let include = include_folder(libraries);
    println!("cargo:rerun-if-changed=shim/torch_shim.cpp");
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .opt_level(1)
        .flag("-isystem")
        .flag(include.display().to_string())
        .file("shim/torch_shim.cpp")
        .compile("mhkd_torch_shim");
}

/// The headers are next to the library folder, both in a libtorch folder and in a `PyTorch` installation.
fn include_folder(libraries: &Path) -> PathBuf {
    libraries.parent().unwrap_or(libraries).join("include")
}

fn protocols() -> io::Result<()> {
    println!("cargo:rerun-if-changed=proto");
    let files = ["proto/onnx.proto", "proto/tensorboard.proto"];
    let descriptors = protox::compile(files, ["proto"]).map_err(io::Error::other)?;
    prost_build::Config::new().compile_fds(descriptors)
}

/// Revision of the source code, for a bundle's provenance.
fn revision() -> String {
    // A commit changes the log of HEAD. A file that does not exist would run this program each time.
    for file in ["../.git/HEAD", "../.git/logs/HEAD"] {
        if Path::new(file).exists() {
            println!("cargo:rerun-if-changed={file}");
        }
    }
    let output = std::process::Command::new("git")
        .args(["describe", "--always", "--dirty"])
        .output();
    let text = output.ok().filter(|output| output.status.success());
    text.map_or_else(
        || "unknown".into(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}
