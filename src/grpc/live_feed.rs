//! What the page shows live: one feed for all open pages, so that they cost the line as much as one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::broadcast;
use tokio::time::{MissedTickBehavior, interval};

use super::calls::{CallError, Caller, Calls};
use super::proto::stream_verdicts_response::Event as VerdictEvent;
use super::proto::{Decision, Verdict};
use super::status;

/// Pause between two events with verdicts.
const INTERVAL: Duration = Duration::from_millis(250);

/// REJECT and FAULT verdicts of one event besides the newest of each camera; older ones are left out, and counted.
const NOTABLE: usize = 20;

/// Events that a slow page may be behind; then it misses the oldest of them.
const BACKLOG: usize = 64;

/// An event for the page: its name and its JSON.
#[derive(Clone, Debug)]
pub struct LiveEvent {
    /// `status`, `verdicts`, `gap` or `failed`.
    pub name: &'static str,
    /// The data.
    pub data: Arc<str>,
}

/// The feed. It runs while a page is open.
pub struct LiveFeed {
    calls: Calls,
    events: Mutex<Option<broadcast::Sender<LiveEvent>>>,
}

impl LiveFeed {
    /// A feed of these services.
    pub fn new(calls: Calls) -> Self {
        Self {
            calls,
            events: Mutex::default(),
        }
    }

    /// The events from now on. The receiver is closed when the feed has failed or the daemon stops.
    pub fn subscribe(self: &Arc<Self>) -> broadcast::Receiver<LiveEvent> {
        let mut events = self.events.lock();
        if let Some(events) = &*events {
            return events.subscribe();
        }
        let (sender, receiver) = broadcast::channel(BACKLOG);
        *events = Some(sender.clone());
        let feed = Arc::clone(self);
        tokio::spawn(async move {
            if let Err(error) = feed.run(&sender).await {
                let data = serde_json::to_string(&error).unwrap_or_default();
                send(&sender, "failed", data);
            }
            // Also after the last page was closed while another one subscribed.
            feed.events.lock().take();
        });
        receiver
    }

    async fn run(&self, sender: &broadcast::Sender<LiveEvent>) -> Result<(), CallError> {
        let (mut verdicts, mut states) = self.calls.live(&Caller::own()).await?;
        let mut pending = Pending::default();
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let ended = || CallError::from(status::stopping());
        loop {
            let open = tokio::select! {
                message = verdicts.message() => match message?.ok_or_else(ended)?.event {
                    Some(VerdictEvent::Verdict(verdict)) => {
                        pending.add(verdict);
                        true
                    }
                    Some(VerdictEvent::Gap(gap)) => {
                        send(sender, "gap", self.json_of("Gap", &gap))
                    }
                    Some(VerdictEvent::Heartbeat(_)) | None => true,
                },
                state = states.message() => {
                    let state = state?.ok_or_else(ended)?.status.unwrap_or_default();
                    send(sender, "status", self.json_of("Status", &state))
                }
                _ = ticks.tick(), if !pending.is_empty() => {
                    send(sender, "verdicts", self.verdicts(std::mem::take(&mut pending)))
                }
            };
            if !open {
                return Ok(());
            }
        }
    }

    fn json_of(&self, name: &str, message: &impl prost::Message) -> String {
        let text = self.calls.json_of(name, message);
        String::from_utf8(text).expect("JSON is UTF-8")
    }

    fn verdicts(&self, pending: Pending) -> String {
        #[derive(Serialize)]
        struct Verdicts {
            verdicts: Vec<Box<serde_json::value::RawValue>>,
            missed: u64,
        }
        let missed = pending.missed;
        let raw = |verdict: Verdict| {
            let text = self.json_of("Verdict", &verdict);
            serde_json::value::RawValue::from_string(text).expect("JSON")
        };
        let verdicts = pending.into_verdicts().map(raw).collect();
        serde_json::to_string(&Verdicts { verdicts, missed }).expect("keys are text")
    }
}

/// Sends an event; returns whether a page is open.
fn send(sender: &broadcast::Sender<LiveEvent>, name: &'static str, data: String) -> bool {
    let data = data.into();
    sender.send(LiveEvent { name, data }).is_ok()
}

/// Verdicts for the next event.
#[derive(Debug, Default)]
struct Pending {
    /// The newest one of each camera, and of each group's parts.
    newest: BTreeMap<(String, String), Verdict>,
    /// The last REJECT and FAULT verdicts that are not the newest of their camera, by sequence.
    notable: BTreeMap<u64, Verdict>,
    /// REJECT and FAULT verdicts that are left out.
    missed: u64,
}

impl Pending {
    fn is_empty(&self) -> bool {
        self.newest.is_empty()
    }

    fn add(&mut self, verdict: Verdict) {
        let source = (verdict.camera_id.clone(), verdict.group_id.clone());
        let Some(before) = self.newest.insert(source, verdict) else {
            return;
        };
        if matches!(before.decision(), Decision::Reject | Decision::Fault) {
            self.notable.insert(before.sequence, before);
            if self.notable.len() <= NOTABLE {
                return;
            }
            self.notable.pop_first();
            self.missed += 1;
        }
    }

    /// All of them, by sequence.
    fn into_verdicts(self) -> impl Iterator<Item = Verdict> {
        let newest = self.newest.into_values();
        let mut verdicts: Vec<_> = newest.chain(self.notable.into_values()).collect();
        verdicts.sort_by_key(|verdict| verdict.sequence);
        verdicts.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(sequence: u64, camera: &str, decision: Decision) -> Verdict {
        Verdict {
            sequence,
            camera_id: camera.to_owned(),
            decision: decision.into(),
            ..Verdict::default()
        }
    }

    #[test]
    fn event_has_the_newest_verdict_of_each_camera_and_the_notable_ones() {
        let mut pending = Pending::default();
        for (sequence, camera, decision) in [
            (1, "left", Decision::Pass),
            (2, "left", Decision::Reject),
            (3, "right", Decision::Fault),
            (4, "left", Decision::Pass),
            (5, "left", Decision::Pass),
        ] {
            pending.add(verdict(sequence, camera, decision));
        }
        assert_eq!(pending.missed, 0);
        let sequences: Vec<_> = pending.into_verdicts().map(|one| one.sequence).collect();
        assert_eq!(sequences, [2, 3, 5]);
    }

    #[test]
    fn event_of_a_line_that_rejects_everything_is_bounded() {
        let mut pending = Pending::default();
        for sequence in 1..=1000 {
            pending.add(verdict(sequence, "belt", Decision::Reject));
        }
        assert_eq!(pending.missed, 1000 - 1 - NOTABLE as u64);
        let sequences: Vec<_> = pending.into_verdicts().map(|one| one.sequence).collect();
        assert_eq!(sequences.len(), NOTABLE + 1);
        assert_eq!(sequences.last(), Some(&1000));
    }
}
