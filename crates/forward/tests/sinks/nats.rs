//! NATS JetStream: a cluster of three servers with a stream on all three. A server is killed under load, and so is the
//! program: nothing is lost, and nothing is in the stream twice.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use async_nats::jetstream;

use crate::harness::{PATIENCE, Process, Site, debian_program, free_port, pauses};

/// A cluster on the loopback interface.
struct Cluster {
    folder: PathBuf,
    ports: Vec<u16>,
    routes: Vec<u16>,
    servers: Vec<Option<Process>>,
}

impl Cluster {
    fn start(site: &Site, size: usize) -> Self {
        let mut cluster = Self {
            folder: site.path("nats"),
            ports: (0..size).map(|_| free_port()).collect(),
            routes: (0..size).map(|_| free_port()).collect(),
            servers: (0..size).map(|_| None).collect(),
        };
        for place in 0..size {
            cluster.restart(place);
        }
        cluster
    }

    fn restart(&mut self, place: usize) {
        let routes = self
            .routes
            .iter()
            .map(|port| format!("\"nats://127.0.0.1:{port}\""));
        let folder = self.folder.join(place.to_string());
        fs::create_dir_all(&folder).expect("a folder");
        let cluster = if self.ports.len() > 1 {
            format!(
                "cluster {{ name: plant, listen: \"127.0.0.1:{}\", routes: [{}] }}\n",
                self.routes[place],
                routes.collect::<Vec<_>>().join(", ")
            )
        } else {
            String::new()
        };
        let text = format!(
            "server_name: \"n{place}\"\nlisten: \"127.0.0.1:{}\"\njetstream {{ store_dir: \"{}\" }}\n{cluster}",
            self.ports[place],
            folder.display()
        );
        let path = self.folder.join(format!("{place}.conf"));
        fs::write(&path, text).expect("written");
        let program = debian_program(
            &["/usr/sbin/nats-server", "/usr/bin/nats-server"],
            "nats-server",
        );
        let server = Process::spawn("nats-server", Command::new(program).arg("-c").arg(path));
        self.servers[place] = Some(server);
    }

    fn kill(&mut self, place: usize) {
        self.servers[place].take().expect("the server runs").kill();
    }

    fn addresses(&self) -> String {
        let servers = self
            .ports
            .iter()
            .map(|port| format!("\"nats://127.0.0.1:{port}\""));
        servers.collect::<Vec<_>>().join(", ")
    }

    /// The ids and the subjects of all messages of the stream, in its order.
    async fn messages(&self, stream: &str) -> Vec<(String, String)> {
        let servers: Vec<String> = self
            .ports
            .iter()
            .map(|port| format!("nats://127.0.0.1:{port}"))
            .collect();
        let deadline = Instant::now() + PATIENCE;
        let (context, last) = loop {
            if let Ok(client) = async_nats::connect(&servers).await {
                let context = jetstream::new(client);
                if let Ok(found) = context.get_stream(stream).await {
                    let last = found.cached_info().state.last_sequence;
                    break (context, last);
                }
            }
            assert!(Instant::now() < deadline, "no stream {stream}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        let found = context.get_stream(stream).await.expect("the stream");
        let mut messages = Vec::new();
        for sequence in 1..=last {
            let message = found.get_raw_message(sequence).await.expect("a message");
            let id = message
                .headers
                .get("Nats-Msg-Id")
                .expect("an id")
                .to_string();
            let payload: serde_json::Value =
                serde_json::from_slice(&message.payload).expect("JSON");
            assert_eq!(payload["id"].as_str(), Some(id.as_str()));
            messages.push((id, message.subject.to_string()));
        }
        messages
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stream_on_three_servers_has_every_verdict_once_while_servers_and_program_are_killed() {
    let site = Site::start(900, 60).await;
    let mut cluster = Cluster::start(&site, 3);
    site.forward_to(&format!(
        "[sinks.fleet]\ntype = \"nats\"\nservers = [{}]\nstream = \"LINE\"\nreplicas = 3\nbatch_limit = 40\n\
         batch_window_ms = 20\ntimeout_s = 5\nretry_after_s = 0.1\nretry_after_max_s = 0.5\n",
        cluster.addresses()
    ));
    let mut forward = site.forward();
    // The cluster needs some seconds to elect its leader.
    site.has_acknowledged("forward-fleet", 1).await;
    for (turn, pause) in pauses(6, 1500).enumerate() {
        tokio::time::sleep(pause).await;
        if turn % 2 == 0 {
            let place = turn / 2;
            cluster.kill(place);
            tokio::time::sleep(Duration::from_secs(1)).await;
            cluster.restart(place);
            // Two of three are needed: the next one is killed only after this one takes part again.
            let before = site.acknowledged("forward-fleet").await;
            site.has_acknowledged("forward-fleet", (before + 20).min(900))
                .await;
        } else {
            forward.kill();
            forward = site.forward();
        }
    }
    site.produced(900).await;
    site.caught_up("forward-fleet").await;
    assert_eq!(forward.terminate().code(), Some(0));
    let messages = cluster.messages("LINE").await;
    let ids: Vec<String> = messages.iter().map(|(id, _)| id.clone()).collect();
    assert_eq!(ids, site.ids().await, "every verdict once, in order");
    let decisions = site.journal().await;
    for ((_, subject), verdict) in messages.iter().zip(&decisions) {
        let decision = inspectd_client::json::decision(verdict.decision());
        assert_eq!(*subject, format!("inspectd.plant-a.box-7.top.{decision}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn message_that_is_too_large_for_the_stream_is_a_dead_letter() {
    let site = Site::start(30, 100).await;
    let cluster = Cluster::start(&site, 1);
    let client = loop {
        if let Ok(client) =
            async_nats::connect(format!("nats://127.0.0.1:{}", cluster.ports[0])).await
        {
            break client;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let stream = jetstream::stream::Config {
        name: "SMALL".to_owned(),
        subjects: vec!["inspectd.>".to_owned()],
        max_message_size: 6000,
        ..Default::default()
    };
    jetstream::new(client)
        .create_stream(stream)
        .await
        .expect("a stream");
    site.forward_to(&format!(
        "[sinks.fleet]\ntype = \"nats\"\nservers = [{}]\n",
        cluster.addresses()
    ));
    site.produced(30).await;
    let trigger = inspectd_client::Trigger {
        client_data: vec![7; 4096],
        wait: Some(PATIENCE),
        ..inspectd_client::Trigger::new(inspectd_client::TriggerTarget::Camera("hand".to_owned()))
    };
    site.client().trigger(&trigger).await.expect("a verdict");
    let mut forward = site.forward();
    site.caught_up("forward-fleet").await;
    assert_eq!(forward.terminate().code(), Some(0));
    let mut expected = site.ids().await;
    let large = expected.pop().expect("the verdict by hand");
    let ids: Vec<String> = cluster
        .messages("SMALL")
        .await
        .into_iter()
        .map(|(id, _)| id)
        .collect();
    assert_eq!(ids, expected);
    let letters =
        fs::read_to_string(site.path("state/dead-letters/fleet.jsonl")).expect("a dead letter");
    let letter: serde_json::Value = serde_json::from_str(&letters).expect("one line of JSON");
    assert_eq!(letter["record"]["id"], large);
}
