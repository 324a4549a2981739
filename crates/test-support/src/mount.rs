//! File systems in memory.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::skip::missing;

/// A file system in memory (tmpfs) on a folder of the test, unmounted when dropped.
#[derive(Debug)]
pub struct MemoryDisk(PathBuf);

impl MemoryDisk {
    /// Creates `folder` and mounts a file system of `size` (as `2m`) on it, which requires root.
    ///
    /// # Panics
    /// When the folder exists.
    #[track_caller]
    pub fn mount(folder: PathBuf, size: &str) -> Option<Self> {
        std::fs::create_dir(&folder).expect("a new folder");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(&folder)
            .output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(folder));
        }
        missing(
            "permission to mount a tmpfs",
            "run the tests as root with CAP_SYS_ADMIN (a container needs `--privileged`)",
        )
    }

    /// The folder on which it is mounted.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Remounts it read-write or read-only.
    ///
    /// # Panics
    /// When `mount` fails.
    pub fn set_writable(&self, writable: bool) {
        let option = if writable { "remount,rw" } else { "remount,ro" };
        let status = Command::new("mount")
            .args(["-o", option])
            .arg(&self.0)
            .status();
        assert!(status.expect("mount runs").success());
    }

    /// Writes a filler file until no byte is free.
    ///
    /// # Panics
    /// When the file cannot be created.
    pub fn fill(&self) {
        let mut file = File::create(self.filler()).expect("a file");
        for size in [65_536, 4096, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
    }

    /// Removes the filler file.
    ///
    /// # Panics
    /// When it was not filled.
    pub fn remove_filler(&self) {
        std::fs::remove_file(self.filler()).expect("the disk was filled");
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }
}

impl Drop for MemoryDisk {
    fn drop(&mut self) {
        // Lazily: a daemon of a failed test may still write to it.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
