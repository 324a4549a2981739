//! What a station does by itself: heartbeat, time limits, and the commands of its handshake.

use std::sync::Arc;
use std::time::{Duration, Instant};

use inspectd_client::{Acknowledger, Client};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval};
use tracing::error;

use crate::daemon::{self, DaemonState};
use crate::handshake::{Command, Machine, Memory, Mode};
use crate::state_file::StateFile;
use crate::station::Station;

/// The interval at which time limits are checked.
pub const TICK: Duration = Duration::from_millis(10);

/// The longest time for the last acknowledgement at the end of the program.
const LAST_ACKNOWLEDGEMENT: Duration = Duration::from_secs(3);

/// The connections of a station to the daemon.
#[derive(Clone, Debug)]
pub struct Clients {
    /// For calls; stations share it.
    pub calls: Client,
    /// For the stream of verdicts in mode `follow`, of this station only. It connects with its first use.
    pub stream: Client,
}

/// Drives a station until `stop` changes.
pub async fn drive(
    station: Arc<Station>,
    file: StateFile,
    clients: Clients,
    mut state: watch::Receiver<DaemonState>,
    mut stop: watch::Receiver<bool>,
) {
    let mut tasks = JoinSet::new();
    let mut stream = follow(&mut tasks, &station, clients.stream);
    let mut executor = Executor::start(&mut tasks, &station, file, clients.calls);
    let mut changes = station.changes();
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut beats = interval(station.settings.heartbeat_interval);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => station.tick(Instant::now()),
            _ = beats.tick() => station.apply(Machine::beat),
            // The senders live as long as this future: errors mean that the program ends.
            Ok(()) = changes.changed() => {}
            Ok(()) = state.changed() => report(&station, &state, &stream),
            Ok(()) = stream.changed() => report(&station, &state, &stream),
            // A task ends only by a panic.
            Some(_) = tasks.join_next() => {
                error!(station = station.id, "a task of the station failed");
                return;
            }
            _ = stop.changed() => break,
        }
        for command in station.apply_quietly(Machine::take_commands) {
            executor.execute(&station, command);
        }
    }
    executor.finish().await;
}

/// Reports to the station whether the daemon answers.
fn report(station: &Station, state: &watch::Receiver<DaemonState>, stream: &watch::Receiver<bool>) {
    let state = state.borrow().clone();
    let connected = state.connected && *stream.borrow();
    station.apply(|machine| machine.daemon(connected, &state.recipe, Instant::now()));
}

/// Starts to follow the verdicts, in mode `follow`. Returns whether the stream is open.
fn follow(
    tasks: &mut JoinSet<()>,
    station: &Arc<Station>,
    client: Client,
) -> watch::Receiver<bool> {
    let triggered = station.settings.handshake.mode == Mode::Triggered;
    let (connected, stream) = watch::channel(triggered);
    let station = Arc::clone(station);
    tasks.spawn(async move {
        if triggered {
            // Keeps the sender.
            connected.closed().await;
        } else {
            daemon::follow(client, station, connected).await;
        }
    });
    stream
}

/// Executes the commands of a station.
struct Executor {
    client: Client,
    saves: watch::Sender<Option<(u64, Memory)>>,
    activations: watch::Sender<Option<(u16, String)>>,
    acknowledger: Acknowledger,
    trigger: Option<JoinHandle<()>>,
}

impl Executor {
    fn start(
        tasks: &mut JoinSet<()>,
        station: &Arc<Station>,
        file: StateFile,
        client: Client,
    ) -> Self {
        let (saves, newest) = watch::channel(None);
        tasks.spawn(save(Arc::clone(station), file, newest));
        let (activations, newest) = watch::channel(None);
        tasks.spawn(activate(Arc::clone(station), client.clone(), newest));
        Self {
            acknowledger: daemon::acknowledger(&client, station),
            client,
            saves,
            activations,
            trigger: None,
        }
    }

    fn execute(&mut self, station: &Arc<Station>, command: Command) {
        match command {
            Command::Save { revision, memory } => {
                self.saves.send_replace(Some((revision, memory)));
            }
            Command::Activate { number, id } => {
                self.activations.send_replace(Some((number, id)));
            }
            Command::Acknowledge(sequence) => {
                // Sequences ascend: a lower one shows that they began again, because the journal of the daemon was removed.
                if (1..self.acknowledger.newest()).contains(&sequence) {
                    self.acknowledger = daemon::acknowledger(&self.client, station);
                }
                self.acknowledger.acknowledge(sequence);
            }
            Command::Trigger { key, part_id } => {
                self.end_trigger();
                let (client, station) = (self.client.clone(), Arc::clone(station));
                let task = daemon::trigger(client, station, key, part_id);
                self.trigger = Some(tokio::spawn(task));
            }
        }
    }

    /// Ends the wait for the previous trigger, whose verdict is discarded.
    fn end_trigger(&mut self) {
        if let Some(task) = self.trigger.take() {
            task.abort();
        }
    }

    async fn finish(mut self) {
        self.end_trigger();
        // What is not acknowledged is acknowledged with the next verdict.
        let _ = tokio::time::timeout(LAST_ACKNOWLEDGEMENT, self.acknowledger.finish()).await;
    }
}

/// Stores the memory after each change. An older memory that was replaced in the meantime is not stored.
async fn save(
    station: Arc<Station>,
    file: StateFile,
    mut newest: watch::Receiver<Option<(u64, Memory)>>,
) {
    while newest.changed().await.is_ok() {
        let Some((revision, memory)) = newest.borrow_and_update().clone() else {
            continue;
        };
        let file = file.clone();
        let stored = tokio::task::spawn_blocking(move || file.store(&memory)).await;
        let stored = stored.unwrap_or_else(|panic| Err(std::io::Error::other(panic)));
        if let Err(error) = &stored {
            error!(station = station.id, %error, "the state file cannot be written");
        }
        station.apply(|machine| machine.saved(revision, stored.is_ok(), Instant::now()));
    }
}

/// Activates the selected recipe after each change. An older selection that was replaced in the meantime is skipped.
async fn activate(
    station: Arc<Station>,
    client: Client,
    mut newest: watch::Receiver<Option<(u16, String)>>,
) {
    while newest.changed().await.is_ok() {
        let Some((number, id)) = newest.borrow_and_update().clone() else {
            continue;
        };
        daemon::activate(&client, &station, number, &id).await;
    }
}
