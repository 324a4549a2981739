//! Compiles `proto/` to the messages and the client of the Open Inference Protocol, without `protoc`; also to its server, which
//! the tests play.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let descriptors = protox::compile(["open_inference.proto"], ["proto"])?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    println!("cargo::rerun-if-changed=proto");
    Ok(())
}
