//! The PDN that is part of the program: PDN-S, distilled from `EfficientNet`-Lite2 over openly licensed photographs and
//! rendered images. `models/teachers/README.md` names its origin and licences.

use anyhow::{Context, Result};

use super::file::TeacherFile;

/// Bytes of the teacher file.
pub const FILE: &[u8] = include_bytes!("../../../models/teachers/pdn_small.safetensors");

/// Reads the teacher.
///
/// # Errors
/// Never, unless the program was built from a damaged file.
pub fn load() -> Result<TeacherFile> {
    TeacherFile::parse(FILE).context("the PDN of the program is damaged")
}
