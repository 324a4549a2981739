#include "acknowledger.hpp"

#include <chrono>

namespace inspectd {
namespace {

/// The shortest time between two acknowledgements: each one is written to the daemon's disk.
constexpr std::chrono::milliseconds interval{100};

}  // namespace

Acknowledger::Acknowledger(Send send, Backoff backoff, OnFailure on_failure)
    : send_(std::move(send)), backoff_(backoff), on_failure_(std::move(on_failure)), thread_([this] { run(); }) {}

Acknowledger::~Acknowledger() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
}

void Acknowledger::acknowledge(std::uint64_t sequence) {
    {
        const std::lock_guard lock(mutex_);
        if (sequence <= newest_) return;
        newest_ = sequence;
    }
    changed_.notify_all();
}

void Acknowledger::flush() {
    std::unique_lock lock(mutex_);
    while (answered_ < newest_) {
        const auto before = attempts_;
        changed_.wait(lock, [this, before] { return attempts_ != before; });
        if (error_) break;
    }
    if (error_) throw Error(*error_);
}

void Acknowledger::run() {
    std::unique_lock lock(mutex_);
    unsigned failures = 0;
    while (true) {
        changed_.wait(lock, [this] { return stopping_ || answered_ < newest_; });
        if (answered_ >= newest_) return;
        const bool last = stopping_;
        failures = attempt(lock) ? 0 : failures + 1;
        if (last) return;
        const auto pause = failures == 0 ? interval : backoff_.pause(failures - 1);
        changed_.wait_for(lock, pause, [this] { return stopping_; });
    }
}

bool Acknowledger::attempt(std::unique_lock<std::mutex>& lock) {
    const auto sequence = newest_;
    const bool failed_before = error_.has_value();
    lock.unlock();
    std::optional<Error> error;
    try {
        send_(sequence);
    } catch (const Error& failure) {
        error = failure;
        if (!failed_before) on_failure_(sequence, failure);
    }
    lock.lock();
    const bool answered = !error || !error->is_transient();
    if (answered) answered_ = sequence;
    error_ = std::move(error);
    attempts_ += 1;
    changed_.notify_all();
    return answered;
}

}  // namespace inspectd
