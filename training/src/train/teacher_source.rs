//! Where the teacher of a run comes from: a file, or the program.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail, ensure};
use tch::Device;

use super::settings::Settings;
use crate::backbone::{LiteVariant, shipped};
use crate::files;
use crate::network::architecture::Architecture;
use crate::network::layer_tables::Padding;
use crate::network::preset::{Pdn, Preset, TeacherKind};
use crate::network::teacher::TeacherNetwork;
use crate::teacher::file::TeacherFile;
use crate::teacher::shipped_pdn;

/// The teacher of a run.
#[derive(Debug)]
pub(super) enum TeacherSource {
    /// A teacher file, which may be part of the program; it is copied into the run.
    File(Box<TeacherFile>),
    /// A backbone that is part of the program.
    Shipped(LiteVariant),
}

impl TeacherSource {
    /// Finds the teacher that `settings` name: the file, or the backbone of the preset.
    ///
    /// # Errors
    /// When the file cannot be read, or file and preset contradict each other.
    pub(super) fn of(settings: &Settings) -> Result<Self> {
        if let Some(path) = &settings.teacher {
            let file = TeacherFile::load(path)?;
            let found = Preset::from(file.variant.preset);
            ensure!(
                settings.preset.is_none_or(|preset| preset == found),
                "preset = \"{}\": {} is a teacher of preset {}; leave preset out, or leave teacher out to use a backbone as the teacher (edge, standard)",
                settings.preset.unwrap_or(found).name(),
                path.display(),
                found.name()
            );
            return Ok(Self::File(Box::new(file)));
        }
        let preset = settings.preset.unwrap_or(Preset::Standard);
        match preset.teacher() {
            TeacherKind::Backbone(variant) => Ok(Self::Shipped(variant)),
            TeacherKind::Pdn(Pdn::Small) => Ok(Self::File(Box::new(shipped_pdn::load()?))),
            TeacherKind::Pdn(_) => bail!(
                "preset = \"{}\" needs a teacher file: set teacher to a file of `mhkd teacher distill` or `mhkd teacher import`, or use preset edge, standard or small, which need none",
                preset.name()
            ),
        }
    }

    /// Opens the teacher of the run in `folder`.
    ///
    /// # Errors
    /// When the run's copy of the teacher file cannot be read, or this program ships another backbone than the
    /// one that the run was started with (`sha256`).
    pub(super) fn open(folder: &Path, architecture: &Architecture, sha256: &str) -> Result<Self> {
        let source = match architecture.preset.teacher() {
            TeacherKind::Pdn(_) => Self::File(Box::new(TeacherFile::load(&copy_path(folder))?)),
            TeacherKind::Backbone(variant) => Self::Shipped(variant),
        };
        ensure!(
            source.sha256() == sha256,
            "{}: the run was started with another teacher (SHA-256 {sha256}, now {})",
            folder.display(),
            source.sha256()
        );
        Ok(source)
    }

    /// Copies a teacher file into the run in `folder`, so that an export needs only this folder.
    ///
    /// # Errors
    /// When the file cannot be copied.
    pub(super) fn copy_to(&self, folder: &Path, settings: &Settings) -> Result<()> {
        if let Self::Shipped(_) = self {
            return Ok(());
        }
        let copy = |part: &Path| {
            match &settings.teacher {
                Some(path) => std::fs::copy(path, part).map(|_| ()),
                None => std::fs::write(part, shipped_pdn::FILE),
            }?;
            Ok(())
        };
        files::replace(&copy_path(folder), copy)
    }

    /// Preset of teacher and student.
    pub(super) fn preset(&self) -> Preset {
        match self {
            Self::File(file) => file.variant.preset.into(),
            Self::Shipped(LiteVariant::Lite0) => Preset::Edge,
            Self::Shipped(_) => Preset::Standard,
        }
    }

    /// Whether a PDN was trained with padding.
    pub(super) fn padded(&self) -> bool {
        match self {
            Self::File(file) => file.variant.padded,
            Self::Shipped(_) => true,
        }
    }

    /// Origin of the teacher, one line.
    pub(super) fn description(&self) -> String {
        match self {
            Self::File(file) => file.description.clone(),
            Self::Shipped(variant) => shipped::description(*variant),
        }
    }

    /// SHA-256 of the file, hexadecimal.
    pub(super) fn sha256(&self) -> String {
        match self {
            Self::File(file) => file.sha256.clone(),
            Self::Shipped(variant) => shipped::sha256(*variant),
        }
    }

    /// The network with its weights; a PDN has the border `padding`.
    ///
    /// # Errors
    /// When the file does not have the tensors of its preset.
    pub(super) fn network(
        &self,
        padding: Padding,
        channels_last: bool,
        device: Device,
    ) -> Result<TeacherNetwork> {
        match self {
            Self::File(file) => Ok(TeacherNetwork::Pdn(
                file.net(padding, device)?.channels_last(channels_last),
            )),
            Self::Shipped(variant) => TeacherNetwork::shipped(*variant, device),
        }
    }
}

fn copy_path(folder: &Path) -> PathBuf {
    folder.join("teacher.safetensors")
}
