//! The text of a report.

mod tables;

use std::fmt::Write as _;

use anstyle::Style;
use inspectd_client::proto::{DecisionCounts, Report};

use crate::format;

/// Describes a report.
pub fn describe(report: &Report) -> String {
    let mut out = head(report);
    let mut section = |title: &str, table: Option<String>| {
        if let Some(table) = table {
            let bold = Style::new().bold();
            let _ = write!(out, "\n{bold}{title}{bold:#}\n{table}");
        }
    };
    section("By camera or group", tables::sources(report));
    section("By time (UTC)", tables::intervals(&report.intervals));
    section("Rejected frames by region", tables::regions(report));
    section(
        "Rejected frames by branch of the model",
        tables::branches(report),
    );
    section("Labels by class of defect", tables::classes(report));
    section(
        "Labels and decisions",
        report.reviewed.and_then(tables::reviewed),
    );
    section("Faults", tables::faults(report));
    section("Standstills", tables::standstills(report));
    section("Latency of judged frames, ms", tables::latencies(report));
    section("By recipe", tables::recipes(report));
    section("By model", tables::models(report));
    section("Changes", tables::changes(report));
    out
}

/// The period and its sums.
fn head(report: &Report) -> String {
    let parts = report.parts.unwrap_or_default();
    let images = report.client_images.unwrap_or_default();
    let (from, to) = (report.from_time, report.to_time);
    let length = from
        .zip(to)
        .map_or(0, |(from, to)| to.seconds - from.seconds);
    let mut out = format!(
        "period    {} to {} ({})\nhost      {}\n",
        second(from.as_ref()),
        second(to.as_ref()),
        span(length),
        report.host
    );
    if let Some(kept_from) = &report.kept_from_time {
        let warning = format::warning_style();
        let kept_from = format::second(kept_from);
        let _ = writeln!(
            out,
            "          {warning}the journal no longer keeps verdicts before {kept_from}{warning:#}"
        );
    }
    let _ = writeln!(
        out,
        "parts     {}, yield {} %",
        describe_counts(parts),
        per_cent(parts)
    );
    if total(images) > 0 {
        let _ = writeln!(out, "images    {} of clients", describe_counts(images));
    }
    let stopped = report.standstill_total.unwrap_or_default();
    let _ = writeln!(out, "stopped   {} without verdicts", format::span(stopped));
    out
}

fn describe_counts(counts: DecisionCounts) -> String {
    format!(
        "{}: {} pass, {} review, {} reject, {} fault",
        total(counts),
        counts.pass,
        counts.review,
        counts.reject,
        counts.fault
    )
}

fn total(counts: DecisionCounts) -> u64 {
    counts.pass + counts.review + counts.reject + counts.fault
}

/// The share of PASS among judged parts in per cent, rounded down, so that only all of them are shown as 100.
fn per_cent(counts: DecisionCounts) -> String {
    let judged = u128::from(counts.pass + counts.review + counts.reject);
    let hundredths = (u128::from(counts.pass) * 10_000).checked_div(judged);
    hundredths.map_or_else(
        || "-".to_owned(),
        |hundredths| format!("{}.{:02}", hundredths / 100, hundredths % 100),
    )
}

fn second(time: Option<&prost_types::Timestamp>) -> String {
    time.map_or_else(|| "-".to_owned(), format::second)
}

fn span(seconds: i64) -> String {
    format::span(prost_types::Duration { seconds, nanos: 0 })
}

#[cfg(test)]
mod tests;
