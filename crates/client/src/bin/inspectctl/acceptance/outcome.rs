//! The report of a study: two files, and a summary on standard output.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::Context;
use inspectd_client::Timestamp;
use inspectd_client::acceptance::{Conclusion, Criteria, Evaluation, Rate, Study, evaluate, html};
use inspectd_core::atomic_file;

use crate::failure::Failure;
use crate::format;

/// Writes the report. The exit code is 1 if a criterion does not hold.
///
/// # Errors
/// When a file cannot be written.
pub fn write(study: &Study, criteria: Criteria, folder: &Path) -> Result<ExitCode, Failure> {
    let now = format::second(&Timestamp::from(SystemTime::now()));
    let evaluation = evaluate(study, criteria, now);
    let mut json = serde_json::to_string_pretty(&evaluation).context("acceptance.json")?;
    json.push('\n');
    for (name, content) in [
        ("acceptance.json", json),
        ("acceptance.html", html(&evaluation)),
    ] {
        let path = folder.join(name);
        atomic_file::write(&path, content).with_context(|| path.display().to_string())?;
    }
    write!(anstream::stdout(), "{}", describe(&evaluation))?;
    writeln!(
        anstream::stdout(),
        "report: {}",
        folder.join("acceptance.html").display()
    )?;
    Ok(match evaluation.conclusion {
        Conclusion::NotAccepted => ExitCode::FAILURE,
        Conclusion::Accepted | Conclusion::NotJudged => ExitCode::SUCCESS,
    })
}

/// The summary.
fn describe(evaluation: &Evaluation) -> String {
    let mut lines = Vec::new();
    for study in &evaluation.type1 {
        let capability = study.capability.as_ref();
        let cgk = match capability.map(|capability| capability.cgk) {
            None => String::new(),
            Some(None) => ", Cgk unlimited".to_owned(),
            Some(Some(cgk)) => format!(", Cgk {cgk:.2}"),
        };
        let what = if study.one_picture {
            "one picture, repeated"
        } else {
            "type 1 study"
        };
        lines.push(format!(
            "{what}: part {}, {} scores, mean {:.4}, standard deviation {:.6}{cgk}",
            study.part, study.count, study.mean, study.deviation
        ));
    }
    if let Some(agreement) = &evaluation.agreement {
        lines.push(rate("misses", &agreement.misses));
        lines.push(rate("false rejects", &agreement.false_rejects));
        lines.push(format!(
            "agreement: {} of {} parts with each other, {} with their state",
            agreement.within.count, agreement.within.of, agreement.with_reference.count
        ));
    }
    if !evaluation.borderline.is_empty() {
        lines.push(format!(
            "borderline: {}",
            format::count(evaluation.borderline.len() as u64, "part")
        ));
    }
    if !evaluation.faults.is_empty() {
        lines.push(format!(
            "FAULT: {}",
            format::count(evaluation.faults.len() as u64, "verdict")
        ));
    }
    for result in &evaluation.results {
        let holds = if result.holds {
            "holds"
        } else {
            "does not hold"
        };
        lines.push(format!("{holds}: {}: {}", result.required, result.found));
    }
    lines.push(evaluation.conclusion.name().to_owned());
    lines.push(String::new());
    lines.join("\n")
}

fn rate(name: &str, rate: &Rate) -> String {
    format!(
        "{name}: {} of {} decisions, {} of {} parts, upper bound {:.1} %",
        rate.events,
        rate.decisions,
        rate.parts.count,
        rate.parts.of,
        100.0 * rate.upper_bound
    )
}
