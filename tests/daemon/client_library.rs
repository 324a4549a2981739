//! The library `inspectd-client` with the real daemon, which is stopped, killed and restarted.

use std::time::Duration;

use inspectd_client::proto::ImageFormat;
use inspectd_client::{
    Client, Code, Decision, Error, Event, Start, Subscription, Trigger, TriggerTarget, Verdict,
    VerdictQuery, VerdictStream,
};

use crate::belt::{self, CAMERA, REVIEW};
use crate::harness::{Daemon, PATIENCE, Site, runtime_is_there};

const JOURNAL: &str = "[journal]\nfolder = \"journal\"\n";

/// A belt with a journal.
fn site() -> Site {
    let site = belt::site();
    site.configure(&format!("{JOURNAL}{REVIEW}"), CAMERA);
    site
}

fn tcp(daemon: &Daemon) -> String {
    format!("http://{}", daemon.address("server.listen"))
}

fn connect(address: &str) -> Client {
    let endpoint = address.parse().expect("a complete address");
    Client::builder(endpoint).build().expect("no credentials")
}

/// Kills the daemon and starts another one at the same address.
fn kill_and_restart(site: &Site, daemon: Daemon) -> Daemon {
    let listen = daemon.address("server.listen");
    daemon.signal("KILL");
    drop(daemon);
    site.start_with(&[("INSPECTD__SERVER__LISTEN", &listen)])
}

/// What a stream delivered.
#[derive(Default)]
struct Received {
    sequences: Vec<u64>,
    disconnections: u32,
    reconnections: u32,
}

impl Received {
    /// Adds the events up to this number of verdicts.
    async fn read(&mut self, stream: &mut VerdictStream, verdicts: usize) {
        let end = self.sequences.len() + verdicts;
        while self.sequences.len() < end {
            let event = tokio::time::timeout(PATIENCE, stream.next()).await;
            match event.expect("an event in time").expect("an open stream") {
                Ok(Event::Verdict(verdict)) => self.sequences.push(verdict.sequence),
                Ok(Event::Disconnected { .. }) => self.disconnections += 1,
                Ok(Event::Reconnected) => self.reconnections += 1,
                Ok(Event::Heartbeat(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

/// The sequences of the journal in this range.
async fn stored(client: &Client, first: u64, last: u64) -> Vec<u64> {
    let mut pages = client.stored_verdicts(&VerdictQuery {
        from_sequence: first,
        oldest_first: true,
        ..VerdictQuery::default()
    });
    let mut sequences = Vec::new();
    while let Some(page) = pages.next_page(50).await.expect("a page") {
        sequences.extend(page.iter().map(|verdict| verdict.sequence));
    }
    sequences.retain(|&sequence| sequence <= last);
    sequences
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn stream_over_tcp_resumes_after_a_kill_without_gap_or_duplicate() {
    if !runtime_is_there() {
        return;
    }
    let site = site();
    let daemon = site.start();
    let client = connect(&tcp(&daemon));
    let mut stream = client.subscribe(Subscription::from(Start::Sequence(1)));
    let mut received = Received::default();
    received.read(&mut stream, 20).await;
    let daemon = kill_and_restart(&site, daemon);
    received.read(&mut stream, 40).await;
    assert!(received.disconnections >= 1);
    assert_eq!(received.reconnections, 1);
    assert_eq!(stream.last_sequence(), received.sequences[59]);
    let expected = stored(&client, 1, received.sequences[59]).await;
    assert_eq!(received.sequences, expected);
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn stream_over_a_unix_socket_resumes_from_the_next_verdict_after_a_kill() {
    if !runtime_is_there() {
        return;
    }
    let site = site();
    let socket = site.path("socket").display().to_string();
    let variables = [("INSPECTD__SERVER__UNIX_SOCKET", socket.as_str())];
    let daemon = site.start_with(&variables);
    let client = connect(&format!("unix:{socket}"));
    let mut stream = client.subscribe(Subscription::from(Start::Next));
    let mut received = Received::default();
    received.read(&mut stream, 20).await;
    daemon.signal("KILL");
    drop(daemon);
    let daemon = site.start_with(&variables);
    received.read(&mut stream, 40).await;
    assert_eq!(received.reconnections, 1);
    let (first, last) = (received.sequences[0], received.sequences[59]);
    assert_eq!(received.sequences, stored(&client, first, last).await);
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn consumer_resumes_after_its_acknowledgement_and_receives_nothing_twice() {
    if !runtime_is_there() {
        return;
    }
    let site = site();
    let daemon = site.start();
    let client = connect(&tcp(&daemon));
    let consumer = || "mes".parse().expect("a name");
    let subscription = || Subscription::from(Start::Consumer(consumer()));
    let mut stream = client.subscribe(subscription());
    let mut received = Received::default();
    received.read(&mut stream, 20).await;
    let acknowledger = client.acknowledger(consumer());
    acknowledger.acknowledge(received.sequences[9]);
    acknowledger.acknowledge(received.sequences[4]);
    assert_eq!(acknowledger.newest(), received.sequences[9]);
    acknowledger
        .finish()
        .await
        .expect("a durable acknowledgement");
    let daemon = kill_and_restart(&site, daemon);
    received.read(&mut stream, 20).await;
    let last = received.sequences[39];
    assert_eq!(received.sequences, stored(&client, 1, last).await);
    drop(stream);

    let mut again = Received::default();
    again.read(&mut client.subscribe(subscription()), 5).await;
    assert_eq!(again.sequences, received.sequences[10..15]);
    let consumers = client.consumers().await.expect("the consumers");
    assert_eq!(consumers.len(), 1);
    assert_eq!(consumers[0].acknowledged, received.sequences[9]);
    client
        .forget_consumer(&consumer())
        .await
        .expect("forgotten");
    assert!(client.consumers().await.expect("the consumers").is_empty());
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn acknowledgement_that_fails_is_sent_again_after_a_restart() {
    if !runtime_is_there() {
        return;
    }
    let site = site();
    let daemon = site.start();
    let client = connect(&tcp(&daemon));
    let mut received = Received::default();
    let mut stream = client.subscribe(Subscription::from(Start::Sequence(1)));
    received.read(&mut stream, 5).await;
    let listen = daemon.address("server.listen");
    daemon.stop();
    let (failed, failures) = std::sync::mpsc::channel();
    let consumer = "mes".parse().expect("a name");
    let acknowledger = client.acknowledger_with(consumer, move |sequence, error| {
        let _ = failed.send((sequence, error.is_transient()));
    });
    acknowledger.acknowledge(5);
    let failure = failures.recv_timeout(PATIENCE).expect("a failure");
    assert_eq!(failure, (5, true));
    let daemon = site.start_with(&[("INSPECTD__SERVER__LISTEN", &listen)]);
    let acknowledged = async {
        loop {
            let consumers = client.consumers().await.expect("the consumers");
            if consumers.iter().any(|consumer| consumer.acknowledged == 5) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, acknowledged).await;
    in_time.expect("the acknowledgement is repeated");
    assert!(failures.try_recv().is_err(), "one report per series");
    acknowledger
        .finish()
        .await
        .expect("a durable acknowledgement");
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn stream_ends_with_an_error_that_cannot_pass() {
    if !runtime_is_there() {
        return;
    }
    let site = site();
    let daemon = site.start();
    let client = connect(&tcp(&daemon));
    let mut stream = client.subscribe(Subscription {
        camera_ids: vec!["absent".to_owned()],
        ..Subscription::from(Start::Live)
    });
    match stream.next().await {
        Some(Err(Error::Refused(refusal))) => assert_eq!(refusal.code, Code::NotFound),
        other => panic!("{other:?}"),
    }
    assert!(stream.next().await.is_none(), "the stream has ended");
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn trigger_is_repeated_under_its_key_until_the_daemon_is_back() {
    if !runtime_is_there() {
        return;
    }
    let site = belt::site();
    let camera = CAMERA.replace("\"triggered\"", "\"requested\"");
    site.configure(&format!("{JOURNAL}{REVIEW}"), &camera);
    let daemon = site.start();
    let client = connect(&tcp(&daemon));
    let listen = daemon.address("server.listen");
    daemon.stop();
    let trigger = Trigger {
        part_id: "P-1".to_owned(),
        wait: Some(PATIENCE),
        ..Trigger::new(TriggerTarget::Camera("belt".to_owned()))
    };
    let once = client.trigger(&trigger).await;
    assert!(matches!(once, Err(Error::Unreachable { .. })), "{once:?}");
    let repeated = {
        let (client, trigger) = (client.clone(), trigger.clone());
        tokio::spawn(async move { client.trigger_with_retry(&trigger, "k-1", PATIENCE).await })
    };
    let daemon = site.start_with(&[("INSPECTD__SERVER__LISTEN", &listen)]);
    let answer = repeated.await.expect("no panic").expect("an answer");
    let verdict = answer.verdict.expect("a verdict");
    assert_eq!(verdict.part_id, "P-1");
    assert!(!answer.repeated);
    let again = client.trigger_with_retry(&trigger, "k-1", PATIENCE).await;
    let again = again.expect("an answer");
    assert_eq!(
        (again.trigger_id, again.repeated),
        (answer.trigger_id, true)
    );
    assert_eq!(
        again.verdict.map(|verdict| verdict.sequence),
        Some(verdict.sequence)
    );
    daemon.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn evidence_of_a_reject_has_a_frame_and_a_heatmap() {
    if !runtime_is_there() {
        return;
    }
    let site = site();
    let daemon = site.start();
    let client = connect(&tcp(&daemon));
    let mut stream = client.subscribe(Subscription {
        decisions: vec![Decision::Reject],
        ..Subscription::from(Start::Next)
    });
    let verdict = next_verdict(&mut stream).await;
    assert_eq!(verdict.decision(), Decision::Reject);
    let evidence = client.evidence(verdict.sequence, ImageFormat::Png).await;
    let evidence = evidence.expect("recent evidence");
    assert_eq!(evidence.verdict.sequence, verdict.sequence);
    assert!(evidence.frame.is_some() && evidence.heatmap.is_some());
    let absent = client.evidence(1_000_000_000, ImageFormat::Png).await;
    match absent {
        Err(Error::Refused(refusal)) => assert_eq!(refusal.code, Code::NotFound),
        other => panic!("{other:?}"),
    }
    daemon.stop();
}

async fn next_verdict(stream: &mut VerdictStream) -> Verdict {
    loop {
        let event = tokio::time::timeout(PATIENCE, stream.next()).await;
        let event = event.expect("an event in time").expect("an open stream");
        if let Event::Verdict(verdict) = event.expect("no error") {
            return *verdict;
        }
    }
}
