//! `inspectctl resynchronize`: puts a group whose cameras count their parts in step.

use std::io::Write;

use clap::Args;
use inspectd_client::Client;
use inspectd_client::proto::ResynchronizeGroupRequest;

use crate::failure::Failure;

/// Arguments of `resynchronize`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Id of the group.
    group: String,
}

/// Puts the group in step.
pub async fn run(client: &Client, arguments: Arguments) -> Result<(), Failure> {
    let mut line = client.line();
    let group = arguments.group;
    let request = ResynchronizeGroupRequest {
        group_id: group.clone(),
    };
    client.answer(line.resynchronize_group(request)).await?;
    Ok(writeln!(
        anstream::stdout(),
        "group {group} is in step: the next frame of each camera shows the same part"
    )?)
}
