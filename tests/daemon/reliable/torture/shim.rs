//! Makes calls of the daemon on the files of one folder fail or hang: the Rust side of `faults.c`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;

use crate::harness::{Site, wait};
use crate::preload::{Words, compile};

/// The kinds of calls, in the order of `faults.c`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Open,
    Read,
    Write,
    Sync,
    Truncate,
    Remove,
    Rename,
    MakeFolder,
    Lock,
    Stat,
    Map,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 11] = [
        Self::Open,
        Self::Read,
        Self::Write,
        Self::Sync,
        Self::Truncate,
        Self::Remove,
        Self::Rename,
        Self::MakeFolder,
        Self::Lock,
        Self::Stat,
        Self::Map,
    ];
}

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It fails with `EIO`.
    Io,
    /// It fails with `ENOSPC`.
    Full,
    /// It does not return until [`Shim::disarm`].
    Hang,
}

impl Fault {
    /// All faults.
    pub const ALL: [Self; 3] = [Self::Io, Self::Full, Self::Hang];

    /// The mode and the `errno`.
    fn words(self) -> (u32, u32) {
        match self {
            Self::Io => (1, 5),
            Self::Full => (1, 28),
            Self::Hang => (2, 0),
        }
    }
}

/// Every call.
pub const FOR_EVER: u32 = u32::MAX;

/// Positions of the words of `struct control`.
const MODE: u64 = 0;
const KINDS: u64 = 1;
const ERROR: u64 = 2;
const FROM: u64 = 3;
const NUMBER: u64 = 4;
const CALLS: u64 = 5;
const HIT: u64 = 6;

/// The preloaded library, compiled once for all tests.
static LIBRARY: LazyLock<PathBuf> =
    LazyLock::new(|| compile("tests/daemon/reliable/torture/faults.c"));

/// The control of one daemon's faults.
pub struct Shim {
    control: Words,
    variables: [(&'static str, String); 3],
}

impl Shim {
    /// Faults of a site's folder; none yet.
    pub fn new(site: &Site, folder: &str) -> Self {
        let path = site.path("faults.control");
        let text = |path: &Path| path.to_str().expect("a text").to_owned();
        let shim = Self {
            control: Words::new(&path),
            variables: [
                ("LD_PRELOAD", text(&LIBRARY)),
                ("INSPECTD_FAULTS_FOLDER", text(&site.path(folder))),
                ("INSPECTD_FAULTS_CONTROL", text(&path)),
            ],
        };
        shim.control.set(KINDS, u32::MAX);
        shim
    }

    /// The command that starts the daemon with the library.
    pub fn command(&self, site: &Site) -> Command {
        let mut command = site.command();
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// From now on, `number` calls of these kinds meet a fault, beginning with the `first`.
    pub fn arm(&self, kinds: &[Kind], fault: Fault, first: u32, number: u32) {
        self.disarm();
        let mask = kinds.iter().fold(0, |mask, kind| mask | 1 << *kind as u32);
        let (mode, error) = fault.words();
        self.control.set(KINDS, mask);
        self.control.set(ERROR, error);
        self.control.set(NUMBER, number);
        self.control.set(FROM, self.calls() + first);
        self.control.set(MODE, mode);
    }

    /// Ends the faults; calls that hang return.
    pub fn disarm(&self) {
        self.control.set(MODE, 0);
        self.control.set(HIT, 0);
    }

    /// Starts to count again, for a new process.
    pub fn reset(&self) {
        self.disarm();
        self.control.set(CALLS, 0);
        self.control.set(KINDS, u32::MAX);
    }

    /// The calls of the counted kinds.
    pub fn calls(&self) -> u32 {
        self.control.get(CALLS)
    }

    /// The calls that met a fault.
    pub fn hit(&self) -> u32 {
        self.control.get(HIT)
    }

    /// Waits until a call met a fault, for at most `limit`; returns whether one did.
    pub fn wait_for_hit(&self, limit: Duration) -> bool {
        let begun = std::time::Instant::now();
        wait("a call", || self.hit() > 0 || begun.elapsed() > limit);
        self.hit() > 0
    }
}
