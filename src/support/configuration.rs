//! The configuration with the origin of each value, and what `inspectd check` says.

use std::fmt::Write as _;

use super::program::run;
use super::{Context, Parts};
use crate::config;

pub(super) async fn collect(context: &Context<'_>, parts: &mut Parts) {
    parts.add(
        "configuration.txt",
        "every key with its value and the place that sets it, and all faults",
        Ok(text(context)),
    );
    let options = context.options;
    let file = options.sources.file.as_os_str();
    let check = if options.sources.required {
        vec!["--config".as_ref(), file, "check".as_ref()]
    } else {
        vec!["check".as_ref()]
    };
    let checked = run(&options.inspectd, check).await;
    parts.add(
        "check.txt",
        "output of `inspectd check`",
        checked.map(|printed| printed.text()),
    );
}

fn text(context: &Context<'_>) -> String {
    let explanation = &context.explanation;
    let mut out = String::new();
    for file in &explanation.files {
        let _ = writeln!(out, "# {}", file.display());
    }
    match config::load(&context.options.sources) {
        Ok(loaded) => {
            let _ = writeln!(out, "# valid, hash {}", loaded.hash);
        }
        Err(error) => {
            let _ = writeln!(
                out,
                "# not valid: {} faults, listed at the end",
                error.faults.len()
            );
        }
    }
    let values = &explanation.values;
    let key = values
        .iter()
        .map(|value| value.key.len())
        .max()
        .unwrap_or(0);
    let value = values.iter().map(|value| value.value.chars().count());
    // A long value does not move all places to the right.
    let value = value.filter(|count| *count <= 60).max().unwrap_or(0);
    for explained in values {
        let config::Explained {
            key: name,
            value: text,
            place,
        } = explained;
        let _ = writeln!(out, "{name:key$} = {text:value$}  # {place}");
    }
    for fault in &explanation.faults {
        let _ = writeln!(out, "fault: {fault}");
    }
    out
}
