//! The reception of a bundle, and its installation.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{BoxStream, unfold};
use inspectd_core::atomic_file;
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

/// Longest reception of a bundle. A graph of the maximum size needs 0.6 MB/s.
const RECEPTION_TIMEOUT: Duration = Duration::from_hours(1);

/// Memory that is added for a graph in one step, bytes.
const GROWTH: usize = 64 << 20;

/// File that names the bundle that is being installed, so that the next installation removes it if the daemon is killed.
const UNFINISHED: &str = ".unfinished";

/// Events that wait until the client reads them. Others are left out, but not the result.
const EVENTS: usize = 16;

/// Digits of the hash in the name of a bundle's folder.
const HASH_DIGITS: usize = 12;

/// What a client is about to send.
struct Announced {
    manifest: Manifest,
    /// Sizes of the graphs, bytes: the main one, then those of the variants.
    sizes: Vec<u64>,
    options: InstallOptions,
}

/// A received bundle.
struct Received {
    announced: Announced,
    /// In the order of their sizes.
    graphs: Vec<Vec<u8>>,
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
        let begin = async {
            let announced = receive_header(&mut parts).await?;
            self.control
                .check_installation(&actor, announced.options)
                .map_err(|error| status::change(&error))?;
            let mut graphs = Vec::new();
            for &size in &announced.sizes {
                graphs.push(receive_graph(&mut parts, size).await?);
            }
            Ok::<_, Status>(Received { announced, graphs })
        };
        let received = timeout(RECEPTION_TIMEOUT, begin).await.map_err(|_| {
            let limit = RECEPTION_TIMEOUT.as_secs();
            Status::deadline_exceeded(format!("the graph was not received within {limit} s"))
        })??;
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
    let received = received.map_err(|_| {
        let limit = PIECE_TIMEOUT.as_secs();
        Status::deadline_exceeded(format!(
            "no piece of the graph was received within {limit} s"
        ))
    })?;
    match received? {
        None => Ok(None),
        Some(InstallModelRequest { part: Some(part) }) => Ok(Some(part)),
        Some(_) => Err(status::invalid("part", "must be set")),
    }
}

async fn receive_header(parts: &mut Streaming<InstallModelRequest>) -> Result<Announced, Status> {
    let Some(Part::Header(header)) = next(parts).await? else {
        return Err(status::invalid("header", "must be the first message"));
    };
    let InstallHeader {
        manifest,
        graph_size,
        without_challenge,
        dry_run,
        variant_sizes,
    } = header;
    if manifest.len() > MANIFEST_LIMIT {
        let text = format!("has more than {MANIFEST_LIMIT} bytes");
        return Err(status::invalid("manifest", text));
    }
    let manifest = Manifest::parse(Path::new(MANIFEST_FILE), &manifest)
        .map_err(|error| status::invalid("manifest", error.to_string()))?;
    let (sent, expected) = (variant_sizes.len(), manifest.variants.len());
    if sent != expected {
        let text = format!("has {sent} sizes; the manifest has {expected} variants");
        return Err(status::invalid("variant_sizes", text));
    }
    let sizes: Vec<u64> = std::iter::once(graph_size).chain(variant_sizes).collect();
    for (number, size) in sizes.iter().enumerate() {
        if !(1..=GRAPH_LIMIT).contains(size) {
            let text = format!("{size} must be 1 to {GRAPH_LIMIT}");
            let field = match number {
                0 => "graph_size".to_owned(),
                _ => format!("variant_sizes[{}]", number - 1),
            };
            return Err(status::invalid(&field, text));
        }
    }
    Ok(Announced {
        manifest,
        sizes,
        options: InstallOptions {
            without_challenge,
            dry_run,
        },
    })
}

async fn receive_graph(
    parts: &mut Streaming<InstallModelRequest>,
    graph_size: u64,
) -> Result<Vec<u8>, Status> {
    let mut graph = Vec::new();
    while (graph.len() as u64) < graph_size {
        match next(parts).await? {
            Some(Part::Graph(piece)) if !piece.is_empty() => {
                grow(&mut graph, piece.len(), graph_size)?;
                graph.extend(piece);
            }
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
    if graph.len() as u64 > graph_size {
        let text = format!("has {} bytes, must have {graph_size}", graph.len());
        return Err(status::invalid("graph", text));
    }
    Ok(graph)
}

/// Makes room for a piece, in steps: the announced size is not trusted.
fn grow(graph: &mut Vec<u8>, piece: usize, graph_size: u64) -> Result<(), Status> {
    if graph.capacity() - graph.len() >= piece {
        return Ok(());
    }
    let left = graph_size as usize - graph.len();
    let step = left.min(GROWTH).max(piece);
    graph.try_reserve_exact(step).map_err(|_| {
        Status::resource_exhausted(format!(
            "not enough memory for a graph of {graph_size} bytes"
        ))
    })
}

/// Writes the bundle, and installs it. A bundle that is not activated is removed, unless it was there before.
fn install(
    control: &Control,
    actor: &Actor,
    models: &Path,
    received: Received,
    events: &Sender<InstallEvent>,
) -> Result<proto::InstallResult, Status> {
    let Received {
        announced: Announced {
            manifest, options, ..
        },
        graphs,
    } = received;
    let variants = manifest.variants.values().map(|variant| &variant.sha256);
    let expected = std::iter::once(&manifest.graph.sha256).chain(variants);
    for (graph, expected) in graphs.iter().zip(expected) {
        let found = sha256(graph);
        if found != *expected {
            let text = format!("has the SHA-256 {found}, must have {expected}");
            return Err(status::invalid("graph", text));
        }
    }
    let models = std::path::absolute(models).map_err(|error| unwritable(models, &error))?;
    std::fs::create_dir_all(&models).map_err(|error| unwritable(&models, &error))?;
    remove_unfinished(control, &models).map_err(|error| unwritable(&models, &error))?;
    let name = bundle_name(&manifest);
    let folder = models.join(&name);
    let known = Bundle::open(&folder).is_ok();
    let unfinished = models.join(UNFINISHED);
    if !known {
        atomic_file::write(&unfinished, &name).map_err(|error| unwritable(&models, &error))?;
        Bundle::write(&folder, manifest, graphs).map_err(|error| unwritable(&folder, &error))?;
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
    if !known {
        let removed = if activated {
            Ok(())
        } else {
            std::fs::remove_dir_all(&folder)
        };
        if let Err(error) = removed.and_then(|()| std::fs::remove_file(&unfinished)) {
            warn!(%error, folder = %folder.display(), "files of an installation cannot be removed");
        }
    }
    let result = result.map_err(|error| status::change(&error))?;
    Ok(converted(&result))
}

/// Removes the files of an installation during which the daemon was killed.
fn remove_unfinished(control: &Control, models: &Path) -> io::Result<()> {
    atomic_file::remove_leftovers(models)?;
    let unfinished = models.join(UNFINISHED);
    let name = match std::fs::read_to_string(&unfinished) {
        Ok(name) => name,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let folder = models.join(name.trim());
    let is_own = folder.parent() == Some(models) && folder.is_dir();
    // If the daemon was killed after the activation, the bundle is in use.
    if is_own && !control.uses_bundle(&folder) {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::remove_file(&unfinished)
}

/// The name of a bundle's folder: name, version and hash of the manifest.
fn bundle_name(manifest: &Manifest) -> String {
    let hash = sha256(manifest.to_toml().as_bytes());
    let hash = &hash[..HASH_DIGITS];
    format!("{}-{}-{hash}", manifest.name, manifest.version)
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
