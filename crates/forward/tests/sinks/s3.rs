//! Evidence in an object store: moto, a server with the interface of S3.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use inspectd_client::Decision;
use object_store::aws::AmazonS3Builder;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::harness::{Process, Site, free_port, pauses, wait};

const PACKAGES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.tools/python");

/// Python with the packages of the tests.
fn python() -> Command {
    let given = std::env::var("PYTHONPATH").unwrap_or_default();
    let mut command = Command::new("python3");
    command.env("PYTHONPATH", format!("{given}:{PACKAGES}"));
    command
}

/// Starts the server. Its objects are in memory: it is not killed.
fn server(port: u16) -> Process {
    let found = python()
        .args(["-c", "import moto.server, flask"])
        .output()
        .expect("Python");
    assert!(
        found.status.success(),
        "the Python package moto is not in .tools/python: run `scripts/setup.sh checks`"
    );
    let mut command = python();
    command.args([
        "-m",
        "moto.server",
        "-H",
        "127.0.0.1",
        "-p",
        &port.to_string(),
    ]);
    let server = Process::spawn("moto", &mut command);
    wait("moto", || {
        std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    server
}

fn write_credentials(site: &Site) {
    fs::write(site.path("key"), "an-id\na-secret\n").expect("written");
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_of_every_reject_is_in_the_bucket_after_kills() {
    let site = Site::start(150, 50).await;
    let port = free_port();
    write_credentials(&site);
    site.forward_to(&format!(
        "[sinks.pictures]\ntype = \"s3\"\nbucket = \"evidence\"\nendpoint = \"http://127.0.0.1:{port}\"\n\
         credentials_file = \"key\"\nevidence = \"reject\"\nbatch_limit = 10\nbatch_window_ms = 20\n\
         retry_after_s = 0.05\nretry_after_max_s = 0.3\n"
    ));
    // The store does not run at first.
    let mut forward = site.forward();
    wait("the first failure", || {
        forward.has_logged("the receiver does not store records") || forward.has_logged("ready")
    });
    let _server = server(port);
    let store = AmazonS3Builder::new()
        .with_bucket_name("evidence")
        .with_region("us-east-1")
        .with_endpoint(format!("http://127.0.0.1:{port}"))
        .with_allow_http(true)
        .with_access_key_id("an-id")
        .with_secret_access_key("a-secret")
        .build()
        .expect("a store");
    let created = reqwest::Client::new()
        .put(format!("http://127.0.0.1:{port}/evidence"))
        .send()
        .await;
    assert!(created.expect("an answer").status().is_success());
    for pause in pauses(5, 700) {
        tokio::time::sleep(pause).await;
        forward.kill();
        forward = site.forward();
    }
    site.produced(150).await;
    site.caught_up("forward-pictures").await;
    assert_eq!(forward.terminate().code(), Some(0));
    let listed = store.list_with_delimiter(None).await.expect("a list");
    assert_eq!(listed.common_prefixes.len(), 1);
    let mut names = BTreeSet::new();
    let mut folders = vec![object_store::path::Path::from("inspectd/plant-a/box-7")];
    while let Some(folder) = folders.pop() {
        let listed = store
            .list_with_delimiter(Some(&folder))
            .await
            .expect("a list");
        folders.extend(listed.common_prefixes);
        names.extend(
            listed
                .objects
                .into_iter()
                .map(|object| object.location.to_string()),
        );
    }
    let mut expected = BTreeSet::new();
    let journal = site.journal().await;
    for verdict in journal
        .iter()
        .filter(|verdict| verdict.decision() == Decision::Reject)
    {
        let time = verdict.capture_time.expect("a time").to_string();
        let date = time.split('T').next().expect("a date");
        let base = format!(
            "inspectd/plant-a/box-7/{date}/{}-{}",
            verdict.run_id, verdict.sequence
        );
        expected.extend(["-frame", "-heatmap", ""].map(|kind| format!("{base}{kind}")));
    }
    assert!(!expected.is_empty());
    let stems: BTreeSet<String> = names
        .iter()
        .map(|name| Path::new(name).with_extension("").display().to_string())
        .collect();
    assert_eq!(stems, expected);
    let json = names
        .iter()
        .find(|name| {
            Path::new(name)
                .extension()
                .is_some_and(|found| found == "json")
        })
        .expect("a record");
    let bytes = store
        .get(&object_store::path::Path::from(json.as_str()))
        .await
        .expect("an object");
    let record: serde_json::Value =
        serde_json::from_slice(&bytes.bytes().await.expect("bytes")).expect("JSON");
    assert_eq!(
        (&record["type"], &record["decision"]),
        (&"verdict".into(), &"reject".into())
    );
}
