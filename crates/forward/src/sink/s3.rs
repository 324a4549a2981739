//! An object store with the interface of S3, for evidence: frame, heatmap and record of each selected verdict.
//!
//! The names of the objects follow from the verdict, so a repetition writes the same objects again.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use inspectd_client::Evidence;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{ClientOptions, ObjectStore, ObjectStoreExt, PutPayload, RetryConfig};

use super::{Failure, Rejected, Sink, image_extension, read_secret, root_cause};
use crate::config::{Origin, S3};
use crate::record::{Record, VerdictRecord};
use crate::tls;

/// Time for one request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);

/// An object store.
pub struct S3Sink {
    settings: S3,
    origin: Arc<Origin>,
    store: Option<AmazonS3>,
}

impl S3Sink {
    /// A store with these settings.
    pub fn new(settings: S3, origin: Arc<Origin>) -> Self {
        Self {
            settings,
            origin,
            store: None,
        }
    }

    /// The store. The credentials are read again after each failure.
    fn store(&mut self) -> Result<&AmazonS3, Failure> {
        if self.store.is_none() {
            tls::install_provider();
            let file = &self.settings.credentials_file;
            let text = read_secret(file)?;
            let mut lines = text.lines().map(str::trim);
            let (Some(id), Some(secret)) = (lines.next(), lines.next()) else {
                let message =
                    "must have the id of the key on its first line and the secret on its second";
                return Err(Failure::transient(format!("{}: {message}", file.display())));
            };
            let mut builder = AmazonS3Builder::new()
                .with_bucket_name(&self.settings.bucket)
                .with_region(&self.settings.region)
                .with_access_key_id(id)
                .with_secret_access_key(secret)
                .with_virtual_hosted_style_request(!self.settings.path_style)
                // The caller repeats the request.
                .with_retry(RetryConfig {
                    max_retries: 0,
                    ..RetryConfig::default()
                })
                .with_client_options(ClientOptions::new().with_timeout(REQUEST_TIMEOUT));
            if let Some(endpoint) = &self.settings.endpoint {
                let plain = endpoint.starts_with("http:");
                builder = builder.with_endpoint(endpoint).with_allow_http(plain);
            }
            self.store = Some(builder.build().map_err(|error| failure(&error))?);
        }
        Ok(self.store.as_ref().expect("it was just created"))
    }

    /// The first part of the names of the box.
    fn base(&self) -> String {
        let Origin { box_name, site } = &*self.origin;
        format!("{}/{site}/{box_name}", self.settings.prefix)
    }

    /// `PREFIX/SITE/BOX/DATE/RUN-SEQUENCE`.
    fn name(&self, record: &VerdictRecord) -> String {
        let verdict = &record.verdict;
        let time = inspectd_client::json::time(verdict.capture_time.as_ref()).unwrap_or_default();
        let date = time.split('T').next().unwrap_or_default();
        let (run, sequence) = (&verdict.run_id, verdict.sequence);
        format!("{}/{date}/{run}-{sequence}", self.base())
    }

    async fn put(&mut self, name: String, bytes: Vec<u8>) -> Result<(), Failure> {
        let store = self.store()?;
        let put = store.put(&Path::from(name), PutPayload::from(bytes)).await;
        put.map(|_| ()).map_err(|error| failure(&error))
    }
}

/// Every error concerns the store or its permissions, not the object: the request is repeated.
fn failure(error: &object_store::Error) -> Failure {
    let text = error.to_string();
    let cause = root_cause(error);
    if text.contains(&cause) {
        return Failure::transient(text);
    }
    Failure::transient(format!("{text}: {cause}"))
}

#[async_trait]
impl Sink for S3Sink {
    async fn check(&mut self) -> Result<String, Failure> {
        let base = Path::from(self.base());
        let listed = self.store()?.list_with_delimiter(Some(&base)).await;
        let days = listed
            .map_err(|error| failure(&error))?
            .common_prefixes
            .len();
        Ok(format!(
            "bucket {} can be read, {days} days of this box",
            self.settings.bucket
        ))
    }

    async fn keep_open(&mut self) -> Result<(), Failure> {
        self.store().map(|_| ())
    }

    /// Verdicts without evidence are not stored. Gaps are.
    async fn deliver(&mut self, records: &[Record]) -> Result<Vec<Rejected>, Failure> {
        for record in records {
            if let Record::Gap(gap) = record {
                let id = gap.id.split_once('/').map_or(gap.id.as_str(), |(_, id)| id);
                let name = format!("{}/{}.json", self.base(), id.replace(':', "-"));
                self.put(name, record.json()).await?;
            }
        }
        Ok(Vec::new())
    }

    async fn deliver_evidence(
        &mut self,
        record: &VerdictRecord,
        evidence: &Evidence,
    ) -> Result<(), Failure> {
        let name = self.name(record);
        for (kind, image) in [("frame", &evidence.frame), ("heatmap", &evidence.heatmap)] {
            if let Some(image) = image {
                let name = format!("{name}-{kind}.{}", image_extension(image));
                self.put(name, image.clone()).await?;
            }
        }
        // The last object: if it exists, the pictures exist.
        let json = Record::Verdict(Box::new(record.clone())).json();
        self.put(format!("{name}.json"), json).await
    }

    fn reset(&mut self) {
        self.store = None;
    }

    async fn close(&mut self) {}
}
