//! What the journal's thread does between writes: observes the clock, removes old verdicts, limits the write-ahead log.

use std::sync::Arc;

use inspectd_core::moment::Moment;

use super::{Committer, TRIM_INTERVAL};
use crate::alarm::AlarmKind;
use crate::config::settings::HoldOverflow;
use crate::journal::{Limits, Store, repair};

/// Size of the write-ahead log from which its growth is reported: several times that at which it is checkpointed. Half of
/// `wal_max_mib` if that is less.
const WAL_REPORTED: u64 = 64 << 20;

impl Committer {
    /// Observes the clock, removes some of the verdicts that exceed the limits, and limits the write-ahead log.
    pub(super) fn maintain(&mut self) {
        let now = self.clock.now();
        if now.monotonic.saturating_duration_since(self.last_trim) < TRIM_INTERVAL {
            return;
        }
        self.last_trim = now.monotonic;
        let changes = self.wall_clock.observe(now, self.next - 1);
        self.count(changes);
        self.report_clock(now);
        if self.aside && repair::aside(&self.folder).is_empty() {
            self.aside = false;
            self.alarms.clear(AlarmKind::JournalDamaged, "");
        }
        // Removing writes as well.
        if self.wal_full.is_none() {
            self.trim(now);
        }
        self.limit_wal();
        self.report_removed();
    }

    fn report_clock(&self, now: Moment) {
        match self.wall_clock.reported(now) {
            None => self.alarms.clear(AlarmKind::ClockJumped, ""),
            Some(by) => {
                let hours = by.as_secs() / 3600;
                let message = format!(
                    "the wall clock jumped forward by {hours} h, or the daemon was off that long; this time does \
                     not count towards the age of earlier verdicts; check the time of this machine"
                );
                self.alarms.raise(AlarmKind::ClockJumped, "", message);
            }
        }
    }

    fn trim(&mut self, now: Moment) {
        let oldest = self.broadcaster.totals().oldest;
        let changes = self.wall_clock.forget_before(oldest);
        self.count(changes);
        let settings = &self.settings;
        let removes = settings.hold_overflow == HoldOverflow::Remove;
        let consumers = self.queue.consumers();
        let behind = consumers
            .iter()
            .min_by_key(|(_, consumer)| consumer.acknowledged);
        let unacknowledged =
            behind.map(|(name, consumer)| (name.clone(), consumer.acknowledged + 1));
        let limits = Limits {
            before: self.wall_clock.aged_since(now, settings.age_limit, oldest),
            bytes: settings.size_limit,
            hold_from: unacknowledged
                .as_ref()
                .filter(|_| settings.hold)
                .map(|(_, from)| *from),
            held_bytes: removes.then_some(settings.hold_limit),
        };
        let (hold_limit, stops) = (settings.hold_limit, settings.hold && !removes);
        // Before the removal, so that a reader sees why a verdict does not exist.
        let broadcaster = Arc::clone(&self.broadcaster);
        let Some(Ok(trimmed)) =
            self.call(|store| store.trim(limits, |oldest| broadcaster.trimmed(oldest)))
        else {
            return;
        };
        let name = unacknowledged.as_ref().map_or("", |(name, _)| name);
        let overflows = stops && trimmed.held && trimmed.bytes > hold_limit;
        if trimmed.held {
            let message = format!(
                "the journal is beyond its limits, because consumer {name} has not acknowledged its verdicts{}",
                if overflows {
                    "; it is full, and verdicts are not journalled"
                } else {
                    ""
                }
            );
            self.alarms.raise(AlarmKind::Held, "", message);
        } else {
            self.alarms.clear(AlarmKind::Held, "");
        }
        let full = overflows.then(|| {
            format!(
                "the journal holds unacknowledged verdicts up to hold_max_mib (consumer {name})"
            )
        });
        self.set_full(|committer| committer.hold_full = full);
    }

    /// Reports the verdicts that were removed before a consumer acknowledged them.
    fn report_removed(&self) {
        let oldest = self.broadcaster.totals().oldest;
        let mut consumers = self.queue.consumers();
        consumers.retain(|_, consumer| consumer.acknowledged + 1 < oldest);
        for (name, consumer) in &consumers {
            let (from, to) = (consumer.acknowledged + 1, oldest - 1);
            let message = format!(
                "verdicts {from} to {to} were removed before consumer {name} acknowledged them; if it does not exist any \
                 more: inspectctl consumers forget {name}"
            );
            self.alarms
                .raise(AlarmKind::UnacknowledgedRemoved, name, message);
        }
        let others = |name: &str| !consumers.contains_key(name);
        self.alarms
            .clear_where(AlarmKind::UnacknowledgedRemoved, others);
    }

    /// Why verdicts are published without the journal although it is open.
    pub(super) fn full_reason(&self) -> Option<&String> {
        self.wal_full.as_ref().or(self.hold_full.as_ref())
    }

    /// Changes a reason why verdicts are published without the journal although it is open.
    fn set_full(&mut self, set: impl FnOnce(&mut Self)) {
        let before = self.full_reason().cloned();
        set(self);
        let after = self.full_reason().cloned();
        if self.store.is_some() && before != after {
            self.queue.set_trouble(after);
        }
    }

    /// Empties a large write-ahead log if no reader needs it. If it exceeds its limit, nothing is written until the reader
    /// has ended.
    fn limit_wal(&mut self) {
        let limit = self.settings.wal_limit;
        let reported = WAL_REPORTED.min(limit / 2);
        let Some(bytes) = self.look_at_wal() else {
            return;
        };
        if bytes <= reported {
            return self.wal_is_small();
        }
        if self
            .call(Store::checkpoint)
            .is_none_or(|done| done.is_err())
        {
            return;
        }
        let bytes = self.look_at_wal().unwrap_or(0);
        if bytes <= reported {
            return self.wal_is_small();
        }
        let mib = bytes >> 20;
        let message = format!(
            "the write-ahead log of the journal has {mib} MiB, because a program keeps the journal open for reading \
             (to find it: fuser {}); above {} MiB verdicts are not journalled",
            crate::journal::file(&self.folder).display(),
            limit >> 20
        );
        self.alarms.raise(AlarmKind::WalGrows, "", message);
        // Until it was emptied.
        if bytes > limit && self.wal_full.is_none() {
            let reason = format!("the write-ahead log has {mib} MiB, more than wal_max_mib");
            self.set_full(|committer| committer.wal_full = Some(reason));
        }
    }

    /// The size of the write-ahead log, which the status shows; none while the journal is not open.
    fn look_at_wal(&self) -> Option<u64> {
        let bytes = self.store.as_ref().map(Store::wal_bytes)?;
        self.queue.set_wal_bytes(bytes);
        Some(bytes)
    }

    fn wal_is_small(&mut self) {
        self.alarms.clear(AlarmKind::WalGrows, "");
        self.set_full(|committer| committer.wal_full = None);
    }
}
