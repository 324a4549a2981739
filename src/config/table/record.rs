//! The keys of what is recorded of the line's work, and of what belongs together in it.

use super::kind::ENDLESS;
use super::{Key, Kind, Section};

pub(super) const JOURNAL: Section = Section {
    name: "journal",
    doc: "Every verdict in a SQLite file, before anybody sees it. Without a folder there is no journal: \
          verdicts are numbered from 1 with each start, and what a client misses is lost.",
    keys: &[
        Key::unset(
            "folder",
            Kind::Path,
            "Where the journal, the evidence and the audit log are. Made if it is not there.",
        ),
        Key::preset(
            "commit_window_ms",
            Kind::Number(0.0, 1000.0),
            "5",
            "The journal is written to the disk at most once in so long; verdicts of that time share a \
             write. A verdict that comes alone is written at once.",
        )
        .unit("milliseconds"),
        Key::preset(
            "on_journal_failure",
            Kind::Choice(&["fault", "continue"]),
            "fault",
            "What becomes of verdicts that cannot be journalled (disk full, read-only, too slow): a FAULT \
             each, or as they are. Either way they have no sequence, nobody can fetch them later, and \
             health, status and metrics say so.",
        )
        .live(),
        Key::preset(
            "stall_timeout_s",
            Kind::Number(0.05, 60.0),
            "2",
            "A write that takes longer counts as failed.",
        )
        .unit("seconds"),
        Key::preset(
            "max_age_days",
            Kind::Number(0.001, 36500.0),
            "90",
            "Older verdicts are removed.",
        )
        .unit("days"),
        Key::preset(
            "max_mib",
            Kind::Whole(1, 1_048_576),
            "4096",
            "The oldest verdicts are removed when they take more.",
        )
        .unit("MiB"),
    ],
};

pub(super) const EVIDENCE: Section = Section {
    name: "evidence",
    doc: "What is kept of recent verdicts. In the journal's folder, files are kept of every REJECT, REVIEW \
          and FAULT that has a frame, and of the PASS verdicts that the keys below say.",
    keys: &[
        Key::preset(
            "memory_mib",
            Kind::Whole(0, 65_536),
            "64",
            "Memory for frames and heatmaps of recent verdicts; the oldest go first.",
        )
        .unit("MiB"),
        Key::preset(
            "disk_mib",
            Kind::Whole(0, 16_777_216),
            "1024",
            "Disk space for evidence files, never more; the oldest go first. 0: none are kept.",
        )
        .unit("MiB"),
        Key::preset(
            "near_threshold",
            Kind::Number(0.0, 1.0),
            "0.05",
            "PASS verdicts are kept whose score is below what is not PASS by at most this share of it.",
        )
        .unit("fraction of the threshold"),
        Key::preset(
            "pass_every",
            Kind::Whole(0, ENDLESS),
            "100",
            "Of the other PASS verdicts of a camera, one in so many is kept; 0: none.",
        )
        .unit("verdicts"),
    ],
};

pub(super) const RECIPES: Section = Section {
    name: "recipes",
    doc: "Recipes: how each product is inspected. docs/recipes.md has their format. A recipe in force has \
          its own model; `[model]` holds where none is.",
    keys: &[
        Key::unset(
            "folder",
            Kind::Path,
            "The folder of `*.toml` files, one a recipe.",
        ),
        Key::unset(
            "active",
            Kind::Text(super::camera::is_name, "1 to 64 of a-z, 0-9, '-' and '_'"),
            "The recipe of the first start. Later starts begin with the one that was activated last, \
             which the journal's folder remembers.",
        ),
        Key::preset(
            "prepared_limit",
            Kind::Whole(1, 64),
            "3",
            "Recipes whose models are kept loaded and warm, so that changing to one of them takes no \
             longer than a frame; the one that was used longest ago makes room.",
        ),
    ],
};

pub(super) const PARTS: Section = Section {
    name: "parts",
    doc: "One verdict of several views: cameras with the same `group` look at the same part. A part is \
          REJECT if a view is; else FAULT, REVIEW, PASS, the first of these that a view is.",
    keys: &[
        Key::preset(
            "window_ms",
            Kind::Number(1.0, 600_000.0),
            "1000",
            "How long a part waits for all its views, from its trigger or its first frame on.",
        )
        .unit("milliseconds"),
        Key::preset(
            "missing_view",
            Kind::Choice(&["fault", "reject", "ignore"]),
            "fault",
            "What a part is of which a view did not come in time, where the others do not make it REJECT. \
             `ignore`: what the others make it; FAULT if there is none.",
        ),
    ],
};
