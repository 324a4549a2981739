//! Sparkplug B against mosquitto and an independent host, which checks every message: certificates before data, sequence
//! numbers, rebirths, the primary host away and back, and kills under load.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use inspectd_test_support::python_package;
use serde_json::Value;

use crate::harness::{Process, Site, assert_complete, id, pauses, wait};
use crate::mqtt::Broker;

/// The folder of Python packages with pysparkplug: `PYSPARKPLUG_FOLDER`, or the one of the set-up.
fn pysparkplug() -> PathBuf {
    let packages = match std::env::var_os("PYSPARKPLUG_FOLDER") {
        Some(folder) => Some(folder.into()),
        None => python_package("pysparkplug"),
    };
    packages.expect("pysparkplug")
}

/// An independent host, or an observer. Killing it makes the broker publish that it is offline.
struct Host {
    process: Child,
    ledger: PathBuf,
}

impl Drop for Host {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let entries = self.entries();
            let last = &entries[entries.len().saturating_sub(15)..];
            eprintln!("--- the end of {} ---", self.ledger.display());
            for entry in last {
                eprintln!("{entry}");
            }
        }
    }
}

impl Host {
    /// Starts a host with the ledger `name`, and waits until it is online.
    fn start(site: &Site, broker: &Broker, name: &str, host_id: Option<&str>) -> Self {
        let ledger = site.path(name);
        let process = Command::new("python3")
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/sinks/sparkplug_host.py"
            ))
            .args([&broker.port.to_string(), "plant-a", "box-7"])
            .arg(&ledger)
            .args(host_id)
            .env("PYTHONPATH", pysparkplug())
            .stdin(Stdio::piped())
            .spawn()
            .expect("python3");
        let mut host = Self { process, ledger };
        wait("the host", || {
            let ended = host.process.try_wait().expect("a child");
            assert_eq!(ended, None, "the host has ended");
            !host.of("online").is_empty()
        });
        host
    }

    /// What it has received so far.
    fn entries(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.ledger).unwrap_or_default();
        let complete = text.rsplit_once('\n').map_or("", |(complete, _)| complete);
        let lines = complete.lines();
        lines
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect()
    }

    /// The entries of one kind, without those that it could not understand.
    fn of(&self, event: &str) -> Vec<Value> {
        let mut entries = self.entries();
        entries.retain(|entry| entry["event"] == event && entry["unknown"] != true);
        entries
    }

    /// The ids of the verdicts so far.
    fn ids(&self) -> Vec<String> {
        let data = self.of("DDATA");
        data.iter().map(|entry| text(entry, "Id")).collect()
    }

    fn has(&self, ids: &[String]) -> bool {
        let found = self.ids();
        ids.iter().all(|id| found.contains(id))
    }

    /// Whether the connection with this number has ended. Its death certificate may arrive twice: mosquitto drops the
    /// connection of a publisher if it cannot write to a subscriber that leaves, and then publishes the last will too.
    fn has_seen_death_of(&self, bd_seq: u64) -> bool {
        let deaths = self.of("NDEATH");
        deaths.iter().any(|entry| entry["bd_seq"] == bd_seq)
    }

    fn ask(&mut self, command: &str) {
        let input = self.process.stdin.as_mut().expect("a pipe");
        writeln!(input, "{command}").expect("a written line");
    }

    fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    fn assert_no_fault(&self) {
        let faults = self.of("fault");
        assert!(faults.is_empty(), "{faults:#?}");
    }
}

fn text(entry: &Value, name: &str) -> String {
    let value = entry["values"][name].as_str();
    value
        .unwrap_or_else(|| panic!("{name} in {entry}"))
        .to_owned()
}

/// Writes the configuration, and starts the program under test.
fn forward(site: &Site, broker: &Broker, keys: &str) -> Process {
    site.forward_to(&format!(
        "[sinks.scada]\ntype = \"sparkplug\"\nserver = \"mqtt://127.0.0.1:{}\"\nbatch_limit = 40\n\
         batch_window_ms = 20\ntimeout_s = 5\nretry_after_s = 0.05\nretry_after_max_s = 0.3\n{keys}",
        broker.port
    ));
    site.forward()
}

#[tokio::test(flavor = "multi_thread")]
async fn host_knows_every_verdict_and_a_rebirth_is_answered() {
    let site = Site::start(600, 90).await;
    let broker = Broker::start(&site, false);
    let mut host = Host::start(&site, &broker, "observer", None);
    site.produced(50).await;
    let mut forward = forward(&site, &broker, "");
    site.produced(600).await;
    site.caught_up("forward-scada").await;
    let journal = site.journal().await;
    let expected: Vec<String> = journal.iter().map(id).collect();
    wait("the verdicts", || host.has(&expected));
    // Nothing was repeated: the order is that of the journal.
    let data = host.of("DDATA");
    assert_eq!(host.ids(), expected);
    for (entry, verdict) in data.iter().zip(&journal) {
        let values = &entry["values"];
        assert_eq!(entry["device"], "top");
        assert_eq!(values["Sequence"], verdict.sequence);
        assert_eq!(values["RunId"], verdict.run_id);
        assert_eq!(values["FrameId"], verdict.frame_id);
        assert_eq!(
            values["Decision"],
            format!("{:?}", verdict.decision()).to_lowercase()
        );
        let score = verdict.score.as_ref();
        let score = score.map(|score| f64::from(score.value));
        assert_eq!(values["Score"].as_f64(), score);
        let time = verdict.capture_time.expect("a time");
        let milliseconds = time.seconds * 1000 + i64::from(time.nanos) / 1_000_000;
        assert_eq!(entry["time"], milliseconds);
    }
    // The first ones are older than the connection.
    assert_eq!(data[0]["historical"], true);
    assert_eq!(data.last().expect("data")["historical"], false);
    let checked = site.command(&["check"]).output().expect("the program");
    let checked = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(checked.contains("accepts the connection"), "{checked}");
    host.ask("rebirth");
    wait("the rebirth", || host.of("NBIRTH").len() == 2);
    assert_eq!(host.of("NBIRTH")[1]["rebirth"], true);
    wait("the device", || host.of("DBIRTH").len() == 2);
    let births = host.of("DBIRTH");
    assert_eq!(births[0]["values"]["Id"], Value::Null);
    assert_eq!(&text(&births[1], "Id"), expected.last().expect("verdicts"));
    assert_eq!(host.of("NDEATH").len(), 0);
    assert_eq!(forward.terminate().code(), Some(0));
    wait("the death certificate", || host.of("NDEATH").len() == 1);
    host.assert_no_fault();
}

#[tokio::test(flavor = "multi_thread")]
async fn primary_host_receives_everything_while_broker_and_program_are_killed() {
    let site = Site::start(900, 90).await;
    let mut broker = Broker::start(&site, false);
    let host = Host::start(&site, &broker, "host", Some("scada"));
    let mut program = forward(&site, &broker, "primary_host = \"scada\"\n");
    for (turn, pause) in pauses(6, 600).enumerate() {
        tokio::time::sleep(pause).await;
        if turn % 3 == 2 {
            program.kill();
            program = site.forward();
            continue;
        }
        let before = host.ids().len();
        wait("a message", || host.ids().len() > before || before >= 900);
        broker.kill();
        tokio::time::sleep(pause / 2).await;
        broker.restart();
    }
    site.produced(900).await;
    site.caught_up("forward-scada").await;
    let expected = site.ids().await;
    wait("the verdicts", || host.has(&expected));
    assert_eq!(program.terminate().code(), Some(0));
    host.assert_no_fault();
    assert_complete(&host.ids(), &expected);
    let births = host.of("NBIRTH");
    assert!(births.len() > 2, "{births:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_published_while_the_primary_host_is_away() {
    let mut site = Site::start(150, 60).await;
    let broker = Broker::start(&site, false);
    let observer = Host::start(&site, &broker, "observer", None);
    let mut first = Host::start(&site, &broker, "first", Some("scada"));
    let mut program = forward(&site, &broker, "primary_host = \"scada\"\n");
    site.produced(150).await;
    site.caught_up("forward-scada").await;
    let before = site.ids().await;
    wait("the verdicts", || first.has(&before));

    // Its last will says that it is offline.
    first.kill();
    wait("the death certificate", || observer.has_seen_death_of(0));
    let published = observer.of("DDATA").len();
    let acknowledged = site.acknowledged("forward-scada").await;
    site.stop_daemon();
    site.start_daemon().await;
    site.produced(acknowledged + 150).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(observer.of("DDATA").len(), published);
    assert_eq!(observer.of("NBIRTH").len(), 1);
    assert_eq!(site.acknowledged("forward-scada").await, acknowledged);

    let mut second = Host::start(&site, &broker, "second", Some("scada"));
    site.caught_up("forward-scada").await;
    let stored = site.ids().await.split_off(before.len());
    wait("the stored verdicts", || second.has(&stored));
    for entry in second.of("DDATA") {
        assert_eq!(entry["historical"], true, "{entry}");
    }
    assert_eq!(second.of("NBIRTH").len(), 1);

    // It leaves in order, while verdicts arrive.
    let newest = site.newest().await;
    site.stop_daemon();
    site.start_daemon().await;
    wait("new verdicts", || second.ids().len() > stored.len() + 10);
    second.ask("leave");
    wait("the end", || observer.has_seen_death_of(1));
    let third = Host::start(&site, &broker, "third", Some("scada"));
    site.produced(newest + 150).await;
    site.caught_up("forward-scada").await;
    let expected = site.ids().await;
    let last = expected.last().expect("verdicts");
    wait("the last verdict", || third.ids().contains(last));
    assert_eq!(program.terminate().code(), Some(0));
    let mut received = Vec::new();
    for host in [&first, &second, &third] {
        host.assert_no_fault();
        received.extend(host.ids());
    }
    observer.assert_no_fault();
    assert_complete(&received, &expected);
}
