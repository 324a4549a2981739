//! MQTT against mosquitto, in both versions: under load the broker is restarted, and the program is killed.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use inspectd_client::{Trigger, TriggerTarget, Verdict};
use prost::Message;

use crate::harness::{
    Process, Site, assert_complete, debian_program, free_port, id, pauses, unprivileged, wait,
};

/// A broker.
pub struct Broker {
    folder: PathBuf,
    pub port: u16,
    process: Option<Process>,
}

impl Broker {
    /// Starts a broker. A persistent one keeps sessions and retained messages on the disk.
    pub fn start(site: &Site, persistent: bool) -> Self {
        let folder = site.path("broker");
        fs::create_dir(&folder).expect("a folder");
        let port = free_port();
        let text = format!(
            "listener {port} 127.0.0.1\nallow_anonymous true\npersistence {persistent}\npersistence_location {}/\n\
             autosave_on_changes true\nautosave_interval 1\nmax_queued_messages 0\nmax_inflight_messages 0\n",
            folder.display()
        );
        fs::write(folder.join("mosquitto.conf"), text).expect("written");
        let mut broker = Self {
            folder,
            port,
            process: None,
        };
        broker.restart();
        broker
    }

    /// Starts it again.
    pub fn restart(&mut self) {
        let program = debian_program(&["/usr/sbin/mosquitto", "/usr/bin/mosquitto"], "mosquitto");
        let mut command = Command::new(program);
        command.arg("-c").arg(self.folder.join("mosquitto.conf"));
        // As root it would change to its own user, who may not read the folder.
        unprivileged_folder(&self.folder);
        unprivileged(&mut command, &self.folder, "mosquitto");
        self.process = Some(Process::spawn("mosquitto", &mut command));
        wait("the broker", || {
            std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok()
        });
    }

    /// Stops it: it writes its sessions to the disk first.
    fn stop(&mut self) {
        let mut process = self.process.take().expect("the broker runs");
        assert!(process.terminate().success());
    }

    /// Starts it again with a limit: it closes the connection that sends a larger packet.
    fn limit_packets(&mut self, bytes: u32) {
        let path = self.folder.join("mosquitto.conf");
        let text = fs::read_to_string(&path).expect("a configuration");
        fs::write(path, format!("{text}max_packet_size {bytes}\n")).expect("written");
        self.stop();
        self.restart();
    }

    /// Kills it with SIGKILL.
    pub fn kill(&mut self) {
        self.process.take().expect("the broker runs").kill();
    }
}

/// Lets other users enter the folders above, which otherwise only their owner may enter.
fn unprivileged_folder(folder: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    let above = folder.parent().expect("a folder above");
    fs::set_permissions(above, fs::Permissions::from_mode(0o711)).expect("the owner may");
}

/// A subscriber that is not this program's library: `mosquitto_sub`, with a session at the broker. Its output is the ledger.
struct Subscriber {
    process: std::process::Child,
    ledger: PathBuf,
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Subscriber {
    /// Prints topic, retain flag and payload in hexadecimal digits, a line for each message.
    fn start(site: &Site, port: u16, topic: &str) -> Self {
        let ledger = site.path("messages");
        let output = fs::File::create(&ledger).expect("a file");
        let program = debian_program(&["/usr/bin/mosquitto_sub"], "mosquitto-clients");
        let process = Command::new(program)
            .args([
                "-h",
                "127.0.0.1",
                "-p",
                &port.to_string(),
                "-V",
                "mqttv311",
                "-q",
                "1",
                "-c",
                "-i",
                "ledger",
            ])
            .args(["-t", topic, "-F", "%t %r %x"])
            .stdout(Stdio::from(output))
            .spawn()
            .expect("a started subscriber");
        let subscriber = Self { process, ledger };
        let hello = || {
            let publish = debian_program(&["/usr/bin/mosquitto_pub"], "mosquitto-clients");
            let topic = topic.replace('#', "hello");
            let port = port.to_string();
            Command::new(publish)
                .args(["-h", "127.0.0.1", "-p", &port, "-t", &topic, "-m", "hello"])
                .status()
        };
        wait("the subscription", || {
            hello().expect("mosquitto_pub");
            !subscriber.messages().is_empty()
        });
        subscriber
    }

    /// The topics and payloads so far.
    fn messages(&self) -> Vec<(String, Vec<u8>)> {
        let text = fs::read_to_string(&self.ledger).expect("a ledger");
        let complete = text.rsplit_once('\n').map_or("", |(complete, _)| complete);
        let message = |line: &str| {
            let mut words = line.split(' ');
            let topic = words.next().expect("a topic").to_owned();
            let digits = words.nth(1).unwrap_or_default().as_bytes().chunks(2);
            let bytes = digits.map(|two| {
                u8::from_str_radix(std::str::from_utf8(two).expect("ASCII"), 16).expect("digits")
            });
            (topic, bytes.collect())
        };
        complete.lines().map(message).collect()
    }

    /// The ids of the verdicts in JSON so far.
    fn ids(&self) -> Vec<String> {
        let messages = self.messages();
        let verdicts = messages
            .iter()
            .filter(|(topic, _)| topic.ends_with("/verdict"));
        let ids = verdicts.map(|(topic, payload)| {
            assert_eq!(topic, "inspectd/plant-a/box-7/top/verdict");
            let record: serde_json::Value = serde_json::from_slice(payload).expect("JSON");
            record["id"].as_str().expect("an id").to_owned()
        });
        ids.collect()
    }
}

async fn kills(version: &str) {
    let site = Site::start(900, 90).await;
    let mut broker = Broker::start(&site, true);
    let subscriber = Subscriber::start(&site, broker.port, "inspectd/#");
    site.forward_to(&format!(
        "[sinks.line]\ntype = \"mqtt\"\nserver = \"mqtt://127.0.0.1:{}\"\nversion = \"{version}\"\nbatch_limit = 40\n\
         batch_window_ms = 20\ntimeout_s = 3\nretry_after_s = 0.05\nretry_after_max_s = 0.3\n",
        broker.port
    ));
    let mut forward = site.forward();
    for (turn, pause) in pauses(9, 600).enumerate() {
        tokio::time::sleep(pause).await;
        if turn % 3 == 2 {
            forward.kill();
            forward = site.forward();
            continue;
        }
        let before = subscriber.ids().len();
        wait("a message", || {
            subscriber.ids().len() > before || before >= 900
        });
        // Not killed: mosquitto confirms a message before it is on the disk (docs/forward.md).
        broker.stop();
        tokio::time::sleep(pause / 2).await;
        broker.restart();
    }
    site.produced(900).await;
    site.caught_up("forward-line").await;
    let expected = site.ids().await;
    wait("the last message", || {
        subscriber
            .ids()
            .contains(expected.last().expect("verdicts"))
    });
    assert_eq!(forward.terminate().code(), Some(0));
    assert_complete(&subscriber.ids(), &expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn version_5_loses_nothing_while_the_broker_is_restarted_and_the_program_is_killed() {
    kills("5").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn version_3_loses_nothing_while_the_broker_is_restarted_and_the_program_is_killed() {
    kills("3.1.1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn verdict_that_is_too_large_for_the_broker_is_a_dead_letter_in_version_3() {
    let site = Site::start(20, 100).await;
    let mut broker = Broker::start(&site, true);
    broker.limit_packets(5000);
    let subscriber = Subscriber::start(&site, broker.port, "inspectd/#");
    site.produced(20).await;
    // The larger one is more than 5000 bytes in base64.
    for (key, bytes) in [4096, 1].into_iter().enumerate() {
        let trigger = Trigger {
            client_data: vec![b'x'; bytes],
            wait: Some(Duration::from_mins(1)),
            ..Trigger::new(TriggerTarget::Camera("hand".to_owned()))
        };
        let triggered = site
            .client()
            .trigger_with_retry(&trigger, &key.to_string(), Duration::from_mins(1))
            .await;
        triggered.expect("a verdict");
    }
    site.forward_to(&format!(
        "[sinks.line]\ntype = \"mqtt\"\nserver = \"mqtt://127.0.0.1:{}\"\nversion = \"3.1.1\"\n\
         timeout_s = 5\nretry_after_s = 0.05\nretry_after_max_s = 0.2\n",
        broker.port
    ));
    let mut forward = site.forward();
    site.caught_up("forward-line").await;
    let (large, others): (Vec<_>, Vec<_>) = site
        .journal()
        .await
        .into_iter()
        .partition(|verdict| verdict.client_data.len() == 4096);
    assert_eq!(large.len(), 1);
    let expected: Vec<String> = others.iter().map(id).collect();
    let received = || -> Vec<String> {
        let messages = subscriber.messages();
        let verdicts = messages
            .iter()
            .filter(|(topic, _)| topic.ends_with("/verdict"));
        let records = verdicts.map(|(_, payload)| {
            serde_json::from_slice::<serde_json::Value>(payload).expect("JSON")
        });
        records
            .map(|record| record["id"].as_str().expect("an id").to_owned())
            .collect()
    };
    wait("the last message", || {
        received().contains(expected.last().expect("verdicts"))
    });
    assert_eq!(forward.terminate().code(), Some(0));
    assert_complete(&received(), &expected);
    let letters =
        fs::read_to_string(site.path("state/dead-letters/line.jsonl")).expect("dead letters");
    assert_eq!(letters.lines().count(), 1, "{letters}");
    let letter: serde_json::Value = serde_json::from_str(&letters).expect("JSON");
    assert_eq!(letter["record"]["id"], id(&large[0]));
    let reason = letter["reason"].as_str().expect("a reason");
    assert!(reason.contains("lost the connection"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn payload_is_the_message_and_the_state_follows_the_program() {
    let site = Site::start(50, 100).await;
    let broker = Broker::start(&site, true);
    let subscriber = Subscriber::start(&site, broker.port, "plant/#");
    site.forward_to(&format!(
        "[sinks.line]\ntype = \"mqtt\"\nserver = \"mqtt://127.0.0.1:{}\"\npayload = \"protobuf\"\ntopic_prefix = \"plant/x\"\n",
        broker.port
    ));
    let states = || -> Vec<String> {
        let messages = subscriber.messages();
        let states = messages
            .iter()
            .filter(|(topic, _)| topic == "plant/x/plant-a/box-7/state");
        let values = states.map(|(_, payload)| {
            serde_json::from_slice::<serde_json::Value>(payload).expect("JSON")
        });
        values
            .map(|value| value["state"].as_str().expect("a state").to_owned())
            .collect()
    };
    let mut forward = site.forward();
    site.produced(50).await;
    site.caught_up("forward-line").await;
    wait("online", || states() == ["online"]);
    forward.kill();
    wait("the last will", || states() == ["online", "offline"]);
    let mut forward = site.forward();
    wait("online again", || {
        states() == ["online", "offline", "online"]
    });
    assert_eq!(forward.terminate().code(), Some(0));
    wait("offline", || {
        states() == ["online", "offline", "online", "offline"]
    });
    let messages = subscriber.messages();
    let verdicts = messages
        .iter()
        .filter(|(topic, _)| topic.ends_with("/verdict"));
    let ids: Vec<String> = verdicts
        .map(|(_, payload)| id(&Verdict::decode(payload.as_slice()).expect("a verdict")))
        .collect();
    assert_complete(&ids, &site.ids().await);
}
