use super::*;
use crate::manifest::tests::example;

const GRAPH: &[u8] = b"the graph's bytes";

fn manifest(graph: &[u8]) -> Manifest {
    Manifest::try_new(example(graph)).expect("the example is valid")
}

fn written(dir: &Path, graph: &[u8]) -> Bundle {
    Bundle::write(dir, manifest(graph), graph.to_vec()).expect("the folder can be written")
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

#[test]
fn written_bundle_can_be_opened() {
    let folder = folder();
    let dir = folder.path().join("bottle");
    written(&dir, GRAPH);
    let bundle = Bundle::open(&dir).expect("the bundle is valid");
    assert_eq!(bundle.graph(), GRAPH);
    assert_eq!(bundle.manifest(), &manifest(GRAPH));
    assert_eq!(bundle.dir(), dir);
}

#[test]
fn replacing_a_bundle_leaves_no_other_files() {
    let folder = folder();
    let dir = folder.path().join("bottle");
    written(&dir, b"the old graph");
    // A leftover of a crashed process.
    fs::create_dir_all(folder.path().join(".bottle.x1.part/rest")).expect("a folder");
    written(&dir, GRAPH);
    assert_eq!(
        Bundle::open(&dir).expect("the bundle is valid").graph(),
        GRAPH
    );
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
}

#[test]
fn folder_that_is_not_a_bundle_is_not_replaced() {
    let folder = folder();
    let file = folder.path().join("precious");
    fs::write(&file, "data").expect("a file");
    let error =
        Bundle::write(folder.path(), manifest(GRAPH), GRAPH.to_vec()).expect_err("not a bundle");
    assert!(matches!(error, BundleError::NotABundle { .. }), "{error}");
    assert!(file.exists());
}

#[test]
fn graph_with_another_hash_than_the_manifest_is_not_written() {
    let folder = folder();
    let dir = folder.path().join("bottle");
    let error =
        Bundle::write(&dir, manifest(GRAPH), b"another".to_vec()).expect_err("another graph");
    assert!(matches!(error, BundleError::Hash { .. }), "{error}");
    assert!(!dir.exists());
}

#[test]
fn truncated_or_modified_graph_is_rejected_with_both_hashes() {
    let mut modified = GRAPH.to_vec();
    modified[3] ^= 1;
    for graph in [&GRAPH[..5], &modified] {
        let folder = folder();
        let dir = folder.path().join("bottle");
        written(&dir, GRAPH);
        fs::write(dir.join(GRAPH_FILE), graph).expect("a file");
        let message = Bundle::open(&dir)
            .expect_err("the graph differs")
            .to_string();
        for part in [GRAPH_FILE, &sha256(GRAPH), &sha256(graph)] {
            assert!(message.contains(part), "no {part} in {message}");
        }
    }
}

#[test]
fn missing_or_non_utf8_file_is_named_in_the_error() {
    let folder = folder();
    let dir = folder.path().join("bottle");
    let check = |part: &str| {
        let message = Bundle::open(&dir).expect_err("not a bundle").to_string();
        assert!(message.contains(part), "no {part} in {message}");
    };
    check("bottle/manifest.toml: opening");
    written(&dir, GRAPH);
    fs::remove_file(dir.join(GRAPH_FILE)).expect("the file exists");
    check("bottle/model.onnx: opening");
    fs::write(dir.join(MANIFEST_FILE), [0xff]).expect("a file");
    check("bottle/manifest.toml: reading");
    fs::write(dir.join(MANIFEST_FILE), "format_version = 9").expect("a file");
    check("bottle/manifest.toml: format_version: 9");
}

#[test]
fn path_without_a_name_is_rejected() {
    let error = Bundle::write(Path::new("/"), manifest(GRAPH), GRAPH.to_vec())
        .expect_err("a path without a name");
    assert!(matches!(error, BundleError::NoName { .. }), "{error}");
}
