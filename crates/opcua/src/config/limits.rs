//! `[limits]`: bounds for what clients may use.

use std::time::Duration;

use inspectd_gateway::config::Section;

/// The limits.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most TCP connections.
    pub connections: usize,
    /// The most TCP connections from one address.
    pub connections_per_address: usize,
    /// How long a client may take to open a secure channel after it has connected.
    pub handshake_timeout: Duration,
    /// The most secure channels that a connection opens or renews within a minute.
    pub channels_per_minute: u32,
    /// The most requests of a connection that are not answered yet.
    pub requests_in_progress: usize,
    /// The most bytes of a request.
    pub request_bytes: usize,
    /// The most bytes of a response.
    pub response_bytes: usize,
    /// The most elements of an array in a request.
    pub array_length: usize,
    /// The most sessions.
    pub sessions: usize,
    /// The longest time-out of a session.
    pub session_timeout: Duration,
    /// The most subscriptions of a session.
    pub subscriptions_per_session: usize,
    /// The most monitored items of a subscription.
    pub monitored_items_per_subscription: usize,
    /// The most values or events that wait in the queue of a monitored item.
    pub queue_length: usize,
}

/// Reads `[limits]`.
pub fn limits(section: Section<'_>) -> Limits {
    let number = |key, range, default| section.integer(key, range).unwrap_or(default) as usize;
    let limits = Limits {
        connections: number("connections", 1..=1024, 32),
        connections_per_address: number("connections_per_address", 1..=1024, 16),
        handshake_timeout: Duration::from_secs(
            section.integer("handshake_timeout_s", 1..=60).unwrap_or(5),
        ),
        channels_per_minute: number("channels_per_minute", 1..=600, 12) as u32,
        // A client has several publish requests open at all times, and needs others besides.
        requests_in_progress: number("requests_in_progress", 10..=1000, 100),
        // More would need a larger stack: a message can nest one level in each byte.
        request_bytes: number("request_kib", 8..=256, 64) << 10,
        response_bytes: number("response_kib", 64..=65_536, 4096) << 10,
        array_length: number("array_length", 100..=100_000, 2000),
        sessions: number("sessions", 1..=256, 16),
        session_timeout: Duration::from_secs(
            section.integer("session_timeout_s", 5..=3600).unwrap_or(60),
        ),
        subscriptions_per_session: number("subscriptions_per_session", 1..=100, 10),
        monitored_items_per_subscription: number(
            "monitored_items_per_subscription",
            1..=10_000,
            500,
        ),
        queue_length: number("queue_length", 1..=10_000, 100),
    };
    section.finish();
    limits
}
