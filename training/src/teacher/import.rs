//! Import of a teacher from an external checkpoint: `.safetensors`, or a `state_dict` of `torch.save`.

use std::path::Path;

use anyhow::{Context, Result};
use tch::Tensor;

use super::file::{TeacherFile, TeacherVariant};
use crate::checkpoint_import::{check_state_dict, read};
use crate::network::layer;

/// Checks that `checkpoint` contains a teacher of the given `variant` and writes it as a teacher file to
/// `out`. Returns a summary for the user.
///
/// # Errors
/// When the file cannot be read, or a tensor is missing, unexpected or has a wrong shape. The message names
/// the tensor.
pub fn import(checkpoint: &Path, variant: TeacherVariant, out: &Path) -> Result<String> {
    let TeacherVariant { preset, padded } = variant;
    let expected: Vec<(String, Vec<usize>)> = layer::convolutions(&preset.teacher(padded))
        .flat_map(|(number, shape)| {
            let shape = shape.map(|side| side as usize);
            [
                (format!("{number}.weight"), shape.to_vec()),
                (format!("{number}.bias"), vec![shape[0]]),
            ]
        })
        .collect();
    let mismatch = || {
        format!(
            "{}: does not contain the teacher of preset {}",
            checkpoint.display(),
            preset.name()
        )
    };
    let checked = check_state_dict(read(checkpoint)?, &expected).with_context(mismatch)?;
    let tensors: Vec<(String, Tensor)> = checked
        .tensors
        .iter()
        .map(|(name, host)| {
            let shape: Vec<i64> = host.shape.iter().map(|&side| side as i64).collect();
            (name.clone(), Tensor::from_slice(&host.data).reshape(shape))
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
    Ok(format!("{}: {}", out.display(), checked.report))
}
