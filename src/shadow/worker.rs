//! The shadow process: runs a model over the frames that the daemon sends.

use std::fs::File;
use std::io::{BufReader, Error as IoError, ErrorKind, Read, Result as IoResult, Write, stdin};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use inspectd_core::bundle::Bundle;
use inspectd_core::frame::{CHANNELS, Frame};
use inspectd_engine::{Engine, EngineOptions};
use rustix::process::{Signal, nice, set_parent_process_death_signal};

use super::process::{Answer, Start};
use crate::message_line::{receive, send};

/// The lowest priority.
const NICENESS: i32 = 19;

/// What the kernel adds to the badness of this process when memory runs out: it is ended before the daemon.
const OOM_SCORE: &str = "800";

/// Runs a shadow process: standard input is the connection to the daemon. Ends when the daemon closes it, or ends.
///
/// # Errors
/// When the connection fails.
///
/// # Panics
/// When a model has an input without pixels, which a manifest excludes.
pub fn run() -> IoResult<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let mut answers = UnixStream::from(stdin().as_fd().try_clone_to_owned()?);
    answers.peer_addr().map_err(|_| by_hand())?;
    nice(NICENESS)?;
    // Not possible where /proc is read-only; the order in which processes are ended is then the kernel's.
    let _ = File::create("/proc/self/oom_score_adj")
        .and_then(|mut file| file.write_all(OOM_SCORE.as_bytes()));
    let mut requests = BufReader::new(answers.try_clone()?);
    let Some(start) = receive::<Start>(&mut requests)? else {
        return Err(by_hand());
    };
    let (mut engine, size) = match load(&start) {
        Ok((engine, size, sha256)) => {
            send(&mut answers, &Answer::Loaded { sha256 })?;
            (engine, size)
        }
        Err(reason) => return send(&mut answers, &Answer::Failed { reason }),
    };
    loop {
        let mut rgb = vec![0; size[0] as usize * size[1] as usize * CHANNELS];
        match requests.read_exact(&mut rgb) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(()),
            read => read?,
        }
        let frame = Frame::new(size[0], size[1], rgb).expect("three bytes for each pixel");
        match engine.run(&[&frame]) {
            Ok(maps) => {
                let (structural, logical) = maps.frames().next().expect("one frame has one result");
                send(&mut answers, &Answer::Maps)?;
                answers.write_all(&bytes(structural))?;
                answers.write_all(&bytes(logical))?;
            }
            Err(error) => {
                let reason = error.to_string();
                send(&mut answers, &Answer::Failed { reason })?;
            }
        }
    }
}

fn load(start: &Start) -> Result<(Engine, [u32; 2], String), String> {
    let bundle = Bundle::open_in(&start.bundle, &[start.precision]);
    let bundle = bundle.map_err(|error| error.to_string())?;
    let options = EngineOptions {
        threads: start.threads,
        library: start.library.clone(),
        ..EngineOptions::default()
    };
    let engine = Engine::load(&bundle, &options).map_err(|error| error.to_string())?;
    let manifest = bundle.manifest();
    let size = [manifest.input.width, manifest.input.height];
    Ok((engine, size, manifest.graph.sha256.clone()))
}

fn bytes(map: &[f32]) -> Vec<u8> {
    map.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn by_hand() -> IoError {
    IoError::new(
        ErrorKind::InvalidInput,
        "this command is not for people: the daemon starts it for its shadow",
    )
}
