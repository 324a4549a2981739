//! `inspectd-plc check`: the configuration, the state files, the daemon and what each station needs of it.

use crate::config::{Settings, Target};
use crate::daemon;
use crate::failure::Failure;
use crate::state_file::StateFile;

/// Checks everything, and prints a line for each check.
///
/// # Errors
/// If a check fails.
pub async fn check(settings: &Settings) -> Result<(), Failure> {
    let stations = settings.stations.len();
    println!("configuration: valid, {stations} stations");
    let mut failed = 0;
    for id in settings.stations.keys() {
        let file = StateFile::new(&settings.state_folder, id);
        // Not loaded: the running server owns the file.
        let checked = file.and_then(|file| file.check(id));
        failed += report(&format!("state file of {id}"), &checked.map(|()| "usable"));
    }
    let client = settings.daemon.client()?;
    let inventory = daemon::inventory(&client).await;
    let address = format!("daemon at {}", client.address());
    match &inventory {
        Ok((status, _)) => println!("{address}: answers, version {}", status.version),
        Err(error) => failed += report::<&str, _>(&address, &Err(format!("{error:#}"))),
    }
    if let Ok((status, recipes)) = &inventory {
        for (id, station) in &settings.stations {
            let faults = daemon::station_faults(status, recipes.as_deref(), station);
            let target = match &station.target {
                Target::Camera(id) => format!("camera {id}"),
                Target::Group(id) => format!("group {id}"),
            };
            let unit = station.unit;
            let valid = format!("unit {unit}, {target}, consumer {}", station.consumer);
            let outcome = if faults.is_empty() {
                Ok(valid)
            } else {
                Err(faults.join("; "))
            };
            failed += report(&format!("station {id}"), &outcome);
        }
    }
    if failed == 0 {
        Ok(())
    } else {
        Err(Failure::Check(failed))
    }
}

/// Prints the line of a check. Returns 1 if it failed.
fn report<T: std::fmt::Display, E: std::fmt::Display>(what: &str, outcome: &Result<T, E>) -> usize {
    match outcome {
        Ok(outcome) => println!("{what}: {outcome}"),
        Err(error) => println!("{what}: FAILED: {error}"),
    }
    usize::from(outcome.is_err())
}
