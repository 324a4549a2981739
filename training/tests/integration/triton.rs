//! `mhkd export --triton`: the model repository of a server.

use std::fs;
use std::process::Command;

use inspectd_core::bundle::Bundle;
use inspectd_test_support::project_root;

/// Exports `from` to `repository`: returns whether it succeeded, and what it printed.
fn export(from: &std::path::Path, repository: &std::path::Path) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_mhkd"))
        .arg("export")
        .arg(from)
        .arg("--triton")
        .arg(repository)
        .output()
        .expect("mhkd");
    let printed = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&printed).into_owned(),
    )
}

#[test]
fn graph_of_a_bundle_is_written_under_its_hash_and_not_replaced() {
    let demo = project_root().join("models/demo");
    let bundle = Bundle::open(&demo).expect("the demo model");
    let folder = tempfile::tempdir().expect("a folder");
    let repository = folder.path().join("models");
    let (done, printed) = export(&demo, &repository);
    assert!(done, "{printed}");
    let name = format!("demo-line-{}", &bundle.manifest().graph.sha256[..12]);
    let model = repository.join(&name);
    assert_eq!(printed.trim(), model.display().to_string());
    let graph = fs::read(model.join("1/model.onnx")).expect("a graph");
    assert!(graph == bundle.graph());
    let config = fs::read_to_string(model.join("config.pbtxt")).expect("a configuration");
    for part in [
        &format!("name: \"{name}\""),
        "dims: [ -1, 256, 256, 3 ]",
        "dims: [ -1, 32, 32 ]",
    ] {
        assert!(config.contains(part), "{config}");
    }
    assert!(export(&demo, &repository).0, "the same again");
    fs::write(model.join("1/model.onnx"), "another graph").expect("written");
    let (done, printed) = export(&demo, &repository);
    assert!(
        !done && printed.contains("exists and is another one"),
        "{printed}"
    );
    let (done, printed) = export(folder.path(), &repository);
    assert!(!done && printed.contains("not a bundle"), "{printed}");
}
