//! The output of a watch: events as they arrive, and the summary at the end.

use std::io::{self, Write};
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use inspectd_client::proto::{Decision, Verdict};
use inspectd_client::{Acknowledger, Client, Event};

use super::Arguments;
use crate::failure::{Failure, note};
use crate::last_reject::LastReject;
use crate::summary::Summary;
use crate::{consumers, format, json, verdict_row};

/// Shows events, and collects what the end of the watch reports.
pub struct WatchOutput<W> {
    out: W,
    json: bool,
    /// Verdicts until the limit.
    remaining: Option<u64>,
    header_shown: bool,
    passes: PassLimit,
    summary: Option<Summary>,
    last_reject: Option<LastReject>,
    acknowledger: Option<Acknowledger>,
}

/// Leaves out PASS verdicts of a fast line.
#[derive(Debug, Default)]
struct PassLimit {
    /// Shortest time between two PASS verdicts that are printed; unlimited if unset.
    interval: Option<Duration>,
    /// When the last one was printed.
    last: Option<Instant>,
}

impl PassLimit {
    fn new(rate: Option<u32>) -> Self {
        Self {
            interval: rate.map(|rate| Duration::from_secs(1) / rate),
            last: None,
        }
    }

    /// Whether a verdict is printed.
    fn prints(&mut self, decision: Decision, received: Instant) -> bool {
        let Some(interval) = self.interval.filter(|_| decision == Decision::Pass) else {
            return true;
        };
        let is_due = self
            .last
            .is_none_or(|last| received.duration_since(last) >= interval);
        if is_due {
            self.last = Some(received);
        }
        is_due
    }
}

impl<W: Write> WatchOutput<W> {
    /// Creates the output to `out`. Must be called inside a runtime.
    pub fn new(client: &Client, arguments: &Arguments, out: W) -> Result<Self, Failure> {
        let acknowledger = match &arguments.consumer {
            Some(consumer) => Some(acknowledger(client, consumer)?),
            None => None,
        };
        let file = arguments.last_reject.clone();
        Ok(Self {
            out,
            json: arguments.json,
            remaining: arguments.limit,
            header_shown: false,
            passes: PassLimit::new(arguments.pass_rate),
            summary: arguments.summary.then(Summary::default),
            last_reject: file.map(|file| LastReject::new(client.clone(), file)),
            acknowledger,
        })
    }

    /// Shows an event, and acknowledges a verdict. Returns true once the limit is reached.
    pub fn show(&mut self, event: &Event, received: Instant) -> io::Result<bool> {
        match event {
            Event::Verdict(verdict) => self.verdict(verdict, received)?,
            Event::Gap { missed, lost } => self.gap(*missed, lost.as_ref())?,
            // On a quiet line the header shows that the watch has started.
            Event::Heartbeat(_) => self.header()?,
            _ => {}
        }
        self.out.flush()?;
        if let (Some(acknowledger), Event::Verdict(verdict)) = (&self.acknowledger, event) {
            acknowledger.acknowledge(verdict.sequence);
        }
        Ok(self.remaining == Some(0))
    }

    fn verdict(&mut self, verdict: &Verdict, received: Instant) -> io::Result<()> {
        self.header()?;
        if !self.passes.prints(verdict.decision(), received) {
            // Only counted.
        } else if self.json {
            let event = json::Event::Verdict(Box::new(verdict.into()));
            json::write(&mut self.out, &event)?;
        } else {
            writeln!(self.out, "{}", verdict_row::row(verdict))?;
        }
        if let Some(summary) = &mut self.summary {
            summary.add(verdict, received);
        }
        if let (Some(last), Decision::Reject) = (&self.last_reject, verdict.decision()) {
            last.rejected(verdict);
        }
        self.remaining = self.remaining.map(|remaining| remaining.saturating_sub(1));
        Ok(())
    }

    fn gap(&mut self, missed: u64, lost: Option<&RangeInclusive<u64>>) -> io::Result<()> {
        if let Some(summary) = &mut self.summary {
            summary.add_gap(missed);
        }
        if self.json {
            let lost = lost.map(|lost| [*lost.start(), *lost.end()]);
            return json::write(&mut self.out, &json::Event::Gap { missed, lost });
        }
        let warning = format::warning_style();
        let missed = format::count(missed, "verdict");
        let text = match lost {
            None => format!("-- {missed} missed: read too slowly"),
            Some(lost) => {
                let (first, last) = (lost.start(), lost.end());
                format!("-- up to {missed} lost with the journal: sequences {first} to {last}")
            }
        };
        writeln!(self.out, "{warning}{text}{warning:#}")
    }

    fn header(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.header_shown, true) || self.json {
            return Ok(());
        }
        writeln!(self.out, "{}", verdict_row::header())
    }

    /// Waits for the acknowledgement, and prints the summary: below the table, or on standard error next to
    /// JSON.
    pub async fn finish(mut self) -> Result<(), Failure> {
        let acknowledged = match self.acknowledger.take() {
            Some(acknowledger) => acknowledger.finish().await.map_err(Failure::from),
            None => Ok(()),
        };
        self.print_summary().await?;
        acknowledged
    }

    async fn print_summary(mut self) -> Result<(), Failure> {
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

fn acknowledger(client: &Client, consumer: &str) -> Result<Acknowledger, Failure> {
    let name = consumers::parse(consumer)?;
    Ok(client.acknowledger_with(name, |sequence, error| {
        note(&format!(
            "inspectctl: cannot acknowledge {sequence}: {error}"
        ));
    }))
}

#[cfg(test)]
mod tests {
    use inspectd_client::proto::Heartbeat;

    use super::*;

    fn output(json: bool, limit: Option<u64>) -> WatchOutput<Vec<u8>> {
        WatchOutput {
            out: Vec::new(),
            json,
            remaining: limit,
            header_shown: false,
            passes: PassLimit::default(),
            summary: Some(Summary::default()),
            last_reject: None,
            acknowledger: None,
        }
    }

    fn verdict() -> Event {
        Event::Verdict(Box::new(Verdict {
            decision: Decision::Pass.into(),
            ..Verdict::default()
        }))
    }

    fn printed(output: WatchOutput<Vec<u8>>) -> String {
        let text = String::from_utf8(output.out).expect("text");
        anstream::adapter::strip_str(&text).to_string()
    }

    fn gap(missed: u64, lost: Option<RangeInclusive<u64>>) -> Event {
        Event::Gap { missed, lost }
    }

    #[test]
    fn pass_rate_leaves_out_only_passes() {
        let start = Instant::now();
        let mut limit = PassLimit::new(Some(4));
        let mut prints = |decision, milliseconds| {
            limit.prints(decision, start + Duration::from_millis(milliseconds))
        };
        assert!(prints(Decision::Pass, 0));
        assert!(!prints(Decision::Pass, 249));
        assert!(prints(Decision::Reject, 249) && prints(Decision::Fault, 249));
        assert!(prints(Decision::Pass, 250) && !prints(Decision::Pass, 260));
        let mut unlimited = PassLimit::new(None);
        assert!(unlimited.prints(Decision::Pass, start) && unlimited.prints(Decision::Pass, start));
    }

    #[test]
    fn limit_counts_only_verdicts() {
        let mut output = output(false, Some(2));
        let events = [
            (Event::Heartbeat(Heartbeat::default()), false),
            (verdict(), false),
            (gap(5, None), false),
            (gap(3, Some(7..=9)), false),
            (verdict(), true),
        ];
        for (event, expected) in events {
            let reached = output.show(&event, Instant::now()).expect("written");
            assert_eq!(reached, expected, "{event:?}");
        }
        let printed = printed(output);
        let lines: Vec<_> = printed.lines().collect();
        assert_eq!(lines.len(), 5, "{printed}");
        assert_eq!(lines[0], verdict_row::header());
        assert_eq!(lines[2], "-- 5 verdicts missed: read too slowly");
        let lost = "-- up to 3 verdicts lost with the journal: sequences 7 to 9";
        assert_eq!(lines[3], lost);
    }

    #[test]
    fn json_output_is_an_object_per_line_without_heartbeats() {
        let mut output = output(true, None);
        for event in [
            Event::Heartbeat(Heartbeat::default()),
            verdict(),
            gap(5, None),
            Event::Reconnected,
        ] {
            output.show(&event, Instant::now()).expect("written");
        }
        let printed = printed(output);
        let lines: Vec<_> = printed.lines().collect();
        assert_eq!(lines.len(), 2, "{printed}");
        assert!(
            lines[0].starts_with("{\"verdict\":{\"sequence\":0,"),
            "{printed}"
        );
        assert_eq!(lines[1], "{\"gap\":{\"missed\":5}}");
    }
}
