//! The lines of the program, and what its user reads.

use tokio::time::Instant;

use super::{Broken, Played, Stage};
use crate::conformance::user::Printed;

impl Stage {
    pub(super) async fn line_printed(&mut self, at: Instant, line: &str) -> Played {
        self.note(format!("program: {line}"));
        match self.user.printed(line).map_err(Broken::Rule)? {
            Printed::Verdict(_) if self.behaviour.processes => self.process().await,
            Printed::Verdict(_) | Printed::Other => {}
            Printed::Triggered(sequence, decision) => self.triggered.push((sequence, decision)),
            Printed::Failed(code) => self.failed = Some((at, code)),
        }
        Ok(())
    }

    /// The user has processed the verdict that it has.
    pub async fn process(&mut self) {
        let Some(sequence) = self.user.processing.take() else {
            return;
        };
        // First, because the acknowledgement may come at once.
        if sequence > 0 {
            self.processed.insert(sequence);
        }
        self.note(format!("processed {sequence}"));
        if let Some(program) = &mut self.program {
            program.processed().await;
        }
    }
}
