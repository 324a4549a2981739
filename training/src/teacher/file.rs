//! Teacher file: the tensors under their public names (`0.weight`, ...), with the preset as metadata.

use std::path::Path;

use anyhow::{Context, Result};
use tch::{Device, Kind, Tensor};

use crate::fit::checkpoint::Checkpoint;
use crate::network::layer_tables::Padding;
use crate::network::net::Net;
use crate::network::preset::Pdn;

/// Architecture of a teacher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TeacherVariant {
    /// Size, which defines the layer widths.
    pub preset: Pdn,
    /// Whether the convolutions were trained with zero padding.
    pub padded: bool,
}

/// A teacher read from its file.
#[derive(Debug)]
pub struct TeacherFile {
    /// Architecture.
    pub variant: TeacherVariant,
    /// Origin of the teacher, one line.
    pub description: String,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
    tensors: Checkpoint,
}

impl TeacherFile {
    /// Writes `tensors` to `path` as a teacher file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save<'a>(
        path: &Path,
        variant: TeacherVariant,
        tensors: impl Iterator<Item = (String, &'a Tensor)>,
        description: &str,
    ) -> Result<()> {
        let mut checkpoint = Checkpoint::default();
        for (name, tensor) in tensors {
            checkpoint.insert(name.trim_start_matches("teacher."), tensor);
        }
        checkpoint.set_metadata("mhkd_teacher", &variant.preset.name());
        checkpoint.set_metadata("padded", &variant.padded);
        checkpoint.set_metadata("description", &description);
        checkpoint.save(path)
    }

    /// Reads the teacher file at `path`.
    ///
    /// # Errors
    /// When the file cannot be read or is not a teacher file. The message refers to `mhkd teacher import`.
    pub fn load(path: &Path) -> Result<Self> {
        let bytes =
            std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&bytes).with_context(|| path.display().to_string())
    }

    /// Reads a teacher from the bytes of its file.
    ///
    /// # Errors
    /// When they are not those of a teacher file. The message refers to `mhkd teacher import`.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let tensors = Checkpoint::parse(bytes).context("not a checkpoint")?;
        let preset = tensors.metadata_value::<String>("mhkd_teacher").context(
            "not a teacher file; create one with `mhkd teacher distill`, or convert a checkpoint with `mhkd teacher import`",
        )?;
        Ok(Self {
            variant: TeacherVariant {
                preset: <Pdn as clap::ValueEnum>::from_str(&preset, false)
                    .map_err(|error| anyhow::anyhow!("preset {error}"))?,
                padded: tensors.metadata_value("padded")?,
            },
            description: tensors.metadata_value("description")?,
            sha256: inspectd_core::bundle::sha256(bytes),
            tensors,
        })
    }

    /// Writes the teacher with weights of 16 bits, which halves the file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save_half(&self, path: &Path) -> Result<()> {
        let half: Vec<(String, Tensor)> = self
            .tensors
            .tensors
            .iter()
            .map(|(name, tensor)| (name.clone(), tensor.to_kind(Kind::Half)))
            .collect();
        let named = half.iter().map(|(name, tensor)| (name.clone(), tensor));
        Self::save(path, self.variant, named, &self.description)
    }

    /// Creates the network with the weights of the file and the given border.
    ///
    /// # Errors
    /// When a tensor is missing or its shape differs from the preset. The message names the tensor.
    pub fn net(&self, padding: Padding, device: Device) -> Result<Net> {
        let layers = self.variant.preset.layers(padding);
        let net = Net::new("teacher", layers, device);
        let unprefixed = net
            .tensors()
            .map(|(name, tensor)| (name.trim_start_matches("teacher.").to_owned(), tensor));
        self.tensors.restore(unprefixed)?;
        Ok(net)
    }
}
