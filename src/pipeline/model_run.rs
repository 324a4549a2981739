//! One run of the model: by the local engine, or by a server with the local engine in its place.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use inspectd_core::frame::Frame;
use inspectd_engine::{EngineError, RawMaps};
use tracing::debug;

use super::active::Active;
use super::answers::Shared;
use super::local_engine::LocalEngine;
use super::model::RanOn;
use super::observer::ServerUse;
use super::remote::{Limits, Plan, RemoteEngine, ServerFailure, plan};

/// The result of a run.
pub(super) struct ModelRun {
    pub(super) maps: Result<RawMaps, EngineError>,
    /// What gave the maps, or failed.
    pub(super) on: RanOn,
}

/// What a run hears of.
enum Event {
    Server(Result<RawMaps, ServerFailure>),
    Local(Result<RawMaps, EngineError>),
}

/// Runs the model over frames, of which the earliest deadline is `due`. `local` is the thread of the local engine where a server
/// may run the model; without it, the calling thread runs the local engine.
pub(super) fn run(
    shared: &Shared,
    active: &Arc<Active>,
    local: Option<&LocalEngine>,
    frames: &[Arc<Frame>],
    due: Option<Instant>,
) -> ModelRun {
    let model = &active.model;
    let run = if let (Some(remote), Some(local)) = (&model.remote, local) {
        let began = shared.clock.now().monotonic;
        let race = Race {
            shared,
            active,
            local,
            frames,
        };
        let (run, server_use) = race.run(remote, began, due);
        let ended = shared.clock.now().monotonic;
        let time = ended.saturating_duration_since(began);
        shared.observer.server_used(server_use, time);
        run
    } else {
        let frames: Vec<&Frame> = frames.iter().map(AsRef::as_ref).collect();
        on_local(model.engine().run(&frames))
    };
    model.note_run(run.on);
    run
}

/// A run that a server and the local engine may answer.
struct Race<'a> {
    shared: &'a Shared,
    active: &'a Arc<Active>,
    local: &'a LocalEngine,
    frames: &'a [Arc<Frame>],
}

impl Race<'_> {
    /// Takes the first maps. An error of the server is answered by the local engine at once; one of the local engine counts only
    /// if the server cannot answer any longer.
    fn run(
        &self,
        remote: &RemoteEngine,
        began: Instant,
        due: Option<Instant>,
    ) -> (ModelRun, ServerUse) {
        let (events, received) = channel();
        let mut server = self.plan(remote, began, due);
        let mut server_use = ServerUse::Skipped;
        if let Some(plan) = server {
            self.start_server(remote, plan.until.saturating_duration_since(began), &events);
        }
        let (mut local_started, mut local_error) = (false, None);
        loop {
            let now = self.shared.clock.now().monotonic;
            if server.take_if(|plan| now >= plan.until).is_some() {
                server_use = ServerUse::TimedOut;
                remote.note_late();
            }
            if !local_started && server.is_none_or(|plan| now >= plan.local_at) {
                self.start_local(&events);
                local_started = true;
                if server.is_some() {
                    server_use = ServerUse::Hedged;
                }
            }
            if server.is_none()
                && let Some(error) = local_error.take()
            {
                return (on_local(Err(error)), server_use);
            }
            let wake = server.map(|plan| {
                if local_started {
                    plan.until
                } else {
                    plan.local_at
                }
            });
            let wait = wake.map(|wake| wake.saturating_duration_since(now));
            match next(&received, wait) {
                Some(Event::Server(Ok(maps))) if server.is_some() => {
                    let run = ModelRun {
                        maps: Ok(maps),
                        on: RanOn::Server,
                    };
                    return (run, ServerUse::Used);
                }
                Some(Event::Server(Err(failure))) if server.take().is_some() => {
                    debug!(reason = %failure.reason, "a run on the server failed");
                    server_use = if failure.timed_out {
                        remote.note_late();
                        ServerUse::TimedOut
                    } else {
                        ServerUse::Failed
                    };
                }
                Some(Event::Local(Ok(maps))) => return (on_local(Ok(maps)), server_use),
                Some(Event::Local(Err(error))) => local_error = Some(error),
                // Too late, or nothing yet.
                Some(Event::Server(_)) | None => {}
            }
        }
    }

    /// The times of the server; `None` if it is not used, or has no time.
    fn plan(&self, remote: &RemoteEngine, now: Instant, due: Option<Instant>) -> Option<Plan> {
        if !remote.is_used() {
            return None;
        }
        let local_time = self.active.model.local_time(self.frames.len());
        // The run in progress, whose result nobody needs any longer, comes first.
        let runs = 1 + u32::from(self.local.is_busy());
        let limits = Limits {
            timeout: remote.timeout(),
            hedge_after: remote.hedge_after(),
            due,
            local_time: local_time * runs,
        };
        plan(now, limits)
    }

    fn start_server(&self, remote: &RemoteEngine, limit: Duration, events: &Sender<Event>) {
        let bytes = self.frames.iter().map(|frame| frame.rgb().len()).sum();
        let mut pixels = Vec::with_capacity(bytes);
        for frame in self.frames {
            pixels.extend_from_slice(frame.rgb());
        }
        let events = events.clone();
        let done = move |result| {
            // The run may have ended with the other maps.
            let _ = events.send(Event::Server(result));
        };
        remote.run(pixels, self.frames.len(), limit, Box::new(done));
    }

    fn start_local(&self, events: &Sender<Event>) {
        let events = events.clone();
        let done = move |result| {
            let _ = events.send(Event::Local(result));
        };
        self.local.run(self.active, self.frames, Box::new(done));
    }
}

fn on_local(maps: Result<RawMaps, EngineError>) -> ModelRun {
    ModelRun {
        maps,
        on: RanOn::Local,
    }
}

/// The next event within `wait`; without a limit, the next one.
fn next(received: &Receiver<Event>, wait: Option<Duration>) -> Option<Event> {
    match wait {
        Some(wait) => received.recv_timeout(wait).ok(),
        None => received.recv().ok(),
    }
}
