//! Checkpoints as `torch.save` (`PyTorch` 2.11) and safetensors have written them; `fixtures/make.py`
//! makes the files.

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

fn refusal(path: &Path) -> String {
    let message = read(path).expect_err("no checkpoint").to_string();
    let name = path.display().to_string();
    message
        .strip_prefix(&format!("{name}: "))
        .expect("the file is named")
        .to_owned()
}

/// The archive with one entry's content changed; compressed, as other writers of zip files do.
fn altered(name: &str, entry: &str, change: impl Fn(Vec<u8>) -> Vec<u8>) -> (TempDir, PathBuf) {
    let bytes = fs::read(fixture(name)).expect("a fixture");
    let mut zip = ZipArchive::new(Cursor::new(bytes)).expect("a zip");
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join(name);
    let mut writer = ZipWriter::new(fs::File::create(&path).expect("a file"));
    for index in 0..zip.len() {
        let mut source = zip.by_index(index).expect("it is there");
        let source_name = source.name().expect("UTF-8").into_owned();
        let mut content = Vec::new();
        source.read_to_end(&mut content).expect("whole");
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
fn a_state_dict_is_the_same_from_either_format() {
    let found = tensors("pdn.pth");
    assert_eq!(
        found.keys().collect::<Vec<_>>(),
        ["0.bias", "0.weight", "3.bias", "3.weight"]
    );
    assert_eq!(found, tensors("pdn.safetensors"));
}

#[test]
fn views_shared_storages_and_every_precision_are_read() {
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
fn a_state_dict_inside_a_training_state_is_found() {
    let found = check_state_dict(tensors("wrapped.pth"), &pdn()).expect("the network's");
    assert_eq!(found.tensors, tensors("pdn.pth"));
    assert_eq!(
        found.report.to_string(),
        "4 tensors, 381 parameters in f32, each name after \"model.\""
    );
}

#[test]
fn a_compressed_archive_is_read_too() {
    let (_folder, path) = altered("pdn.pth", "", |content| content);
    assert_eq!(read(&path).expect("a checkpoint"), tensors("pdn.pth"));
}

#[test]
fn another_networks_checkpoint_is_refused() {
    let mut expected = pdn();
    expected[2].1 = vec![6, 4, 3, 3];
    assert!(matches!(
        check_state_dict(tensors("pdn.pth"), &expected),
        Err(ImportError::Shape { name, .. }) if name == "3.weight"
    ));
}

#[test]
fn what_is_no_state_dict_says_what_it_is() {
    let starts = |path: &Path, expected: &str| {
        let message = refusal(path);
        assert!(message.starts_with(expected), "{message}");
    };
    starts(
        &fixture("legacy.pth"),
        "a checkpoint in PyTorch's format before version 1.6; convert it once",
    );
    starts(
        &fixture("module.pth"),
        "it holds a torch.nn.modules.container.Sequential, and only a state dict",
    );
    starts(
        &fixture("make.py"),
        "neither a safetensors file nor a checkpoint of torch.save",
    );
    starts(&fixture("absent.pth"), "cannot be read: ");
    let (_folder, path) = altered("pdn.pth", "pdn/byteorder", |_| b"big".to_vec());
    starts(&path, "its numbers are big-endian");
}

#[test]
fn a_damaged_archive_is_refused() {
    let (_folder, path) = altered("pdn.pth", "pdn/data/3", |content| content[..16].to_vec());
    assert_eq!(
        refusal(&path),
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
        refusal(&path),
        "a damaged checkpoint of torch.save: its pickle ends too early"
    );
    let whole = fs::read(fixture("pdn.pth")).expect("a fixture");
    fs::write(&path, &whole[..whole.len() / 2]).expect("writable");
    assert!(refusal(&path).starts_with("a damaged checkpoint of torch.save: "));
    let whole = fs::read(fixture("pdn.safetensors")).expect("a fixture");
    fs::write(&path, &whole[..whole.len() - 1]).expect("writable");
    assert!(refusal(&path).starts_with("a damaged safetensors file: "));
}
