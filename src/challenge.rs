//! Challenge: pictures of known good and defective parts, and the result of judging them. No judging here: the caller
//! passes each picture and gets its decision.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use inspectd_core::decision::Decision;
use inspectd_core::frame::Frame;
use inspectd_core::image_file::{self, ImageError};
use inspectd_core::record::Stamp;
use thiserror::Error;

/// Folder of good parts.
const GOOD: &str = "good";

/// Maximum number of pictures: the challenge is judged next to the line.
pub const MOST_PICTURES: usize = 2000;

/// Maximum number of failures that a result lists.
const MOST_FAILURES: usize = 50;

/// Endings of image files.
const ENDINGS: [&str; 7] = ["png", "jpg", "jpeg", "tif", "tiff", "bmp", "webp"];

/// A picture of a known part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownPicture {
    /// The file.
    pub file: PathBuf,
    /// Its path within the folder of the challenge: `good/a.png`.
    pub name: String,
    /// Whether the part is good.
    pub good: bool,
}

/// Why the pictures of a challenge cannot be used.
#[derive(Debug, Error)]
pub enum ChallengeError {
    /// A folder cannot be read.
    #[error("{}: cannot be read: {source}", .folder.display())]
    Unreadable {
        /// The folder.
        folder: PathBuf,
        /// Error of the operating system.
        source: io::Error,
    },
    /// A kind of part is missing.
    #[error("{}: has no picture of {missing}, must have pictures of good parts in `good` and of defective ones in another subfolder", .folder.display())]
    Missing {
        /// The folder.
        folder: PathBuf,
        /// The kind of part.
        missing: &'static str,
    },
    /// There are too many pictures.
    #[error("{}: has more than {MOST_PICTURES} pictures", .folder.display())]
    TooMany {
        /// The folder.
        folder: PathBuf,
    },
    /// A picture cannot be decoded.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A picture could not be judged.
    #[error("{name}: {reason}")]
    NotJudged {
        /// The picture.
        name: String,
        /// Why.
        reason: String,
    },
}

/// Returns the pictures of a folder, by name.
///
/// # Errors
/// When it cannot be read, has too many pictures, or none of good or of defective parts.
pub fn pictures(folder: &Path) -> Result<Vec<KnownPicture>, ChallengeError> {
    let mut found = Vec::new();
    for sub in entries(folder)? {
        if !sub.is_dir() {
            continue;
        }
        let class = name_of(&sub);
        for file in entries(&sub)? {
            let ending = file.extension().unwrap_or_default().to_ascii_lowercase();
            if ENDINGS.iter().any(|known| ending == *known) {
                found.push(KnownPicture {
                    name: format!("{class}/{}", name_of(&file)),
                    good: class == GOOD,
                    file,
                });
            }
        }
    }
    let missing = |missing| ChallengeError::Missing {
        folder: folder.to_owned(),
        missing,
    };
    if found.len() > MOST_PICTURES {
        let folder = folder.to_owned();
        return Err(ChallengeError::TooMany { folder });
    }
    if !found.iter().any(|picture| picture.good) {
        return Err(missing("a good part"));
    }
    if found.iter().all(|picture| picture.good) {
        return Err(missing("a defective part"));
    }
    Ok(found)
}

fn name_of(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, ChallengeError> {
    let unreadable = |source| ChallengeError::Unreadable {
        folder: folder.to_owned(),
        source,
    };
    let read = fs::read_dir(folder).map_err(unreadable)?;
    let paths: io::Result<Vec<PathBuf>> = read.map(|entry| Ok(entry?.path())).collect();
    let mut paths = paths.map_err(unreadable)?;
    paths.sort();
    Ok(paths)
}

/// How many failures a challenge may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tolerance {
    /// Good parts that may be REJECT.
    pub false_rejects: usize,
    /// Defective parts that may be PASS.
    pub misses: usize,
}

/// The result of a challenge.
#[derive(Clone, Debug, PartialEq)]
pub struct ChallengeResult {
    /// When it ended.
    pub time: SystemTime,
    /// Whether it passed.
    pub passed: bool,
    /// Why it could not be carried out, in which case it did not pass; empty if it was.
    pub error: String,
    /// Number of pictures of good parts.
    pub good: usize,
    /// Number of these that were REJECT.
    pub false_rejects: usize,
    /// Number of pictures of defective parts.
    pub defective: usize,
    /// Number of these that were PASS.
    pub misses: usize,
    /// Names of the pictures that were judged wrongly, with their scores, at most 50.
    pub failures: Vec<String>,
    /// Model, recipe and configuration that judged.
    pub stamp: Arc<Stamp>,
}

impl ChallengeResult {
    /// The result of a challenge that could not be carried out.
    pub fn failed(error: &ChallengeError, stamp: Arc<Stamp>, time: SystemTime) -> Self {
        Self {
            time,
            passed: false,
            error: error.to_string(),
            good: 0,
            false_rejects: 0,
            defective: 0,
            misses: 0,
            failures: Vec::new(),
            stamp,
        }
    }

    /// A sentence about the result.
    pub fn summary(&self) -> String {
        if !self.error.is_empty() {
            return format!("the challenge cannot be carried out: {}", self.error);
        }
        let Self {
            good,
            false_rejects,
            defective,
            misses,
            ..
        } = self;
        let word = if self.passed { "passed" } else { "failed" };
        format!(
            "the challenge {word}: {misses} of {defective} defective parts passed, {false_rejects} of {good} good parts were rejected"
        )
    }
}

/// Judges all pictures. `judge` returns the decision about a picture, and its score.
///
/// # Errors
/// When a picture cannot be decoded or judged.
pub fn run(
    pictures: &[KnownPicture],
    tolerance: Tolerance,
    stamp: Arc<Stamp>,
    mut judge: impl FnMut(&KnownPicture, &Frame) -> Result<(Decision, f32), String>,
    now: impl Fn() -> SystemTime,
) -> Result<ChallengeResult, ChallengeError> {
    let (mut good, mut false_rejects, mut defective, mut misses) = (0, 0, 0, 0);
    let mut failures = Vec::new();
    for picture in pictures {
        let frame = image_file::decode(&picture.file)?;
        let judged = judge(picture, &frame);
        let (decision, score) = judged.map_err(|reason| ChallengeError::NotJudged {
            name: picture.name.clone(),
            reason,
        })?;
        let wrong = if picture.good {
            good += 1;
            false_rejects += usize::from(decision == Decision::Reject);
            decision == Decision::Reject
        } else {
            defective += 1;
            misses += usize::from(decision == Decision::Pass);
            decision == Decision::Pass
        };
        if wrong && failures.len() < MOST_FAILURES {
            failures.push(format!(
                "{}: {} ({score})",
                picture.name,
                decision.name().to_uppercase()
            ));
        }
    }
    Ok(ChallengeResult {
        time: now(),
        passed: false_rejects <= tolerance.false_rejects && misses <= tolerance.misses,
        error: String::new(),
        good,
        false_rejects,
        defective,
        misses,
        failures,
        stamp,
    })
}
