//! Compiles `proto/` to the messages and clients of the package `inspectd.v1`, without `protoc`.

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
    tonic_prost_build::configure()
        .build_server(false)
        .compile_fds(descriptors)?;
    println!("cargo::rerun-if-changed=proto");
    Ok(())
}
