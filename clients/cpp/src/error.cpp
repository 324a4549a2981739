#include "inspectd/error.hpp"

#include "inspectd_client/rpc_status.pb.h"

namespace inspectd {
namespace {

constexpr const char* error_info_type = "type.googleapis.com/google.rpc.ErrorInfo";

const char* name_of(grpc::StatusCode code) {
    switch (code) {
        case grpc::OK: return "OK";
        case grpc::CANCELLED: return "CANCELLED";
        case grpc::UNKNOWN: return "UNKNOWN";
        case grpc::INVALID_ARGUMENT: return "INVALID_ARGUMENT";
        case grpc::DEADLINE_EXCEEDED: return "DEADLINE_EXCEEDED";
        case grpc::NOT_FOUND: return "NOT_FOUND";
        case grpc::ALREADY_EXISTS: return "ALREADY_EXISTS";
        case grpc::PERMISSION_DENIED: return "PERMISSION_DENIED";
        case grpc::RESOURCE_EXHAUSTED: return "RESOURCE_EXHAUSTED";
        case grpc::FAILED_PRECONDITION: return "FAILED_PRECONDITION";
        case grpc::ABORTED: return "ABORTED";
        case grpc::OUT_OF_RANGE: return "OUT_OF_RANGE";
        case grpc::UNIMPLEMENTED: return "UNIMPLEMENTED";
        case grpc::INTERNAL: return "INTERNAL";
        case grpc::UNAVAILABLE: return "UNAVAILABLE";
        case grpc::DATA_LOSS: return "DATA_LOSS";
        case grpc::UNAUTHENTICATED: return "UNAUTHENTICATED";
        default: return "UNKNOWN";
    }
}

}  // namespace

Error::Error(const grpc::Status& status)
    : std::runtime_error(std::string(name_of(status.error_code())) + ": " + status.error_message()),
      code_(status.error_code()) {
    inspectd_client::RpcStatus details;
    // Details that cannot be read do not hide the error itself.
    if (!details.ParseFromString(status.error_details())) return;
    for (const auto& detail : details.details()) {
        inspectd_client::ErrorInfo info;
        if (detail.type_url() == error_info_type && info.ParseFromString(detail.value())) {
            reason_ = info.reason();
            metadata_.insert(info.metadata().begin(), info.metadata().end());
            return;
        }
    }
}

const char* Error::code_name() const { return name_of(code_); }

bool Error::is_transient() const {
    switch (code_) {
        case grpc::UNAVAILABLE:
        case grpc::RESOURCE_EXHAUSTED:
        case grpc::CANCELLED:
        case grpc::DEADLINE_EXCEEDED:
        // From a broken connection.
        case grpc::UNKNOWN:
        case grpc::INTERNAL: return true;
        default: return false;
    }
}

std::optional<KeptRange> Error::kept_range() const {
    const auto oldest = metadata_.find("oldest_sequence");
    const auto newest = metadata_.find("newest_sequence");
    if (code_ != grpc::OUT_OF_RANGE || reason_ != "NOT_KEPT" || oldest == metadata_.end() || newest == metadata_.end()) {
        return std::nullopt;
    }
    try {
        return KeptRange{std::stoull(oldest->second), std::stoull(newest->second)};
    } catch (const std::logic_error&) {
        return std::nullopt;
    }
}

}  // namespace inspectd
