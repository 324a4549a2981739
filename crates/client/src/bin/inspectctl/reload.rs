//! `inspectctl reload`: reloads the configuration and the model bundle of the daemon.

use std::fmt::Write as _;
use std::io::Write;
use std::time::Duration;

use inspectd_client::Client;
use inspectd_client::proto::{ReloadConfigurationRequest, ReloadConfigurationResponse};

use crate::failure::Failure;
use crate::format;

/// A new bundle is hashed, loaded and warmed up first, which takes seconds on a GPU.
const RELOAD_TIMEOUT: Duration = Duration::from_mins(2);

/// Reloads, and prints the active configuration and model.
pub async fn run(client: &Client) -> Result<(), Failure> {
    let mut line = client.line();
    let call = line.reload_configuration(ReloadConfigurationRequest {});
    let response = client.answer_within(RELOAD_TIMEOUT, call).await?;
    Ok(write!(anstream::stdout(), "{}", describe(&response))?)
}

fn describe(response: &ReloadConfigurationResponse) -> String {
    let configuration = response.configuration.clone().unwrap_or_default();
    let mut out = String::new();
    let _ = writeln!(
        out,
        "{}: generation {}, hash {}\nmodel: {}",
        if response.changed {
            "changed"
        } else {
            "nothing changed"
        },
        configuration.generation,
        configuration.hash,
        format::model(response.model.as_ref())
    );
    if !configuration.restart_required_keys.is_empty() {
        let warning = format::warning_style();
        let keys = configuration.restart_required_keys.join(", ");
        let _ = writeln!(out, "{warning}requires a restart: {keys}{warning:#}");
    }
    out
}

#[cfg(test)]
mod tests {
    use inspectd_client::proto::{Configuration, Model};

    use super::*;

    #[test]
    fn reload_shows_the_active_model_and_the_keys_that_require_a_restart() {
        let response = ReloadConfigurationResponse {
            configuration: Some(Configuration {
                generation: 2,
                hash: "abc".into(),
                restart_required_keys: vec!["server.listen".into(), "engine.threads".into()],
                ..Configuration::default()
            }),
            changed: true,
            model: Some(Model {
                name: "demo".into(),
                version: "1.0.0".into(),
                sha256: "0123456789abcdef".into(),
                precision: "f32".to_owned(),
            }),
        };
        assert_eq!(
            anstream::adapter::strip_str(&describe(&response)).to_string(),
            "changed: generation 2, hash abc\nmodel: demo 1.0.0 (0123456789ab)\n\
             requires a restart: server.listen, engine.threads\n"
        );
    }
}
