#include "message_reader.hpp"

#include <string>
#include <utility>

namespace inspectd {

MessageReader::MessageReader(const Connection& connection, v1::StreamVerdictsRequest request)
    : request_(std::move(request)) {
    connection.authorize(context_);
    connection.stub().async()->StreamVerdicts(&context_, &request_, this);
    // Reads are started outside of reactions.
    AddHold();
    StartRead(&incoming_);
    StartCall();
}

MessageReader::~MessageReader() {
    context_.TryCancel();
    std::unique_lock lock(mutex_);
    closing_ = true;
    if (has_message_) release(lock);
    changed_.wait(lock, [this] { return done_; });
}

v1::StreamVerdictsResponse MessageReader::next(std::chrono::milliseconds limit) {
    std::unique_lock lock(mutex_);
    const bool woken = changed_.wait_for(lock, limit, [this] { return has_message_ || done_; });
    if (has_message_) {
        has_message_ = false;
        auto message = std::move(incoming_);
        incoming_.Clear();
        lock.unlock();
        StartRead(&incoming_);
        return message;
    }
    if (!woken) {
        throw Error({grpc::UNAVAILABLE, "no message within " + std::to_string(limit.count()) + " ms"});
    }
    throw Error(status_.ok() ? grpc::Status{grpc::UNAVAILABLE, "the daemon closed the stream"} : status_);
}

void MessageReader::cancel() { context_.TryCancel(); }

void MessageReader::OnReadDone(bool ok) {
    std::unique_lock lock(mutex_);
    has_message_ = ok;
    if (!ok || closing_) release(lock);
    changed_.notify_all();
}

void MessageReader::OnDone(const grpc::Status& status) {
    const std::lock_guard lock(mutex_);
    status_ = status;
    done_ = true;
    // With the lock: the reader may be destroyed as soon as it is released.
    changed_.notify_all();
}

void MessageReader::release(std::unique_lock<std::mutex>& lock) {
    if (std::exchange(released_, true)) return;
    // OnDone may be called from here.
    lock.unlock();
    RemoveHold();
    lock.lock();
}

}  // namespace inspectd
