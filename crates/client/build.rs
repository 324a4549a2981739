//! Compiles `proto/` to the messages and clients of the package `inspectd.v1`, without `protoc`; for the program also the
//! services that `inspectctl conformance` plays.

use std::path::PathBuf;

/// The calls that the played daemon answers.
const PLAYED: [(&str, &[&str]); 2] = [
    (
        "InspectionService",
        &[
            "StreamVerdicts",
            "AcknowledgeVerdicts",
            "ListConsumers",
            "TriggerInspection",
        ],
    ),
    ("LineService", &["GetStatus"]),
];

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
    let mut descriptors = protox::compile(files, ["proto"])?;
    tonic_prost_build::configure()
        .build_server(false)
        .compile_fds(descriptors.clone())?;
    if std::env::var_os("CARGO_FEATURE_CLI").is_some() {
        for service in descriptors
            .file
            .iter_mut()
            .flat_map(|file| &mut file.service)
        {
            let played = PLAYED.iter().find(|(name, _)| *name == service.name());
            let calls = played.map_or(&[][..], |(_, calls)| calls);
            service
                .method
                .retain(|method| calls.contains(&method.name()));
        }
        for file in &mut descriptors.file {
            file.service.retain(|service| !service.method.is_empty());
            // Comments are found by the numbers of services and calls, which have changed.
            file.source_code_info = None;
        }
        let folder = PathBuf::from(std::env::var("OUT_DIR")?).join("server");
        std::fs::create_dir_all(&folder)?;
        tonic_prost_build::configure()
            .build_client(false)
            .extern_path(".inspectd.v1", "::inspectd_client::proto")
            .extern_path(
                ".inspectd.v1.StreamVerdictsResponse",
                "crate::conformance::encoded::EncodedResponse",
            )
            .out_dir(folder)
            .compile_fds(descriptors)?;
    }
    println!("cargo::rerun-if-changed=proto");
    Ok(())
}
