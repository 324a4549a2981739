use super::*;
use crate::manifest::GRAPH_FILE;
use crate::manifest::tests::{example, variant};

const GRAPH: &[u8] = b"the graph's bytes";

fn manifest(graph: &[u8]) -> Manifest {
    Manifest::try_new(example(graph)).expect("the example is valid")
}

fn written(dir: &Path, graph: &[u8]) -> Bundle {
    Bundle::write(dir, manifest(graph), vec![graph.to_vec()]).expect("the folder can be written")
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
    let error = Bundle::write(folder.path(), manifest(GRAPH), vec![GRAPH.to_vec()])
        .expect_err("not a bundle");
    assert!(matches!(error, BundleError::NotABundle { .. }), "{error}");
    assert!(file.exists());
}

#[test]
fn graph_with_another_hash_than_the_manifest_is_not_written() {
    let folder = folder();
    let dir = folder.path().join("bottle");
    let error =
        Bundle::write(&dir, manifest(GRAPH), vec![b"another".to_vec()]).expect_err("another graph");
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
    let error = Bundle::write(Path::new("/"), manifest(GRAPH), vec![GRAPH.to_vec()])
        .expect_err("a path without a name");
    assert!(matches!(error, BundleError::NoName { .. }), "{error}");
}

/// A manifest with a variant in 8 bits.
fn manifest_with_int8(graph: &[u8], int8: &[u8]) -> Manifest {
    let mut contents = example(graph);
    contents.variants.insert(Precision::Int8, variant(int8));
    Manifest::try_new(contents).expect("the example is valid")
}

#[test]
fn bundle_with_two_graphs_is_opened_in_the_first_precision_that_it_has() {
    const INT8: &[u8] = b"the graph in 8 bits";
    let folder = folder();
    let dir = folder.path().join("bottle");
    let manifest = manifest_with_int8(GRAPH, INT8);
    Bundle::write(&dir, manifest.clone(), vec![GRAPH.into(), INT8.into()]).expect("written");
    let bundle = Bundle::open(&dir).expect("valid");
    assert_eq!(bundle.graphs(), [GRAPH, INT8]);
    assert_eq!(bundle.manifest(), &manifest);
    let open = |wanted: &[Precision]| Bundle::open_in(&dir, wanted).expect("valid");
    for (wanted, graph) in [
        (&[Precision::Int8, Precision::F32][..], INT8),
        (&[Precision::F32, Precision::Int8], GRAPH),
        (&[Precision::F32], GRAPH),
    ] {
        let bundle = open(wanted);
        assert_eq!(bundle.graph(), graph);
        let manifest = bundle.manifest();
        assert_eq!(manifest.graph.precision, wanted[0]);
        assert_eq!(manifest.model_id().precision, wanted[0]);
        assert_eq!(manifest.model_id().sha256, sha256(graph));
        assert!(manifest.variants.is_empty());
    }
    // Each graph has its own threshold.
    let thresholds = [Precision::F32, Precision::Int8]
        .map(|precision| open(&[precision]).manifest().threshold.value);
    assert!(thresholds[0] < thresholds[1], "{thresholds:?}");
    // Only the selected graph is read.
    fs::write(dir.join("model.int8.onnx"), "damaged").expect("a file");
    open(&[Precision::F32]);
    let error = Bundle::open(&dir).expect_err("damaged").to_string();
    assert!(error.contains("model.int8.onnx: SHA-256 is "), "{error}");
}

#[test]
fn precision_that_a_bundle_does_not_have_is_named_with_those_that_it_has() {
    let folder = folder();
    let dir = folder.path().join("bottle");
    written(&dir, GRAPH);
    let error = Bundle::open_in(&dir, &[Precision::Int8]).expect_err("f32 only");
    let error = error.to_string();
    assert!(
        error.ends_with("bottle: has a graph in f32, but not in int8"),
        "{error}"
    );
}

#[test]
fn graph_of_a_variant_must_be_given() {
    let folder = folder();
    let dir = folder.path().join("bottle");
    let manifest = manifest_with_int8(GRAPH, b"int8");
    let error = Bundle::write(&dir, manifest, vec![GRAPH.into()]).expect_err("one is missing");
    assert!(
        error
            .to_string()
            .contains("1 graphs, but the manifest has 2"),
        "{error}"
    );
    assert!(!dir.exists());
}
