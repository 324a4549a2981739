//! An archive for support: what is needed to understand a problem from afar, without secrets and without pictures of parts.
//!
//! Each part is collected on its own: one that cannot be collected is listed with its error, and the others are there.
//! Nothing is written but the archive.

mod archive;
mod configuration;
mod folders;
mod installed;
mod machine;
mod program;
mod redaction;
mod running;
mod service;
mod stored;

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use prost_types::Timestamp;

use crate::config::{Explanation, Sources, explain};
use redaction::Scrubber;

pub use archive::write;

/// What to collect, and from where.
#[derive(Clone, Debug)]
pub struct Options {
    /// The configuration.
    pub sources: Sources,
    /// Age of the oldest line of the log.
    pub since: Duration,
    /// File of the log, if it is not in systemd's journal.
    pub log: Option<PathBuf>,
    /// Folder of the journal, if the configuration does not say it.
    pub journal: Option<PathBuf>,
    /// Number of the newest verdicts with evidence files whose pictures are included.
    pub evidence: usize,
    /// The program `inspectd`, for its check.
    pub inspectd: PathBuf,
    /// The program `inspectctl`, for the state of the running daemon.
    pub inspectctl: PathBuf,
    /// Arguments of `inspectctl` that connect to the daemon. Empty: the address of the configuration, if no environment
    /// variable names one.
    pub connection: Vec<String>,
    /// The present time.
    pub now: SystemTime,
}

/// A file of the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its path in the archive.
    pub name: String,
    /// What it contains.
    pub about: String,
    /// Its content, or why it was not collected.
    pub content: Result<Vec<u8>, String>,
}

/// Parts, in the order of the archive. Texts are scrubbed.
pub(crate) struct Parts {
    scrubber: Scrubber,
    parts: Vec<Part>,
}

impl Parts {
    /// Adds a text, or why there is none.
    fn add(&mut self, name: &str, about: &str, content: Result<String, String>) {
        let scrubbed = |text: String| self.scrubber.scrub(&text);
        self.parts.push(Part {
            name: self.scrubber.scrub(name),
            about: about.to_owned(),
            content: content
                .map(|text| scrubbed(text).into_bytes())
                .map_err(scrubbed),
        });
    }

    /// Adds a file that is not a text.
    fn add_bytes(&mut self, name: String, about: &str, content: Vec<u8>) {
        self.parts.push(Part {
            name,
            about: about.to_owned(),
            content: Ok(content),
        });
    }
}

/// What every part may need to know.
pub(crate) struct Context<'a> {
    options: &'a Options,
    explanation: Explanation,
}

impl Context<'_> {
    /// The value of a key of the configuration, as a path.
    fn path(&self, key: &str) -> Option<PathBuf> {
        self.explanation.value(key).map(PathBuf::from)
    }

    /// The folder of the journal.
    fn journal(&self) -> Result<PathBuf, String> {
        let given = self.options.journal.clone();
        given
            .or_else(|| self.path("journal.folder"))
            .ok_or_else(|| {
                "journal.folder is not set, or the configuration cannot be read: give --journal"
                    .to_owned()
            })
    }
}

/// Collects all parts.
pub async fn collect(options: &Options) -> Vec<Part> {
    let explanation = explain(&options.sources);
    let mut secrets = explanation.secrets.clone();
    secrets.extend(redaction::secrets_of_files(&explanation));
    let context = Context {
        options,
        explanation,
    };
    let mut parts = Parts {
        scrubber: Scrubber::new(&secrets),
        parts: Vec::new(),
    };
    machine::collect(&context, &mut parts);
    folders::collect(&context, &mut parts);
    configuration::collect(&context, &mut parts).await;
    service::collect(&context, &mut parts).await;
    running::collect(&context, &mut parts).await;
    stored::collect(&context, &mut parts);
    installed::collect(&context, &mut parts);
    parts.parts
}

/// A time as RFC 3339.
pub fn rfc3339(time: SystemTime) -> String {
    let mut timestamp = Timestamp::from(time);
    timestamp.nanos = 0;
    timestamp.to_string()
}

/// Text of an error, with the path that it concerns.
fn at(path: &Path, error: &impl std::fmt::Display) -> String {
    format!("{}: {error}", path.display())
}
