//! Libraries that are preloaded into the daemon, and the words that they share with a test.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Compiles a library from a C file of this crate.
pub fn compile(source: &str) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(source);
    let name = source.file_stem().expect("a name").to_string_lossy();
    let name = format!("{name}-{}.so", std::process::id());
    let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let compiled = Command::new("cc")
        .args(["-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o"])
        .args([&library, &source])
        .arg("-ldl")
        .status();
    assert!(compiled.expect("cc is installed").success());
    library
}

/// A file of words of 32 bits, which the library maps.
pub struct Words(File);

impl Words {
    /// Makes the file; all words are 0.
    pub fn new(path: &Path) -> Self {
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)
            .expect("a file");
        file.set_len(4096).expect("disk space");
        Self(file)
    }

    /// A word.
    pub fn get(&self, word: u64) -> u32 {
        let mut bytes = [0; 4];
        let read = self.0.read_exact_at(&mut bytes, word * 4);
        read.expect("the control file");
        u32::from_ne_bytes(bytes)
    }

    /// Changes a word.
    pub fn set(&self, word: u64, value: u32) {
        let written = self.0.write_all_at(&value.to_ne_bytes(), word * 4);
        written.expect("the control file");
    }
}
