// Why a call or a stream failed.
#pragma once

#include <grpcpp/support/status.h>

#include <cstdint>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>

namespace inspectd {

/// The range of sequences that the daemon still keeps.
struct KeptRange {
    std::uint64_t oldest_sequence;
    std::uint64_t newest_sequence;
};

/// A call or a stream that failed. The text is the name of the status and the message.
class Error : public std::runtime_error {
public:
    explicit Error(const grpc::Status& status);

    /// The gRPC status.
    [[nodiscard]] grpc::StatusCode code() const { return code_; }
    /// The name of the gRPC status, such as `NOT_FOUND`.
    [[nodiscard]] const char* code_name() const;
    /// The reason for programs, such as `NOT_KEPT`. Empty: the daemon did not state one.
    [[nodiscard]] const std::string& reason() const { return reason_; }
    /// Further facts of the reason.
    [[nodiscard]] const std::map<std::string, std::string>& metadata() const { return metadata_; }
    /// Whether the same request may succeed later without a change to the client or the daemon.
    [[nodiscard]] bool is_transient() const;
    /// The range that is kept, if the error says that a verdict is outside it.
    [[nodiscard]] std::optional<KeptRange> kept_range() const;

private:
    grpc::StatusCode code_;
    std::string reason_;
    std::map<std::string, std::string> metadata_;
};

}  // namespace inspectd
