//! Turns verdicts into measurements, and records them.

use anyhow::{Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use inspectd_client::acceptance::{Decision, FaultRecord, Line, Measurement, Step, Study};
use inspectd_client::proto::{self, Verdict};

use super::identity;
use super::state_file::StateFile;
use crate::failure::note;
use crate::format;

/// What a verdict was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// A measurement.
    Measurement,
    /// A FAULT, which is no measurement.
    Fault,
}

/// Records a study, and shows its progress.
pub struct Recorder {
    file: StateFile,
    planned: u64,
    bar: ProgressBar,
}

impl Recorder {
    /// A recorder; says so if it continues a study. The progress is shown on a terminal only.
    pub fn new(file: StateFile) -> Self {
        let measured = file.study().measurements.len() as u64;
        let planned = measured + file.study().remaining().len() as u64;
        if file.is_continued() {
            note(&format!(
                "inspectctl: {measured} of {planned} were measured before"
            ));
        }
        let bar = ProgressBar::new(planned).with_position(measured);
        let style = ProgressStyle::with_template("{wide_bar} {pos} of {len} measured, {eta} left");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { file, planned, bar }
    }

    /// The study so far.
    pub fn study(&self) -> &Study {
        self.file.study()
    }

    /// The measured and the planned number of measurements.
    pub fn progress(&self) -> (u64, u64) {
        (self.study().measurements.len() as u64, self.planned)
    }

    /// Draws the bar again after other lines were printed.
    pub fn show(&self) {
        self.bar.tick();
    }

    /// Hides the bar while a person is asked.
    pub fn hide(&self) {
        self.bar
            .set_draw_target(indicatif::ProgressDrawTarget::hidden());
    }

    /// The idempotency key of the next attempt of a step: the same after an interruption.
    pub fn key(&self, step: &Step) -> String {
        let study = self.study();
        format!(
            "acceptance-{}-{}-{}",
            study.header.id,
            step.number,
            study.attempts(step.number)
        )
    }

    /// Records a verdict about a step.
    ///
    /// # Errors
    /// When model, recipe or configuration changed, or the file cannot be written.
    pub fn record(&mut self, step: &Step, verdict: &Verdict) -> Result<Recorded> {
        if let Some(what) = identity::changed(&self.study().header, verdict) {
            bail!("the {what} changed during the study; begin another one with another --out");
        }
        let decision = match verdict.decision() {
            proto::Decision::Pass => Some(Decision::Pass),
            proto::Decision::Review => Some(Decision::Review),
            proto::Decision::Reject => Some(Decision::Reject),
            proto::Decision::Fault | proto::Decision::Unspecified => None,
        };
        // A REJECT because of a missed deadline has a fault and no score: it says nothing about the part.
        let measured = decision
            .zip(verdict.score.as_ref())
            .filter(|_| verdict.fault.is_none());
        let Some((decision, score)) = measured else {
            self.fault(step, verdict)?;
            return Ok(Recorded::Fault);
        };
        self.file.add(Line::Measured(Measurement {
            step: step.number,
            series: step.series,
            part: step.part.id.clone(),
            state: step.part.state,
            trial: step.trial,
            time: time_of(verdict),
            sequence: verdict.sequence,
            decision,
            score: score.value,
            threshold: score.threshold,
            review_from: score.review_from,
        }))?;
        self.bar.inc(1);
        Ok(Recorded::Measurement)
    }

    fn fault(&mut self, step: &Step, verdict: &Verdict) -> Result<()> {
        let fault = verdict.fault.as_ref();
        let reason = fault.map_or_else(
            || "no_score".to_owned(),
            |fault| format::fault_reason(fault.reason()),
        );
        let message = fault.map_or_else(String::new, |fault| fault.message.clone());
        self.bar.suspend(|| {
            note(&format!(
                "inspectctl: step {}, part {}: FAULT, {reason}: {message}",
                step.number, step.part.id
            ));
        });
        self.file.add(Line::Fault(FaultRecord {
            step: step.number,
            part: step.part.id.clone(),
            time: time_of(verdict),
            sequence: verdict.sequence,
            reason,
            message,
        }))
    }

    /// Discards the measurement of a step, which is made again.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn discard(&mut self, step: u32) -> Result<()> {
        self.file.add(Line::Discarded(step))?;
        self.bar.dec(1);
        Ok(())
    }

    /// Ends the display of the progress.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

fn time_of(verdict: &Verdict) -> String {
    let time = verdict.capture_time.as_ref();
    time.map_or_else(String::new, ToString::to_string)
}
