//! The thread that owns the connection to a server.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use inspectd_kserve::{Connection, Error, ServedModel, ServerAddress};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{info, warn};

use super::probe::Probe;
use super::{RUNS_LIMIT, ServerFailure, ServerRun, Standing, raw_maps};

/// Maximum time for connecting, and for each of the first runs of a model: a server may load it with the first run.
const FIRST_RUN_LIMIT: Duration = Duration::from_secs(10);

/// How often the maps are compared while the server is used.
const PROBE_INTERVAL: Duration = Duration::from_mins(1);

/// Time until a server that is not used is tried again; it doubles with each failure.
const BACK_OFF: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(30)];

/// Runs in a row without an answer in time after which the server is left alone. Any other error is enough by itself, because
/// the connection may be lost.
const TIMEOUTS_LIMIT: u32 = 3;

/// What the thread knows.
pub(super) struct ServerThread {
    pub(super) address: ServerAddress,
    pub(super) model: ServedModel,
    pub(super) probe: Probe,
    pub(super) batch_sizes: Vec<usize>,
    pub(super) timeout: Duration,
    pub(super) url: String,
    pub(super) standing: Arc<Mutex<Standing>>,
    /// Cleared by an answer.
    pub(super) late: Arc<AtomicBool>,
}

/// A server that was checked.
#[derive(Clone)]
struct CheckedServer {
    connection: Connection,
    /// Version of the model that was checked. An answer of another one is not used.
    version: String,
}

/// What a task of the connection found out.
enum Ended {
    /// The server answered, or failed at one frame.
    Answered,
    /// There was no answer in time.
    TimedOut(String),
    /// The connection is not used any longer.
    Failed(String),
    /// The maps still agree.
    Agreed,
}

impl ServerThread {
    /// Starts the thread. It ends when the sender of `runs` is dropped.
    pub(super) fn start(self, runs: mpsc::Receiver<ServerRun>) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let builder = std::thread::Builder::new().name("remote-engine".to_owned());
        builder.spawn(move || {
            runtime.block_on(Arc::new(self).serve(runs));
            // A name that is being resolved is not waited for.
            runtime.shutdown_background();
        })?;
        Ok(())
    }

    async fn serve(self: Arc<Self>, mut runs: mpsc::Receiver<ServerRun>) {
        let [mut back_off, longest] = BACK_OFF;
        loop {
            let checked = tokio::select! {
                checked = self.check() => checked,
                () = closed(&mut runs) => return,
            };
            let reason = match checked {
                Ok(server) => {
                    self.late.store(false, Ordering::Relaxed);
                    self.stand(Standing::Used);
                    let since = Instant::now();
                    let Some(reason) = self.use_server(&server, &mut runs).await else {
                        return;
                    };
                    if since.elapsed() >= PROBE_INTERVAL {
                        back_off = BACK_OFF[0];
                    }
                    reason
                }
                Err(reason) => reason,
            };
            self.stand(Standing::Unused(reason));
            tokio::select! {
                () = sleep(back_off) => {}
                () = closed(&mut runs) => return,
            }
            back_off = longest.min(back_off * 2);
        }
    }

    /// Changes the standing, and logs it if it is another one.
    fn stand(&self, standing: Standing) {
        let mut known = self.standing.lock();
        let (model, url) = (&self.model.name, &self.url);
        match (&*known, &standing) {
            (Standing::Used, Standing::Used)
            | (Standing::Unused(_), Standing::Unused(_))
            | (_, Standing::Checking) => {}
            (_, Standing::Used) => info!(model, url, "the server runs the model"),
            (_, Standing::Unused(reason)) => {
                warn!(model, url, %reason, "the server does not run the model; the local engine does");
            }
        }
        *known = standing;
    }

    /// Connects, and compares the maps of batches of all sizes with those of the local engine. The last run of each size must be
    /// as fast as those of frames must be.
    async fn check(&self) -> Result<CheckedServer, String> {
        let opened = Connection::open(&self.address, self.model.clone(), FIRST_RUN_LIMIT);
        let connection = opened.await.map_err(|error| error.to_string())?;
        let mut version = None;
        for &size in &self.batch_sizes {
            for first in [0, 1] {
                let began = Instant::now();
                let found = self
                    .compare(&connection, first, size, FIRST_RUN_LIMIT)
                    .await;
                let found = found?;
                let took = began.elapsed();
                if first == 1 && took > self.timeout {
                    return Err(format!(
                        "a run of {size} frames takes {} ms, longer than engine.remote.timeout_ms = {}",
                        took.as_millis(),
                        self.timeout.as_millis()
                    ));
                }
                if *version.get_or_insert_with(|| found.clone()) != found {
                    return Err("its answers are of different versions of the model".to_owned());
                }
            }
        }
        Ok(CheckedServer {
            connection,
            version: version.unwrap_or_default(),
        })
    }

    /// Runs one batch of test pictures, and returns the version that the server names.
    async fn compare(
        &self,
        connection: &Connection,
        first: usize,
        size: usize,
        limit: Duration,
    ) -> Result<String, String> {
        let pixels = self.probe.pixels(first, size);
        let answer = connection.infer(pixels, size, limit).await;
        let answer = answer.map_err(|error| error.to_string())?;
        let version = answer.version.clone();
        let maps = raw_maps(&self.model, answer, size);
        self.probe
            .check(first, &maps)
            .map_err(|error| error.to_string())?;
        Ok(version)
    }

    /// Runs frames until the server is not to be used any longer, and returns why; `None` when no further runs follow.
    async fn use_server(
        self: &Arc<Self>,
        server: &CheckedServer,
        runs: &mut mpsc::Receiver<ServerRun>,
    ) -> Option<String> {
        let mut tasks = JoinSet::new();
        let mut timeouts = 0;
        let mut next_probe = Instant::now() + PROBE_INTERVAL;
        loop {
            tokio::select! {
                run = runs.recv() => {
                    let run = run?;
                    // Otherwise it is dropped, and fails.
                    if tasks.len() <= RUNS_LIMIT {
                        tasks.spawn(Arc::clone(self).run(server.clone(), run));
                    }
                }
                () = sleep_until(next_probe) => {
                    next_probe = Instant::now() + PROBE_INTERVAL;
                    tasks.spawn(Arc::clone(self).compare_again(server.clone()));
                }
                Some(ended) = tasks.join_next(), if !tasks.is_empty() => match ended {
                    Ok(Ended::Answered) => timeouts = 0,
                    Ok(Ended::Agreed) => {}
                    Ok(Ended::TimedOut(reason)) => {
                        timeouts += 1;
                        if timeouts >= TIMEOUTS_LIMIT {
                            return Some(format!("{reason}, {timeouts} times in a row"));
                        }
                    }
                    Ok(Ended::Failed(reason)) => return Some(reason),
                    Err(error) => return Some(error.to_string()),
                },
            }
        }
    }

    /// Runs the model over frames.
    async fn run(self: Arc<Self>, server: CheckedServer, run: ServerRun) -> Ended {
        let ServerRun {
            pixels,
            count,
            limit,
            caller,
        } = run;
        let answer = server.connection.infer(pixels, count, limit).await;
        let answer = match answer {
            Ok(answer) if answer.version != server.version => Err(Error::Answer(format!(
                "it is of version {:?} of the model, {:?} was compared with the local engine",
                answer.version, server.version
            ))),
            answer => answer,
        };
        let ended = match &answer {
            // Also the local engine can give such maps; it decides.
            Ok(_) | Err(Error::NotFinite { .. }) => Ended::Answered,
            Err(error) if error.is_timeout() => Ended::TimedOut(error.to_string()),
            Err(error) => Ended::Failed(error.to_string()),
        };
        if matches!(ended, Ended::Answered) {
            self.late.store(false, Ordering::Relaxed);
        }
        let maps = answer.map(|answer| raw_maps(&self.model, answer, count));
        caller.answer(maps.map_err(|error| ServerFailure::from(&error)));
        ended
    }

    /// Compares the maps of both test pictures again.
    async fn compare_again(self: Arc<Self>, server: CheckedServer) -> Ended {
        for first in [0, 1] {
            let found = self.compare(&server.connection, first, 1, FIRST_RUN_LIMIT);
            match found.await {
                Ok(version) if version == server.version => {}
                Ok(_) => return Ended::Failed("it has another version of the model".to_owned()),
                Err(reason) => return Ended::Failed(reason),
            }
        }
        Ended::Agreed
    }
}

/// Waits until no further runs follow. There are none while the server is not used; one that was sent just before is dropped.
async fn closed(runs: &mut mpsc::Receiver<ServerRun>) {
    while runs.recv().await.is_some() {}
}
