//! What the process uses, from `/proc`, under the names that Prometheus' own libraries use.

use std::fs;
use std::path::Path;

/// What the process uses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ProcessUsage {
    /// Resident memory, bytes.
    pub resident_bytes: u64,
    /// Open files.
    pub open_files: u64,
    /// CPU time of all threads, whole seconds.
    pub cpu_s: u64,
    /// Start of the process, seconds since 1970.
    pub started_s: f64,
}

/// Fields of `/proc/PID/stat` after the name of the program, from 0 (proc(5) counts from 3): user and system time in
/// ticks, and the start in ticks after the boot.
const USER: usize = 11;
const SYSTEM: usize = 12;
const START: usize = 19;

impl ProcessUsage {
    /// Reads the usage now; `None` if `/proc` is not available.
    pub fn read() -> Option<Self> {
        let process = Path::new("/proc/self");
        let stat = fs::read_to_string(process.join("stat")).ok()?;
        let statm = fs::read_to_string(process.join("statm")).ok()?;
        let boot = fs::read_to_string("/proc/stat").ok()?;
        let open_files = fs::read_dir(process.join("fd")).ok()?.count() as u64;
        let ticks = rustix::param::clock_ticks_per_second();
        let page = rustix::param::page_size() as u64;
        parse(&stat, &statm, &boot, ticks, page, open_files)
    }
}

fn parse(
    stat: &str,
    statm: &str,
    boot: &str,
    ticks: u64,
    page: u64,
    open_files: u64,
) -> Option<ProcessUsage> {
    // The name is in parentheses and may contain any character.
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    let resident: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    let boot = boot.lines().find_map(|line| line.strip_prefix("btime "))?;
    let boot: u64 = boot.trim().parse().ok()?;
    Some(ProcessUsage {
        resident_bytes: resident * page,
        open_files,
        cpu_s: (number(USER)? + number(SYSTEM)?) / ticks,
        started_s: boot as f64 + number(START)? as f64 / ticks as f64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_parsed_also_with_a_strange_name_of_the_program() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194304 900 0 0 0 250 150 0 0 20 0 9 0 12345 1 2";
        let usage = parse(
            stat,
            "5000 1200 300 1 0 900 0",
            "cpu 1\nbtime 1700000000\n",
            100,
            4096,
            7,
        );
        let expected = ProcessUsage {
            resident_bytes: 1200 * 4096,
            open_files: 7,
            cpu_s: 4,
            started_s: 1_700_000_123.45,
        };
        assert_eq!(usage, Some(expected));
        assert_eq!(parse("42 (x", "1 2", "btime 1", 100, 4096, 7), None);
    }

    #[test]
    fn this_process_has_memory_and_files() {
        let usage = ProcessUsage::read().expect("/proc");
        assert!(usage.resident_bytes > 1 << 20, "{usage:?}");
        assert!(usage.open_files > 2, "{usage:?}");
        assert!(usage.started_s > 1.7e9, "{usage:?}");
    }
}
