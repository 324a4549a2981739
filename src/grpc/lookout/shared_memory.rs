//! POSIX shared memory of clients: images that they offer, and room for masks.
//!
//! An object of shared memory is a file below `/dev/shm`. It is read and written like a file and never mapped, so that a client
//! that shortens it meanwhile causes an error and not a signal. Only objects of the client's own user are used: a client must
//! not make the daemon read or write what the client itself could not.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use thiserror::Error;

use super::proto::SharedMemoryHandle;

/// Where Linux keeps objects of shared memory.
pub(super) const FOLDER: &str = "/dev/shm";

/// Largest name of a file, bytes.
const NAME_LIMIT: usize = 255;

/// The user for whom an object is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ClientUser(pub Option<u32>);

impl ClientUser {
    /// Whether the user may offer this object: it is the user's own, or the user is root.
    fn may_offer(self, object: &Metadata) -> bool {
        self.0.is_some_and(|user| user == 0 || user == object.uid())
    }
}

/// Why shared memory cannot be used; the field of the handle is named.
#[derive(Debug, Error)]
pub(super) enum MemoryError {
    /// The name is not that of an object.
    #[error(
        "name: {0:?} is not the name of shared memory: must be 1 to {NAME_LIMIT} bytes without '/', except for one at the \
         beginning"
    )]
    Name(String),
    /// It cannot be opened.
    #[error("name: {name:?} cannot be opened for {purpose} by the daemon: {source}")]
    Open {
        /// The name.
        name: String,
        /// Reading or writing.
        purpose: &'static str,
        /// Error of the operating system.
        source: io::Error,
    },
    /// It is a folder, a pipe or a device.
    #[error("name: {0:?} is not shared memory")]
    NotMemory(String),
    /// It belongs to another user.
    #[error("name: {0:?} does not belong to the user of the client")]
    Owner(String),
    /// The handle reaches beyond the object.
    #[error(
        "size: {size} bytes from the offset {offset}; must end within the object, which has {object} bytes"
    )]
    Range {
        /// Bytes that the handle names.
        size: u64,
        /// Their offset.
        offset: u64,
        /// Bytes of the object.
        object: u64,
    },
    /// The handle has another size than the image.
    #[error("size: {size} bytes; must be {needed}")]
    Size {
        /// Bytes that the handle names.
        size: u64,
        /// Bytes of the image.
        needed: u64,
    },
    /// The object was shortened meanwhile, or the system fails.
    #[error("the shared memory cannot be used: {0}")]
    Access(io::Error),
}

/// The objects of a folder.
#[derive(Clone, Debug)]
pub(super) struct SharedMemory {
    folder: PathBuf,
    user: ClientUser,
}

impl SharedMemory {
    /// The objects that `user` may offer.
    pub(super) fn of(user: ClientUser) -> Self {
        Self::within(Path::new(FOLDER), user)
    }

    fn within(folder: &Path, user: ClientUser) -> Self {
        Self {
            folder: folder.to_owned(),
            user,
        }
    }

    /// Copies an image of `needed` bytes.
    ///
    /// # Errors
    /// Why that is not possible.
    pub(super) fn read(
        &self,
        handle: &SharedMemoryHandle,
        needed: u64,
    ) -> Result<Vec<u8>, MemoryError> {
        if handle.size != needed {
            let size = handle.size;
            return Err(MemoryError::Size { size, needed });
        }
        let file = self.open(handle, OpenOptions::new().read(true), "reading")?;
        // At most the size of an image.
        let mut bytes = vec![0; needed as usize];
        file.read_exact_at(&mut bytes, handle.offset)
            .map_err(MemoryError::Access)?;
        Ok(bytes)
    }

    /// Opens room for a mask of `needed` bytes.
    ///
    /// # Errors
    /// Why that is not possible.
    pub(super) fn target(
        &self,
        handle: &SharedMemoryHandle,
        needed: u64,
    ) -> Result<Target, MemoryError> {
        if handle.size < needed {
            let size = handle.size;
            return Err(MemoryError::Size { size, needed });
        }
        let file = self.open(handle, OpenOptions::new().write(true), "writing")?;
        Ok(Target {
            file,
            handle: handle.clone(),
        })
    }

    fn open(
        &self,
        handle: &SharedMemoryHandle,
        options: &mut OpenOptions,
        purpose: &'static str,
    ) -> Result<File, MemoryError> {
        let name = || handle.name.clone();
        let file_name =
            file_name(&handle.name).ok_or_else(|| MemoryError::Name(shortened(&handle.name)))?;
        // Neither a symbolic link is followed, nor does a pipe hold the thread up.
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let opened = options
            .custom_flags(flags.bits().cast_signed())
            .open(self.folder.join(file_name));
        let file = opened.map_err(|source| MemoryError::Open {
            name: name(),
            purpose,
            source,
        })?;
        let object = file.metadata().map_err(MemoryError::Access)?;
        if !object.is_file() {
            return Err(MemoryError::NotMemory(name()));
        }
        if !self.user.may_offer(&object) {
            return Err(MemoryError::Owner(name()));
        }
        let SharedMemoryHandle { size, offset, .. } = *handle;
        let end = offset.checked_add(size);
        if end.is_none_or(|end| end > object.len()) {
            return Err(MemoryError::Range {
                size,
                offset,
                object: object.len(),
            });
        }
        Ok(file)
    }
}

/// Room for a mask.
#[derive(Debug)]
pub(super) struct Target {
    file: File,
    handle: SharedMemoryHandle,
}

impl Target {
    /// Writes the mask, and returns where it is.
    ///
    /// # Errors
    /// When the system fails.
    pub(super) fn write(self, mask: &[u8]) -> Result<SharedMemoryHandle, MemoryError> {
        self.file
            .write_all_at(mask, self.handle.offset)
            .map_err(MemoryError::Access)?;
        Ok(self.handle)
    }
}

/// The file of an object: `shm_open` takes a name with a leading slash, Python's `shared_memory` shows it without one.
fn file_name(name: &str) -> Option<&str> {
    let name = name.strip_prefix('/').unwrap_or(name);
    let valid = (1..=NAME_LIMIT).contains(&name.len())
        && !name.contains(['/', '\0'])
        && name != "."
        && name != "..";
    valid.then_some(name)
}

/// A name for an error message.
fn shortened(name: &str) -> String {
    name.chars().take(NAME_LIMIT).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use proptest::prelude::*;
    use tempfile::TempDir;

    use super::*;

    fn memory(folder: &TempDir) -> SharedMemory {
        let own = rustix::process::getuid().as_raw();
        SharedMemory::within(folder.path(), ClientUser(Some(own)))
    }

    fn handle(name: &str, size: u64, offset: u64) -> SharedMemoryHandle {
        SharedMemoryHandle {
            name: name.to_owned(),
            size,
            offset,
        }
    }

    /// A folder with the object `image` of the bytes 0 to 9.
    fn folder() -> TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("image"), (0..10).collect::<Vec<u8>>()).expect("written");
        folder
    }

    #[test]
    fn object_is_read_at_its_offset_with_or_without_a_leading_slash() {
        let folder = folder();
        let memory = memory(&folder);
        let read = |handle| memory.read(&handle, 4).expect("readable");
        assert_eq!(read(handle("image", 4, 0)), [0, 1, 2, 3]);
        assert_eq!(read(handle("/image", 4, 6)), [6, 7, 8, 9]);
    }

    #[test]
    fn mask_is_written_at_its_offset_and_nowhere_else() {
        let folder = folder();
        let memory = memory(&folder);
        let room = handle("image", 7, 2);
        let target = memory.target(&room, 3).expect("room");
        assert_eq!(target.write(&[21, 22, 23]).expect("written"), room);
        let bytes = fs::read(folder.path().join("image")).expect("readable");
        assert_eq!(bytes, [0, 1, 21, 22, 23, 5, 6, 7, 8, 9]);
    }

    #[test]
    fn handles_that_do_not_fit_are_refused_with_the_field() {
        let folder = folder();
        let memory = memory(&folder);
        let check = |handle: SharedMemoryHandle, words: &str| {
            let needed = 4;
            for refused in [
                memory.read(&handle, needed).map(drop),
                memory.target(&handle, needed).map(drop),
            ] {
                let error = refused.expect_err("refused").to_string();
                assert!(error.contains(words), "{error}");
            }
        };
        check(handle("image", 3, 0), "size: 3 bytes; must be 4");
        let range = "must end within the object, which has 10 bytes";
        check(handle("image", 4, 7), range);
        check(handle("image", 4, u64::MAX), range);
        check(handle("absent", 4, 0), "No such file or directory");
        // Larger than the image: allowed for a mask, where more room is no fault.
        let larger = handle("image", 5, 0);
        assert!(memory.target(&larger, 4).is_ok());
        let refused = memory.read(&larger, 4).expect_err("another size");
        assert_eq!(refused.to_string(), "size: 5 bytes; must be 4");
    }

    #[test]
    fn links_folders_pipes_and_objects_of_other_users_are_refused() {
        let folder = folder();
        let path = |name: &str| folder.path().join(name);
        symlink(path("image"), path("link")).expect("a link");
        fs::create_dir(path("folder")).expect("a folder");
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(
            rustix::fs::CWD,
            path("pipe"),
            rustix::fs::FileType::Fifo,
            mode,
            0,
        )
        .expect("a pipe");
        let own = memory(&folder);
        let read = |memory: &SharedMemory, name| {
            let refused = memory.read(&handle(name, 4, 0), 4);
            refused.expect_err("refused").to_string()
        };
        assert!(read(&own, "link").contains("symbolic link"));
        assert_eq!(
            read(&own, "folder"),
            "name: \"folder\" is not shared memory"
        );
        assert_eq!(read(&own, "pipe"), "name: \"pipe\" is not shared memory");
        let user = rustix::process::getuid().as_raw();
        for other in [None, Some(user + 1)] {
            let memory = SharedMemory::within(folder.path(), ClientUser(other));
            let expected = "name: \"image\" does not belong to the user of the client";
            assert_eq!(read(&memory, "image"), expected);
        }
        let root = SharedMemory::within(folder.path(), ClientUser(Some(0)));
        assert!(root.read(&handle("image", 10, 0), 10).is_ok());
    }

    #[test]
    fn names_that_leave_the_folder_are_refused() {
        let longest = "a".repeat(255);
        for name in ["image", "/image", ".hidden", "a..b", "...", &longest] {
            let expected = name.strip_prefix('/').unwrap_or(name);
            assert_eq!(file_name(name), Some(expected), "{name:?}");
        }
        let long = "a".repeat(256);
        for name in [
            "",
            "/",
            "//image",
            "image/",
            "a/b",
            "../image",
            "/../image",
            ".",
            "..",
            "/..",
            "a\0",
            &long,
        ] {
            assert_eq!(file_name(name), None, "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn file_of_any_name_is_directly_in_the_folder(name in any::<String>()) {
            if let Some(file) = file_name(&name) {
                let path = Path::new(FOLDER).join(file);
                prop_assert_eq!(path.parent(), Some(Path::new(FOLDER)));
                prop_assert_eq!(path.file_name().and_then(|name| name.to_str()), Some(file));
            }
        }

        #[test]
        fn handle_never_reaches_beyond_the_object(size in any::<u64>(), offset in any::<u64>()) {
            let folder = folder();
            let memory = memory(&folder);
            for (size, offset) in [(size, offset), (size % 16, offset % 16)] {
                let fits = offset.checked_add(size).is_some_and(|end| end <= 10);
                let opened = memory.target(&handle("image", size, offset), 0);
                prop_assert_eq!(opened.is_ok(), fits);
            }
        }
    }
}
