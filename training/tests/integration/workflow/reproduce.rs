//! `mhkd reproduce`: finished experiments are kept, and a failure affects only one experiment.

use std::path::Path;
use std::process::Command;

use super::workspace::{fail, mhkd, shared_workspace, succeed};

/// `mhkd reproduce TARGET` with one step per training.
fn reproduce(target: &str, out: &str, more: &[&str]) -> Command {
    let workspace = shared_workspace();
    let mut command = mhkd(&["reproduce", target, "--out", &workspace.path(out)]);
    command.args([
        "--dataset",
        &workspace.path("data"),
        "--device",
        "cpu",
        "--threads",
        "1",
    ]);
    command.args(["--teacher", &workspace.path("teacher/teacher.safetensors")]);
    command.args(["--input-size", "128", "--precision", "f32", "--steps", "1"]);
    command.args(more);
    command
}

fn written(path: &str) -> std::time::SystemTime {
    let metadata = std::fs::metadata(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    metadata
        .modified()
        .expect("the file system has modification times")
}

/// The cells of the row `name` in a Markdown table.
fn row<'a>(table: &'a str, name: &str) -> Vec<&'a str> {
    let mut rows = table.lines().map(|line| {
        let cells = line.trim_matches('|').split('|');
        cells.map(str::trim).collect::<Vec<&str>>()
    });
    let found = rows.find(|cells| cells[0] == name);
    found.unwrap_or_else(|| panic!("row {name} not found in\n{table}"))
}

#[test]
fn finished_experiments_are_kept_and_failed_ones_are_run_again() {
    let workspace = shared_workspace();
    let table = succeed(&mut reproduce("table4", "ablations", &[]));
    assert_eq!(
        row(&table, "full, paper")[1..5],
        ["0.871", "0.787", "0.829", "0.910"]
    );
    for name in [
        "full",
        "without both",
        "without SEncoder2",
        "without self-distillation",
    ] {
        let figures: Vec<f64> = row(&table, name)[1..]
            .iter()
            .map(|figure| figure.parse().expect("a value without deviation"))
            .collect();
        assert!(
            figures.iter().all(|figure| (0.0..=1.0).contains(figure)),
            "{name}"
        );
        assert_eq!(figures.len(), 6);
    }
    assert_eq!(
        std::fs::read_to_string(workspace.path("ablations/table4.md"))
            .expect("written")
            .trim(),
        table.trim()
    );

    // Two results are removed, and one checkpoint is damaged.
    let cell = |name: &str| workspace.path(&format!("ablations/cells/line-{name}-seed42"));
    let kept = written(&format!("{}/metrics.json", cell("full")));
    let trained = written(&format!(
        "{}/run/checkpoint.safetensors",
        cell("no-encoder2")
    ));
    std::fs::remove_file(format!("{}/metrics.json", cell("no-encoder2"))).expect("removed");
    std::fs::remove_file(format!("{}/metrics.json", cell("neither"))).expect("removed");
    std::fs::write(
        format!("{}/run/checkpoint.safetensors", cell("neither")),
        "damaged",
    )
    .expect("written");
    let output = reproduce("table4", "ablations", &[])
        .output()
        .expect("it starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(
        stderr.contains("failed: line neither seed 42: the evaluation failed"),
        "{stderr}"
    );
    assert!(
        stderr.contains("2 of 4 experiments are finished"),
        "{stderr}"
    );
    let table = String::from_utf8_lossy(&output.stdout);
    assert_eq!(row(&table, "without both")[1], "-");
    assert_ne!(row(&table, "without SEncoder2")[1], "-");
    assert_eq!(written(&format!("{}/metrics.json", cell("full"))), kept);
    assert_eq!(
        written(&format!(
            "{}/run/checkpoint.safetensors",
            cell("no-encoder2")
        )),
        trained
    );
}

#[test]
fn tables_share_experiments_and_write_timings_and_figures() {
    let workspace = shared_workspace();
    let few = ["--timed-repeats", "2", "--timed-batch", "2"];
    let table = succeed(&mut reproduce("table5", "shared", &few));
    let ours = row(&table, "MHKD");
    for figure in &ours[2..4] {
        assert!(figure.parse::<f64>().expect("a number") > 0.0, "{table}");
    }
    assert!(
        ours[4].contains('('),
        "the latency includes quantiles: {table}"
    );
    let full = workspace.path("shared/cells/line-full-seed42/metrics.json");
    let created = written(&full);

    let table = succeed(&mut reproduce("table1", "shared", &[]));
    assert_eq!(written(&full), created, "shared with table 5");
    assert_eq!(row(&table, "EfficientAD, paper")[2], "0.798");
    for name in [
        "S-T",
        "PaDiM",
        "PatchCore",
        "PaDiM + PatchCore + FRE",
        "EfficientAD",
        "MHKD",
        "MHKD, logical map only",
    ] {
        assert_ne!(row(&table, name)[1], "-", "{table}");
    }

    succeed(&mut reproduce("fig7", "shared", &[]));
    assert_eq!(
        written(&full),
        created,
        "shared as the paper's loss weights"
    );
    let png = image::open(workspace.path("shared/fig7.png")).expect("an image");
    assert!(png.width() > 800);
    assert!(Path::new(&workspace.path("shared/fig7.svg")).is_file());
}

#[test]
fn invalid_requests_are_rejected_before_anything_is_computed() {
    let workspace = shared_workspace();
    let check = |more: &[&str], expected: &str| {
        let error = fail(&mut reproduce("table4", "refused-tables", more));
        assert!(error.contains(expected), "{error}");
        assert!(!Path::new(&workspace.path("refused-tables/cells")).exists());
    };
    check(
        &["--categories", "screws"],
        "category \"screws\" not found (available: line)",
    );
    check(
        &["--seed", "3"],
        "set by the table, --seeds and --categories",
    );
    check(&["--teacher", "none.safetensors"], "file not found");
    check(&["--method", "efficientad"], "set by the table");
}

#[test]
fn folder_with_other_settings_is_rejected() {
    let one = ["--categories", "line", "--seeds", "5"];
    succeed(&mut reproduce("table2", "others", &one));
    let error = fail(reproduce("table2", "others", &one).args(["--steps", "2"]));
    assert!(error.contains("steps = 2 (the run has 1)"), "{error}");
}
