//! What is recorded of the line's work, and what belongs together in it.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use inspectd_core::id::RecipeId;

/// `[evidence]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evidence {
    /// Memory for frames and maps of recent verdicts, bytes; the oldest go first.
    pub memory_limit: usize,
    /// Disk space for files, bytes; the oldest go first.
    pub disk_limit: u64,
    /// PASS verdicts are kept whose score is below the lowest that is not PASS by at most this share.
    pub near_threshold: f64,
    /// One in so many other PASS verdicts of a camera is kept; none if 0.
    pub pass_every: u64,
}

/// `[recipes]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Recipes {
    /// The folder of their files.
    pub folder: Option<PathBuf>,
    /// The one of the first start.
    pub active: Option<RecipeId>,
    /// Those that are kept loaded and warm at most.
    pub prepared_limit: usize,
}

/// `[parts]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Parts {
    /// How long a part waits for all its views.
    pub window: Duration,
    /// What a part is of which a view is missing.
    pub missing_view: MissingView,
}

/// What a part is of which a view did not come in time, where the others do not make it REJECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MissingView {
    /// FAULT.
    Fault,
    /// REJECT.
    Reject,
    /// What the others make it; FAULT if there is none.
    Ignore,
}

/// `[journal]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Journal {
    /// Where it is; without one there is no journal.
    pub folder: Option<PathBuf>,
    /// It is written to the disk at most once in so long.
    pub commit_window: Duration,
    /// What becomes of verdicts that cannot be journalled.
    pub on_failure: OnFailure,
    /// A write that takes longer counts as failed.
    pub stall_timeout: Duration,
    /// Older verdicts are removed.
    pub age_limit: Duration,
    /// The oldest verdicts are removed when the file is larger, bytes.
    pub size_limit: u64,
}

/// What becomes of verdicts that cannot be journalled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// A FAULT each.
    Fault,
    /// As they are.
    Continue,
}
