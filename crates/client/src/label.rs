//! Labels of verdicts.

use crate::Error;
use crate::client::Client;
use crate::proto::{Label, LabelKind, LabelVerdictRequest, ListLabelsRequest};

/// Labels of a page.
const PAGE_SIZE: u32 = 1000;

impl Client {
    /// Sets or replaces the label of a verdict. Only [`LabelKind::Defective`] may have a class of the defect;
    /// [`LabelKind::Unspecified`] removes the label. The outlines of a defect stay as long as the part is defective. Returns
    /// the label unless it was removed.
    ///
    /// # Errors
    /// If the daemon does not answer, has no journal, or does not keep the verdict.
    pub async fn label(
        &self,
        sequence: u64,
        kind: LabelKind,
        defect_class: &str,
    ) -> Result<Option<Label>, Error> {
        let mut inspection = self.inspection();
        let outlines = if kind == LabelKind::Defective {
            let call = inspection.list_labels(ListLabelsRequest {
                sequences: vec![sequence],
                ..ListLabelsRequest::default()
            });
            let mut labels = self.answer(call).await?.labels;
            labels.pop().map(|label| label.outlines).unwrap_or_default()
        } else {
            Vec::new()
        };
        let call = inspection.label_verdict(LabelVerdictRequest {
            sequence,
            kind: kind.into(),
            defect_class: defect_class.to_owned(),
            outlines,
        });
        Ok(self.answer(call).await?.label)
    }

    /// Returns all labels, by sequence.
    ///
    /// # Errors
    /// If the daemon does not answer, or has no journal.
    pub async fn labels(&self) -> Result<Vec<Label>, Error> {
        let mut inspection = self.inspection();
        let mut labels = Vec::new();
        let mut page_token = String::new();
        loop {
            let call = inspection.list_labels(ListLabelsRequest {
                page_size: PAGE_SIZE,
                page_token,
                ..ListLabelsRequest::default()
            });
            let page = self.answer(call).await?;
            labels.extend(page.labels);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok(labels);
            }
        }
    }
}
