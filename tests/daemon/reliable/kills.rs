//! A daemon that is killed at any moment: no verdict that a client saw is lost or changed, and no
//! sequence is used twice.

use std::time::{Duration, Instant};

use inspectd_client::proto::stream_verdicts_request::Start;
use inspectd_client::proto::stream_verdicts_response::Event;
use inspectd_client::proto::{
    AcknowledgeVerdictsRequest, ListVerdictsRequest, SortOrder, StreamVerdictsResponse,
};
use inspectd_test_support::{onnx_runtime, require};
use rand::{Rng, SeedableRng};
use tonic::Streaming;

use super::journal_site::{Client, belt, from, journal, site};
use super::witness::{Witness, check_files};
use crate::harness::{Daemon, PATIENCE, Site};

/// How often the daemon is killed, unless `INSPECTD_TEST_KILLS` is set.
const KILLS: usize = 12;

/// Verdicts after which the consumer acknowledges.
const STEP: u64 = 20;

/// What the clients know from one run to the next.
#[derive(Clone, Copy, Default)]
struct Places {
    /// The last verdict of the client that resumes by sequence.
    followed: u64,
    /// The last verdict that the consumer acknowledged with a response.
    acknowledged: u64,
    /// The last one that it may have acknowledged.
    attempted: u64,
    /// The last verdict of the client that lists.
    listed: u64,
}

/// A stream whose every verdict is remembered.
struct Reader {
    stream: Streaming<StreamVerdictsResponse>,
    witness: Witness,
    last: Option<u64>,
}

impl Reader {
    /// Starts a stream; `None` when the daemon is gone.
    async fn begin(client: &mut Client, start: Start, witness: Witness) -> Option<Self> {
        let stream = client.stream_verdicts(from(start)).await.ok()?;
        Some(Self {
            stream: stream.into_inner(),
            witness,
            last: None,
        })
    }

    /// The next sequence, which follows the last one; `None` once the daemon is gone.
    async fn next(&mut self) -> Option<u64> {
        loop {
            match self.stream.message().await.ok()??.event {
                Some(Event::Verdict(verdict)) => {
                    let sequence = verdict.sequence;
                    let last = self.last.replace(sequence);
                    assert!(
                        last.is_none_or(|last| last + 1 == sequence),
                        "{last:?}, {sequence}"
                    );
                    self.witness.lock().see(verdict);
                    return Some(sequence);
                }
                Some(Event::Gap(gap)) => panic!("{gap:?}"),
                Some(Event::Heartbeat(_)) | None => {}
            }
        }
    }
}

async fn follow(mut client: Client, witness: Witness, last: u64) -> u64 {
    let mut followed = last;
    let start = Start::FromSequence(last + 1);
    let Some(mut reader) = Reader::begin(&mut client, start, witness).await else {
        return last;
    };
    while let Some(sequence) = reader.next().await {
        assert_eq!(sequence, followed + 1);
        followed = sequence;
    }
    followed
}

async fn consume(mut client: Client, witness: Witness, places: Places) -> Places {
    let mut places = places;
    let may_begin = places.acknowledged + 1..=places.attempted + 1;
    let start = Start::Consumer("plc".to_owned());
    let Some(mut reader) = Reader::begin(&mut client, start, witness).await else {
        return places;
    };
    let mut begun = false;
    while let Some(sequence) = reader.next().await {
        assert!(
            begun || may_begin.contains(&sequence),
            "{may_begin:?}, {sequence}"
        );
        begun = true;
        if sequence.is_multiple_of(STEP) {
            places.attempted = sequence;
            let request = AcknowledgeVerdictsRequest {
                consumer: "plc".to_owned(),
                sequence,
            };
            if client.acknowledge_verdicts(request).await.is_err() {
                break;
            }
            places.acknowledged = sequence;
        }
    }
    places
}

async fn turn_pages(mut client: Client, witness: Witness, mut last: u64) -> u64 {
    loop {
        let request = ListVerdictsRequest {
            from_sequence: last + 1,
            page_size: 50,
            order: SortOrder::OldestFirst.into(),
            ..ListVerdictsRequest::default()
        };
        let Ok(page) = client.list_verdicts(request).await else {
            return last;
        };
        for verdict in page.into_inner().verdicts {
            assert_eq!(verdict.sequence, last + 1);
            last = verdict.sequence;
            witness.lock().see(verdict);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// One run with its clients, until it is killed `after` its first verdict.
async fn run(site: &Site, witness: &Witness, places: Places, after: Duration) -> Places {
    let daemon = Daemon::spawn(&mut site.command());
    daemon.address("server.listen");
    let client = daemon.inspection().await;
    let sights = witness.lock().sights;
    let follower = tokio::spawn(follow(client.clone(), witness.clone(), places.followed));
    let consumer = tokio::spawn(consume(client, witness.clone(), places));
    let client = daemon.inspection().await;
    let lister = tokio::spawn(turn_pages(client, witness.clone(), places.listed));
    let deadline = Instant::now() + PATIENCE;
    while witness.lock().sights == sights {
        assert!(Instant::now() < deadline, "no verdict");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    tokio::time::sleep(after).await;
    drop(daemon);
    Places {
        followed: follower.await.expect("the follower"),
        listed: lister.await.expect("the lister"),
        ..consumer.await.expect("the consumer")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delivered_verdicts_survive_kills_unchanged() {
    require!(onnx_runtime());
    let kills = std::env::var("INSPECTD_TEST_KILLS").ok();
    let kills = kills.map_or(KILLS, |text| text.parse().expect("a number of kills"));
    let site = site(&journal(""), &belt("belt", "pace = \"fast\""));
    let witness = Witness::default();
    let mut places = Places::default();
    let mut random = rand::rngs::StdRng::seed_from_u64(1);
    let begun = Instant::now();
    for kill in 0..kills {
        if kill % 4 == 3 {
            let daemon = Daemon::spawn(&mut site.command());
            let after = Duration::from_millis(random.random_range(0..100));
            tokio::time::sleep(after).await;
            drop(daemon);
        } else {
            let after = Duration::from_millis(random.random_range(5..150));
            places = run(&site, &witness, places, after).await;
        }
    }
    let took = begun.elapsed();
    check_files(&site);
    let daemon = site.start();
    witness.check_journal(&daemon).await;
    daemon.stop();
    let memory = witness.lock();
    println!(
        "{kills} kills in {:.1} s: {} verdicts seen {} times, all of them kept as they were",
        took.as_secs_f32(),
        memory.journalled.len(),
        memory.sights,
    );
    assert!(memory.journalled.len() > kills, "there was no load");
}
