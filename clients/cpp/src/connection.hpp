// The channel, its credentials and the token of each call.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <memory>
#include <string>

#include "inspectd/client.hpp"

namespace inspectd {

class Connection {
public:
    /// Throws `std::invalid_argument` if the address or the credentials cannot be used.
    explicit Connection(const Options& options);

    [[nodiscard]] const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }
    [[nodiscard]] v1::InspectionService::Stub& stub() const { return *stub_; }
    [[nodiscard]] std::chrono::milliseconds answer_timeout() const { return answer_timeout_; }

    /// Adds the token to a call.
    void authorize(grpc::ClientContext& context) const;
    /// Adds the token and a deadline to a call.
    void prepare(grpc::ClientContext& context, std::chrono::milliseconds timeout) const;

    /// Acknowledges. Throws `Error`.
    [[nodiscard]] v1::Consumer acknowledge(const std::string& consumer, std::uint64_t sequence) const;
    /// Returns the newest sequence of the journal; nothing without a journal. Throws `Error`.
    [[nodiscard]] std::optional<std::uint64_t> newest_sequence() const;

private:
    std::shared_ptr<grpc::Channel> channel_;
    std::unique_ptr<v1::InspectionService::Stub> stub_;
    /// The header `authorization`; empty: no token.
    std::string authorization_;
    std::chrono::milliseconds answer_timeout_;
};

}  // namespace inspectd
