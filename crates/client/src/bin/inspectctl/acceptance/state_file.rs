//! `measurements.jsonl`: every measurement is on disk before the next one is made.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use inspectd_client::acceptance::{Header, Line, Plan, Study};

/// The file, within the folder of the report.
const NAME: &str = "measurements.jsonl";

/// An open file with what it contains.
#[derive(Debug)]
pub struct StateFile {
    path: PathBuf,
    file: File,
    study: Study,
    /// Whether it had measurements before.
    continued: bool,
}

impl StateFile {
    /// Opens the file of a study, or begins it with `header`. A study that is continued keeps its id and its order; `seeded`:
    /// the seed of `header` was stated and must be that of the file.
    ///
    /// # Errors
    /// When it cannot be read or written, is the file of another study, or the model, the recipe or the configuration changed
    /// since.
    pub fn open(folder: &Path, header: Header, seeded: bool) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        let path = folder.join(NAME);
        let named = || path.display().to_string();
        let mut file = OpenOptions::new()
            .create(true)
            .read(true)
            .append(true)
            .open(&path)
            .with_context(named)?;
        lock(&file, &path)?;
        let mut text = String::new();
        file.read_to_string(&mut text).with_context(named)?;
        // A first line that was being written when the program was killed is none.
        let torn = text.starts_with("{\"study\"") && !text.contains('\n');
        if text.is_empty() || torn {
            file.set_len(0).with_context(named)?;
            let mut begun = Self {
                path,
                file,
                study: Study::new(header.clone()),
                continued: false,
            };
            begun.write(&Line::Study(Box::new(header)))?;
            return Ok(begun);
        }
        let (study, end) = Study::read(&text).with_context(named)?;
        check_same(&study.header, &header, seeded)
            .map_err(|reason| anyhow!("{}: {reason}", path.display()))?;
        // Without a line that was being written when the program was killed.
        file.set_len(end as u64).with_context(named)?;
        Ok(Self {
            path,
            file,
            study,
            continued: true,
        })
    }

    /// What was measured.
    pub fn study(&self) -> &Study {
        &self.study
    }

    /// Whether it had been begun before.
    pub fn is_continued(&self) -> bool {
        self.continued
    }

    /// Adds a line, and flushes it to the disk.
    ///
    /// # Errors
    /// When it cannot be written, or cannot follow.
    pub fn add(&mut self, line: Line) -> Result<()> {
        self.write(&line)?;
        let added = self.study.add(line);
        added.map_err(|reason| anyhow!("{}: {reason}", self.path.display()))
    }

    fn write(&mut self, line: &Line) -> Result<()> {
        let mut text = serde_json::to_string(line)?;
        text.push('\n');
        // One write, so that a killed program leaves at most one torn line.
        let written = self
            .file
            .write_all(text.as_bytes())
            .and_then(|()| self.file.sync_data());
        written.with_context(|| self.path.display().to_string())
    }
}

/// Two commands must not continue one study.
fn lock(file: &File, path: &Path) -> Result<()> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(fs::TryLockError::WouldBlock) => {
            bail!("{}: another command continues this study", path.display())
        }
        Err(fs::TryLockError::Error(error)) => {
            Err(error).with_context(|| path.display().to_string())
        }
    }
}

/// Refuses to continue a study with something else.
fn check_same(before: &Header, now: &Header, seeded: bool) -> Result<(), String> {
    let other_seed = seeded && before.plan.seed != now.plan.seed;
    let plan = Plan {
        seed: before.plan.seed,
        ..now.plan.clone()
    };
    let same = before.plan == plan && before.camera == now.camera && before.live == now.live;
    if !same || other_seed {
        return Err(
            "is a study of other parts, pictures or options; continue it with these, or choose another --out".to_owned(),
        );
    }
    let changed = [
        ("model", before.model == now.model),
        ("recipe", before.recipe == now.recipe),
        ("configuration", before.config_hash == now.config_hash),
    ];
    match changed.iter().find(|(_, same)| !same) {
        None => Ok(()),
        Some((what, _)) => Err(format!(
            "the {what} has changed since the study was begun; begin another one with another --out"
        )),
    }
}
