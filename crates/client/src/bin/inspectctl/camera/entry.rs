//! `inspectctl camera add` and `remove`: the camera's table in the configuration file.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use inspectd_client::Client;
use inspectd_client::proto::{AddCameraRequest, RemoveCameraRequest};

use super::CHANGE_TIMEOUT;
use crate::failure::{Failure, note};

/// Arguments of `camera add`.
#[derive(Debug, Args)]
pub struct Add {
    /// Id of the new camera, 1 to 64 of a-z, 0-9, '-' and '_'.
    camera: String,
    /// The keys of its table `[cameras.ID]`, such as 'source = "device"'.
    #[arg(
        long,
        value_name = "TEXT",
        required_unless_present = "file",
        conflicts_with = "file"
    )]
    toml: Option<String>,
    /// File with these keys, such as the output of `camera remove`.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

/// Arguments of `camera remove`.
#[derive(Debug, Args)]
pub struct Remove {
    /// Id of the camera.
    camera: String,
}

impl Add {
    /// The keys of the camera.
    fn text(&self) -> Result<String, anyhow::Error> {
        match (&self.toml, &self.file) {
            (Some(toml), _) => Ok(toml.clone()),
            (None, Some(file)) => {
                std::fs::read_to_string(file).with_context(|| file.display().to_string())
            }
            (None, None) => anyhow::bail!("--toml or --file is required"),
        }
    }
}

/// Adds a camera, and prints the file that it was added to.
pub async fn add(client: &Client, arguments: &Add) -> Result<(), Failure> {
    let mut line = client.line();
    let call = line.add_camera(AddCameraRequest {
        camera_id: arguments.camera.clone(),
        toml: arguments.text()?,
    });
    let answer = client.answer_within(CHANGE_TIMEOUT, call).await?;
    let (camera, file) = (&arguments.camera, &answer.file);
    Ok(writeln!(
        anstream::stdout(),
        "camera {camera} is added to {file}, and is being opened"
    )?)
}

/// Removes a camera. Its keys are on standard output, so that they can be redirected to a file.
pub async fn remove(client: &Client, arguments: &Remove) -> Result<(), Failure> {
    let mut line = client.line();
    let call = line.remove_camera(RemoveCameraRequest {
        camera_id: arguments.camera.clone(),
    });
    let answer = client.answer_within(CHANGE_TIMEOUT, call).await?;
    let (camera, file) = (&arguments.camera, &answer.file);
    note(&format!(
        "camera {camera} is removed from {file}; to add it again, write the lines below to a file FILE:\n\
         inspectctl camera add {camera} --file FILE"
    ));
    // Without the adapter for terminals, which could change texts of people.
    Ok(writeln!(std::io::stdout(), "{}", answer.toml.trim_end())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_an_argument_or_the_content_of_a_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("top.toml");
        std::fs::write(&file, "source = \"device\"\n").expect("a file");
        let mut add = Add {
            camera: "top".to_owned(),
            toml: None,
            file: Some(file),
        };
        assert_eq!(add.text().expect("a file"), "source = \"device\"\n");
        add.file = Some("/nowhere/top.toml".into());
        let error = add.text().expect_err("no file");
        let text = format!("{error:#}");
        assert!(text.starts_with("/nowhere/top.toml: "), "{text}");
        add.toml = Some("source = \"simulator\"".to_owned());
        assert_eq!(add.text().expect("a text"), "source = \"simulator\"");
    }
}
