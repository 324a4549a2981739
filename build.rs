//! Generates the server side of the package `inspectd.v1` from `proto/`, without `protoc`, and its
//! descriptors. The message types are those of `inspectd-client`. Does the same for the edge agent of Lookout for Vision, with
//! its messages. Names the commit of a release build.

use std::path::Path;
use std::process::Command;

use protox::prost::Message;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = [
        "inspection",
        "line",
        "model",
        "recipe",
        "report",
        "tuning",
        "verdict",
    ]
    .map(|name| format!("inspectd/v1/{name}.proto"));
    let descriptors = protox::compile(files, ["proto"])?;
    let out = std::path::PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("inspectd.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        .build_client(false)
        .extern_path(".inspectd.v1", "::inspectd_client::proto")
        // Encoded once for all streams.
        .extern_path(
            ".inspectd.v1.StreamVerdictsResponse",
            "crate::grpc::encoded_response::EncodedResponse",
        )
        .compile_fds(descriptors)?;
    let edge_agent = protox::compile(["lookout/edge-agent.proto"], ["proto"])?;
    std::fs::write(out.join("lookout.bin"), edge_agent.encode_to_vec())?;
    tonic_prost_build::configure()
        .build_client(false)
        .compile_fds(edge_agent)?;
    println!("cargo::rerun-if-changed=proto");
    println!("cargo::rustc-env=INSPECTD_COMMIT={}", commit());
    println!("cargo::rerun-if-env-changed=INSPECTD_COMMIT");
    Ok(())
}

/// The commit that a release is built from: the variable `INSPECTD_COMMIT`, otherwise that of the checkout. Other builds are
/// not built again after each commit: theirs is `unknown`, as is that of sources without a repository.
fn commit() -> String {
    if let Some(commit) = std::env::var("INSPECTD_COMMIT")
        .ok()
        .filter(|text| !text.is_empty())
    {
        return commit;
    }
    let release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let commit = release.then(|| git(&["rev-parse", "--short=12", "HEAD"]));
    let Some(commit) = commit.flatten() else {
        return "unknown".to_owned();
    };
    for file in ["HEAD", "logs/HEAD"] {
        if let Some(path) = git(&["rev-parse", "--git-path", file])
            && Path::new(&path).exists()
        {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    commit
}

/// The first line that git prints; `None` if it fails.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let line = text.lines().next()?.trim().to_owned();
    (output.status.success() && !line.is_empty()).then_some(line)
}
