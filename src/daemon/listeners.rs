//! Listeners: TCP addresses, and a Unix socket whose file exists as long as the process.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::{TcpListener, UnixListener};
use tracing::{info, warn};

use super::failure::Failure;

/// The configuration key of the socket of clients of Lookout for Vision.
pub(super) const LOOKOUT_SOCKET: &str = "server.lookout_socket";

/// The daemon's user and group may connect.
const MODE: u32 = 0o660;

/// Listens on a TCP address.
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

/// The file of a Unix socket. Removed when dropped, unless another process has replaced it.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    inode: u64,
}

impl SocketFile {
    /// Binds a temporary path and renames it: so the socket never exists with other permissions, and
    /// replaces one that a killed process abandoned.
    fn bind(path: &Path) -> io::Result<(UnixListener, Self)> {
        check_available(path)?;
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(".new");
        let temporary = PathBuf::from(temporary);
        check_available(&temporary)?;
        if temporary.symlink_metadata().is_ok() {
            fs::remove_file(&temporary)?;
        }
        let listener = UnixListener::bind(&temporary)?;
        fs::set_permissions(&temporary, Permissions::from_mode(MODE))?;
        let inode = fs::symlink_metadata(&temporary)?.ino();
        rename(&temporary, path)?;
        let path = path.to_owned();
        Ok((listener, Self { path, inode }))
    }
}

/// Renames a socket, which has no content that could be flushed.
#[allow(clippy::disallowed_methods)]
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = |file: &fs::Metadata| file.ino() == self.inode;
        if !fs::symlink_metadata(&self.path).is_ok_and(|file| ours(&file)) {
            return;
        }
        if let Err(error) = fs::remove_file(&self.path) {
            warn!(%error, path = %self.path.display(), "the socket file cannot be removed");
        }
    }
}

/// Refuses a path where another process listens, or that is not a socket.
fn check_available(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(file) if !file.file_type().is_socket() => Err(io::Error::new(
            ErrorKind::AlreadyExists,
            "the path exists and is not a socket",
        )),
        Ok(_) => match std::os::unix::net::UnixStream::connect(path) {
            Ok(_) => Err(io::Error::new(
                ErrorKind::AddrInUse,
                "another process listens on this socket",
            )),
            // No process listens: the socket was abandoned.
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(()),
            Err(error) => Err(error),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        let file = fs::symlink_metadata(path).expect("the socket exists");
        file.permissions().mode() & 0o777
    }

    #[tokio::test]
    async fn a_socket_has_its_mode_excludes_others_and_is_removed_when_dropped() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("socket");
        let (listener, file) = SocketFile::bind(&path).expect("bound");
        assert_eq!(mode(&path), 0o660);
        let second = SocketFile::bind(&path).expect_err("it is in use");
        assert_eq!(second.kind(), ErrorKind::AddrInUse);
        drop(listener);
        drop(file);
        let left = fs::read_dir(folder.path()).expect("a folder").count();
        assert_eq!(left, 0);
    }

    #[tokio::test]
    async fn an_abandoned_socket_is_replaced_and_its_owner_does_not_remove_the_new_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("socket");
        let (listener, old) = SocketFile::bind(&path).expect("bound");
        drop(listener);
        let (_listener, _new) = SocketFile::bind(&path).expect("the old one is abandoned");
        drop(old);
        assert!(path.exists());
    }

    #[tokio::test]
    async fn a_file_that_is_not_a_socket_is_not_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("socket");
        fs::write(&path, "mine").expect("written");
        let refused = SocketFile::bind(&path).expect_err("it is a file");
        assert_eq!(refused.kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&path).expect("it still exists"), "mine");
    }
}
