//! Reads tensors from the zip archive that `torch.save` writes: `NAME/data.pkl` contains the objects and
//! `NAME/data/KEY` the values of each storage.

use std::io::{Read, Seek};

use zip::ZipArchive;

use super::error::FormatError;
use super::storages::{self, StorageSource};
use super::{Tensors, pickle};

/// Maximum size of the pickle, sufficient for about 30,000 tensors.
pub(super) const MAX_PICKLE_BYTES: u64 = 4 << 20;

pub(super) fn read(file: impl Read + Seek) -> Result<Tensors, FormatError> {
    let mut zip = ZipArchive::new(file)?;
    let suffix = "/data.pkl";
    let name = zip
        .file_names()
        .find(|name| name.as_ref().is_ok_and(|name| name.ends_with(suffix)));
    let Some(name) = name.transpose()? else {
        return Err(FormatError::Unknown);
    };
    let folder = name.strip_suffix(suffix).unwrap_or(&name).to_owned();
    drop(name);
    if zip.by_name(&format!("{folder}/constants.pkl")).is_ok() {
        return Err(FormatError::TorchScript);
    }
    // The byte order is written since PyTorch 2.1. Earlier versions always wrote little-endian.
    if let Ok(mut order) = zip.by_name(&format!("{folder}/byteorder")) {
        let mut text = String::new();
        order.by_ref().take(16).read_to_string(&mut text)?;
        if text.trim() != "little" {
            return Err(FormatError::BigEndian);
        }
    }
    let pickle = read_entry(&mut zip, &format!("{folder}/data.pkl"), MAX_PICKLE_BYTES)?;
    let (objects, root) = pickle::load(&pickle)?;
    storages::read(&objects, root, ArchivedStorages { zip, folder })
}

/// The storages of an archive: one entry each.
struct ArchivedStorages<R> {
    zip: ZipArchive<R>,
    folder: String,
}

impl<R: Read + Seek> StorageSource for ArchivedStorages<R> {
    fn bytes(&mut self, key: &str, size: u64) -> Result<Vec<u8>, FormatError> {
        let name = format!("{}/data/{key}", self.folder);
        read_entry(&mut self.zip, &name, size)
    }
}

/// Reads an archive entry of at most `limit` bytes. The size in its header is not trusted.
fn read_entry<R: Read + Seek>(
    zip: &mut ZipArchive<R>,
    name: &str,
    limit: u64,
) -> Result<Vec<u8>, FormatError> {
    let mut bytes = Vec::new();
    zip.by_name(name)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(FormatError::TooLarge {
            what: "bytes in an entry of the archive",
            limit,
        });
    }
    Ok(bytes)
}
