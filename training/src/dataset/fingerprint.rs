//! Fingerprint of a dataset: a hash of the training and validation images, stored as provenance of a model.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

/// Returns the SHA-256 of all `files`, sorted by their path relative to `root`. For each file, the hash
/// covers the path with `/` as separator, a zero byte, the length as 8 little-endian bytes, and the
/// content. Different lists of files therefore never hash the same bytes.
pub(super) fn of<'a>(root: &Path, files: impl Iterator<Item = &'a PathBuf>) -> Result<String> {
    let named = sorted(root, files);
    let mut hash = Sha256::new();
    for (name, path) in named {
        add(&mut hash, &name, path).with_context(|| format!("cannot read {}", path.display()))?;
    }
    Ok(hexadecimal(hash))
}

/// Returns the SHA-256 over the path and length of each of `files`, sorted as in [`of`].
pub(super) fn of_listing<'a>(
    root: &Path,
    files: impl Iterator<Item = &'a PathBuf>,
) -> Result<String> {
    let named = sorted(root, files);
    let mut hash = Sha256::new();
    for (name, path) in named {
        let facts = path
            .metadata()
            .with_context(|| format!("cannot read {}", path.display()))?;
        hash.update(name);
        hash.update([0]);
        hash.update(facts.len().to_le_bytes());
    }
    Ok(hexadecimal(hash))
}

/// The files with their paths relative to `root`, sorted by them.
fn sorted<'a>(root: &Path, files: impl Iterator<Item = &'a PathBuf>) -> Vec<(String, &'a Path)> {
    let mut named: Vec<(String, &Path)> = files
        .map(|path| (within(root, path), path.as_path()))
        .collect();
    named.sort();
    named
}

fn hexadecimal(hash: Sha256) -> String {
    hash.finalize()
        .iter()
        .fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").expect("writing to a string does not fail");
            text
        })
}

/// Returns the SHA-256 of the content of `path`.
pub(super) fn content(path: &Path) -> Result<[u8; 32]> {
    let mut hash = Sha256::new();
    add(&mut hash, "", path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(hash.finalize().into())
}

fn within(root: &Path, path: &Path) -> String {
    let parts = path.strip_prefix(root).unwrap_or(path).iter();
    parts
        .map(|part| part.to_string_lossy())
        .collect::<Vec<_>>()
        .join("/")
}

fn add(hash: &mut Sha256, name: &str, path: &Path) -> io::Result<()> {
    let mut file = File::open(path)?;
    hash.update(name);
    hash.update([0]);
    hash.update(file.metadata()?.len().to_le_bytes());
    let mut block = vec![0; 1 << 16];
    loop {
        let read = file.read(&mut block)?;
        if read == 0 {
            return Ok(());
        }
        hash.update(&block[..read]);
    }
}
