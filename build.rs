//! Compiles `proto/` to Rust without `protoc`, for the programs alone: the trainer needs none of it.

#[cfg(feature = "daemon")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use protox::prost::Message;

    let files = ["inspection", "line", "recipe", "tuning", "verdict"]
        .map(|name| format!("inspectd/v1/{name}.proto"));
    let descriptors = protox::compile(files, ["proto"])?;
    let out = std::path::PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("inspectd.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    println!("cargo::rerun-if-changed=proto");
    Ok(())
}

#[cfg(not(feature = "daemon"))]
fn main() {}
