//! `inspectd support-bundle`: what the archive has, what it never has, and what it does without a daemon, with a configuration
//! that is not valid, and with a damaged journal.

mod secrets;

use std::collections::BTreeMap;
use std::io::Read;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use inspectd_test_support::{onnx_runtime, require};

use crate::belt::{self, CAMERA, REVIEW};
use crate::harness::{Site, bounded};

/// The archive.
const OUT: &str = "support.tar.gz";

/// An archive: the names in their order, and the contents.
struct Archive {
    names: Vec<String>,
    files: BTreeMap<String, Vec<u8>>,
    printed: String,
}

impl Archive {
    fn text(&self, name: &str) -> String {
        let bytes = self.files.get(name);
        let bytes = bytes.unwrap_or_else(|| panic!("{name} is not in {:?}", self.names));
        String::from_utf8(bytes.clone()).expect("UTF-8")
    }

    /// Asserts that the index names a part that was not collected, with words of the reason.
    fn assert_missing(&self, name: &str, reason: &str) {
        assert!(!self.files.contains_key(name), "{name}");
        let index = self.text("index.txt");
        let (_, missing) = index.split_once("\nnot collected\n").expect("the section");
        let start = missing
            .find(&format!("{name} ("))
            .unwrap_or_else(|| panic!("{name}: {index}"));
        let entry = missing[start..]
            .lines()
            .take(4)
            .collect::<Vec<_>>()
            .join("\n");
        assert!(
            entry.contains(reason),
            "{name}: {reason:?} is not in {entry}"
        );
    }
}

/// Runs the command in the folder of the site, with a path on which no program of systemd is.
fn support(site: &Site, arguments: &[&str], variables: &[(&str, &str)]) -> Archive {
    let _ = std::fs::remove_file(site.path(OUT));
    let mut command: Command = bounded(env!("CARGO_BIN_EXE_inspectd"));
    let output = command
        .arg("--config")
        .arg(site.path("inspectd.toml"))
        .args(["support-bundle", "--out", OUT])
        .args(arguments)
        .envs(variables.iter().copied())
        .env(
            "PATH",
            format!("{}:/usr/bin:/bin", site.path("bin").display()),
        )
        .env_remove("INSPECTD_SERVER")
        .current_dir(site.path(""))
        .output()
        .expect("a started program");
    let printed = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert_eq!(output.status.code(), Some(0), "{printed}");
    let path = site.path(OUT);
    let mode = path.metadata().expect("an archive").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let (names, files) = unpacked(&path);
    assert_eq!(names[0], "index.txt");
    Archive {
        names,
        files,
        printed,
    }
}

fn unpacked(path: &Path) -> (Vec<String>, BTreeMap<String, Vec<u8>>) {
    let file = std::fs::File::open(path).expect("an archive");
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
    let (mut names, mut files) = (Vec::new(), BTreeMap::new());
    for entry in archive.entries().expect("an archive") {
        let mut entry = entry.expect("an entry");
        assert_eq!(entry.header().mode().expect("a mode"), 0o600);
        let name = entry.path().expect("a path").display().to_string();
        let name = name
            .strip_prefix("inspectd-support/")
            .expect("the folder")
            .to_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).expect("content");
        names.push(name.clone());
        files.insert(name, bytes);
    }
    (names, files)
}

/// A program of the path that prints a file, whatever its arguments are.
fn program(site: &Site, name: &str, output: &str) {
    let folder = site.path("bin");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join(format!("{name}.txt")), output).expect("written");
    let path = folder.join(name);
    std::fs::write(&path, "#!/bin/sh\ncat \"$0.txt\"\n").expect("written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("set");
}

const JOURNAL: &str = "[journal]\nfolder = \"journal\"\n";

/// A belt with a journal and a recipe, and the addresses at which its daemon listens.
fn site() -> (Site, [(&'static str, String); 2]) {
    let site = belt::site();
    site.configure(
        &format!("{JOURNAL}{REVIEW}[recipes]\nfolder = \"recipes\"\n"),
        CAMERA,
    );
    std::fs::create_dir(site.path("recipes")).expect("a folder");
    site.write(
        "recipes/juice.toml",
        "product = \"Juice\"\nversion = \"1\"\nbundle = \"../bundle\"\n",
    );
    let free = || {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.local_addr().expect("an address").to_string()
    };
    let addresses = [
        ("INSPECTD__SERVER__LISTEN", free()),
        ("INSPECTD__SERVER__METRICS_LISTEN", free()),
    ];
    (site, addresses)
}

fn variables<'a>(addresses: &'a [(&'static str, String); 2]) -> Vec<(&'static str, &'a str)> {
    let pair = |(name, address): &'a (&'static str, String)| (*name, address.as_str());
    addresses.iter().map(pair).collect()
}

/// All files below the folder of the journal, with their contents.
fn journal_files(site: &Site) -> BTreeMap<PathBuf, Vec<u8>> {
    fn add(folder: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                add(&path, files);
            } else {
                files.insert(path.clone(), std::fs::read(&path).expect("a file"));
            }
        }
    }
    let mut files = BTreeMap::new();
    add(&site.path("journal"), &mut files);
    files
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn archive_of_a_running_daemon_has_all_parts_and_no_pictures() {
    require!(onnx_runtime());
    let (site, addresses) = site();
    let variables = variables(&addresses);
    let daemon = site.start_with(&variables);
    daemon
        .verdicts()
        .await
        .until(|verdict| verdict.sequence >= 100)
        .await;
    program(
        &site,
        "systemctl",
        "# /usr/lib/systemd/system/inspectd.service\n[Service]\n",
    );
    program(
        &site,
        "journalctl",
        "2026-11-30T12:00:00 inspectd[1]: ready\n2026-11-30T12:00:01 inspectd[1]: WARN slow\n",
    );
    let archive = support(&site, &[], &variables);
    let index = archive.text("index.txt");
    assert!(
        index.contains("Pictures of parts are not included"),
        "{index}"
    );
    assert!(index.ends_with("\nnot collected\nnothing\n"), "{index}");
    for name in &archive.names[1..] {
        assert!(index.contains(&format!("\n{name} ")), "{name}: {index}");
    }
    let expected = [
        ("versions.txt", "SQLite 3."),
        ("versions.txt", "commit "),
        ("machine.txt", "MemTotal"),
        ("configuration.txt", "# valid, hash "),
        ("configuration.txt", "inspectd.toml:"),
        (
            "configuration.txt",
            "environment variable INSPECTD__SERVER__LISTEN",
        ),
        (
            "check.txt",
            "the configuration is valid: 1 cameras\nexit code: 0",
        ),
        ("unit.txt", "[Service]"),
        ("log.txt", "ready"),
        ("errors.txt", "WARN slow"),
        ("status.txt", "belt"),
        ("status.json", "\"run_id\""),
        ("cameras.json", "\"belt\""),
        ("metrics.txt", "inspectd_verdicts_total{"),
        ("journal.txt", "in use: true"),
        ("journal.txt", "\"schema_version\": 4"),
        ("journal.txt", "check for damage (quick_check)\nok"),
        ("journal.txt", " belt REJECT "),
        ("journal/sequences.toml", "epoch = 1"),
        ("audit.txt", "none changed"),
        ("evidence.txt", "verdicts with files, "),
        ("recipes/juice.toml", "product = \"Juice\""),
        ("bundles/1-manifest.toml", "name = \"cells\""),
        ("bundles/hashes.txt", "model.onnx"),
        ("folders.txt", "journal.sqlite: "),
    ];
    for (name, words) in expected {
        let text = archive.text(name);
        assert!(text.contains(words), "{name}: {words:?} is not in {text}");
    }
    assert!(
        !archive
            .names
            .iter()
            .any(|name| name.contains("onnx") || name.contains(".jpg"))
    );
    assert!(
        archive.printed.contains("without secrets"),
        "{}",
        archive.printed
    );

    let archive = support(&site, &["--evidence", "2"], &variables);
    let pictures: Vec<_> = archive
        .names
        .iter()
        .filter(|name| name.contains(".jpg"))
        .collect();
    // The newest ones may still be written.
    assert!((1..=4).contains(&pictures.len()), "{pictures:?}");
    let picture = &archive.files[pictures[0]];
    assert!(picture.starts_with(&[0xff, 0xd8]), "not a JPEG file");
    assert!(
        archive
            .text("index.txt")
            .contains("Pictures of parts are included")
    );
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn archive_without_a_daemon_has_the_rest_and_changes_nothing() {
    require!(onnx_runtime());
    let (site, addresses) = site();
    let variables = variables(&addresses);
    let daemon = site.start_with(&variables);
    daemon
        .verdicts()
        .await
        .until(|verdict| verdict.sequence >= 30)
        .await;
    daemon.stop();
    let before = journal_files(&site);
    let archive = support(&site, &[], &variables);
    assert_eq!(journal_files(&site), before);
    archive.assert_missing("status.json", "no daemon answers at");
    archive.assert_missing("metrics.txt", "refused");
    assert!(archive.text("journal.txt").contains("in use: false"));
    assert!(archive.text("journal.txt").contains("(quick_check)\nok"));
    assert!(
        archive.printed.contains("not collected: metrics.txt: "),
        "{}",
        archive.printed
    );
    let log = site.path("daemon.log");
    std::fs::write(&log, "one line\n").expect("written");
    let archive = support(&site, &["--log", "daemon.log"], &variables);
    assert_eq!(archive.text("log.txt"), "one line\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn archive_is_made_with_a_damaged_journal_and_a_configuration_that_is_not_valid() {
    require!(onnx_runtime());
    let (site, addresses) = site();
    let variables = variables(&addresses);
    let daemon = site.start_with(&variables);
    daemon
        .verdicts()
        .await
        .until(|verdict| verdict.sequence >= 2000)
        .await;
    daemon.signal("KILL");
    drop(daemon);
    let path = site.path("journal/journal.sqlite");
    rusqlite::Connection::open(&path)
        .expect("the journal")
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .expect("written");
    let mut bytes = std::fs::read(&path).expect("a journal");
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 8 * 4096].fill(0xa5);
    std::fs::write(&path, &bytes).expect("damaged");
    std::fs::create_dir(site.path("conf.d")).expect("a folder");
    site.write("conf.d/10.toml", "[verdict\nthreshold = 1\n");
    site.write("conf.d/20.toml", "[verdict]\nthreshold = \"high\"\n");
    let archive = support(&site, &[], &variables);
    let configuration = archive.text("configuration.txt");
    assert!(configuration.contains("# not valid"), "{configuration}");
    assert!(
        configuration.contains("10.toml:1: not TOML"),
        "{configuration}"
    );
    assert!(
        configuration.contains("verdict.threshold: \"high\", must be a finite number"),
        "{configuration}"
    );
    assert!(
        configuration.contains("verdict.review_from"),
        "{configuration}"
    );
    assert!(archive.text("check.txt").contains("exit code: 78"));
    let journal = archive.text("journal.txt");
    assert!(journal.contains("\"schema_version\": 4"), "{journal}");
    let check = journal
        .split_once("(quick_check)\n")
        .expect("the section")
        .1;
    assert!(!check.starts_with("ok"), "{journal}");
    assert_eq!(std::fs::read(&path).expect("a journal"), bytes);

    // Not a database at all, and none.
    std::fs::write(&path, vec![0xa5; 8192]).expect("damaged");
    let archive = support(&site, &[], &variables);
    let journal = archive.text("journal.txt");
    assert!(
        journal.contains("not read: journal: file is not a database"),
        "{journal}"
    );
    archive.assert_missing("faults.txt", "file is not a database");
    std::fs::remove_dir_all(site.path("journal")).expect("removed");
    let archive = support(&site, &[], &variables);
    archive.assert_missing("journal.txt", "No such file");
    archive.assert_missing("audit.txt", "No such file");
    assert!(!site.path("journal").exists(), "it was created");
    std::fs::remove_file(site.path("inspectd.toml")).expect("removed");
    let archive = support(&site, &[], &variables);
    archive.assert_missing("journal.txt", "give --journal");
    archive.text("versions.txt");
}
