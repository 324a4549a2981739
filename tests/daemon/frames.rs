//! Frames that cannot be judged: each is a FAULT with its reason, and the pipeline continues.

use inspectd_client::proto::{Decision, FaultReason, LineState, Verdict};
use inspectd_test_support::{onnx_runtime, require};

use crate::harness::{Site, Verdicts};

/// A triggered camera that reads the folder of its own name.
fn folder(id: &str, more: &str) -> String {
    format!(
        "[cameras.{id}]\nsource = \"folder\"\npath = \"{id}\"\nrepeat = true\nfps = 20\n\
         mode = \"triggered\"\n{more}"
    )
}

/// The next verdict of a camera.
async fn next_of(verdicts: &mut Verdicts, id: &str) -> Verdict {
    verdicts.until(|verdict| verdict.camera_id == id).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn damaged_file_is_a_fault_with_its_name() {
    require!(onnx_runtime());
    let site = Site::new(&folder("belt", ""));
    site.pictures("belt", &[("a.png", 128), ("b.png", 128), ("c.png", 128)]);
    let damaged = site.path("belt/b.png");
    let whole = std::fs::read(&damaged).expect("a picture");
    std::fs::write(&damaged, &whole[..whole.len() / 2]).expect("half a picture");
    let daemon = site.start();
    let mut verdicts = daemon.verdicts().await;
    let corrupt = verdicts.fault(FaultReason::CorruptFrame).await;
    assert_eq!(corrupt.source_item, "b.png");
    assert_eq!((corrupt.width, corrupt.batch_size), (0, 0));
    let message = corrupt.fault.expect("a fault").message;
    assert!(message.contains("b.png"), "{message}");
    let following = verdicts.next().await;
    assert_eq!(following.source_item, "c.png");
    assert_eq!(following.decision(), Decision::Pass);
    assert_eq!(following.frame_id, corrupt.frame_id + 1);
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn frame_of_the_wrong_size_is_a_fault_that_names_both_sizes() {
    require!(onnx_runtime());
    let part = "crop = { left = 4, top = 0, right = 24, bottom = 40 }\n";
    let cameras = [
        folder("other", "expected_width = 100\nexpected_height = 80\n"),
        folder(
            "beyond",
            "crop = { left = 0, top = 10, right = 65, bottom = 60 }\n",
        ),
        folder("small", part),
        folder("grown", &format!("{part}allow_upscaling = true\n")),
    ];
    let site = Site::new(&cameras.concat());
    for id in ["other", "beyond", "small", "grown"] {
        site.pictures(id, &[("a.png", 128)]);
    }
    let daemon = site.start();
    let mut verdicts = daemon.verdicts().await;
    for (id, size, words) in [
        ("other", (64, 64), "the frame is 64x64, must be 100x80"),
        (
            "beyond",
            (64, 64),
            "ends at column 65 and row 60, beyond the 64x64 frame",
        ),
        (
            "small",
            (20, 40),
            "20x40 pixels are inspected, fewer than the model's 32x32",
        ),
    ] {
        let verdict = next_of(&mut verdicts, id).await;
        assert_eq!((verdict.width, verdict.height), size);
        let fault = verdict.fault.expect("a fault");
        assert_eq!(fault.reason(), FaultReason::WrongSize);
        assert!(fault.message.contains(words), "{}", fault.message);
    }
    let grown = next_of(&mut verdicts, "grown").await;
    assert_eq!(grown.decision(), Decision::Pass, "{grown:?}");
    assert_eq!((grown.width, grown.height), (20, 40));
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn non_finite_map_is_a_fault_and_the_engine_continues() {
    require!(onnx_runtime());
    let site = Site::new(&folder("belt", ""));
    site.pictures("belt", &[("a.png", 128), ("black.png", 0)]);
    let daemon = site.start();
    let mut verdicts = daemon.verdicts().await;
    for _ in 0..6 {
        let verdict = verdicts.next().await;
        if verdict.source_item == "a.png" {
            assert_eq!(verdict.decision(), Decision::Pass);
            continue;
        }
        assert_eq!(verdict.batch_size, 1);
        let fault = verdict.fault.expect("a fault");
        assert_eq!(fault.reason(), FaultReason::Engine);
        assert!(fault.message.contains("logical map"), "{}", fault.message);
    }
    let status = daemon.status().await;
    assert_eq!(status.state(), LineState::Running);
    assert_eq!(status.engine.expect("an engine").failures, 0);
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn failed_frame_does_not_affect_its_batch() {
    require!(onnx_runtime());
    let site = Site::new("");
    let cameras = ["black", "left", "right"].map(|id| folder(id, ""));
    site.configure(
        "[engine]\nbatch_limit = 4\nbatch_window_ms = 200\n",
        &cameras.concat(),
    );
    for (id, grey) in [("black", 0), ("left", 128), ("right", 200)] {
        site.pictures(id, &[("a.png", grey)]);
    }
    let daemon = site.start();
    let mut verdicts = daemon.verdicts().await;
    let mut in_company = 0;
    while in_company < 10 {
        let verdict = verdicts.next().await;
        let decision = match verdict.camera_id.as_str() {
            "black" => Decision::Fault,
            "left" => Decision::Pass,
            _ => Decision::Reject,
        };
        assert_eq!(verdict.decision(), decision, "{verdict:?}");
        // Its batch had other frames, which were judged in another run.
        in_company += i32::from(decision == Decision::Fault && verdict.batch_size > 1);
        if let Some(fault) = verdict.fault {
            assert_eq!(fault.reason(), FaultReason::Engine);
        }
    }
    daemon.stop();
}
