//! What a watch shows as events come, and what it remembers for the end.

use std::io::{self, Write};
use std::time::Instant;

use inspectd_client::proto::stream_verdicts_response::Event;
use inspectd_client::proto::{Decision, Verdict};

use super::Arguments;
use super::acknowledger::Acknowledger;
use crate::connection::Daemon;
use crate::failure::{Failure, note};
use crate::last_reject::LastReject;
use crate::summary::Summary;
use crate::{format, json, verdict_row};

/// What is shown, and what is remembered for the end.
pub struct View<W> {
    out: W,
    json: bool,
    /// Verdicts to go.
    left: Option<u64>,
    titled: bool,
    summary: Option<Summary>,
    last_reject: Option<LastReject>,
    acknowledger: Option<Acknowledger>,
    /// The last sequence that was shown; 0: none was.
    shown: u64,
}

impl<W: Write> View<W> {
    /// Nothing yet, to be shown on `out`. Must be called inside a runtime.
    pub fn new(daemon: &Daemon, arguments: &Arguments, out: W) -> Self {
        let file = arguments.last_reject.clone();
        Self {
            out,
            json: arguments.json,
            left: arguments.limit,
            titled: false,
            summary: arguments.summary.then(Summary::default),
            last_reject: file.map(|file| LastReject::new(daemon.clone(), file)),
            acknowledger: arguments
                .consumer
                .clone()
                .map(|consumer| Acknowledger::new(daemon.clone(), consumer)),
            shown: 0,
        }
    }

    /// The last sequence that was shown; 0: none was yet.
    pub fn shown(&self) -> u64 {
        self.shown
    }

    /// Shows an event; true once there are enough.
    pub fn apply(&mut self, event: &Event, received: Instant) -> io::Result<bool> {
        match event {
            Event::Verdict(verdict) => self.verdict(verdict, received)?,
            Event::Gap(gap) => self.gap(gap.missed)?,
            // It is all the life that a quiet line shows: the headings tell that the watch has begun.
            Event::Heartbeat(_) => self.title()?,
        }
        self.out.flush()?;
        if let Some(acknowledger) = &self.acknowledger
            && acknowledger.newest() < self.shown
        {
            acknowledger.shown(self.shown);
        }
        Ok(self.left == Some(0))
    }

    fn verdict(&mut self, verdict: &Verdict, received: Instant) -> io::Result<()> {
        // A consumer's next stream begins with what was shown and not acknowledged yet.
        let again = self.acknowledger.is_some() && verdict.sequence <= self.shown;
        if again && verdict.sequence > 0 {
            return Ok(());
        }
        self.shown = self.shown.max(verdict.sequence);
        self.title()?;
        if self.json {
            let event = json::Event::Verdict(Box::new(verdict.into()));
            json::write(&mut self.out, &event)?;
        } else {
            writeln!(self.out, "{}", verdict_row::describe(verdict))?;
        }
        if let Some(summary) = &mut self.summary {
            summary.add(verdict, received);
        }
        if let (Some(last), Decision::Reject) = (&self.last_reject, verdict.decision()) {
            last.rejected(verdict);
        }
        self.left = self.left.map(|left| left.saturating_sub(1));
        Ok(())
    }

    fn gap(&mut self, missed: u64) -> io::Result<()> {
        if let Some(summary) = &mut self.summary {
            summary.add_gap(missed);
        }
        if self.json {
            return json::write(&mut self.out, &json::Event::Gap { missed });
        }
        let warning = format::warning_style();
        writeln!(
            self.out,
            "{warning}-- {} missed: read too slowly{warning:#}",
            format::count(missed, "verdict")
        )
    }

    fn title(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.titled, true) || self.json {
            return Ok(());
        }
        writeln!(self.out, "{}", verdict_row::heading())
    }

    /// Acknowledges, and sums up: below the table, or beside the JSON on standard error.
    pub async fn finish(mut self) -> Result<(), Failure> {
        let acknowledged = match self.acknowledger.take() {
            Some(acknowledger) => acknowledger.finish().await,
            None => Ok(()),
        };
        self.sum_up().await?;
        acknowledged
    }

    async fn sum_up(mut self) -> Result<(), Failure> {
        let mut lines = String::new();
        if let Some(summary) = &self.summary {
            lines += &summary.describe();
        }
        if let Some(last) = self.last_reject.take()
            && let Some(line) = last.finish().await
        {
            lines = lines + &line + "\n";
        }
        if lines.is_empty() {
            return Ok(());
        }
        if self.json {
            note(lines.trim_end());
            return Ok(());
        }
        write!(self.out, "\n{lines}")?;
        Ok(self.out.flush()?)
    }
}

#[cfg(test)]
mod tests {
    use inspectd_client::proto::{Gap, Heartbeat};

    use super::*;

    fn view(json: bool, limit: Option<u64>) -> View<Vec<u8>> {
        View {
            out: Vec::new(),
            json,
            left: limit,
            titled: false,
            summary: Some(Summary::default()),
            last_reject: None,
            acknowledger: None,
            shown: 0,
        }
    }

    fn verdict() -> Event {
        Event::Verdict(Verdict {
            decision: Decision::Pass.into(),
            ..Verdict::default()
        })
    }

    fn shown(view: View<Vec<u8>>) -> String {
        let text = String::from_utf8(view.out).expect("text");
        anstream::adapter::strip_str(&text).to_string()
    }

    #[test]
    fn a_limit_counts_verdicts_alone() {
        let mut view = view(false, Some(2));
        let events = [
            (Event::Heartbeat(Heartbeat::default()), false),
            (verdict(), false),
            (Event::Gap(Gap { missed: 5 }), false),
            (verdict(), true),
        ];
        for (event, enough) in events {
            let applied = view.apply(&event, Instant::now()).expect("memory takes it");
            assert_eq!(applied, enough, "{event:?}");
        }
        let shown = shown(view);
        let lines: Vec<_> = shown.lines().collect();
        assert_eq!(lines.len(), 4, "{shown}");
        assert_eq!(lines[0], verdict_row::heading());
        assert_eq!(lines[2], "-- 5 verdicts missed: read too slowly");
    }

    #[test]
    fn json_is_an_object_a_line_and_heartbeats_are_silent() {
        let mut view = view(true, None);
        for event in [
            Event::Heartbeat(Heartbeat::default()),
            verdict(),
            Event::Gap(Gap { missed: 5 }),
        ] {
            view.apply(&event, Instant::now()).expect("memory takes it");
        }
        let shown = shown(view);
        let lines: Vec<_> = shown.lines().collect();
        assert_eq!(lines.len(), 2, "{shown}");
        assert!(
            lines[0].starts_with("{\"verdict\":{\"sequence\":0,"),
            "{shown}"
        );
        assert_eq!(lines[1], "{\"gap\":{\"missed\":5}}");
    }
}
