//! The OPC UA server of the library, with the settings of this program.

use std::collections::HashMap;
use std::sync::Arc;

use opcua::server::node_manager::memory::InMemoryNodeManagerBuilder;
use opcua::server::{Server, ServerBuilder, ServerEndpoint, ServerHandle};
use opcua::types::{BuildInfo, DateTime, MessageSecurityMode};

use crate::access::Access;
use crate::call::Caller;
use crate::config::{Limits, Policy, Settings};
use crate::instance;
use crate::method::Method;
use crate::nodes::{Builder, EXPECTED};
use crate::password::PasswordHash;
use crate::pki::{OWN_CERTIFICATE, OWN_KEY};
use crate::structures::Loader;

/// The size of a chunk, the usual one of OPC UA.
pub const CHUNK_BYTES: usize = 65_535;
/// The most methods of one call, whose results are sent together.
const METHODS_PER_CALL: usize = 16;
/// The longest lifetime of the token of a secure channel.
const TOKEN_LIFETIME_MS: u32 = 300_000;
/// The shortest publishing interval of a subscription.
const PUBLISHING_INTERVAL_MS: f64 = 100.0;
/// A subscription outlives its session at most so many publishing intervals: a minute for the shortest interval. The
/// library has no limit for the interval itself.
const LIFETIME_COUNT: u32 = 600;
/// How long a call may take: longer than the longest one, which loads a model.
const CALL_TIMEOUT_MS: u32 = 180_000;

/// Builds the server. `port` is where clients connect.
///
/// # Errors
/// If the library refuses the settings.
pub fn build(
    settings: &Settings,
    port: u16,
    unknown: PasswordHash,
    systems: Vec<(String, Caller)>,
) -> Result<(Server, ServerHandle), String> {
    let access = access(settings, unknown, &systems);
    let server = &settings.server;
    let build_info = BuildInfo {
        product_uri: "urn:inspectd".into(),
        manufacturer_name: "The inspectd authors".into(),
        product_name: "inspectd-opcua".into(),
        software_version: env!("CARGO_PKG_VERSION").into(),
        build_number: env!("CARGO_PKG_VERSION").into(),
        build_date: DateTime::null(),
    };
    let mut builder = ServerBuilder::new()
        .application_name(&server.name)
        .application_uri(&server.application_uri)
        .product_uri("urn:inspectd")
        .build_info(build_info)
        .pki_dir(&settings.pki_folder)
        .certificate_path(OWN_CERTIFICATE)
        .private_key_path(OWN_KEY)
        .create_sample_keypair(false)
        .trust_client_certs(false)
        .host(&server.host)
        .port(port)
        .discovery_urls(vec![format!("opc.tcp://{}:{port}/", server.host)])
        .hello_timeout(settings.limits.handshake_timeout.as_secs() as u32)
        .max_timeout_ms(CALL_TIMEOUT_MS)
        .max_secure_channel_token_lifetime_ms(TOKEN_LIFETIME_MS)
        .with_authenticator(Arc::new(access))
        .with_type_loader(Arc::new(Loader))
        .with_node_manager(InMemoryNodeManagerBuilder::new(Builder { systems }));
    for &policy in &server.policies {
        builder = builder.add_endpoint(policy.name(), endpoint(policy));
    }
    let strongest = server
        .policies
        .last()
        .copied()
        .unwrap_or(Policy::Aes256Sha256RsaPss);
    builder = builder.default_endpoint(strongest.name());
    limit(builder, &settings.limits).build()
}

fn endpoint(policy: Policy) -> ServerEndpoint {
    let mode = match policy {
        Policy::None => MessageSecurityMode::None,
        _ => MessageSecurityMode::SignAndEncrypt,
    };
    ServerEndpoint::new("/", policy.of_library(), mode, &[])
}

fn access(settings: &Settings, unknown: PasswordHash, systems: &[(String, Caller)]) -> Access {
    let mut methods = HashMap::new();
    for (name, _) in systems {
        for method in Method::ALL {
            let id = instance::id(EXPECTED, name, method.path());
            methods.insert(id, method.role());
        }
    }
    Access::new(settings.users.clone(), unknown, methods)
}

fn limit(builder: ServerBuilder, limits: &Limits) -> ServerBuilder {
    let mut builder = builder
        .max_sessions(limits.sessions)
        .max_session_timeout_ms(limits.session_timeout.as_millis() as u64)
        .max_array_length(limits.array_length)
        .max_string_length(CHUNK_BYTES)
        .max_byte_string_length(CHUNK_BYTES)
        .max_message_size(limits.response_bytes)
        .max_chunk_count(limits.response_bytes.div_ceil(CHUNK_BYTES / 2))
        .send_buffer_size(CHUNK_BYTES)
        .receive_buffer_size(CHUNK_BYTES)
        .max_browse_continuation_points(16)
        .max_history_continuation_points(1)
        .max_query_continuation_points(1);
    let all = builder.limits_mut();
    let subscriptions = &mut all.subscriptions;
    subscriptions.max_subscriptions_per_session = limits.subscriptions_per_session;
    subscriptions.max_monitored_items_per_sub = limits.monitored_items_per_subscription;
    subscriptions.max_monitored_item_queue_size = limits.queue_length;
    subscriptions.max_queued_notifications = limits.queue_length;
    subscriptions.max_pending_publish_requests = 20;
    subscriptions.min_publishing_interval_ms = PUBLISHING_INTERVAL_MS;
    subscriptions.max_lifetime_count = LIFETIME_COUNT;
    subscriptions.max_keep_alive_count = LIFETIME_COUNT / 3;
    let operational = &mut all.operational;
    operational.max_nodes_per_method_call = METHODS_PER_CALL;
    operational.max_nodes_per_read = limits.array_length;
    operational.max_nodes_per_write = METHODS_PER_CALL;
    builder
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subscription_without_a_session_ends_within_a_minute_at_the_shortest_interval() {
        let text = format!(
            "[users.mes]\nrole = \"viewer\"\ncertificate = \"{}\"\n[systems.top]\ncamera = \"top\"\n",
            "ab".repeat(20)
        );
        let settings = Settings::parse("opcua.toml", &text);
        let settings = settings.unwrap_or_else(|error| panic!("{error}"));
        let mut builder = limit(ServerBuilder::new(), &settings.limits);
        let limits = builder.limits_mut().subscriptions;
        let longest_ms = limits.min_publishing_interval_ms * f64::from(limits.max_lifetime_count);
        assert!(longest_ms <= 60_000.0, "{longest_ms}");
        // Otherwise the library would make the lifetime longer than the limit.
        assert!(3 * limits.max_keep_alive_count <= limits.max_lifetime_count);
        assert!(3 * limits.default_keep_alive_count <= limits.max_lifetime_count);
        assert_eq!(limits.max_monitored_item_queue_size, 100);
    }
}
