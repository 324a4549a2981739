//! A report as a CSV table (RFC 4180), in long format: each number has a row of its own, so that a spreadsheet can
//! filter and pivot it.

use std::borrow::Cow;

use crate::proto::{
    AuditEntry, DecisionCounts, LatencyPercentiles, Model, RecipeTag, Report, ReviewedCounts,
    Standstill,
};

/// The columns.
const HEADER: [&str; 6] = ["section", "name", "id", "metric", "value", "unit"];

/// Digits of a hash that are enough to distinguish two versions.
const HASH_DIGITS: usize = 12;

/// Returns a report as a CSV table with the columns `section,name,id,metric,value,unit`.
///
/// `section` is the field of the report, such as `sources`; `name` and `id` distinguish its rows; `metric` is a decision, a
/// percentile or another number. Lines end with CR LF. A cell that a spreadsheet would take for a formula is preceded by
/// an apostrophe.
pub fn report_csv(report: &Report) -> String {
    let mut table = Table::new();
    table.add_head(report);
    table.add_counts("parts", "all", "", report.parts, "parts");
    table.add_yield("parts", "all", "", report.r#yield);
    table.add_counts("client_images", "all", "", report.client_images, "images");
    for source in &report.sources {
        let kind = if source.group { "group" } else { "camera" };
        table.add_counts("sources", kind, &source.id, source.parts, "parts");
        table.add_yield("sources", kind, &source.id, source.r#yield);
    }
    for interval in &report.intervals {
        let from = time(interval.from_time.as_ref());
        table.add_counts("intervals", "interval", &from, interval.parts, "parts");
    }
    table.add_causes(report);
    table.add_reviewed(report.reviewed.unwrap_or_default());
    for fault in &report.faults {
        let reason = enumerator(fault.reason().as_str_name(), "FAULT_REASON_");
        table.add_count(
            "faults",
            &reason,
            &fault.id,
            "fault",
            fault.count,
            "verdicts",
        );
    }
    table.add_standstills(report);
    table.add_latency("total", report.latency);
    for stage in &report.stages {
        table.add_latency(&stage.stage, stage.latency);
    }
    for recipe in &report.recipes {
        let tag = recipe.recipe.clone().unwrap_or_default();
        table.add_counts(
            "recipes",
            &recipe_version(&tag),
            &tag.id,
            recipe.parts,
            "parts",
        );
    }
    for model in &report.models {
        let id = model.model.clone().unwrap_or_default();
        table.add_counts(
            "models",
            &model_version(&id),
            &id.name,
            model.parts,
            "parts",
        );
    }
    for change in &report.changes {
        table.add_change(change);
    }
    let left_out = report.changes_left_out;
    table.add_count("changes", "all", "", "left_out", left_out, "changes");
    table.0
}

/// The text of a table.
struct Table(String);

impl Table {
    /// A table without rows.
    fn new() -> Self {
        let mut table = Self(String::new());
        table.add_row(HEADER);
        table
    }

    fn add_row(&mut self, cells: [&str; HEADER.len()]) {
        let cells = cells.map(cell);
        self.0 += &cells.join(",");
        self.0 += "\r\n";
    }

    fn add_count(
        &mut self,
        section: &str,
        name: &str,
        id: &str,
        metric: &str,
        count: u64,
        unit: &str,
    ) {
        let count = count.to_string();
        self.add_row([section, name, id, metric, &count, unit]);
    }

    fn add_counts(
        &mut self,
        section: &str,
        name: &str,
        id: &str,
        counts: Option<DecisionCounts>,
        unit: &str,
    ) {
        let counts = counts.unwrap_or_default();
        for (decision, count) in [
            ("pass", counts.pass),
            ("review", counts.review),
            ("reject", counts.reject),
            ("fault", counts.fault),
        ] {
            self.add_count(section, name, id, decision, count, unit);
        }
    }

    /// A row for the share of PASS, unless there is none.
    fn add_yield(&mut self, section: &str, name: &str, id: &str, share: Option<f64>) {
        if let Some(share) = share {
            let share = format!("{share:.6}");
            self.add_row([section, name, id, "yield", &share, "ratio"]);
        }
    }

    fn add_head(&mut self, report: &Report) {
        let mut add = |metric: &str, value: &str, unit: &str| {
            self.add_row(["report", "report", "", metric, value, unit]);
        };
        add("host", &report.host, "");
        add("from_time", &time(report.from_time.as_ref()), "UTC");
        add("to_time", &time(report.to_time.as_ref()), "UTC");
        add("create_time", &time(report.create_time.as_ref()), "UTC");
        if report.kept_from_time.is_some() {
            let kept_from = time(report.kept_from_time.as_ref());
            add("kept_from_time", &kept_from, "UTC");
        }
    }

    /// What rejected frames were rejected for, and what people called their defects.
    fn add_causes(&mut self, report: &Report) {
        for cause in &report.regions {
            let (region, camera) = (&cause.region, &cause.camera_id);
            self.add_count("regions", region, camera, "reject", cause.count, "frames");
        }
        for branch in &report.branches {
            let kind = enumerator(branch.kind().as_str_name(), "ANOMALY_KIND_");
            self.add_count("branches", &kind, "", "reject", branch.count, "frames");
        }
        for class in &report.classes {
            let (name, count) = (&class.defect_class, class.count);
            self.add_count("classes", name, "", "defective", count, "verdicts");
        }
    }

    fn add_reviewed(&mut self, reviewed: ReviewedCounts) {
        for (metric, count) in [
            ("rejected_good", reviewed.rejected_good),
            ("rejected_defective", reviewed.rejected_defective),
            ("rejected_unlabelled", reviewed.rejected_unlabelled),
            ("passed_good", reviewed.passed_good),
            ("passed_defective", reviewed.passed_defective),
            ("unsure", reviewed.unsure),
            ("review_labelled", reviewed.review_labelled),
            ("review_unlabelled", reviewed.review_unlabelled),
        ] {
            self.add_count("reviewed", "all", "", metric, count, "verdicts");
        }
    }

    fn add_standstills(&mut self, report: &Report) {
        for standstill in &report.standstills {
            let from = time(standstill.from_time.as_ref());
            let to = time(standstill.to_time.as_ref());
            let seconds = format!("{:.3}", length_s(standstill));
            let started = u64::from(standstill.started);
            self.add_row(["standstills", "standstill", &from, "length", &seconds, "s"]);
            self.add_row(["standstills", "standstill", &from, "to_time", &to, "UTC"]);
            self.add_count("standstills", "standstill", &from, "started", started, "");
        }
        let total = report.standstill_total.unwrap_or_default();
        let seconds = format!("{:.3}", milliseconds(total) / 1e3);
        self.add_row(["standstills", "all", "", "length", &seconds, "s"]);
    }

    fn add_latency(&mut self, stage: &str, latency: Option<LatencyPercentiles>) {
        let latency = latency.unwrap_or_default();
        self.add_count("latency", stage, "", "count", latency.count, "frames");
        for (metric, duration) in [
            ("p50", latency.p50),
            ("p95", latency.p95),
            ("p99", latency.p99),
            ("highest", latency.highest),
        ] {
            if let Some(duration) = duration {
                let value = format!("{:.3}", milliseconds(duration));
                self.add_row(["latency", stage, "", metric, &value, "ms"]);
            }
        }
    }

    fn add_change(&mut self, change: &AuditEntry) {
        let number = change.number.to_string();
        let at = time(change.time.as_ref());
        for (metric, value, unit) in [
            ("time", &at, "UTC"),
            ("who", &change.who, ""),
            ("subject", &change.subject, ""),
            ("before", &change.before, ""),
            ("after", &change.after, ""),
        ] {
            self.add_row(["changes", &change.action, &number, metric, value, unit]);
        }
    }
}

/// A cell. Texts of people are among them, so each is treated as one: the first character of a formula is preceded by an
/// apostrophe, and every separator that spreadsheets know is quoted.
fn cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
    let guarded = if formula {
        Cow::Owned(format!("'{text}"))
    } else {
        Cow::Borrowed(text)
    };
    if guarded.contains([',', ';', '"', '\t', '\r', '\n']) {
        format!("\"{}\"", guarded.replace('"', "\"\""))
    } else {
        guarded.into_owned()
    }
}

/// A time in RFC 3339; empty if unset.
fn time(time: Option<&prost_types::Timestamp>) -> String {
    time.map(ToString::to_string).unwrap_or_default()
}

/// A duration in milliseconds. `f64` holds nanoseconds exactly up to 104 days, and to a microsecond beyond.
fn milliseconds(duration: prost_types::Duration) -> f64 {
    duration.seconds as f64 * 1e3 + f64::from(duration.nanos) / 1e6
}

/// The length of a standstill in seconds, from the difference of its times.
fn length_s(standstill: &Standstill) -> f64 {
    let from = standstill.from_time.unwrap_or_default();
    let to = standstill.to_time.unwrap_or_default();
    (to.seconds - from.seconds) as f64 + f64::from(to.nanos - from.nanos) / 1e9
}

/// A version of a recipe with its hash; empty for no recipe.
fn recipe_version(tag: &RecipeTag) -> String {
    version(&tag.version, &tag.sha256)
}

/// A version of a model with its hash.
fn model_version(model: &Model) -> String {
    version(&model.version, &model.sha256)
}

fn version(version: &str, sha256: &str) -> String {
    let hash = sha256.get(..HASH_DIGITS).unwrap_or(sha256);
    format!("{version} {hash}").trim().to_owned()
}

/// An enumerator without the name of its enumeration, in lower case.
fn enumerator(name: &str, enumeration: &str) -> String {
    let short = name.strip_prefix(enumeration).unwrap_or(name);
    short.to_ascii_lowercase()
}

#[cfg(test)]
mod tests;
