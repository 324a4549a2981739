//! `inspectd-opcua check`: the configuration, the certificates, the daemon and what each system needs of it.

use std::fs;
use std::path::Path;

use inspectd_client::Client;
use inspectd_client::proto::Status;
use opcua::crypto::X509;

use crate::config::{Settings, Target};
use crate::failure::Failure;
use crate::pki::{self, OWN_CERTIFICATE, TRUSTED};

/// Checks everything, and prints a line for each check.
///
/// # Errors
/// If a check fails.
pub async fn check(settings: Settings) -> Result<(), Failure> {
    let (users, systems) = (settings.users.len(), settings.systems.len());
    println!("configuration: valid, {users} users, {systems} systems");
    let mut failed = report("certificates", &pki::prepare(&settings).map(|()| "usable"));
    failed += own_certificate(&settings.pki_folder);
    failed += trusted(&settings.pki_folder);
    let client = settings.daemon.client()?;
    failed += systems_of(&client, &settings).await;
    if failed == 0 {
        Ok(())
    } else {
        Err(Failure::Check(failed))
    }
}

fn own_certificate(folder: &Path) -> usize {
    let path = folder.join(OWN_CERTIFICATE);
    let read = pki::read(&path).map_err(|error| error.to_string());
    let valid = read.and_then(|certificate| validity(&certificate));
    report("own certificate", &valid)
}

/// Prints the certificates of trusted clients.
fn trusted(folder: &Path) -> usize {
    let mut failed = 0;
    let entries = fs::read_dir(folder.join(TRUSTED)).into_iter().flatten();
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    if paths.is_empty() {
        println!("trusted clients: none; inspectd-opcua trust FILE adds one");
    }
    for path in paths {
        let read = pki::read(&path).map_err(|error| error.to_string());
        let valid = read.and_then(|certificate| validity(&certificate));
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        failed += report(&format!("trusted client {name}"), &valid);
    }
    failed
}

/// Until when a certificate is valid; an error if it is not valid now.
fn validity(certificate: &X509) -> Result<String, String> {
    let end = certificate
        .not_after()
        .map_err(|_| "it has no expiry date".to_owned())?;
    let thumbprint = certificate.thumbprint().as_hex_string();
    // The types of the time are those of the library.
    let now = opcua::types::DateTime::now().as_chrono();
    match certificate.is_time_valid(&now) {
        Ok(()) => Ok(format!("valid until {end}, thumbprint {thumbprint}")),
        Err(_) => Err(format!("not valid now; its validity ends {end}")),
    }
}

async fn systems_of(client: &Client, settings: &Settings) -> usize {
    let address = format!("daemon at {}", client.address());
    let status = match client.status().await {
        Ok(status) => status,
        Err(error) => return report::<&str, _>(&address, &Err(error)),
    };
    println!("{address}: answers, version {}", status.version);
    let mut failed = 0;
    if status.journal.is_none() {
        failed += report::<&str, _>(
            "journal",
            &Err("not configured: results cannot be read by id or filter"),
        );
    }
    for (name, target) in &settings.systems {
        failed += report(&format!("system {name}"), &has(&status, target));
    }
    failed
}

/// Whether the daemon has the camera. Groups are not listed in its status.
fn has(status: &Status, target: &Target) -> Result<String, String> {
    match target {
        Target::Camera(id) if !status.cameras.iter().any(|camera| camera.id == *id) => {
            let ids: Vec<_> = status
                .cameras
                .iter()
                .map(|camera| camera.id.as_str())
                .collect();
            Err(format!(
                "{target} is not configured; cameras are {}",
                ids.join(", ")
            ))
        }
        _ => Ok(target.to_string()),
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
