//! Files: each record exactly once, however often the program is killed.

use std::fs;

use inspectd_client::Decision;

use crate::harness::{Site, id, pauses};

/// The ids in the files of a folder, in their order.
fn ids(site: &Site, folder: &str, extension: &str) -> Vec<String> {
    let mut files: Vec<_> = fs::read_dir(site.path(folder))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    files.sort();
    let mut ids = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("UTF-8");
        if extension == "csv" {
            let mut lines = csv::Reader::from_reader(text.as_bytes());
            ids.extend(
                lines
                    .records()
                    .map(|line| line.expect("a line")[1].to_owned()),
            );
        } else {
            ids.extend(text.lines().map(|line| {
                let record: serde_json::Value = serde_json::from_str(line).expect("JSON");
                record["id"].as_str().expect("an id").to_owned()
            }));
        }
    }
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn every_verdict_is_in_the_files_once_after_many_kills() {
    let site = Site::start(1500, 150).await;
    site.forward_to(
        "[sinks.lines]\ntype = \"files\"\nfolder = \"lines\"\nmax_mib = 0.2\nbatch_limit = 40\nbatch_window_ms = 20\n\
         [sinks.table]\ntype = \"files\"\nfolder = \"table\"\nformat = \"csv\"\nbatch_limit = 7\nbatch_window_ms = 0\n",
    );
    for pause in pauses(25, 400) {
        let mut forward = site.forward();
        tokio::time::sleep(pause).await;
        forward.kill();
    }
    site.produced(1500).await;
    let mut forward = site.forward();
    site.caught_up("forward-lines").await;
    site.caught_up("forward-table").await;
    assert_eq!(forward.terminate().code(), Some(0));
    let expected = site.ids().await;
    assert!(expected.len() >= 1500);
    assert_eq!(ids(&site, "lines", "jsonl"), expected);
    assert_eq!(ids(&site, "table", "csv"), expected);
    let files = fs::read_dir(site.path("lines")).expect("a folder").count();
    assert!(files > 3, "rotated by size: {files} files");
}

#[tokio::test(flavor = "multi_thread")]
async fn filter_selects_and_evidence_of_rejects_is_in_the_folder() {
    let site = Site::start(200, 100).await;
    site.forward_to(
        "[sinks.rejects]\ntype = \"files\"\nfolder = \"rejects\"\ncameras = [\"top\"]\ndecisions = [\"reject\"]\n\
         evidence = \"reject\"\n",
    );
    site.produced(200).await;
    let mut forward = site.forward();
    site.caught_up("forward-rejects").await;
    assert_eq!(forward.terminate().code(), Some(0));
    let journal = site.journal().await;
    let rejects: Vec<_> = journal
        .iter()
        .filter(|verdict| verdict.decision() == Decision::Reject)
        .collect();
    assert!(
        !rejects.is_empty() && rejects.len() < journal.len(),
        "{} rejects",
        rejects.len()
    );
    let expected: Vec<_> = rejects.iter().map(|verdict| id(verdict)).collect();
    assert_eq!(ids(&site, "rejects", "jsonl"), expected);
    for verdict in rejects {
        for kind in ["frame.jpg", "heatmap.jpg"] {
            let name = format!(
                "rejects/evidence/{}-{}-{kind}",
                verdict.run_id, verdict.sequence
            );
            let other = name.replace(".jpg", ".png");
            let path = [site.path(&name), site.path(&other)]
                .into_iter()
                .find(|path| path.exists());
            let bytes =
                fs::read(path.unwrap_or_else(|| panic!("{name} does not exist"))).expect("a file");
            assert!(bytes.len() > 100, "{name}");
        }
    }
}
