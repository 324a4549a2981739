//! A dataset's fingerprint: what a model was trained on, in one line of its provenance.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

/// SHA-256 over each file in the order of its path within `root`: the path with `/` between its
/// parts, a zero byte, the length in 8 bytes from the lowest, the content. So no two lists of files
/// give the same bytes.
pub(super) fn of<'a>(root: &Path, files: impl Iterator<Item = &'a PathBuf>) -> Result<String> {
    let mut named: Vec<(String, &Path)> = files
        .map(|path| (within(root, path), path.as_path()))
        .collect();
    named.sort();
    let mut hash = Sha256::new();
    for (name, path) in named {
        add(&mut hash, &name, path)
            .with_context(|| format!("{}: cannot be read", path.display()))?;
    }
    let mut text = String::new();
    for byte in hash.finalize() {
        write!(text, "{byte:02x}").expect("a string takes all that is written");
    }
    Ok(text)
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
