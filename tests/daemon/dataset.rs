//! Labelled verdicts as a dataset for the trainer.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use inspectd_client::proto::{
    Corner, Decision, LabelKind, LabelVerdictRequest, ListLabelsRequest, Outline,
};
use inspectd_test_support::{onnx_runtime, require};
use tonic::{Code, Status};

use crate::belt::{CAMERA, REVIEW, site as belt};
use crate::ctl::{done, inspectctl, run};
use crate::harness::{Daemon, Site};

/// Every frame is kept.
const TOP: &str = "[journal]\nfolder = \"journal\"\n[evidence]\npass_every = 1\n";

fn site() -> Site {
    let site = belt();
    site.configure(&format!("{TOP}{REVIEW}"), CAMERA);
    site
}

async fn label(
    daemon: &Daemon,
    sequence: u64,
    kind: LabelKind,
    class: &str,
    corners: &[[f64; 2]],
) -> Result<(), Status> {
    let corners = corners.iter().map(|&[x, y]| Corner { x, y });
    let outline = Outline {
        corners: corners.collect(),
    };
    let request = LabelVerdictRequest {
        sequence,
        kind: kind.into(),
        defect_class: class.to_owned(),
        outlines: Some(outline)
            .filter(|outline| !outline.corners.is_empty())
            .into_iter()
            .collect(),
    };
    let mut client = daemon.inspection().await;
    client.label_verdict(request).await.map(drop)
}

/// The paths of the files below a folder.
fn files(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for part in ["train", "test", "ground_truth"] {
        for class in fs::read_dir(folder.join(part)).expect("a folder") {
            for file in fs::read_dir(class.expect("an entry").path()).expect("a folder") {
                let path = file.expect("an entry").path();
                let path = path.strip_prefix(folder).expect("below it");
                found.insert(path.display().to_string());
            }
        }
    }
    found
}

const SQUARE: [[f64; 2]; 4] = [[0.5, 0.5], [0.75, 0.5], [0.75, 0.75], [0.5, 0.75]];

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn labelled_verdicts_are_exported_with_masks_and_kept_up_to_date() {
    require!(onnx_runtime());
    let site = site();
    let daemon = site.start();
    let mut verdicts = daemon.verdicts().await;
    let (mut good, mut defective) = (Vec::new(), Vec::new());
    while good.len() < 12 || defective.len() < 2 {
        let verdict = verdicts.next().await;
        let sequence = verdict.sequence;
        let labelled = match verdict.decision() {
            Decision::Pass if good.len() < 12 => {
                good.push(sequence);
                label(&daemon, sequence, LabelKind::Good, "", &[]).await
            }
            Decision::Reject if defective.len() < 2 => {
                defective.push(sequence);
                let corners: &[[f64; 2]] = if defective.len() == 1 { &SQUARE } else { &[] };
                label(&daemon, sequence, LabelKind::Defective, "Bent pin", corners).await
            }
            Decision::Review => label(&daemon, sequence, LabelKind::Unsure, "", &[]).await,
            _ => Ok(()),
        };
        labelled.expect("kept");
    }
    let folder = site.path("set");
    let export = format!("dataset export {} --camera belt", folder.display());
    let output = done(&daemon, &export);
    assert!(output.contains("2 defective (1 mask)"), "{output}");
    let found = files(&folder);
    let of = |prefix: &str| found.iter().filter(|path| path.starts_with(prefix)).count();
    assert_eq!(of("train/good/") + of("test/good/"), 12, "{found:?}");
    assert!(of("train/good/") >= 6, "{found:?}");
    assert_eq!(of("test/bent_pin/"), 2, "{found:?}");
    let mask = format!("ground_truth/bent_pin/{:09}_mask.png", defective[0]);
    assert!(found.contains(&mask), "{found:?}");
    let mask = image::open(folder.join(&mask))
        .expect("a picture")
        .into_luma8();
    assert_eq!(mask.dimensions(), (64, 64));
    let white = mask.pixels().filter(|pixel| pixel.0[0] == 255).count();
    assert_eq!(
        (
            white,
            mask.get_pixel(33, 33).0[0],
            mask.get_pixel(3, 3).0[0]
        ),
        (256, 255, 0)
    );

    // Another label moves the picture, an outline that is removed takes its mask along.
    label(&daemon, defective[1], LabelKind::Good, "", &[])
        .await
        .expect("kept");
    label(&daemon, defective[0], LabelKind::Defective, "dent", &[])
        .await
        .expect("kept");
    let output = done(&daemon, &export);
    assert!(output.contains("of earlier exports removed"), "{output}");
    let found = files(&folder);
    assert_eq!(
        found
            .iter()
            .filter(|path| path.contains("bent_pin"))
            .count(),
        0,
        "{found:?}"
    );
    assert_eq!(
        found
            .iter()
            .filter(|path| path.starts_with("test/dent/"))
            .count(),
        1
    );
    assert_eq!(
        found.iter().filter(|path| path.contains("/good/")).count(),
        13
    );
    let other = run(
        inspectctl(&daemon).args([
            "dataset",
            "export",
            &folder.display().to_string(),
            "--camera",
            "up",
        ]),
        1,
    );
    assert!(
        other.stderr().contains("of camera belt, not of up"),
        "{other:?}"
    );
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn outlines_are_kept_with_the_label_and_wrong_ones_are_refused() {
    require!(onnx_runtime());
    let site = site();
    let daemon = site.start();
    let mut verdicts = daemon.verdicts().await;
    let sequence = verdicts.next().await.sequence;
    label(&daemon, sequence, LabelKind::Defective, "dent", &SQUARE)
        .await
        .expect("kept");
    let mut client = daemon.inspection().await;
    let request = ListLabelsRequest {
        sequences: vec![sequence],
        ..ListLabelsRequest::default()
    };
    let labels = client
        .list_labels(request)
        .await
        .expect("a journal")
        .into_inner()
        .labels;
    let corners: Vec<_> = labels[0].outlines[0]
        .corners
        .iter()
        .map(|corner| [corner.x, corner.y])
        .collect();
    assert_eq!(corners, SQUARE);
    for (kind, corners, expected) in [
        (
            LabelKind::Good,
            &SQUARE[..],
            "outlines: must be empty unless",
        ),
        (
            LabelKind::Defective,
            &SQUARE[..2],
            "outlines[0]: 2 corners, must be 3 to 64",
        ),
        (
            LabelKind::Defective,
            &[[0.0, 0.0], [2.0, 0.0], [1.0, 1.0]],
            "must be x and y from 0 to 1",
        ),
    ] {
        let refused = label(&daemon, sequence, kind, "", corners).await;
        let refused = refused.expect_err("not valid");
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().contains(expected), "{refused}");
    }
    daemon.stop();
}
