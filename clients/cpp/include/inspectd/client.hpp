// The connection to a daemon.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "inspectd/stream.hpp"
#include "inspectd/v1/inspection.grpc.pb.h"

namespace inspectd {

/// Options of a client.
struct Options {
    /// Reads the environment variables of `inspectctl`: INSPECTD_SERVER, INSPECTD_CA, INSPECTD_CERTIFICATE, INSPECTD_KEY and
    /// INSPECTD_TOKEN_FILE.
    static Options from_environment();

    /// `http://HOST:PORT`, `https://HOST:PORT` or `unix:/PATH`. An address without a scheme is read as `http://`.
    std::string address = "http://127.0.0.1:50051";
    /// The file with the CA of the daemon's certificate, PEM. Required for `https://`.
    std::string ca_file{};
    /// The files with the certificate and the private key of this client, PEM.
    std::string certificate_file{};
    std::string key_file{};
    /// The file with the token.
    std::string token_file{};
    /// How long the daemon may take to answer a call.
    std::chrono::milliseconds answer_timeout{10000};
};

/// A request to inspect the next frame of a camera, or of all cameras of a group, in mode `requested`.
struct Trigger {
    /// The id of the camera. Either it or `group_id` must be set.
    std::string camera_id{};
    /// The id of the group.
    std::string group_id{};
    /// The id of the part, copied to the verdict; at most 128 bytes.
    std::string part_id{};
    /// Data of the client, copied to the verdict; at most 4096 bytes.
    std::string client_data{};
    /// Identifies the request: a request with the key of an earlier one is the same request, also after a restart of this
    /// program or of the daemon. At most 128 bytes. Empty: a random one, which covers repetitions within this call only.
    std::string idempotency_key{};
    /// A prepared recipe that judges the frames of this request. Empty: the active recipe.
    std::string recipe_id{};
    /// SHA-256 of that recipe. Empty: the content that was prepared last.
    std::string recipe_sha256{};
    /// Whether to wait for the verdict.
    bool wait = true;
    /// The time for the whole call with its repetitions.
    std::chrono::milliseconds deadline{10000};
};

/// A client of one daemon. It connects with the first call, and again after the connection broke. Copies share the connection.
class Client {
public:
    /// Throws `std::invalid_argument` if the address or the credentials cannot be used.
    explicit Client(const Options& options);

    /// Subscribes to verdicts. The first call of `next` connects.
    [[nodiscard]] VerdictStream subscribe(Subscription subscription) const;

    /// Acknowledges all verdicts up to and including this sequence. Returns when that is durable. A name that the daemon does
    /// not know becomes a new consumer. An acknowledgement never decreases. Throws `Error`.
    [[nodiscard]] v1::Consumer acknowledge(const std::string& consumer, std::uint64_t sequence) const;

    /// Triggers an inspection. The request is repeated under its idempotency key after a lost connection, until the deadline:
    /// the part is inspected once. Throws `Error`.
    [[nodiscard]] v1::TriggerInspectionResponse trigger(const Trigger& trigger) const;

    /// Returns the frame and the anomaly map of a recent verdict, PNG. Throws `Error`.
    [[nodiscard]] v1::GetEvidenceResponse evidence(std::uint64_t sequence) const;

    /// The generated client of the inspection service. Call `prepare` for the context of each call.
    [[nodiscard]] v1::InspectionService::Stub& inspection() const;
    /// The channel, for the generated clients of other services.
    [[nodiscard]] std::shared_ptr<grpc::Channel> channel() const;
    /// Adds the token and the deadline to the context of a call.
    void prepare(grpc::ClientContext& context) const;

private:
    std::shared_ptr<Connection> connection_;
};

}  // namespace inspectd
