//! The tables of a report.

use comfy_table::Cell;
use inspectd_client::proto::{
    DecisionCounts, LatencyPercentiles, Report, ReportInterval, ReviewedCounts, Standstill,
};

use super::{per_cent, second, span, total};
use crate::format;
use crate::table::{self, Column, styled};

/// Most rows of the table by time: successive intervals are put together.
pub(super) const TIME_ROWS: usize = 24;

/// Most standstills and faults that are shown.
const LISTED: usize = 10;

/// Columns of parts by decision, after those that name them.
const DECISIONS: [Column; 6] = [
    Column::number("parts"),
    Column::number("pass"),
    Column::number("review"),
    Column::number("reject"),
    Column::number("fault"),
    Column::number("yield %"),
];

pub(super) fn sources(report: &Report) -> Option<String> {
    let rows = report.sources.iter().map(|source| {
        let kind = if source.group { "group" } else { "camera" };
        ([source.id.clone(), kind.to_owned()], source.parts)
    });
    by_decision(["id", "kind"], rows)
}

pub(super) fn intervals(intervals: &[ReportInterval]) -> Option<String> {
    let merged = intervals.len().div_ceil(TIME_ROWS).max(1);
    let [parts, pass, review, reject, fault, share] = DECISIONS;
    let columns = [
        Column::text("from"),
        parts,
        pass,
        review,
        reject,
        fault,
        share,
    ];
    let rows = intervals.chunks(merged).map(|chunk| {
        let mut sum = DecisionCounts::default();
        for interval in chunk {
            let parts = interval.parts.unwrap_or_default();
            sum.pass += parts.pass;
            sum.review += parts.review;
            sum.reject += parts.reject;
            sum.fault += parts.fault;
        }
        let from = chunk.first().and_then(|first| first.from_time);
        let [parts, pass, review, reject, fault, share] = decision_cells(Some(sum));
        let from = Cell::new(second(from.as_ref()));
        [from, parts, pass, review, reject, fault, share]
    });
    table_of(columns, rows.collect())
}

pub(super) fn regions(report: &Report) -> Option<String> {
    let columns = [
        Column::text("camera"),
        Column::text("region"),
        Column::number("frames"),
    ];
    let rows = report.regions.iter().map(|cause| {
        [
            Cell::new(or(&cause.camera_id, "image of a client")),
            Cell::new(or(&cause.region, "rest of the frame")),
            Cell::new(cause.count),
        ]
    });
    table_of(columns, rows.collect())
}

pub(super) fn branches(report: &Report) -> Option<String> {
    let columns = [Column::text("branch"), Column::number("frames")];
    let rows = report.branches.iter();
    let rows = rows.map(|one| [Cell::new(format::kind(one.kind())), Cell::new(one.count)]);
    table_of(columns, rows.collect())
}

pub(super) fn classes(report: &Report) -> Option<String> {
    let columns = [Column::text("class"), Column::number("verdicts")];
    let rows = report.classes.iter();
    let rows = rows.map(|one| {
        let class = or(&one.defect_class, "without a class");
        [Cell::new(class), Cell::new(one.count)]
    });
    table_of(columns, rows.collect())
}

/// Nothing if there is no label, and nothing to label.
pub(super) fn reviewed(reviewed: ReviewedCounts) -> Option<String> {
    let columns = [
        Column::text("decision and label"),
        Column::number("verdicts"),
    ];
    let rows = [
        (
            "rejected, labelled good (false reject)",
            reviewed.rejected_good,
        ),
        ("rejected, labelled defective", reviewed.rejected_defective),
        ("rejected, no label", reviewed.rejected_unlabelled),
        (
            "passed, labelled defective (miss)",
            reviewed.passed_defective,
        ),
        ("passed, labelled good", reviewed.passed_good),
        ("review, with a label", reviewed.review_labelled),
        ("review, no label", reviewed.review_unlabelled),
        ("labelled unsure", reviewed.unsure),
    ];
    let rows = rows.into_iter().filter(|&(_, count)| count > 0);
    let rows = rows.map(|(text, count)| [Cell::new(text), Cell::new(count)]);
    table_of(columns, rows.collect())
}

pub(super) fn faults(report: &Report) -> Option<String> {
    let columns = [
        Column::text("id"),
        Column::text("reason"),
        Column::number("verdicts"),
    ];
    let rows = report.faults.iter().take(LISTED).map(|fault| {
        [
            Cell::new(or(&fault.id, "image of a client")),
            Cell::new(format::fault_reason(fault.reason())),
            Cell::new(fault.count),
        ]
    });
    let table = table_of(columns, rows.collect());
    table.map(|table| table + &more(report.faults.len()))
}

pub(super) fn standstills(report: &Report) -> Option<String> {
    let columns = [
        Column::text("from"),
        Column::text("to"),
        Column::number("length"),
        Column::text("note"),
    ];
    let rows = report.standstills.iter().take(LISTED).map(|standstill| {
        let started = if standstill.started {
            "inspectd was started"
        } else {
            ""
        };
        [
            Cell::new(second(standstill.from_time.as_ref())),
            Cell::new(second(standstill.to_time.as_ref())),
            Cell::new(span(length_s(standstill))),
            Cell::new(started),
        ]
    });
    let table = table_of(columns, rows.collect());
    table.map(|table| table + &more(report.standstills.len()))
}

/// A line for those that are not shown.
fn more(count: usize) -> String {
    match count.saturating_sub(LISTED) {
        0 => String::new(),
        left_out => format!("... and {left_out} more: see --format csv\n"),
    }
}

pub(super) fn latencies(report: &Report) -> Option<String> {
    let columns = [
        Column::text("stage"),
        Column::number("frames"),
        Column::number("p50"),
        Column::number("p95"),
        Column::number("p99"),
        Column::number("highest"),
    ];
    let row = |stage: &str, latency: Option<LatencyPercentiles>| {
        let latency = latency.filter(|latency| latency.count > 0)?;
        let ms = |duration: Option<prost_types::Duration>| {
            let ms = duration.map(format::milliseconds);
            Cell::new(ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.1}")))
        };
        let count = Cell::new(latency.count);
        let [p50, p95, p99] = [latency.p50, latency.p95, latency.p99].map(ms);
        Some([Cell::new(stage), count, p50, p95, p99, ms(latency.highest)])
    };
    let stages = report.stages.iter();
    let stages = stages.filter_map(|one| row(&one.stage, one.latency));
    let rows = row("capture to verdict", report.latency).into_iter();
    table_of(columns, rows.chain(stages).collect())
}

pub(super) fn recipes(report: &Report) -> Option<String> {
    let rows = report.recipes.iter().map(|recipe| {
        let tag = recipe.recipe.clone().unwrap_or_default();
        let version = format!("{} {}", tag.version, format::short_hash(&tag.sha256));
        ([or(&tag.id, "no recipe").to_owned(), version], recipe.parts)
    });
    by_decision(["recipe", "version"], rows)
}

pub(super) fn models(report: &Report) -> Option<String> {
    let rows = report.models.iter().map(|model| {
        let id = model.model.clone().unwrap_or_default();
        let version = format!("{} {}", id.version, format::short_hash(&id.sha256));
        ([id.name, version], model.parts)
    });
    by_decision(["model", "version"], rows)
}

pub(super) fn changes(report: &Report) -> Option<String> {
    let columns = [
        Column::text("at"),
        Column::text("who"),
        Column::text("action"),
        Column::text("subject"),
        Column::text("before"),
        Column::text("after"),
    ];
    let rows = report.changes.iter().map(|change| {
        [
            Cell::new(second(change.time.as_ref())),
            Cell::new(one_line(&change.who)),
            Cell::new(&change.action),
            Cell::new(one_line(&change.subject)),
            Cell::new(one_line(&change.before)),
            Cell::new(one_line(&change.after)),
        ]
    });
    let table = table_of(columns, rows.collect())?;
    let left_out = match report.changes_left_out {
        0 => String::new(),
        left_out => format!("... and {}\n", format::count(left_out, "more change")),
    };
    Some(table + &left_out)
}

/// A table, unless it would have no rows.
fn table_of<const N: usize>(columns: [Column; N], rows: Vec<[Cell; N]>) -> Option<String> {
    (!rows.is_empty()).then(|| table::render(columns, rows))
}

/// A table of parts by decision, whose rows two texts name.
fn by_decision(
    headings: [&'static str; 2],
    rows: impl Iterator<Item = ([String; 2], Option<DecisionCounts>)>,
) -> Option<String> {
    let [first, next] = headings.map(Column::text);
    let [parts, pass, review, reject, fault, share] = DECISIONS;
    let columns = [first, next, parts, pass, review, reject, fault, share];
    let rows = rows.map(|(names, counts)| {
        let [first, next] = names.map(Cell::new);
        let [parts, pass, review, reject, fault, share] = decision_cells(counts);
        [first, next, parts, pass, review, reject, fault, share]
    });
    table_of(columns, rows.collect())
}

/// The cells of [`DECISIONS`].
fn decision_cells(counts: Option<DecisionCounts>) -> [Cell; 6] {
    let counts = counts.unwrap_or_default();
    let fault = match counts.fault {
        0 => Cell::new(0),
        fault => styled(fault, format::warning_style()),
    };
    [
        Cell::new(total(counts)),
        Cell::new(counts.pass),
        Cell::new(counts.review),
        Cell::new(counts.reject),
        fault,
        Cell::new(per_cent(counts)),
    ]
}

fn or<'a>(text: &'a str, otherwise: &'a str) -> &'a str {
    if text.is_empty() { otherwise } else { text }
}

/// The beginning of a text, without line breaks and other control characters.
fn one_line(text: &str) -> String {
    const LENGTH: usize = 40;
    let line = text.chars().take(LENGTH);
    let line = line.map(|character| {
        if character.is_control() {
            ' '
        } else {
            character
        }
    });
    let mut line: String = line.collect();
    if text.chars().nth(LENGTH).is_some() {
        line += " ...";
    }
    line
}

fn length_s(standstill: &Standstill) -> i64 {
    let from = standstill.from_time.unwrap_or_default();
    let to = standstill.to_time.unwrap_or_default();
    to.seconds - from.seconds
}
