//! The configuration of the daemon, which each vision system shows as its active one.

use std::time::Duration;

use inspectd_client::{Client, Error};

use crate::publisher::Publisher;
use crate::result::{configuration_id, date_time};
use crate::structures::Configuration;

/// The interval at which the daemon's configuration is read.
const POLL: Duration = Duration::from_secs(5);

/// Returns the configuration of the daemon.
///
/// # Errors
/// If the daemon does not answer, or refuses.
pub async fn active(client: &Client) -> Result<Configuration, Error> {
    let status = client.status().await?;
    let found = status.configuration;
    let found = found.ok_or(Error::Incomplete {
        field: "configuration",
    })?;
    Ok(Configuration {
        has_transferable_data_on_file: Some(false),
        external_id: None,
        internal_id: configuration_id(&found.hash),
        last_modified: date_time(found.loaded_time.as_ref()),
    })
}

/// Publishes the configuration of the daemon when it changes, until the future is dropped.
pub async fn follow(client: Client, publisher: Publisher, systems: Vec<String>) {
    let mut published = None;
    loop {
        // While the daemon does not answer, its last configuration stays: the state of the systems shows that it does
        // not answer.
        if let Ok(configuration) = active(&client).await
            && published.as_ref() != Some(&configuration)
        {
            for system in &systems {
                publisher.set_configuration(system, &configuration);
            }
            published = Some(configuration);
        }
        tokio::time::sleep(POLL).await;
    }
}
