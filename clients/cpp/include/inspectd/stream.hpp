// The stream of verdicts, which reconnects and resumes.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "inspectd/backoff.hpp"
#include "inspectd/error.hpp"
#include "inspectd/v1/inspection.pb.h"

namespace inspectd {

class Connection;

/// Where a stream starts, and where it resumes after a lost connection.
struct Start {
    enum class Kind {
        /// With the next verdict. Resumes after the last verdict received if the daemon has a journal.
        next,
        /// With the next verdict, at the start and after each outage: for displays of the present.
        live,
        /// With a sequence of the journal; 0 is the oldest that is kept. Resumes after the last verdict received.
        sequence,
        /// With the first verdict that was journalled at or after a time. Resumes after the last verdict received.
        time,
        /// After the last verdict that a consumer acknowledged.
        consumer,
    };
    Kind kind = Kind::next;
    std::uint64_t sequence = 0;
    std::chrono::system_clock::time_point time;
    std::string consumer;
};

/// A verdict, and the epoch of the journal that it is from; 0: no journal.
struct VerdictEvent {
    v1::Verdict verdict;
    std::uint64_t epoch;
};

/// Verdicts that this stream will not deliver, both sequences included; `first` is 0 if it is not known.
struct LostEvent {
    std::uint64_t first;
    std::uint64_t last;
};

/// This client read too slowly: verdicts that are not in the journal were dropped.
struct MissedEvent {
    std::uint64_t count;
};

/// A sign of life: at the start of each connection, and after an interval without other events.
struct HeartbeatEvent {
    v1::Heartbeat heartbeat;
};

/// The stream was lost, or could not be opened. It is opened again after a pause.
struct DisconnectedEvent {
    Error error;
    std::chrono::milliseconds retry_in;
};

/// The stream is open again after `DisconnectedEvent`.
struct ReconnectedEvent {};

/// An event of a stream.
using Event =
    std::variant<VerdictEvent, LostEvent, MissedEvent, HeartbeatEvent, DisconnectedEvent, ReconnectedEvent>;

/// A request for a stream.
struct Subscription {
    /// Starts after the last verdict that this consumer acknowledged: 1 to 64 of a-z, 0-9, '-' and '_'. Its first stream
    /// starts with the oldest verdict that is kept.
    static Subscription of_consumer(std::string name);
    /// Starts with this sequence of the journal.
    static Subscription from_sequence(std::uint64_t sequence);
    /// Starts with the first verdict that was journalled at or after this time.
    static Subscription from_time(std::chrono::system_clock::time_point time);

    Start start;
    /// Ids of cameras. Empty: all cameras, and images that clients sent.
    std::vector<std::string> camera_ids{};
    /// Decisions. Empty: all.
    std::vector<v1::Decision> decisions{};
    /// A stream without a message for this time counts as lost; three of the intervals that heartbeats state, if that is
    /// longer.
    std::chrono::milliseconds silence{20000};
    /// The pauses between attempts to reconnect.
    Backoff backoff{};
    /// Called by `next_verdict` when verdicts are lost or missed. Writes to standard error if unset.
    std::function<void(const std::string& text)> on_loss{};
    /// Called at the first failure of a series of acknowledgements, from another thread. Writes to standard error if unset.
    std::function<void(std::uint64_t sequence, const Error& error)> on_acknowledge_failure{};
};

/// The events of a stream that reconnects by itself. One thread reads; `acknowledge` and `close` may be called from any.
class VerdictStream {
public:
    /// Use `Client::subscribe`. Throws `std::invalid_argument` for the name of a consumer that is not allowed.
    VerdictStream(std::shared_ptr<Connection> connection, Subscription subscription);
    VerdictStream(VerdictStream&& other) noexcept;
    VerdictStream& operator=(VerdictStream&& other) noexcept;
    /// Ends the stream, and sends pending acknowledgements once.
    ~VerdictStream();

    /// Waits for the next event. Returns nothing after `close`. Throws `Error` for a permanent error, such
    /// as an unknown camera; the stream has ended then.
    std::optional<Event> next();

    /// Waits for the next verdict. With a consumer, the call acknowledges the verdict of the call before: the program has
    /// processed it then. Returns and throws as `next`.
    std::optional<v1::Verdict> next_verdict();

    /// Acknowledges all verdicts up to and including this sequence, in the background. After a restart of this program the
    /// stream starts with the next one. 0, the sequence of a verdict that is not in the journal, has no effect.
    /// Throws `std::logic_error` if the stream is not one of a consumer.
    void acknowledge(std::uint64_t sequence);

    /// Waits until all acknowledgements are durable. Throws `Error` if the next attempt fails.
    void flush();

    /// Ends the stream: a waiting `next` returns. Pending acknowledgements are sent when the stream is destroyed.
    void close();

private:
    class Session;
    std::unique_ptr<Session> session_;
};

}  // namespace inspectd
