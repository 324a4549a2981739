//! Where the daemon listens: TCP addresses, and a Unix socket that comes and goes with the process.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::{TcpListener, UnixListener};
use tracing::{info, warn};

use super::failure::Failure;

/// The daemon's own user and group may call.
const MODE: u32 = 0o660;

/// Listens on an address.
pub(super) async fn bind(key: &'static str, address: SocketAddr) -> Result<TcpListener, Failure> {
    let failed = |source| Failure::Listen {
        key,
        address: address.to_string(),
        source,
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    info!(%address, "{key}");
    Ok(listener)
}

/// Listens on a Unix socket at `path`.
pub(super) fn bind_unix(
    key: &'static str,
    path: &Path,
) -> Result<(UnixListener, SocketFile), Failure> {
    let bound = SocketFile::bind(path).map_err(|source| Failure::Listen {
        key,
        address: path.display().to_string(),
        source,
    })?;
    info!(path = %path.display(), "{key}");
    Ok(bound)
}

/// The file of a Unix socket, removed when dropped, unless another process has put its own there.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    inode: u64,
}

impl SocketFile {
    /// Binds beside the place, and renames: the socket is never there with other permissions, and takes
    /// the place of one that a killed process left behind.
    fn bind(path: &Path) -> io::Result<(UnixListener, Self)> {
        free(path)?;
        let mut beside = path.as_os_str().to_owned();
        beside.push(".new");
        let beside = PathBuf::from(beside);
        free(&beside)?;
        if beside.symlink_metadata().is_ok() {
            fs::remove_file(&beside)?;
        }
        let listener = UnixListener::bind(&beside)?;
        fs::set_permissions(&beside, Permissions::from_mode(MODE))?;
        let inode = fs::symlink_metadata(&beside)?.ino();
        fs::rename(&beside, path)?;
        let path = path.to_owned();
        Ok((listener, Self { path, inode }))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = |file: &fs::Metadata| file.ino() == self.inode;
        if !fs::symlink_metadata(&self.path).is_ok_and(|file| ours(&file)) {
            return;
        }
        if let Err(error) = fs::remove_file(&self.path) {
            warn!(%error, path = %self.path.display(), "the socket stays behind");
        }
    }
}

/// Refuses a place where somebody listens, or where something else than a socket is.
fn free(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(file) if !file.file_type().is_socket() => Err(io::Error::new(
            ErrorKind::AlreadyExists,
            "another file is there",
        )),
        Ok(_) => match std::os::unix::net::UnixStream::connect(path) {
            Ok(_) => Err(io::Error::new(
                ErrorKind::AddrInUse,
                "another process listens there",
            )),
            // Nobody listens: it was left behind.
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(()),
            Err(error) => Err(error),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        let file = fs::symlink_metadata(path).expect("it is there");
        file.permissions().mode() & 0o777
    }

    #[tokio::test]
    async fn a_socket_comes_with_its_mode_and_goes() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("socket");
        let (listener, file) = SocketFile::bind(&path).expect("bound");
        assert_eq!(mode(&path), 0o660);
        let second = SocketFile::bind(&path).expect_err("it is taken");
        assert_eq!(second.kind(), ErrorKind::AddrInUse);
        drop(listener);
        drop(file);
        let left = fs::read_dir(folder.path()).expect("a folder").count();
        assert_eq!(left, 0);
    }

    #[tokio::test]
    async fn what_was_left_behind_is_replaced_and_then_not_removed_by_its_owner() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("socket");
        let (listener, old) = SocketFile::bind(&path).expect("bound");
        drop(listener);
        let (_listener, _new) = SocketFile::bind(&path).expect("the old one is dead");
        drop(old);
        assert!(path.exists());
    }

    #[tokio::test]
    async fn a_file_that_is_no_socket_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("socket");
        fs::write(&path, "mine").expect("written");
        let refused = SocketFile::bind(&path).expect_err("it is a file");
        assert_eq!(refused.kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&path).expect("still there"), "mine");
    }
}
