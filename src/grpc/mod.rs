//! The gRPC server: parses requests, calls the pipeline and the control, converts the results. The only
//! module of the daemon that uses tonic and the generated types.

mod acceptor;
#[cfg(test)]
mod api_reference;
mod auth;
mod authority;
mod blocking;
mod calls;
mod camera_view;
mod client_shares;
mod connection;
mod consumers;
mod convert;
mod convert_status;
mod convert_verdict;
mod dataset;
mod encoded_response;
mod evidence;
mod fields;
mod health;
pub mod image;
mod inspection_service;
mod journal_access;
mod labels;
mod line_service;
mod listing;
mod live_feed;
mod lookout;
mod model_service;
pub mod proto;
mod recipe_content;
mod recipe_files;
mod recipe_service;
mod report_service;
mod revocable;
mod server;
mod service;
mod status;
mod stream;
mod stream_registry;
mod stream_start;
mod timeout;
mod trace_context;
mod trigger;
mod tuning_service;
#[cfg(test)]
mod wire_compatibility;

pub use acceptor::{Acceptance, Listeners};
pub use auth::identity;
pub use calls::{BrightnessLevels, CallError, Caller, Calls, DatasetFiles, Pictures};
pub use connection::Connection as AcceptedConnection;
pub use health::Health;
pub use live_feed::{LiveEvent, LiveFeed};
#[cfg(test)]
pub use lookout::proto::DESCRIPTORS as EDGE_AGENT_DESCRIPTORS;
pub use server::{EdgeAgent, Services, serve, serve_edge_agent};
pub use service::GrpcService;
pub use stream_registry::{StreamCounts, StreamRegistry};
