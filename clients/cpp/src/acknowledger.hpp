// Acknowledgements of a consumer, sent in the background while its stream is read.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include "inspectd/backoff.hpp"
#include "inspectd/error.hpp"

namespace inspectd {

/// Sends the newest acknowledged sequence of a consumer, at most ten times a second. After a transient error, the newest
/// one is sent again; after another error, the next one.
class Acknowledger {
public:
    /// Sends an acknowledgement; returns when it is durable, throws `Error`.
    using Send = std::function<void(std::uint64_t sequence)>;
    /// Called at the first failure of a series.
    using OnFailure = std::function<void(std::uint64_t sequence, const Error& error)>;

    Acknowledger(Send send, Backoff backoff, OnFailure on_failure);
    Acknowledger(const Acknowledger&) = delete;
    Acknowledger& operator=(const Acknowledger&) = delete;
    /// Sends what is pending, once, and stops.
    ~Acknowledger();

    /// Acknowledges all verdicts up to and including this sequence. One below the newest has no effect.
    void acknowledge(std::uint64_t sequence);
    /// Waits until the newest sequence is durable. Throws the error of the next attempt if that fails.
    void flush();

private:
    void run();
    /// Sends the newest sequence. Returns whether it was answered. The lock is released in this time.
    bool attempt(std::unique_lock<std::mutex>& lock);

    const Send send_;
    const Backoff backoff_;
    const OnFailure on_failure_;
    std::mutex mutex_;
    std::condition_variable changed_;
    /// The newest sequence that was requested.
    std::uint64_t newest_ = 0;
    /// The newest sequence that was sent and answered, also by a permanent error.
    std::uint64_t answered_ = 0;
    /// The number of attempts.
    std::uint64_t attempts_ = 0;
    /// The error of the last attempt.
    std::optional<Error> error_;
    bool stopping_ = false;
    std::thread thread_;
};

}  // namespace inspectd
