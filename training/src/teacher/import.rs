//! A teacher from somebody else's checkpoint, `.safetensors` or a `state_dict` of `torch.save`.

use std::path::Path;

use anyhow::{Context, Result};
use tch::Tensor;

use super::file::TeacherFile;
use crate::checkpoint_import::{check, read};
use crate::network::architecture::Preset;
use crate::network::layer;

/// Checks that `checkpoint` holds the teacher of `preset`, padded or not, and writes it as a teacher's
/// file to `out`. What was found, for people.
///
/// # Errors
/// When the file cannot be read, or a tensor is missing, has another shape, or is not the teacher's;
/// it is named.
pub fn import(checkpoint: &Path, (preset, padded): (Preset, bool), out: &Path) -> Result<String> {
    let expected: Vec<(String, Vec<usize>)> = layer::convolutions(&preset.teacher(padded))
        .flat_map(|(number, shape)| {
            let shape = shape.map(|side| side as usize);
            [
                (format!("{number}.weight"), shape.to_vec()),
                (format!("{number}.bias"), vec![shape[0]]),
            ]
        })
        .collect();
    let refused = || {
        format!(
            "{} is not the teacher of preset {}",
            checkpoint.display(),
            preset.name()
        )
    };
    let checked = check(read(checkpoint)?, &expected).with_context(refused)?;
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
        (preset, padded),
        tensors.iter().map(|(name, tensor)| (name.clone(), tensor)),
        &description,
    )?;
    Ok(format!("{}: {}", out.display(), checked.report))
}
