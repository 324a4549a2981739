//! Labels of verdicts.

use inspectd_core::polygon::Polygon;
use tonic::Status;

use super::proto::{
    self, LabelVerdictRequest, LabelVerdictResponse, ListLabelsRequest, ListLabelsResponse,
};
use super::service::GrpcService;
use super::{convert, fields, status};
use crate::access::Identity;
use crate::journal::{Label, LabelKind};

/// Longest class of a defect, bytes.
const LONGEST_CLASS: usize = 64;

/// Most outlines of a label.
const OUTLINE_LIMIT: usize = 32;

/// Most verdicts whose labels one call requests.
const SEQUENCE_LIMIT: usize = 1000;

/// Default number of labels of a page.
const PAGE_SIZE: usize = 100;

/// Maximum number of labels of a page.
const PAGE_SIZE_LIMIT: usize = 1000;

impl GrpcService {
    /// Sets, replaces or removes the label of a verdict.
    pub(super) async fn label(
        &self,
        client: &Identity,
        request: LabelVerdictRequest,
    ) -> Result<LabelVerdictResponse, Status> {
        let label = self.requested_label(client, &request)?;
        let sequence = request.sequence;
        let journal = self.journal()?;
        let kept = self
            .read(move |journal| journal.readers().get(sequence))
            .await?;
        if kept.is_none() {
            let text = sequence.to_string();
            return Err(status::not_found("verdict", &text, "is not kept"));
        }
        let durable = journal.label(sequence, label.clone());
        let durable = durable.map_err(|error| status::acknowledge(&error))?;
        let written = durable.await.map_err(|_| status::stopping())?;
        written.map_err(|error| status::acknowledge(&error))?;
        Ok(LabelVerdictResponse {
            label: label.map(|label| to_proto(sequence, label)),
        })
    }

    fn requested_label(
        &self,
        client: &Identity,
        request: &LabelVerdictRequest,
    ) -> Result<Option<Label>, Status> {
        let kind = match proto::LabelKind::try_from(request.kind) {
            Ok(proto::LabelKind::Unspecified) => None,
            Ok(proto::LabelKind::Good) => Some(LabelKind::Good),
            Ok(proto::LabelKind::Defective) => Some(LabelKind::Defective),
            Ok(proto::LabelKind::Unsure) => Some(LabelKind::Unsure),
            Err(_) => return Err(status::invalid("kind", "must be one of LabelKind")),
        };
        let class = request.defect_class.trim();
        if class.len() > LONGEST_CLASS || class.chars().any(char::is_control) {
            let allowed =
                format!("must have at most {LONGEST_CLASS} bytes, without control characters");
            return Err(status::invalid("defect_class", allowed));
        }
        if !class.is_empty() && kind != Some(LabelKind::Defective) {
            let allowed = "must be empty unless the kind is LABEL_KIND_DEFECTIVE";
            return Err(status::invalid("defect_class", allowed));
        }
        let outlines = outlines(&request.outlines)?;
        if !outlines.is_empty() && kind != Some(LabelKind::Defective) {
            let allowed = "must be empty unless the kind is LABEL_KIND_DEFECTIVE";
            return Err(status::invalid("outlines", allowed));
        }
        Ok(kind.map(|kind| Label {
            kind,
            defect_class: class.to_owned(),
            outlines,
            author: client.name.to_string(),
            time: self.clock.now().utc,
        }))
    }

    /// Lists labels.
    pub(super) async fn labels(
        &self,
        request: ListLabelsRequest,
    ) -> Result<ListLabelsResponse, Status> {
        self.journal()?;
        if !request.sequences.is_empty() {
            let sequences = request.sequences;
            if sequences.len() > SEQUENCE_LIMIT {
                let allowed = format!("must be at most {SEQUENCE_LIMIT}");
                return Err(status::invalid("sequences", allowed));
            }
            let labels = self.read(move |journal| journal.readers().labels_of(&sequences));
            return Ok(ListLabelsResponse {
                labels: all_to_proto(labels.await?),
                next_page_token: String::new(),
            });
        }
        let limit = fields::page_size("page_size", request.page_size, PAGE_SIZE, PAGE_SIZE_LIMIT)?;
        let after = match request.page_token.as_str() {
            "" => 0,
            token => token.parse().map_err(|_| {
                status::invalid("page_token", "must be the token from the previous page")
            })?,
        };
        let from = u64::saturating_add(after, 1);
        // One more shows whether there is another page.
        let read = self.read(move |journal| journal.readers().labels(from, u64::MAX, limit + 1));
        let mut labels = read.await?;
        let more = labels.len() > limit;
        labels.truncate(limit);
        let last = labels.last().filter(|_| more);
        Ok(ListLabelsResponse {
            next_page_token: last.map_or_else(String::new, |(last, _)| last.to_string()),
            labels: all_to_proto(labels),
        })
    }
}

/// The outlines of a request.
fn outlines(outlines: &[proto::Outline]) -> Result<Vec<Polygon>, Status> {
    if outlines.len() > OUTLINE_LIMIT {
        let allowed = format!("must be at most {OUTLINE_LIMIT}");
        return Err(status::invalid("outlines", allowed));
    }
    let polygon = |(index, outline): (usize, &proto::Outline)| {
        let corners = outline.corners.iter();
        let corners = corners.map(|corner| [corner.x, corner.y]).collect();
        Polygon::try_new(corners).map_err(|error| {
            let (found, allowed) = (error.0.found(), error.0.allowed());
            status::invalid(
                &format!("outlines[{index}]"),
                format!("{found}, must be {allowed}"),
            )
        })
    };
    outlines.iter().enumerate().map(polygon).collect()
}

fn all_to_proto(labels: Vec<(u64, Label)>) -> Vec<proto::Label> {
    let convert = |(sequence, label)| to_proto(sequence, label);
    labels.into_iter().map(convert).collect()
}

fn to_proto(sequence: u64, label: Label) -> proto::Label {
    let kind = match label.kind {
        LabelKind::Good => proto::LabelKind::Good,
        LabelKind::Defective => proto::LabelKind::Defective,
        LabelKind::Unsure => proto::LabelKind::Unsure,
    };
    proto::Label {
        sequence,
        kind: kind.into(),
        defect_class: label.defect_class,
        outlines: label.outlines.iter().map(outline).collect(),
        author: label.author,
        time: Some(convert::timestamp(label.time)),
    }
}

fn outline(polygon: &Polygon) -> proto::Outline {
    let corners = polygon.corners().iter();
    proto::Outline {
        corners: corners.map(|&[x, y]| proto::Corner { x, y }).collect(),
    }
}
