//! Import of a teacher from an external checkpoint: `.safetensors`, or a `state_dict` of `torch.save`.

use std::path::Path;

use anyhow::{Result, anyhow, bail};
use clap::ValueEnum;
use tch::Tensor;

use super::file::{TeacherFile, TeacherVariant};
use crate::checkpoint_import::{ImportError, Tensors, check_state_dict, read};
use crate::network::layer;
use crate::network::layer_tables::Padding;
use crate::network::preset::Pdn;

/// Maximum number of tensors that an error lists: those of the largest teacher.
const MAX_LISTED: usize = 12;

/// Names of a teacher's convolutions in a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Naming {
    /// Indices in a flat `Sequential`: `0`, `3`, `6`, ... Teacher files have these names too.
    Index,
    /// Positions among the convolutions, as in anomalib: `conv1`, `conv2`, `conv3`, ...
    Position,
}

impl Naming {
    fn of(tensors: &Tensors) -> Self {
        let is_position = |layer: &str| {
            let position = layer.strip_prefix("conv");
            position.is_some_and(|position| position.parse::<usize>().is_ok())
        };
        let mut layers = tensors.keys().filter_map(|name| name.rsplit('.').nth(1));
        if layers.any(is_position) {
            Self::Position
        } else {
            Self::Index
        }
    }

    /// Names and shapes of the tensors of a teacher, in the order of its layers. Padding does not change them.
    fn tensors(self, preset: Pdn) -> Vec<(String, Vec<usize>)> {
        layer::convolutions(&preset.layers(Padding::Zeros))
            .zip(1..)
            .flat_map(|((index, shape), position)| {
                let layer = match self {
                    Self::Index => index.to_string(),
                    Self::Position => format!("conv{position}"),
                };
                let shape = shape.map(|side| side as usize);
                [
                    (format!("{layer}.weight"), shape.to_vec()),
                    (format!("{layer}.bias"), vec![shape[0]]),
                ]
            })
            .collect()
    }
}

/// Checks that `checkpoint` contains a teacher of the given `variant` and writes it as a teacher file to
/// `out`. Returns a summary for the user.
///
/// # Errors
/// When the file cannot be read, has the shapes of another preset, or a tensor is missing, unexpected or has a
/// wrong shape. The message names the preset or the tensor.
pub fn import(checkpoint: &Path, variant: TeacherVariant, out: &Path) -> Result<String> {
    let TeacherVariant { preset, padded } = variant;
    let tensors = read(checkpoint)?;
    let mismatch = format!(
        "{}: does not contain the teacher of preset {}",
        checkpoint.display(),
        preset.name()
    );
    if let Some(other) = preset_by_shapes(&tensors).filter(|other| *other != preset) {
        let other = other.name();
        bail!("{mismatch}: its shapes are those of preset {other}");
    }
    let naming = Naming::of(&tensors);
    let stored = naming.tensors(preset);
    let found = list(tensors.iter().map(|(name, host)| (name, &host.shape[..])));
    let checked = check_state_dict(tensors, &stored).map_err(|error| match error {
        ImportError::NonFinite { .. } => anyhow!("{}: {error}", checkpoint.display()),
        error => {
            let expected = list(stored.iter().map(|(name, shape)| (name, &shape[..])));
            anyhow!("{mismatch}: {error}; expected: {expected}; found: {found}")
        }
    })?;
    let tensors: Vec<(String, Tensor)> = stored
        .iter()
        .zip(Naming::Index.tensors(preset))
        .map(|((stored, _), (name, shape))| {
            let shape: Vec<i64> = shape.iter().map(|&side| side as i64).collect();
            let host = &checked.tensors[stored];
            (name, Tensor::from_slice(&host.data).reshape(shape))
        })
        .collect();
    let file_name = checkpoint.file_name().unwrap_or_default().to_string_lossy();
    let description = format!(
        "{} imported from {file_name}{}",
        preset.name(),
        if padded { "" } else { ", unpadded" }
    );
    TeacherFile::save(
        out,
        variant,
        tensors.iter().map(|(name, tensor)| (name.clone(), tensor)),
        &description,
    )?;
    let renamed = match naming {
        Naming::Index => "",
        Naming::Position => ", layer names of anomalib",
    };
    Ok(format!("{}: {}{renamed}", out.display(), checked.report))
}

/// Returns the preset whose teacher has the shapes of `tensors`, whatever their names are.
fn preset_by_shapes(tensors: &Tensors) -> Option<Pdn> {
    let sorted = |mut shapes: Vec<Vec<usize>>| {
        shapes.sort();
        shapes
    };
    let found = sorted(tensors.values().map(|host| host.shape.clone()).collect());
    let has_these = |preset: &Pdn| {
        let expected = Naming::Index.tensors(*preset).into_iter();
        sorted(expected.map(|(_, shape)| shape).collect()) == found
    };
    Pdn::value_variants().iter().copied().find(has_these)
}

/// Lists names and shapes, at most [`MAX_LISTED`].
fn list<'a>(tensors: impl ExactSizeIterator<Item = (&'a String, &'a [usize])>) -> String {
    let more = tensors.len().saturating_sub(MAX_LISTED);
    let listed = tensors
        .take(MAX_LISTED)
        .map(|(name, shape)| format!("{name} {shape:?}"));
    let listed = listed.collect::<Vec<_>>().join(", ");
    if more == 0 {
        listed
    } else {
        format!("{listed} and {more} more")
    }
}
