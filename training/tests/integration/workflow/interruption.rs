//! Runs that are interrupted or killed, and runs on a full disk.

use std::io::Read;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use inspectd_test_support::{external_data, require};
use mhkd::fit::checkpoint::Checkpoint;

use super::workspace::{bytes, fail, losses, mhkd, shared_workspace, succeed};

/// A step takes milliseconds; a machine that is busy with other work may need minutes.
const TIMEOUT: Duration = Duration::from_mins(10);

/// Waits until `done` returns true. Fails after [`TIMEOUT`].
pub(super) fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < TIMEOUT, "timeout waiting for {what}");
        sleep(Duration::from_millis(5));
    }
}

/// Sends `signal` to the process `id`, which the test started.
pub(super) fn signal(id: u32, signal: &str) {
    let status = Command::new("kill")
        .arg(format!("-{signal}"))
        .arg(id.to_string())
        .status();
    assert!(status.expect("the program kill starts").success());
}

#[test]
fn finished_run_is_continued_with_more_steps() {
    let workspace = shared_workspace();
    succeed(&mut workspace.train("extended", &["--steps", "5"]));
    let run = workspace.path("extended");
    let resume = |steps: &str| mhkd(&["train", "--resume", "--out", &run, "--steps", steps]);
    let error = fail(&mut resume("4"));
    assert!(error.contains("may have more steps, not fewer"), "{error}");
    let calibration = bytes(&format!("{run}/calibration.toml"));
    succeed(&mut resume("9"));
    assert_eq!(losses(&run).len(), 9);
    assert!(bytes(&format!("{run}/calibration.toml")) != calibration);
    // The run has the new number of steps from now on.
    succeed(&mut mhkd(&["train", "--resume", "--out", &run]));
    assert_eq!(losses(&run).len(), 9);
}

#[test]
fn interrupted_and_resumed_run_equals_an_uninterrupted_run() {
    let workspace = shared_workspace();
    let settings = ["--steps", "30", "--batch", "2", "--checkpoint-every", "7"];
    succeed(&mut workspace.train("uninterrupted", &settings));
    let resumed = workspace.path("resumed");
    let mut child = workspace
        .train("resumed", &settings)
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    wait_for("the tenth step", || {
        std::fs::read_to_string(format!("{resumed}/losses.csv"))
            .is_ok_and(|text| text.lines().count() > 10)
    });
    signal(child.id(), "INT");
    let status = child.wait().expect("the process exits");
    let mut stderr = String::new();
    child
        .stderr
        .take()
        .expect("piped")
        .read_to_string(&mut stderr)
        .expect("text");
    assert_eq!(status.code(), Some(130), "{stderr}");
    assert!(stderr.contains("resume with: mhkd train"), "{stderr}");
    let interrupted_at = losses(&resumed).len();
    assert!((10..30).contains(&interrupted_at), "{interrupted_at}");
    succeed(&mut mhkd(&["train", "--resume", "--out", &resumed]));
    let uninterrupted = workspace.path("uninterrupted");
    assert_eq!(losses(&resumed), losses(&uninterrupted));
    assert!(
        bytes(&format!("{resumed}/calibration.toml"))
            == bytes(&format!("{uninterrupted}/calibration.toml"))
    );
    let checkpoint = |run: &str| {
        Checkpoint::load(format!("{run}/checkpoint.safetensors").as_ref()).expect("a checkpoint")
    };
    let (resumed, uninterrupted) = (checkpoint(&resumed), checkpoint(&uninterrupted));
    assert_eq!(resumed.metadata, uninterrupted.metadata);
    assert!(resumed.tensors.keys().eq(uninterrupted.tensors.keys()));
    for (name, tensor) in &resumed.tensors {
        assert!(tensor.equal(&uninterrupted.tensors[name]), "{name}");
    }
}

#[test]
fn killed_run_keeps_a_valid_checkpoint_and_can_be_resumed() {
    let workspace = shared_workspace();
    let run = workspace.path("killed");
    let path = format!("{run}/checkpoint.safetensors");
    let settings = ["--steps", "100000", "--checkpoint-every", "1"];
    let mut last_step = 0;
    for attempt in 0..6_u64 {
        let mut command = if attempt == 0 {
            workspace.train("killed", &settings)
        } else {
            mhkd(&["train", "--resume", "--out", &run])
        };
        let mut child = command
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("started");
        let saved_step = || {
            Checkpoint::load(path.as_ref())
                .ok()
                .and_then(|checkpoint| checkpoint.metadata_value::<u64>("step").ok())
        };
        wait_for("a later checkpoint", || {
            saved_step().is_some_and(|step| step > last_step + 2)
        });
        // Most of the time of a step is spent writing its checkpoint, so the kill hits different positions.
        sleep(Duration::from_millis(7 * attempt));
        child.kill().expect("killed");
        child.wait().expect("the process exits");
        let checkpoint =
            Checkpoint::load(path.as_ref()).expect("the checkpoint is complete after a kill");
        last_step = checkpoint.metadata_value("step").expect("a step");
    }
}

#[test]
fn full_disk_keeps_the_previous_checkpoint() {
    let workspace = shared_workspace();
    succeed(&mut workspace.train("full", &["--steps", "4"]));
    let run = workspace.path("full");
    let before = bytes(&format!("{run}/checkpoint.safetensors"));
    std::fs::remove_file(format!("{run}/calibration.toml")).expect("removed");
    let settings = std::fs::read_to_string(format!("{run}/settings.toml")).expect("saved");
    std::fs::write(
        format!("{run}/settings.toml"),
        settings.replace("steps = 4", "steps = 8"),
    )
    .expect("written");
    // The file size is limited to 1 MiB, so that writing a checkpoint fails part-way, as on a full disk.
    let limited = "trap '' XFSZ; ulimit -f 1024; exec \"$@\"";
    let mut command = Command::new("bash");
    command.args([
        "-c",
        limited,
        "bash",
        env!("CARGO_BIN_EXE_mhkd"),
        "train",
        "--resume",
        "--out",
        &run,
    ]);
    let error = fail(&mut command);
    assert!(
        error.contains("cannot write") && error.contains("checkpoint.safetensors"),
        "{error}"
    );
    assert!(
        bytes(&format!("{run}/checkpoint.safetensors")) == before,
        "the previous checkpoint is unchanged"
    );
    let left: Vec<_> = std::fs::read_dir(&run)
        .expect("readable")
        .filter_map(Result::ok)
        .map(|entry| entry.file_name())
        .collect();
    assert!(
        left.iter()
            .all(|name| !name.to_string_lossy().ends_with(".part")),
        "{left:?}"
    );
    // Without the limit, the run continues from the previous checkpoint.
    succeed(&mut mhkd(&["train", "--resume", "--out", &run]));
    assert_eq!(losses(&run).len(), 8);
}

#[test]
fn non_finite_loss_stops_the_run_and_keeps_the_last_good_checkpoint() {
    let workspace = shared_workspace();
    let settings = [
        "--steps",
        "200",
        "--learning-rate",
        "1e18",
        "--checkpoint-every",
        "1",
    ];
    let error = fail(&mut workspace.train("diverged", &settings));
    assert!(
        error.contains("is the last good checkpoint") && error.contains("learning rate"),
        "{error}"
    );
    let checkpoint = Checkpoint::load(workspace.path("diverged/checkpoint.safetensors").as_ref())
        .expect("a checkpoint");
    let step: u64 = checkpoint.metadata_value("step").expect("a step");
    assert_eq!(
        step as usize,
        losses(&workspace.path("diverged")).len(),
        "the log ends at the same step"
    );
}

#[test]
fn resumed_distillation_equals_an_uninterrupted_one() {
    let weights = require!(external_data("backbones/squeezenet1_0.safetensors"));
    let workspace = shared_workspace();
    let weights = weights.display().to_string();
    let distill = |name: &str, steps: &str| {
        let out = workspace.path(name);
        let mut command = mhkd(&[
            "teacher",
            "distill",
            "--out",
            &out,
            "--backbone",
            "squeezenet1_0",
            "--weights",
            &weights,
        ]);
        command.args([
            "--images",
            &workspace.path("data/line/train"),
            "--preset",
            "tiny",
            "--input-size",
            "128",
            "--crop",
            "64",
        ]);
        command.args([
            "--batch",
            "2",
            "--precision",
            "f32",
            "--log-every",
            "1",
            "--greyscale",
            "0.5",
            "--steps",
            steps,
        ]);
        succeed(&mut command);
        out
    };
    let uninterrupted = distill("distilled", "6");
    let resumed = distill("distilled-resumed", "3");
    let settings = std::fs::read_to_string(format!("{resumed}/settings.toml")).expect("saved");
    std::fs::write(
        format!("{resumed}/settings.toml"),
        settings.replace("steps = 3", "steps = 6"),
    )
    .expect("written");
    // Without a cache all targets are recomputed, which must not change the result.
    succeed(&mut mhkd(&[
        "teacher",
        "distill",
        "--out",
        &resumed,
        "--resume",
        "--cache-mib",
        "0",
    ]));
    assert_eq!(losses(&resumed)[3..], losses(&uninterrupted)[3..]);
    let error = fail(&mut mhkd(&[
        "teacher", "distill", "--out", &resumed, "--resume", "--crop", "128",
    ]));
    assert!(error.contains("crop = 128 (the run has 64)"), "{error}");
}
