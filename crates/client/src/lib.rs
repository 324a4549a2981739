//! Client of the inspection daemon `inspectd`: verdicts, acknowledgements, triggers, evidence.
//!
//! A program that must not miss a verdict subscribes as a consumer and acknowledges what it has stored. The
//! stream reconnects by itself; after a restart of either side it resumes after the last acknowledgement.
//!
//! ```no_run
//! use inspectd_client::{Client, Event, Start, Subscription};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::builder("http://127.0.0.1:50051".parse()?).build()?;
//! let acknowledger = client.acknowledger("mes".parse()?);
//! let mut verdicts = client.subscribe(Subscription::from(Start::Consumer("mes".parse()?)));
//! while let Some(event) = verdicts.next().await {
//!     if let Event::Verdict(verdict) = event? {
//!         println!("{} {:?}", verdict.sequence, verdict.decision());
//!         acknowledger.acknowledge(verdict.sequence);
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! | task | entry point |
//! |---|---|
//! | connect over TCP, TLS or a Unix socket | [`Client::builder`], [`Endpoint`], [`Credentials`] |
//! | stream verdicts, with reconnection | [`Client::subscribe`], [`Subscription`], [`VerdictStream`] |
//! | acknowledge as a consumer | [`Client::acknowledger`], [`Client::acknowledge`], [`ConsumerName`] |
//! | list stored verdicts | [`Client::stored_verdicts`], [`VerdictQuery`] |
//! | trigger an inspection | [`Client::trigger`], [`Client::trigger_with_retry`], [`Trigger`] |
//! | fetch a frame and its heatmap | [`Client::evidence`] |
//! | say what a part really is | [`Client::label`], [`Client::labels`] |
//! | read the report of a shift | [`Client::report`], [`ReportQuery`], [`report_csv`] |
//! | read the state of the line | [`Client::status`], [`Client::cameras`] |
//! | call anything else | [`Client::inspection`], [`Client::line`], [`Client::models`], [`Client::recipes`], [`Client::reports`], [`Client::tuning`] |
//!
//! The messages are those of the package `inspectd.v1`, in [`proto`]. All calls need a Tokio runtime with its
//! timer and its network driver enabled.

#[cfg(feature = "acceptance")]
pub mod acceptance;
mod acknowledge;
mod backoff;
mod client;
mod consumer;
mod credentials;
mod endpoint;
mod error;
mod evidence;
#[cfg(feature = "json")]
pub mod json;
mod label;
mod listing;
mod report;
mod root_cause;
mod status;
mod stream;
mod trigger;

pub mod proto {
    //! The package `inspectd.v1` as Rust types and clients, generated from `proto/inspectd/v1`.
    #![allow(missing_docs, clippy::all, clippy::pedantic)]

    tonic::include_proto!("inspectd.v1");
}

pub use prost_types::Timestamp;
pub use tonic::{Code, Status};
pub use tonic_types::ErrorDetails;

pub use crate::acknowledge::Acknowledger;
pub use crate::backoff::Backoff;
pub use crate::client::{Client, ClientBuilder, Connection};
pub use crate::consumer::{ConsumerName, ConsumerNameError};
pub use crate::credentials::{BearerToken, Credentials, CredentialsError};
pub use crate::endpoint::{Endpoint, EndpointError};
pub use crate::error::{Error, Refusal};
pub use crate::evidence::Evidence;
pub use crate::listing::{VerdictPages, VerdictQuery};
pub use crate::proto::{Decision, Verdict};
pub use crate::report::{ReportQuery, report_csv};
pub use crate::stream::{DEFAULT_SILENCE, Event, Start, Subscription, VerdictStream};
pub use crate::trigger::{Trigger, TriggerTarget};
