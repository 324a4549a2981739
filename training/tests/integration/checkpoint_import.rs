//! Import of checkpoints written by `torch.save` (`PyTorch` 2.11) and safetensors. `fixtures/make.py` creates
//! the files.

use std::fs;
use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};

use mhkd::checkpoint_import::{
    ElementType, FormatError, ImportError, Tensors, check_state_dict, read,
};
use tempfile::TempDir;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

fn tensors(name: &str) -> Tensors {
    read(&fixture(name)).expect("a checkpoint")
}

/// Error message of the import, without the path.
fn import_error(path: &Path) -> String {
    let message = read(path).expect_err("not a checkpoint").to_string();
    let name = path.display().to_string();
    message
        .strip_prefix(&format!("{name}: "))
        .expect("the message names the file")
        .to_owned()
}

/// Copies the archive with the content of one entry changed. The copy is compressed, which other writers of
/// zip files may do.
fn altered(name: &str, entry: &str, change: impl Fn(Vec<u8>) -> Vec<u8>) -> (TempDir, PathBuf) {
    let bytes = fs::read(fixture(name)).expect("a fixture");
    let mut zip = ZipArchive::new(Cursor::new(bytes)).expect("a zip");
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join(name);
    let mut writer = ZipWriter::new(fs::File::create(&path).expect("a file"));
    for index in 0..zip.len() {
        let mut source = zip.by_index(index).expect("the entry exists");
        let source_name = source.name().expect("UTF-8").into_owned();
        let mut content = Vec::new();
        source.read_to_end(&mut content).expect("readable");
        if source_name == entry {
            content = change(content);
        }
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        writer.start_file(source_name, options).expect("writable");
        writer.write_all(&content).expect("writable");
    }
    writer.finish().expect("writable");
    (folder, path)
}

fn pdn() -> Vec<(String, Vec<usize>)> {
    [
        ("0.weight", vec![4, 3, 4, 4]),
        ("0.bias", vec![4]),
        ("3.weight", vec![5, 4, 3, 3]),
        ("3.bias", vec![5]),
    ]
    .map(|(name, shape)| (name.to_owned(), shape))
    .to_vec()
}

#[test]
fn pth_and_safetensors_give_the_same_state_dict() {
    let found = tensors("pdn.pth");
    assert_eq!(
        found.keys().collect::<Vec<_>>(),
        ["0.bias", "0.weight", "3.bias", "3.weight"]
    );
    assert_eq!(found, tensors("pdn.safetensors"));
}

#[test]
fn views_shared_storages_and_all_element_types_are_read() {
    let found = tensors("odd.pth");
    assert_eq!(found, tensors("odd.safetensors"));
    assert_eq!(found["transposed"].shape, [4, 3, 2]);
    assert_eq!(found["expanded"].data, [1.5, 1.5, 1.5, -2.5, -2.5, -2.5]);
    assert_eq!(
        (found["scalar"].shape.len(), &found["scalar"].data[..]),
        (0, &[3.25][..])
    );
    assert_eq!(found["tied"], found["shared"]);
    let element = |name: &str| found[name].element;
    assert_eq!(
        ["half", "bfloat16", "double"].map(element),
        [ElementType::F16, ElementType::Bf16, ElementType::F64]
    );
    assert!(!found.contains_key("bn.num_batches_tracked"));
}

#[test]
fn state_dict_nested_in_a_training_checkpoint_is_read() {
    let found = check_state_dict(tensors("wrapped.pth"), &pdn()).expect("matches the network");
    assert_eq!(found.tensors, tensors("pdn.pth"));
    assert_eq!(
        found.report.to_string(),
        "4 tensors, 381 parameters in f32, removed name prefix \"model.\""
    );
}

#[test]
fn compressed_archive_is_read() {
    let (_folder, path) = altered("pdn.pth", "", |content| content);
    assert_eq!(read(&path).expect("a checkpoint"), tensors("pdn.pth"));
}

#[test]
fn format_before_pytorch_1_6_gives_the_same_tensors() {
    assert_eq!(tensors("legacy.pth"), tensors("pdn.pth"));
    let bytes = fs::read(fixture("legacy.pth")).expect("a fixture");
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("cut.pth");
    for length in [20, 40, 200, bytes.len() / 2, bytes.len() - 1] {
        fs::write(&path, &bytes[..length]).expect("written");
        let message = import_error(&path);
        assert!(
            message.starts_with("a damaged checkpoint"),
            "{length}: {message}"
        );
    }
}

#[test]
fn checkpoint_with_a_different_shape_is_rejected() {
    let mut expected = pdn();
    expected[2].1 = vec![6, 4, 3, 3];
    assert!(matches!(
        check_state_dict(tensors("pdn.pth"), &expected),
        Err(ImportError::Shape { name, .. }) if name == "3.weight"
    ));
}

#[test]
fn file_that_is_not_a_state_dict_is_rejected_with_its_format() {
    let starts = |path: &Path, expected: &str| {
        let message = import_error(path);
        assert!(message.starts_with(expected), "{message}");
    };
    starts(
        &fixture("module.pth"),
        "contains a torch.nn.modules.container.Sequential, but only a state dict",
    );
    starts(
        &fixture("make.py"),
        "neither a safetensors file nor a checkpoint of torch.save",
    );
    starts(&fixture("absent.pth"), "cannot be read: ");
    let (_folder, path) = altered("pdn.pth", "pdn/byteorder", |_| b"big".to_vec());
    starts(&path, "the values are big-endian");
}

#[test]
fn damaged_file_is_rejected_with_the_reason() {
    let (_folder, path) = altered("pdn.pth", "pdn/data/3", |content| content[..16].to_vec());
    assert_eq!(
        import_error(&path),
        "a damaged checkpoint of torch.save: 3.bias does not fit its storage"
    );
    let (_folder, path) = altered("pdn.pth", "pdn/data/3", |_| vec![0; 1 << 20]);
    assert!(matches!(
        read(&path),
        Err(ImportError::File {
            reason: FormatError::TooLarge { .. },
            ..
        })
    ));
    let (_folder, path) = altered("pdn.pth", "pdn/data.pkl", |content| content[..100].to_vec());
    assert_eq!(
        import_error(&path),
        "a damaged checkpoint of torch.save: its pickle is truncated"
    );
    let complete = fs::read(fixture("pdn.pth")).expect("a fixture");
    fs::write(&path, &complete[..complete.len() / 2]).expect("writable");
    assert!(import_error(&path).starts_with("a damaged checkpoint of torch.save: "));
    let complete = fs::read(fixture("pdn.safetensors")).expect("a fixture");
    fs::write(&path, &complete[..complete.len() - 1]).expect("writable");
    assert!(import_error(&path).starts_with("a damaged safetensors file: "));
}
