//! The reception of a bundle, and its installation.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{BoxStream, unfold};
use inspectd_core::bundle::{Bundle, MANIFEST_FILE, sha256};
use inspectd_core::manifest::Manifest;
use tokio::sync::mpsc::{Sender, channel};
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tonic::{Status, Streaming};
use tracing::warn;

use super::installation;
use crate::control::actor::Actor;
use crate::control::{Control, InstallOptions, InstallResult, InstallStage};
use crate::grpc::blocking::blocking;
use crate::grpc::proto::install_model_request::Part;
use crate::grpc::proto::install_model_response::Event;
use crate::grpc::proto::{
    self, InstallHeader, InstallModelRequest, InstallModelResponse, InstallProgress,
};
use crate::grpc::service::GrpcService;
use crate::grpc::{convert, convert_status, status};

/// Largest graph: protobuf messages are limited to 2 GiB.
const GRAPH_LIMIT: u64 = 2 << 30;

/// Longest manifest, bytes.
const MANIFEST_LIMIT: usize = 16 << 20;

/// Longest wait for the next piece of a graph.
const PIECE_TIMEOUT: Duration = Duration::from_mins(1);

/// Events that wait until the client reads them. Others are left out, but not the result.
const EVENTS: usize = 16;

/// Digits of the hash in the name of a bundle's folder.
const HASH_DIGITS: usize = 12;

/// A received bundle.
struct Received {
    manifest: Manifest,
    graph: Vec<u8>,
    options: InstallOptions,
}

type InstallEvent = Result<InstallModelResponse, Status>;

impl GrpcService {
    /// Receives a bundle, and installs it.
    pub(super) async fn install(
        &self,
        actor: Actor,
        mut parts: Streaming<InstallModelRequest>,
    ) -> Result<BoxStream<'static, InstallEvent>, Status> {
        let permit = Arc::clone(&self.install_permit).try_acquire_owned();
        let permit = permit.map_err(|_| Status::aborted("another installation is in progress"))?;
        let control = Arc::clone(&self.control);
        let folder = blocking(move || control.models_folder()).await?;
        let folder = folder.map_err(|error| status::change(&error))?;
        let received = receive(&mut parts).await?;
        let control = Arc::clone(&self.control);
        let (sender, receiver) = channel(EVENTS);
        // Goes on if the call is cancelled, until it notices that.
        spawn_blocking(move || {
            let result = install(&control, &actor, &folder, received, &sender);
            // Whoever has the result may install the next model.
            drop(permit);
            // The client may have gone.
            let _ = sender.blocking_send(result.map(|event| InstallModelResponse {
                event: Some(Event::Result(event)),
            }));
        });
        let events = unfold(receiver, async |mut receiver| {
            Some((receiver.recv().await?, receiver))
        });
        Ok(Box::pin(events))
    }
}

async fn next(parts: &mut Streaming<InstallModelRequest>) -> Result<Option<Part>, Status> {
    let received = timeout(PIECE_TIMEOUT, parts.message()).await;
    let received = received.map_err(|_| Status::deadline_exceeded("no piece of the graph came"))?;
    match received? {
        None => Ok(None),
        Some(InstallModelRequest { part: Some(part) }) => Ok(Some(part)),
        Some(_) => Err(status::invalid("part", "must be set")),
    }
}

/// Receives the header and the graph.
async fn receive(parts: &mut Streaming<InstallModelRequest>) -> Result<Received, Status> {
    let Some(Part::Header(header)) = next(parts).await? else {
        return Err(status::invalid("header", "must be the first message"));
    };
    let InstallHeader {
        manifest,
        graph_size,
        without_challenge,
        dry_run,
    } = header;
    if manifest.len() > MANIFEST_LIMIT {
        let text = format!("has more than {MANIFEST_LIMIT} bytes");
        return Err(status::invalid("manifest", text));
    }
    let manifest = Manifest::parse(Path::new(MANIFEST_FILE), &manifest)
        .map_err(|error| status::invalid("manifest", error.to_string()))?;
    if !(1..=GRAPH_LIMIT).contains(&graph_size) {
        let text = format!("{graph_size} must be 1 to {GRAPH_LIMIT}");
        return Err(status::invalid("graph_size", text));
    }
    // Grows as it is received: the announced size is not trusted.
    let mut graph = Vec::new();
    while (graph.len() as u64) < graph_size {
        match next(parts).await? {
            Some(Part::Graph(piece)) if !piece.is_empty() => graph.extend(piece),
            Some(_) => {
                return Err(status::invalid(
                    "graph",
                    "must be the next bytes of the graph",
                ));
            }
            None => {
                let text = format!("ends after {} of {graph_size} bytes", graph.len());
                return Err(status::invalid("graph", text));
            }
        }
    }
    let found = sha256(&graph);
    if graph.len() as u64 > graph_size || found != manifest.graph.sha256 {
        let text = format!(
            "has {} bytes with SHA-256 {found}, must have {graph_size} bytes with SHA-256 {}",
            graph.len(),
            manifest.graph.sha256
        );
        return Err(status::invalid("graph", text));
    }
    Ok(Received {
        manifest,
        graph,
        options: InstallOptions {
            without_challenge,
            dry_run,
        },
    })
}

/// Writes the bundle, and installs it. A bundle that is not activated is removed, unless it was there before.
fn install(
    control: &Control,
    actor: &Actor,
    folder: &Path,
    received: Received,
    events: &Sender<InstallEvent>,
) -> Result<proto::InstallResult, Status> {
    let Received {
        manifest,
        graph,
        options,
    } = received;
    let folder = bundle_folder(folder, &manifest)?;
    let known = folder.exists();
    if !known {
        std::fs::create_dir_all(folder.parent().unwrap_or(&folder))
            .map_err(|error| unwritable(&folder, &error))?;
        Bundle::write(&folder, manifest, graph).map_err(|error| unwritable(&folder, &error))?;
    }
    let mut progress = |stage: InstallStage, done: usize, total: usize| {
        let event = InstallModelResponse {
            event: Some(Event::Progress(InstallProgress {
                stage: stage.name().to_owned(),
                done: done as u64,
                total: total as u64,
            })),
        };
        // A slow client misses events; one that has gone ends the installation.
        let _ = events.try_send(Ok(event));
        !events.is_closed()
    };
    let result = control.install(actor, &folder, options, &mut progress);
    let activated = result
        .as_ref()
        .is_ok_and(|result| result.installation.is_some());
    if !known
        && !activated
        && let Err(error) = std::fs::remove_dir_all(&folder)
    {
        warn!(%error, folder = %folder.display(), "a bundle that is not used cannot be removed");
    }
    let result = result.map_err(|error| status::change(&error))?;
    Ok(converted(&result))
}

/// The folder of a bundle, absolute: by name, version and content.
fn bundle_folder(models: &Path, manifest: &Manifest) -> Result<PathBuf, Status> {
    let models = std::path::absolute(models).map_err(|error| unwritable(models, &error))?;
    let hash = sha256(manifest.to_toml().as_bytes());
    let hash = &hash[..HASH_DIGITS];
    Ok(models.join(format!("{}-{}-{hash}", manifest.name, manifest.version)))
}

fn unwritable(folder: &Path, error: &impl std::fmt::Display) -> Status {
    Status::failed_precondition(format!("{}: cannot be written: {error}", folder.display()))
}

fn converted(result: &InstallResult) -> proto::InstallResult {
    let challenges = result.challenges.as_ref();
    let [new, old] =
        [0, 1].map(|index| challenges.map(|both| convert_status::challenge(&both[index])));
    proto::InstallResult {
        activated: result.installation.is_some(),
        reason: result.reason.clone(),
        model: Some(convert::model(&result.model)),
        challenge: new,
        active_challenge: old,
        installation: result.installation.as_ref().map(installation),
    }
}
