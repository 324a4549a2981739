//! The sections of recipes, of parts with several views, and of records: journal and evidence.

use std::path::PathBuf;
use std::time::Duration;

use inspectd_core::id::RecipeId;

use super::camera::{NAME, is_name};
use crate::config::field::choice;
use crate::config::group::section;
use crate::config::key::{Key, Unit};
use crate::config::kind::{Kind, UNBOUNDED};

section! {
    /// Recipes: the inspection of each product. docs/recipes.md describes their format. An active recipe
    /// has its own model; without one, `[model]` is used.
    pub struct Recipes = "recipes" {
        /// Folder of `*.toml` files, one for each recipe.
        folder: Option<PathBuf> = Key::unset("folder", Kind::Path),

        /// Recipe of the first start. Later starts activate the recipe that was active last, as the journal's
        /// folder records.
        active: Option<RecipeId> = Key::unset("active", Kind::Text(is_name, NAME)),

        /// Maximum number of prepared recipes: their models stay loaded and warm, so that activating one of
        /// them takes no longer than a frame. The least recently used one is released first.
        prepared_limit: usize = Key::preset("prepared_limit", Kind::Whole(1, 64), "3"),
    }
}

choice! {
    /// Decision of a part with a missing view, unless another view is REJECT.
    pub enum MissingView {
        /// FAULT.
        Fault = "fault",
        /// REJECT.
        Reject = "reject",
        /// The decision of the other views; FAULT without any.
        Ignore = "ignore",
    }
}

section! {
    /// One verdict from several views: cameras with the same `group` inspect the same part. A part is
    /// REJECT if a view is REJECT; otherwise FAULT, REVIEW, PASS, the first of these that a view is.
    pub struct Parts = "parts" {
        /// Maximum time that a part waits for all its views, from its trigger or its first frame.
        window: Duration = Key::preset("window_ms", Kind::Number(1.0, 600_000.0), "1000")
            .unit(Unit::Milliseconds),

        /// Decision of a part with a view that did not arrive in time, unless another view is REJECT.
        /// `ignore`: the decision of the other views; FAULT without any.
        missing_view: MissingView =
            Key::preset("missing_view", Kind::Choice(MissingView::WORDS), "fault"),

        /// Maximum time between the captures of the views of a part whose cameras count (`part_counter`); at most half
        /// the time between two parts. If the views are further apart, a camera has missed a part: FAULT, and the group is
        /// out of step. It is also out of step if two frames of a camera are closer than twice this time. Applies to devices,
        /// streams and pipelines.
        #[serde(skip_serializing_if = "is_usual_spread")]
        capture_spread: Duration = Key::preset("capture_spread_ms", Kind::Number(1.0, 600_000.0), "100")
            .unit(Unit::Milliseconds),

        /// Time without a frame of any camera of a group after which a group that is out of step is in step again,
        /// because no part is in view. Unset: only by `inspectctl resynchronize`.
        #[serde(skip_serializing_if = "Option::is_none")]
        idle_gap: Option<Duration> = Key::unset("idle_gap_ms", Kind::Number(1.0, 86_400_000.0))
            .unit(Unit::Milliseconds),
    }
}

/// Keys that came after version 0.1 are not part of the hash while they have their defaults, so that the hash of the same
/// settings stays the same.
fn is_usual_spread(spread: &Duration) -> bool {
    *spread == Duration::from_millis(100)
}

fn is_usual_check_interval(interval: &Duration) -> bool {
    *interval == Duration::from_hours(24)
}

#[allow(clippy::trivially_copy_pass_by_ref)] // As serde calls it.
fn is_false(flag: &bool) -> bool {
    !flag
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_usual_hold_limit(bytes: &u64) -> bool {
    *bytes == 16_384 << 20
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_usual_wal_limit(bytes: &u64) -> bool {
    *bytes == 512 << 20
}

choice! {
    /// Treatment of unacknowledged verdicts that exceed the limit up to which they are held.
    pub enum HoldOverflow {
        /// New verdicts are not journalled.
        Fault = "fault",
        /// The oldest are removed.
        Remove = "remove",
    }
}

impl HoldOverflow {
    #[allow(clippy::trivially_copy_pass_by_ref)]
    fn is_usual(&self) -> bool {
        *self == Self::Fault
    }
}

choice! {
    /// Treatment of verdicts that cannot be written to the journal.
    pub enum OnFailure {
        /// Each becomes a FAULT.
        Fault = "fault",
        /// They are published unchanged.
        Continue = "continue",
    }
}

section! {
    /// The journal: every verdict is written to an SQLite file before it is published. Without a folder
    /// no journal is written: verdicts are numbered from 1 at each start, and what a client misses is lost.
    pub struct Journal = "journal" {
        /// Folder of the journal, the evidence and the audit log. Created if it does not exist.
        folder: Option<PathBuf> = Key::unset("folder", Kind::Path),

        /// Minimum time between two writes to the disk; verdicts of that time share a write. A single verdict
        /// is written immediately.
        commit_window: Duration =
            Key::preset("commit_window_ms", Kind::Number(0.0, 1000.0), "5").unit(Unit::Milliseconds),

        /// Treatment of verdicts that cannot be written to the journal (disk full, read-only, too slow).
        /// `fault`: each becomes a FAULT. `continue`: they are published unchanged. In both cases they have no
        /// sequence and cannot be fetched later, and health, status and metrics report the failure.
        on_failure: OnFailure =
            Key::preset("on_journal_failure", Kind::Choice(OnFailure::WORDS), "fault").live(),

        /// A write that takes longer counts as failed.
        stall_timeout: Duration =
            Key::preset("stall_timeout_s", Kind::Number(0.05, 60.0), "2").unit(Unit::Seconds),

        /// Older verdicts are removed.
        age_limit: Duration =
            Key::preset("max_age_days", Kind::Number(0.001, 36500.0), "90").unit(Unit::Days),

        /// The oldest verdicts are removed if the file is larger.
        size_limit: u64 =
            Key::preset("max_mib", Kind::Whole(1, 1_048_576), "4096").unit(Unit::Mib),

        /// Whether verdicts that a known consumer has not acknowledged are kept beyond `max_age_days` and `max_mib`, up to
        /// `hold_max_mib`. While they are, an alarm is active.
        #[serde(skip_serializing_if = "is_false")]
        hold: bool = Key::preset("hold_unacknowledged", Kind::Flag, "false"),

        /// Size of the file up to which unacknowledged verdicts are held; at least `max_mib`.
        #[serde(skip_serializing_if = "is_usual_hold_limit")]
        hold_limit: u64 =
            Key::preset("hold_max_mib", Kind::Whole(1, 1_048_576), "16384").unit(Unit::Mib),

        /// What happens at `hold_max_mib`. `fault`: new verdicts are treated as `on_journal_failure` says, until a consumer
        /// acknowledges. `remove`: the oldest unacknowledged verdicts are removed, with an alarm.
        #[serde(skip_serializing_if = "HoldOverflow::is_usual")]
        hold_overflow: HoldOverflow =
            Key::preset("on_hold_overflow", Kind::Choice(HoldOverflow::WORDS), "fault"),

        /// Interval at which the whole file is read in the background, to find damage; also at the start.
        #[serde(skip_serializing_if = "is_usual_check_interval")]
        check_interval: Duration =
            Key::preset("check_interval_s", Kind::Number(1.0, 31_536_000.0), "86400").unit(Unit::Seconds),

        /// Maximum size of the write-ahead log of the file. A reader that never ends, such as a forgotten `sqlite3`,
        /// makes it grow; above the limit verdicts are treated as `on_journal_failure` says.
        #[serde(skip_serializing_if = "is_usual_wal_limit")]
        wal_limit: u64 =
            Key::preset("wal_max_mib", Kind::Whole(32, 65_536), "512").unit(Unit::Mib),
    }
}

section! {
    /// Evidence of recent verdicts. Files in the journal's folder are kept for every REJECT, REVIEW and
    /// FAULT with a frame, and for the PASS verdicts that the keys below select.
    pub struct Evidence = "evidence" {
        /// Maximum memory for frames and anomaly maps of recent verdicts; the oldest are removed first.
        memory_limit: usize =
            Key::preset("memory_mib", Kind::Whole(0, 65_536), "64").unit(Unit::Mib),

        /// Maximum disk space for evidence files, never exceeded; the oldest are removed first. 0: none are
        /// kept.
        disk_limit: u64 =
            Key::preset("disk_mib", Kind::Whole(0, 16_777_216), "1024").unit(Unit::Mib),

        /// PASS verdicts are kept if their score is below the lowest score that is not PASS by at most this
        /// fraction of it.
        near_threshold: f64 = Key::preset("near_threshold", Kind::Number(0.0, 1.0), "0.05")
            .unit(Unit::Plain("fraction of the threshold")),

        /// Of the other PASS verdicts of a camera, one in this many is kept; 0: none.
        pass_every: u64 = Key::preset("pass_every", Kind::Whole(0, UNBOUNDED), "100")
            .unit(Unit::Plain("verdicts")),
    }
}
