//! Labelled verdicts as the files of a dataset.

use std::collections::BTreeMap;

use futures_util::stream::{BoxStream, StreamExt, try_unfold};
use inspectd_core::id::{CameraId, RecipeId};
use inspectd_core::record::Verdict;
use tonic::Status;

use super::evidence::failed;
use super::fields;
use super::proto::export_dataset_response::Event;
use super::proto::{
    DatasetFile, DatasetPlan, DatasetProgress, DatasetSummary, ExportDatasetRequest,
    ExportDatasetResponse, GetEvidenceRequest, ImageFormat,
};
use super::service::{GrpcService, TuningPermit};
use crate::access::Identity;
use crate::dataset::{DatasetPlace, mask};
use crate::evidence::{Encoding, encode};
use crate::journal::Label;

/// Default of `test_every`.
const TEST_EVERY: u64 = 5;

/// Labels read at a time.
const PAGE_SIZE: usize = 500;

/// Maximum number of labelled verdicts of an export.
const VERDICT_LIMIT: usize = 100_000;

/// A labelled verdict that belongs to the dataset.
struct Labelled {
    verdict: Verdict,
    label: Label,
    place: DatasetPlace,
}

/// What an export has left to do.
struct Export {
    service: GrpcService,
    client: Identity,
    left: std::vec::IntoIter<Labelled>,
    /// Paths of the pictures that the client has, by the name of the file without its ending.
    known: BTreeMap<String, String>,
    /// What is ready to be sent.
    ready: std::vec::IntoIter<Event>,
    summary: DatasetSummary,
    /// Number of verdicts whose files were sent.
    done: u64,
    ended: bool,
    _permit: TuningPermit,
}

impl GrpcService {
    /// Streams the files of a dataset.
    pub(super) async fn dataset(
        &self,
        client: &Identity,
        request: ExportDatasetRequest,
        permit: TuningPermit,
    ) -> Result<BoxStream<'static, Result<ExportDatasetResponse, Status>>, Status> {
        self.journal()?;
        // The camera need not be configured.
        let camera = fields::camera_id("camera_id", &request.camera_id)?;
        let recipe = match request.recipe_id.as_str() {
            "" => None,
            id => Some(fields::recipe_id("recipe_id", id)?),
        };
        let test_every = match request.test_every {
            0 => TEST_EVERY,
            every => u64::from(every),
        };
        let range = self.range(request.from_time, request.to_time).await?;
        let labels = self.read(move |journal| {
            let (from, to) = range.into_inner();
            journal.readers().labels(from, to, VERDICT_LIMIT)
        });
        let selected = self
            .selected(labels.await?, &camera, recipe.as_ref(), test_every)
            .await?;
        let plan = DatasetPlan {
            verdicts: selected.len() as u64,
        };
        let export = Export {
            service: self.clone(),
            client: client.clone(),
            summary: DatasetSummary {
                verdicts: plan.verdicts,
                ..DatasetSummary::default()
            },
            left: selected.into_iter(),
            known: request.known_paths.into_iter().filter_map(named).collect(),
            ready: vec![Event::Plan(plan)].into_iter(),
            done: 0,
            ended: false,
            _permit: permit,
        };
        Ok(try_unfold(export, next).boxed())
    }

    /// The labelled verdicts of a camera that belong to the dataset.
    async fn selected(
        &self,
        labels: Vec<(u64, Label)>,
        camera: &CameraId,
        recipe: Option<&RecipeId>,
        test_every: u64,
    ) -> Result<Vec<Labelled>, Status> {
        let mut selected = Vec::new();
        let mut labels: BTreeMap<u64, Label> = labels.into_iter().collect();
        let sequences: Vec<u64> = labels.keys().copied().collect();
        for page in sequences.chunks(PAGE_SIZE) {
            let page = page.to_vec();
            let read = self.read(move |journal| journal.readers().get_all(&page));
            for verdict in read.await?.into_iter().flatten() {
                let subject = &verdict.subject;
                let tag = subject.stamp.recipe.as_ref();
                let of_recipe = |id: &RecipeId| tag.is_some_and(|tag| tag.id == id.as_str());
                if subject.camera.as_ref() != Some(camera) || !recipe.is_none_or(of_recipe) {
                    continue;
                }
                let Some(label) = labels.remove(&verdict.sequence) else {
                    continue;
                };
                if let Some(place) = DatasetPlace::of(verdict.sequence, &label, test_every) {
                    selected.push(Labelled {
                        verdict,
                        label,
                        place,
                    });
                }
            }
        }
        Ok(selected)
    }
}

/// A path with the name of its file, without the ending.
fn named(path: String) -> Option<(String, String)> {
    let name = path.rsplit('/').next()?;
    let (stem, _) = name.rsplit_once('.')?;
    Some((stem.to_owned(), path))
}

/// The next file, or the summary after the last one.
async fn next(mut export: Export) -> Result<Option<(ExportDatasetResponse, Export)>, Status> {
    loop {
        if let Some(event) = export.ready.next() {
            return Ok(Some((response(event), export)));
        }
        if export.ended {
            return Ok(None);
        }
        let Some(labelled) = export.left.next() else {
            export.ended = true;
            let summary = std::mem::take(&mut export.summary);
            return Ok(Some((response(Event::Summary(summary)), export)));
        };
        let files = export.files(labelled).await?.into_iter();
        export.done += 1;
        let progress = DatasetProgress {
            verdicts: export.done,
        };
        let mut events: Vec<Event> = files.map(Event::File).collect();
        events.push(Event::Progress(progress));
        export.ready = events.into_iter();
    }
}

fn response(event: Event) -> ExportDatasetResponse {
    ExportDatasetResponse { event: Some(event) }
}

impl Export {
    /// The files of a verdict that the client does not have.
    async fn files(&mut self, labelled: Labelled) -> Result<Vec<DatasetFile>, Status> {
        let Labelled {
            verdict,
            label,
            place,
        } = labelled;
        let sequence = verdict.sequence;
        let mut files = Vec::new();
        let mask_path = place.mask(sequence).filter(|_| !label.outlines.is_empty());
        if let Some(known) = self.known.get(&format!("{sequence:09}")) {
            let (_, extension) = known.rsplit_once('.').unwrap_or_default();
            let path = place.picture(sequence, extension);
            if path == *known {
                self.summary.paths.push(path);
            } else {
                files.push(DatasetFile {
                    path,
                    sequence,
                    moved_from: known.clone(),
                    ..DatasetFile::default()
                });
            }
        } else {
            let request = GetEvidenceRequest {
                sequence,
                format: ImageFormat::Png.into(),
                ..GetEvidenceRequest::default()
            };
            let evidence = self.service.evidence(&self.client, request).await;
            let frame = match evidence {
                Ok(evidence) if !evidence.frame.is_empty() => evidence.frame,
                Err(status) if status.code() != tonic::Code::NotFound => return Err(status),
                Ok(_) | Err(_) => {
                    self.summary.without_picture += 1;
                    return Ok(files);
                }
            };
            // Stored evidence is JPEG whatever was requested.
            let extension = if frame.starts_with(b"\x89PNG") {
                "png"
            } else {
                "jpg"
            };
            files.push(DatasetFile {
                path: place.picture(sequence, extension),
                content: frame,
                sequence,
                ..DatasetFile::default()
            });
        }
        // A mask is made again: the outlines may have changed.
        if let (Some(path), Some([width, height])) = (mask_path, verdict.subject.size) {
            let made = self.service.encoded(&self.client, move || {
                encode(&mask(&label.outlines, width, height), Encoding::Png).map_err(failed)
            });
            files.push(DatasetFile {
                path,
                content: made.await?,
                sequence,
                ..DatasetFile::default()
            });
        }
        let paths = files.iter().map(|file| file.path.clone());
        self.summary.paths.extend(paths);
        Ok(files)
    }
}
