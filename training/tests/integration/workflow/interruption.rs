//! Runs that are interrupted, killed, or meet a full disk.

use std::io::Read;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use inspectd_test_support::{external_data, require};
use mhkd::fit::checkpoint::Checkpoint;

use super::workshop::{bytes, fail, losses, mhkd, succeed, workshop};

const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `done`, and fails after [`PATIENCE`].
fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < PATIENCE, "still waiting for {what}");
        sleep(Duration::from_millis(5));
    }
}

/// Sends `signal` to the process `id`, which the test started.
fn signal(id: u32, signal: &str) {
    let status = Command::new("kill")
        .arg(format!("-{signal}"))
        .arg(id.to_string())
        .status();
    assert!(status.expect("kill is there").success());
}

#[test]
fn a_resumed_run_gives_the_numbers_of_an_uninterrupted_one() {
    let shop = workshop();
    let settings = ["--steps", "30", "--batch", "2", "--checkpoint-every", "7"];
    succeed(&mut shop.train("straight", &settings));
    let broken = shop.path("broken");
    let mut child = shop
        .train("broken", &settings)
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    wait_for("the tenth step", || {
        std::fs::read_to_string(format!("{broken}/losses.csv"))
            .is_ok_and(|text| text.lines().count() > 10)
    });
    signal(child.id(), "INT");
    let status = child.wait().expect("it ends");
    let mut said = String::new();
    child
        .stderr
        .take()
        .expect("piped")
        .read_to_string(&mut said)
        .expect("text");
    assert_eq!(status.code(), Some(130), "{said}");
    assert!(said.contains("continue with: mhkd train"), "{said}");
    let interrupted_at = losses(&broken).len();
    assert!((10..30).contains(&interrupted_at), "{interrupted_at}");
    succeed(&mut mhkd(&["train", "--resume", "--out", &broken]));
    assert_eq!(losses(&broken), losses(&shop.path("straight")));
    let straight = shop.path("straight");
    assert!(
        bytes(&format!("{broken}/calibration.toml"))
            == bytes(&format!("{straight}/calibration.toml"))
    );
    let checkpoint = |run: &str| {
        Checkpoint::load(format!("{run}/checkpoint.safetensors").as_ref()).expect("a checkpoint")
    };
    let (broken, straight) = (checkpoint(&broken), checkpoint(&straight));
    assert_eq!(broken.words, straight.words);
    assert!(broken.tensors.keys().eq(straight.tensors.keys()));
    for (name, tensor) in &broken.tensors {
        assert!(tensor.equal(&straight.tensors[name]), "{name}");
    }
}

#[test]
fn a_kill_at_any_moment_leaves_a_checkpoint_that_resumes() {
    let shop = workshop();
    let run = shop.path("killed");
    let path = format!("{run}/checkpoint.safetensors");
    let settings = ["--steps", "100000", "--checkpoint-every", "1"];
    let mut last_step = 0;
    for attempt in 0..6_u64 {
        let mut command = if attempt == 0 {
            shop.train("killed", &settings)
        } else {
            mhkd(&["train", "--resume", "--out", &run])
        };
        let mut child = command
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("started");
        let fresh = || {
            Checkpoint::load(path.as_ref())
                .ok()
                .and_then(|checkpoint| checkpoint.word::<u64>("step").ok())
        };
        wait_for("a later checkpoint", || {
            fresh().is_some_and(|step| step > last_step + 2)
        });
        // Most of a step of this size is the writing of its checkpoint.
        sleep(Duration::from_millis(7 * attempt));
        child.kill().expect("killed");
        child.wait().expect("it ends");
        let checkpoint =
            Checkpoint::load(path.as_ref()).expect("whole, though the process was killed");
        last_step = checkpoint.word("step").expect("a step");
    }
}

#[test]
fn a_full_disk_leaves_the_old_checkpoint() {
    let shop = workshop();
    succeed(&mut shop.train("full", &["--steps", "4"]));
    let run = shop.path("full");
    let before = bytes(&format!("{run}/checkpoint.safetensors"));
    std::fs::remove_file(format!("{run}/calibration.toml")).expect("removed");
    let settings = std::fs::read_to_string(format!("{run}/settings.toml")).expect("saved");
    std::fs::write(
        format!("{run}/settings.toml"),
        settings.replace("steps = 4", "steps = 8"),
    )
    .expect("written");
    // Files of this process may hold 1 MiB: writing a checkpoint fails half-way, as on a full disk.
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
        "the old one survives"
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
    // With room again, the run goes on from there.
    succeed(&mut mhkd(&["train", "--resume", "--out", &run]));
    assert_eq!(losses(&run).len(), 8);
}

#[test]
fn a_loss_that_is_not_a_number_stops_the_run_at_the_last_good_checkpoint() {
    let shop = workshop();
    let settings = [
        "--steps",
        "200",
        "--learning-rate",
        "1e18",
        "--checkpoint-every",
        "1",
    ];
    let error = fail(&mut shop.train("diverged", &settings));
    assert!(
        error.contains("is the last good checkpoint") && error.contains("learning rate"),
        "{error}"
    );
    let checkpoint = Checkpoint::load(shop.path("diverged/checkpoint.safetensors").as_ref())
        .expect("there is one");
    let step: u64 = checkpoint.word("step").expect("a step");
    assert_eq!(
        step as usize,
        losses(&shop.path("diverged")).len(),
        "the log ends with it"
    );
}

#[test]
fn a_resumed_distillation_gives_the_numbers_of_an_uninterrupted_one() {
    let weights = require!(external_data("backbones/squeezenet1_0.safetensors"));
    let shop = workshop();
    let weights = weights.display().to_string();
    let distil = |name: &str, steps: &str| {
        let out = shop.path(name);
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
            &shop.path("data/line/train"),
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
    let straight = distil("distilled", "6");
    let broken = distil("distilled-in-two", "3");
    let settings = std::fs::read_to_string(format!("{broken}/settings.toml")).expect("saved");
    std::fs::write(
        format!("{broken}/settings.toml"),
        settings.replace("steps = 3", "steps = 6"),
    )
    .expect("written");
    // Without room for targets every one is computed anew: that must change no number either.
    succeed(&mut mhkd(&[
        "teacher",
        "distill",
        "--out",
        &broken,
        "--resume",
        "--cache-mib",
        "0",
    ]));
    assert_eq!(losses(&broken)[3..], losses(&straight)[3..]);
    let error = fail(&mut mhkd(&[
        "teacher", "distill", "--out", &broken, "--resume", "--crop", "128",
    ]));
    assert!(error.contains("crop = 128 (the run has 64)"), "{error}");
}
