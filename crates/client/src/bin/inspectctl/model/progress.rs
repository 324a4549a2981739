//! The progress of an installation on standard error: a bar on a terminal, otherwise a line for each stage.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};
use inspectd_client::proto::InstallProgress;

use crate::failure::note;
use crate::format;

/// The bar of the upload.
const UPLOAD: &str =
    "sending the bundle {bar:30} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left";

/// The bar of a stage that judges pictures.
const PICTURES: &str = "{msg} {bar:30} {pos}/{len} pictures, {eta} left";

/// The text of a stage without pictures.
const TEXT: &str = "{msg} ...";

/// The progress of an installation.
pub struct InstallationDisplay {
    terminal: bool,
    upload: ProgressBar,
    stage: ProgressBar,
    name: String,
}

impl InstallationDisplay {
    /// Shows that a graph of this size is being sent.
    pub fn new(size: u64) -> Self {
        let terminal = std::io::stderr().is_terminal();
        if !terminal {
            note(&format!("sending the bundle, {}", format::bytes(size)));
        }
        Self {
            terminal,
            upload: ProgressBar::new(size).with_style(style(UPLOAD)),
            stage: ProgressBar::new(0),
            name: String::new(),
        }
    }

    /// The bar of the upload.
    pub fn upload(&self) -> ProgressBar {
        self.upload.clone()
    }

    /// Shows the stage, and how many pictures of it are judged.
    pub fn show(&mut self, progress: &InstallProgress) {
        if self.name != progress.stage {
            self.name.clone_from(&progress.stage);
            self.begin_stage(progress.total);
        }
        if self.terminal {
            self.stage.set_length(progress.total);
            self.stage.set_position(progress.done);
        }
    }

    fn begin_stage(&self, total: u64) {
        let text = stage_text(&self.name).to_owned();
        if !self.terminal {
            note(&text);
            return;
        }
        self.upload.finish_and_clear();
        self.stage.reset();
        let template = if total == 0 { TEXT } else { PICTURES };
        self.stage.set_style(style(template));
        self.stage.set_message(text);
    }

    /// Erases the progress.
    pub fn finish(&self) {
        self.upload.finish_and_clear();
        self.stage.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// A stage as a phrase. One that a later daemon adds is shown as it is.
fn stage_text(stage: &str) -> &str {
    match stage {
        "load" => "loading the new model",
        "challenge_active" => "challenge by the active model",
        "challenge_new" => "challenge by the new model",
        "activate" => "activating the new model",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_are_phrases_and_an_unknown_one_is_shown_as_it_is() {
        assert_eq!(stage_text("load"), "loading the new model");
        assert_eq!(stage_text("challenge_new"), "challenge by the new model");
        assert_eq!(stage_text("later"), "later");
    }

    #[test]
    fn templates_of_the_bars_are_valid() {
        for template in [UPLOAD, PICTURES, TEXT] {
            ProgressStyle::with_template(template).expect(template);
        }
    }
}
