//! Deliveries to a receiver whose answers are given.

use std::collections::BTreeSet;

use async_trait::async_trait;
use inspectd_client::{Decision, Evidence, Status};
use parking_lot::Mutex;
use tempfile::TempDir;

use super::*;
use crate::record::tests::record;

/// A receiver that refuses some sequences and fails some attempts.
#[derive(Default)]
struct Receiver {
    refused: BTreeSet<u64>,
    /// Failures of the next attempts, the last one first.
    failures: Vec<Failure>,
    /// Whether refused records are named, or the whole batch is refused.
    names_refused: bool,
    hangs: bool,
    /// The sequence of a record because of which the receiver closes the connection.
    closes_at: Option<u64>,
    /// Pings that the receiver does not answer.
    unanswered: Arc<Mutex<u32>>,
    attempts: Arc<Mutex<Vec<usize>>>,
    resets: Arc<Mutex<u32>>,
    log: Arc<Mutex<Vec<Vec<u64>>>>,
}

fn sequence(record: &Record) -> u64 {
    match record {
        Record::Verdict(record) => record.verdict.sequence,
        Record::Gap(_) => 0,
    }
}

#[async_trait]
impl Sink for Receiver {
    async fn check(&mut self) -> Result<String, Failure> {
        Ok(String::new())
    }

    async fn ping(&mut self) -> Result<(), Failure> {
        let mut unanswered = self.unanswered.lock();
        if *unanswered == 0 {
            return Ok(());
        }
        *unanswered -= 1;
        Err(Failure::transient("away"))
    }

    async fn keep_open(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    async fn deliver(&mut self, records: &[Record]) -> Result<Vec<Rejected>, Failure> {
        if std::mem::take(&mut self.hangs) {
            std::future::pending::<()>().await;
        }
        if let Some(failure) = self.failures.pop() {
            return Err(failure);
        }
        let sequences: Vec<u64> = records.iter().map(sequence).collect();
        self.attempts.lock().push(sequences.len());
        if self.closes_at.is_some_and(|one| sequences.contains(&one)) {
            return Err(Failure::Lost("closed by peer".to_owned()));
        }
        let refused = sequences
            .iter()
            .enumerate()
            .filter(|(_, one)| self.refused.contains(one));
        let refused: Vec<Rejected> = refused
            .map(|(place, one)| Rejected {
                place,
                reason: format!("no {one}"),
            })
            .collect();
        if !refused.is_empty() && !self.names_refused {
            return Err(Failure::Refused("the batch has a fault".to_owned()));
        }
        self.log.lock().push(sequences);
        Ok(refused)
    }

    async fn deliver_evidence(&mut self, _: &VerdictRecord, _: &Evidence) -> Result<(), Failure> {
        Ok(())
    }

    fn reset(&mut self) {
        *self.resets.lock() += 1;
    }

    async fn close(&mut self) {}
}

/// Delivers the verdicts 1 to 8. Returns the delivered sequences, those of the dead letters, and the state.
async fn deliver(receiver: Receiver) -> (Vec<u64>, Vec<u64>, crate::state::Snapshot) {
    let folder = tempfile::tempdir().expect("a folder");
    let log = Arc::clone(&receiver.log);
    let (mut delivery, _stop) = delivery(receiver, &folder);
    let client = Client::builder("http://127.0.0.1:1".parse().expect("an address"));
    let client = client.build().expect("no credentials");
    let records: Vec<_> = (1..=8)
        .map(|sequence| record(sequence, Decision::Pass))
        .collect();
    delivery
        .deliver(&client, &records)
        .await
        .expect("not stopped");
    let letters = std::fs::read_to_string(delivery.dead_letters.path()).unwrap_or_default();
    let letters = letters.lines().map(|line| {
        let letter: serde_json::Value = serde_json::from_str(line).expect("JSON");
        letter["record"]["sequence"].as_u64().expect("a sequence")
    });
    let delivered = log.lock().concat();
    (delivered, letters.collect(), delivery.state.snapshot())
}

fn delivery(receiver: Receiver, folder: &TempDir) -> (Delivery, watch::Sender<bool>) {
    let (sender, stop) = watch::channel(false);
    let delivery = Delivery {
        id: "mes".to_owned(),
        sink: Box::new(receiver),
        dead_letters: DeadLetters::new(folder.path(), "mes", 1 << 20),
        backoff: Backoff::new(Duration::from_millis(1), Duration::from_millis(2)),
        timeout: Duration::from_millis(50),
        evidence: EvidencePolicy::None,
        state: Arc::new(SinkState::new("mes", "files", "forward-mes")),
        stop,
    };
    (delivery, sender)
}

#[tokio::test]
async fn refused_records_of_a_batch_are_found_and_the_others_arrive_in_order() {
    let refused = BTreeSet::from([3, 4, 8]);
    let (delivered, letters, state) = deliver(Receiver {
        refused,
        ..Receiver::default()
    })
    .await;
    assert_eq!(delivered, [1, 2, 5, 6, 7]);
    assert_eq!(letters, [3, 4, 8]);
    assert_eq!((state.delivered, state.dead_letters), (5, 3));
}

#[tokio::test]
async fn records_that_the_receiver_names_become_dead_letters_at_once() {
    let refused = BTreeSet::from([3]);
    let receiver = Receiver {
        refused,
        names_refused: true,
        ..Receiver::default()
    };
    let (delivered, letters, state) = deliver(receiver).await;
    assert_eq!(delivered, [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!((letters, state.delivered), (vec![3], 7));
}

#[tokio::test]
async fn transient_failures_and_lost_confirmations_are_repeated() {
    let failures = vec![Failure::transient("away"), Failure::transient("away")];
    let (delivered, letters, state) = deliver(Receiver {
        failures,
        hangs: true,
        ..Receiver::default()
    })
    .await;
    assert_eq!(delivered, [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(letters, [0; 0]);
    assert_eq!((state.retries, state.dead_letters), (3, 0));
    assert_eq!(state.last_error.expect("an error").message, "away");
}

#[tokio::test]
async fn record_because_of_which_the_connection_is_closed_is_found() {
    let receiver = Receiver {
        closes_at: Some(6),
        ..Receiver::default()
    };
    let attempts = Arc::clone(&receiver.attempts);
    let (delivered, letters, state) = deliver(receiver).await;
    assert_eq!(delivered, [1, 2, 3, 4, 5, 7, 8]);
    assert_eq!(letters, [6]);
    assert_eq!((state.delivered, state.dead_letters), (7, 1));
    // The whole batch, its halves, then the single record five times.
    let expected = [8, 8, 8, 8, 8, 4, 4, 2, 1, 1, 1, 1, 1, 1, 2];
    assert_eq!(*attempts.lock(), expected);
}

#[tokio::test]
async fn lost_connections_make_no_dead_letter_while_the_receiver_does_not_answer() {
    let unanswered = Arc::new(Mutex::new(3));
    let receiver = Receiver {
        closes_at: Some(1),
        unanswered: Arc::clone(&unanswered),
        ..Receiver::default()
    };
    let attempts = Arc::clone(&receiver.attempts);
    let (_, letters, _) = deliver(receiver).await;
    assert_eq!((letters, *unanswered.lock()), (vec![1], 0));
    // Each ping without an answer is one more attempt with the whole batch.
    assert_eq!(attempts.lock()[..9], [8, 8, 8, 8, 8, 8, 8, 8, 4]);
}

#[tokio::test]
async fn few_lost_connections_do_not_divide_a_batch() {
    let receiver = Receiver {
        failures: vec![Failure::Lost("closed by peer".to_owned()); 4],
        ..Receiver::default()
    };
    let attempts = Arc::clone(&receiver.attempts);
    let (delivered, letters, state) = deliver(receiver).await;
    assert_eq!(delivered, [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!((letters, state.retries), (vec![], 4));
    assert_eq!(*attempts.lock(), [8]);
}

#[test]
fn evidence_is_missing_only_if_the_daemon_says_that_it_is_not_found() {
    let check = |status: Status, expected| {
        assert_eq!(is_gone(&Error::from_stream(&status)), expected, "{status}");
    };
    check(Status::not_found("no evidence of 7"), true);
    check(Status::unauthenticated("the token has expired"), false);
    check(Status::permission_denied("the role is viewer"), false);
    check(Status::internal("a file cannot be read"), false);
    check(Status::unavailable("stopping"), false);
}

#[tokio::test]
async fn receiver_that_asks_to_wait_keeps_its_connection() {
    let receiver = Receiver {
        failures: vec![Failure::NotReady("offline".to_owned()); 2],
        ..Receiver::default()
    };
    let resets = Arc::clone(&receiver.resets);
    let (delivered, _, state) = deliver(receiver).await;
    assert_eq!(delivered, [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!((state.retries, *resets.lock()), (0, 0));
    assert_eq!(state.last_error.expect("an error").message, "offline");
}

#[tokio::test]
async fn stop_ends_a_delivery_whose_receiver_is_away() {
    for failure in [
        Failure::transient("away"),
        Failure::NotReady("offline".to_owned()),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut delivery, stop) = delivery(
            Receiver {
                failures: vec![failure; 100_000],
                ..Receiver::default()
            },
            &folder,
        );
        let client = Client::builder("http://127.0.0.1:1".parse().expect("an address"));
        let client = client.build().expect("no credentials");
        stop.send(true).expect("a receiver");
        let records = [record(1, Decision::Pass)];
        assert_eq!(delivery.deliver(&client, &records).await, Err(Stopped));
    }
}

#[tokio::test]
async fn sink_waits_while_the_file_of_dead_letters_has_its_maximum_size() {
    let folder = tempfile::tempdir().expect("a folder");
    let refused = BTreeSet::from([1, 2]);
    let receiver = Receiver {
        refused,
        ..Receiver::default()
    };
    let (mut delivery, stop) = delivery(receiver, &folder);
    delivery.dead_letters = DeadLetters::new(folder.path(), "mes", 1);
    let path = delivery.dead_letters.path().to_owned();
    let state = Arc::clone(&delivery.state);
    let client = Client::builder("http://127.0.0.1:1".parse().expect("an address"));
    let client = client.build().expect("no credentials");
    let records = [record(1, Decision::Pass), record(2, Decision::Pass)];
    let task = tokio::spawn(async move { delivery.deliver(&client, &records).await });
    while state.snapshot().state != Activity::Retrying {
        sleep(Duration::from_millis(1)).await;
    }
    let snapshot = state.snapshot();
    let error = snapshot.last_error.expect("an error").message;
    assert!(error.contains("dead_letters_max_mib"), "{error}");
    assert_eq!(snapshot.dead_letters, 1);
    std::fs::remove_file(&path).expect("removed");
    assert_eq!(task.await.expect("no panic"), Ok(()));
    assert_eq!(state.snapshot().dead_letters, 2);
    assert_eq!(state.snapshot().state, Activity::Running);
    drop(stop);
}

#[tokio::test]
async fn dead_letter_that_cannot_be_written_is_not_confirmed() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("dead-letters"), "not a folder").expect("written");
    let refused = BTreeSet::from([1]);
    let (mut delivery, stop) = delivery(
        Receiver {
            refused,
            ..Receiver::default()
        },
        &folder,
    );
    let client = Client::builder("http://127.0.0.1:1".parse().expect("an address"));
    let client = client.build().expect("no credentials");
    stop.send(true).expect("a receiver");
    let records = [record(1, Decision::Pass)];
    assert_eq!(delivery.deliver(&client, &records).await, Err(Stopped));
    assert_eq!(delivery.state.snapshot().dead_letters, 0);
}
