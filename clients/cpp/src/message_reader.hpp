// The messages of one open call.
#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/support/client_callback.h>

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "connection.hpp"
#include "inspectd/v1/inspection.pb.h"

namespace inspectd {

/// Reads one message ahead of the user. Created and destroyed by the thread that reads.
class MessageReader final : private grpc::ClientReadReactor<v1::StreamVerdictsResponse> {
public:
    MessageReader(const Connection& connection, v1::StreamVerdictsRequest request);
    MessageReader(const MessageReader&) = delete;
    MessageReader& operator=(const MessageReader&) = delete;
    ~MessageReader() override;

    /// Waits for the next message, for at most `limit`. Throws `Error` when the stream ends, also by `cancel`, or is silent for
    /// longer.
    v1::StreamVerdictsResponse next(std::chrono::milliseconds limit);
    /// Ends the call. May be called from any thread.
    void cancel();

private:
    void OnReadDone(bool ok) override;
    void OnDone(const grpc::Status& status) override;
    /// Permits gRPC to end the call: no further read is started.
    void release(std::unique_lock<std::mutex>& lock);

    const v1::StreamVerdictsRequest request_;
    grpc::ClientContext context_;
    v1::StreamVerdictsResponse incoming_;
    std::mutex mutex_;
    std::condition_variable changed_;
    /// `incoming_` has a message; otherwise a read is in progress or has failed.
    bool has_message_ = false;
    bool released_ = false;
    bool closing_ = false;
    bool done_ = false;
    grpc::Status status_;
};

}  // namespace inspectd
