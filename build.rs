//! Generates the server side of the package `inspectd.v1` from `proto/`, without `protoc`, and its
//! descriptors. The message types are those of `inspectd-client`.

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
        .compile_fds(descriptors)?;
    println!("cargo::rerun-if-changed=proto");
    Ok(())
}
