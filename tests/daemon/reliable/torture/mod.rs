//! Every call of the daemon on its files fails or hangs in turn: at the start, while it runs, and while it stops. Clients
//! compare what they receive; `make torture` tries every call.

mod shim;

use std::time::{Duration, Instant};

use inspectd_client::proto::stream_verdicts_request::Start;
use inspectd_client::proto::stream_verdicts_response::Event;
use inspectd_client::proto::{AcknowledgeVerdictsRequest, ListVerdictsRequest, SortOrder};
use inspectd_test_support::{onnx_runtime, require};
use rand::{Rng, SeedableRng};
use tokio::task::JoinHandle;

use super::journal_site::{Client, belt, from, journal, site};
use super::witness::{Witness, check_files};
use crate::harness::{Daemon, PATIENCE, Site, check_concurrently, wait};
use shim::{FOR_EVER, Fault, Kind, Shim};

/// Calls hang longer than this. A verdict that waits for one is later than `stall_timeout_s` by far.
const LONGEST_SILENCE: Duration = Duration::from_secs(5);

/// How long faults last.
const LASTING: Duration = Duration::from_millis(600);

/// Whether every call is tried, which takes an hour, or some of them.
fn every_call() -> bool {
    std::env::var_os("INSPECTD_TEST_TORTURE").is_some()
}

fn torture_site() -> Site {
    let keys = "stall_timeout_s = 0.5\nmax_mib = 16\ncheck_interval_s = 60\n";
    let top = format!(
        "{}[evidence]\ndisk_mib = 16\n[life]\nshutdown_deadline_s = 5\n",
        journal(keys)
    );
    site(&top, &belt("belt", "fps = 50\nqueue = 1024\n"))
}

/// Clients that read one daemon until it ends: one follows, one is a consumer, one lists.
struct Clients(Vec<JoinHandle<()>>);

impl Clients {
    async fn start(daemon: &Daemon, witness: &Witness) -> Self {
        let client = daemon.inspection().await;
        let next = witness
            .lock()
            .journalled
            .keys()
            .next_back()
            .map_or(1, |last| last + 1);
        Self(vec![
            tokio::spawn(watch(
                client.clone(),
                witness.clone(),
                Some(Start::FromSequence(next)),
            )),
            tokio::spawn(watch(client.clone(), witness.clone(), None)),
            tokio::spawn(consume(client.clone(), witness.clone())),
            tokio::spawn(list(client, witness.clone())),
        ])
    }

    /// Ends them; a comparison that failed is a panic.
    async fn stop(self) {
        for client in self.0 {
            client.abort();
            if let Err(error) = client.await
                && error.is_panic()
            {
                std::panic::resume_unwind(error.into_panic());
            }
        }
    }
}

/// Streams from `start`, and from the latest after an error.
async fn watch(mut client: Client, witness: Witness, mut start: Option<Start>) {
    loop {
        let live = start.is_none();
        let request = start.take().map(from).unwrap_or_default();
        if let Ok(stream) = client.stream_verdicts(request).await {
            let mut stream = stream.into_inner();
            while let Ok(Some(message)) = stream.message().await {
                match message.event {
                    Some(Event::Verdict(verdict)) if live => {
                        witness.lock().see_live(verdict, LONGEST_SILENCE);
                    }
                    Some(Event::Verdict(verdict)) => witness.lock().see(verdict),
                    Some(Event::Gap(gap)) => panic!("{gap:?}"),
                    Some(Event::Heartbeat(_)) | None => {}
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Streams as a consumer and acknowledges.
async fn consume(mut client: Client, witness: Witness) {
    loop {
        let start = Start::Consumer("plc".to_owned());
        if let Ok(stream) = client.stream_verdicts(from(start)).await {
            let mut stream = stream.into_inner();
            while let Ok(Some(message)) = stream.message().await {
                let Some(Event::Verdict(verdict)) = message.event else {
                    continue;
                };
                let sequence = verdict.sequence;
                witness.lock().see(verdict);
                let request = AcknowledgeVerdictsRequest {
                    consumer: "plc".to_owned(),
                    sequence,
                };
                if sequence > 0 && sequence.is_multiple_of(20) {
                    // Repeated with a later one if it fails.
                    let _ = client.acknowledge_verdicts(request).await;
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Lists the newest verdicts again and again.
async fn list(mut client: Client, witness: Witness) {
    loop {
        let request = ListVerdictsRequest {
            page_size: 50,
            order: SortOrder::NewestFirst.into(),
            ..ListVerdictsRequest::default()
        };
        if let Ok(page) = client.list_verdicts(request).await {
            for verdict in page.into_inner().verdicts {
                witness.lock().see(verdict);
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until verdicts are journalled again.
async fn recovered(witness: &Witness, what: &str) {
    let newest = || witness.lock().journalled.keys().next_back().copied();
    let (before, deadline) = (newest(), Instant::now() + PATIENCE);
    while newest() <= before {
        assert!(
            Instant::now() < deadline,
            "{what}: no verdict in the journal"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn check_silence(witness: &Witness, what: &str) {
    let silence = witness.lock().take_silence();
    assert!(
        silence < LONGEST_SILENCE,
        "{what}: no verdict for {silence:?}"
    );
}

/// Asserts that the journal without faults has what the clients saw.
async fn check_end(site: &Site, witness: &Witness) {
    check_files(site);
    let daemon = site.start();
    witness.check_journal(&daemon).await;
    daemon.stop();
}

#[test]
fn every_call_of_a_running_daemon_may_fail_or_hang() {
    require!(onnx_runtime());
    check_concurrently(Fault::ALL, async |fault| {
        let site = torture_site();
        let shim = Shim::new(&site, "journal");
        let daemon = Daemon::spawn(&mut shim.command(&site));
        daemon.wait_for_log("ready");
        let witness = Witness::default();
        let clients = Clients::start(&daemon, &witness).await;
        recovered(&witness, "at the start").await;
        let rounds = if every_call() { 40 } else { 1 };
        let mut tried = 0;
        for round in 1..=rounds {
            for kind in Kind::ALL {
                // One call, and all calls for a while.
                for number in [1, FOR_EVER] {
                    let what = format!("{fault:?} of {kind:?}, call {round}, {number} times");
                    witness.lock().take_silence();
                    shim.arm(&[kind], fault, round, number);
                    if shim.wait_for_hit(LASTING) {
                        tried += 1;
                        let lasting = LASTING.as_millis() as u64 * if number == 1 { 1 } else { 3 };
                        tokio::time::sleep(Duration::from_millis(lasting)).await;
                        check_silence(&witness, &what);
                    }
                    shim.disarm();
                    recovered(&witness, &what).await;
                }
            }
        }
        assert!(tried > 5, "{tried}");
        daemon.stop();
        clients.stop().await;
        check_end(&site, &witness).await;
        println!(
            "{fault:?}: {tried} faults, {} verdicts",
            witness.lock().journalled.len()
        );
    });
}

/// Starts a daemon of which each call from `call` on meets the fault; returns it once it is ready. None: it exited because
/// it cannot know the active recipe.
fn start_with_fault(site: &Site, shim: &Shim, fault: Fault, call: u32) -> Option<Daemon> {
    shim.reset();
    if call > 0 {
        shim.arm(&Kind::ALL, fault, call, FOR_EVER);
    }
    let mut daemon = Daemon::spawn(&mut shim.command(site));
    let seen = |text: &str| daemon.log().iter().any(|line| line.contains(text));
    wait("ready", || {
        seen("\"ready\"") || seen("waiting for the persisted state") || seen("state.toml")
    });
    if seen("\"ready\"") {
        return Some(daemon);
    }
    if fault == Fault::Hang {
        shim.disarm();
        daemon.wait_for_log("\"ready\"");
        return Some(daemon);
    }
    assert_eq!(daemon.wait_for_end().code(), Some(74));
    None
}

#[test]
fn every_call_at_the_start_may_fail_or_hang() {
    require!(onnx_runtime());
    check_concurrently(Fault::ALL, async |fault| {
        let site = torture_site();
        let shim = Shim::new(&site, "journal");
        let witness = Witness::default();
        let mut calls = 0;
        let mut call = 0;
        let mut tried = 0;
        // The first start is without a fault, and creates the files.
        while call <= calls {
            let what = format!("{fault:?} from call {call} on");
            if let Some(daemon) = start_with_fault(&site, &shim, fault, call) {
                let clients = Clients::start(&daemon, &witness).await;
                let (first, deadline) = (witness.lock().sights, Instant::now() + LONGEST_SILENCE);
                while witness.lock().sights == first {
                    assert!(Instant::now() < deadline, "{what}: no verdict");
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                if call == 0 {
                    calls = shim.calls();
                }
                shim.disarm();
                recovered(&witness, &what).await;
                // Killed, so that the next start finds work.
                drop(daemon);
                clients.stop().await;
                witness.lock().pause();
            }
            tried += 1;
            call += if every_call() { 1 } else { (calls / 12).max(1) };
        }
        check_end(&site, &witness).await;
        println!("{fault:?}: {tried} starts, of up to {calls} calls");
    });
}

#[test]
fn every_call_at_the_stop_may_fail_or_hang() {
    require!(onnx_runtime());
    check_concurrently(Fault::ALL, async |fault| {
        let site = torture_site();
        let shim = Shim::new(&site, "journal");
        let witness = Witness::default();
        // The last ones are after the stop, when the process ends.
        let step = if every_call() { 1 } else { 15 };
        for call in (1..=60).step_by(step) {
            shim.reset();
            let daemon = Daemon::spawn(&mut shim.command(&site));
            daemon.wait_for_log("ready");
            let clients = Clients::start(&daemon, &witness).await;
            recovered(&witness, "at the start").await;
            daemon.signal("TERM");
            shim.arm(&Kind::ALL, fault, call, FOR_EVER);
            daemon.ends_well();
            clients.stop().await;
            witness.lock().pause();
        }
        check_end(&site, &witness).await;
    });
}

/// How often the daemon is killed, unless `INSPECTD_TEST_KILLS` is set.
const KILLS: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delivered_verdicts_survive_kills_while_the_disk_stalls_and_fills() {
    require!(onnx_runtime());
    let kills = std::env::var("INSPECTD_TEST_KILLS").ok();
    let kills = kills.map_or(KILLS, |text| text.parse().expect("a number of kills"));
    let site = torture_site();
    let shim = Shim::new(&site, "journal");
    let witness = Witness::default();
    let mut random = rand::rngs::StdRng::seed_from_u64(1);
    let begun = Instant::now();
    for _ in 0..kills {
        shim.reset();
        let daemon = Daemon::spawn(&mut shim.command(&site));
        daemon.address("server.listen");
        let clients = Clients::start(&daemon, &witness).await;
        tokio::time::sleep(Duration::from_millis(random.random_range(0..600))).await;
        for _ in 0..random.random_range(1..4) {
            let fault = Fault::ALL[random.random_range(0..3)];
            let number = if random.random_bool(0.5) {
                FOR_EVER
            } else {
                random.random_range(1..5)
            };
            let kinds = [Kind::Write, Kind::Sync, Kind::Truncate];
            shim.arm(&kinds, fault, random.random_range(1..20), number);
            tokio::time::sleep(Duration::from_millis(random.random_range(0..900))).await;
            if random.random_bool(0.6) {
                shim.disarm();
                tokio::time::sleep(Duration::from_millis(random.random_range(0..300))).await;
            }
        }
        // Killed, often during a fault.
        drop(daemon);
        clients.stop().await;
        witness.lock().pause();
    }
    let took = begun.elapsed();
    check_end(&site, &witness).await;
    let memory = witness.lock();
    println!(
        "{kills} kills in {:.1} s on a disk that stalls and fills: {} verdicts in the journal, {} without",
        took.as_secs_f32(),
        memory.journalled.len(),
        memory.unjournalled.len(),
    );
    assert!(memory.journalled.len() > kills, "there was no load");
}
