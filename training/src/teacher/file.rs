//! A teacher's file: the tensors under their public names (`0.weight`, ...) and which network they are for.

use std::path::Path;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use tch::{Device, Tensor};

use crate::fit::checkpoint::Checkpoint;
use crate::network::architecture::Preset;
use crate::network::net::Net;

/// A teacher as read from its file.
#[derive(Debug)]
pub struct TeacherFile {
    /// Whose widths it has.
    pub preset: Preset,
    /// Whether it pads.
    pub padded: bool,
    /// Where it came from, one line.
    pub description: String,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
    tensors: Checkpoint,
}

impl TeacherFile {
    /// Writes `net` to `path`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save<'a>(
        path: &Path,
        (preset, padded): (Preset, bool),
        tensors: impl Iterator<Item = (String, &'a Tensor)>,
        description: &str,
    ) -> Result<()> {
        let mut checkpoint = Checkpoint::default();
        for (name, tensor) in tensors {
            checkpoint.insert(name.trim_start_matches("teacher."), tensor);
        }
        checkpoint.say("mhkd_teacher", &preset.name());
        checkpoint.say("padded", &padded);
        checkpoint.say("description", &description);
        checkpoint.save(path)
    }

    /// Reads the teacher at `path`.
    ///
    /// # Errors
    /// When the file is not there or is not a teacher's; the message says how to make one of a
    /// checkpoint.
    pub fn load(path: &Path) -> Result<Self> {
        let tensors = Checkpoint::load(path)?;
        let preset = tensors.word::<String>("mhkd_teacher").with_context(|| {
            format!(
                "{} is not a teacher of `mhkd teacher distill`; `mhkd teacher import` makes one of a checkpoint",
                path.display()
            )
        })?;
        let bytes = std::fs::read(path)?;
        Ok(Self {
            preset: <Preset as clap::ValueEnum>::from_str(&preset, false)
                .map_err(|error| anyhow::anyhow!("{}: preset {error}", path.display()))?,
            padded: tensors.word("padded")?,
            description: tensors.word("description")?,
            sha256: hex(&Sha256::digest(bytes)),
            tensors,
        })
    }

    /// The network of this teacher.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape than the preset's; it is named.
    pub fn net(&self, device: Device) -> Result<Net> {
        let net = Net::new("teacher", self.preset.teacher(self.padded), device);
        let unprefixed = net
            .tensors()
            .map(|(name, tensor)| (name.trim_start_matches("teacher.").to_owned(), tensor));
        self.tensors.restore(unprefixed)?;
        Ok(net)
    }
}

/// `bytes` in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
