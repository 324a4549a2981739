#include "inspectd/client.hpp"

#include <cstdlib>
#include <random>
#include <thread>
#include <utility>

#include "connection.hpp"

namespace inspectd {
namespace {

using std::chrono::steady_clock;

/// A random key: 128 bits as hexadecimal digits.
std::string random_key() {
    constexpr const char* digits = "0123456789abcdef";
    std::random_device random;
    std::uniform_int_distribution<int> distribution(0, 15);
    std::string key(32, '0');
    for (auto& digit : key) digit = digits[distribution(random)];
    return key;
}

v1::TriggerInspectionRequest message_of(const Trigger& trigger) {
    v1::TriggerInspectionRequest request;
    if (!trigger.camera_id.empty()) request.set_camera_id(trigger.camera_id);
    if (!trigger.group_id.empty()) request.set_group_id(trigger.group_id);
    request.set_part_id(trigger.part_id);
    request.set_client_data(trigger.client_data);
    request.set_idempotency_key(trigger.idempotency_key.empty() ? random_key() : trigger.idempotency_key);
    request.set_recipe_id(trigger.recipe_id);
    request.set_recipe_sha256(trigger.recipe_sha256);
    request.set_wait(trigger.wait);
    return request;
}

/// Whether the connection was lost: the daemon may have the request, or not.
bool is_lost(grpc::StatusCode code) {
    return code == grpc::UNAVAILABLE || code == grpc::CANCELLED || code == grpc::UNKNOWN || code == grpc::INTERNAL;
}

}  // namespace

Options Options::from_environment() {
    const auto read = [](const char* name, std::string fallback) {
        const char* value = std::getenv(name);
        return value == nullptr ? fallback : std::string(value);
    };
    Options options;
    options.address = read("INSPECTD_SERVER", options.address);
    options.ca_file = read("INSPECTD_CA", "");
    options.certificate_file = read("INSPECTD_CERTIFICATE", "");
    options.key_file = read("INSPECTD_KEY", "");
    options.token_file = read("INSPECTD_TOKEN_FILE", "");
    return options;
}

Client::Client(const Options& options) : connection_(std::make_shared<Connection>(options)) {}

VerdictStream Client::subscribe(Subscription subscription) const {
    return VerdictStream(connection_, std::move(subscription));
}

v1::Consumer Client::acknowledge(const std::string& consumer, std::uint64_t sequence) const {
    return connection_->acknowledge(consumer, sequence);
}

v1::TriggerInspectionResponse Client::trigger(const Trigger& trigger) const {
    const auto request = message_of(trigger);
    const auto end = steady_clock::now() + trigger.deadline;
    for (unsigned failures = 0;; ++failures) {
        grpc::ClientContext context;
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - steady_clock::now());
        connection_->prepare(context, left);
        v1::TriggerInspectionResponse response;
        const auto status = inspection().TriggerInspection(&context, request, &response);
        if (status.ok()) return response;
        const auto pause = Backoff{}.pause(failures);
        if (!is_lost(status.error_code()) || steady_clock::now() + pause >= end) throw Error(status);
        std::this_thread::sleep_for(pause);
    }
}

v1::GetEvidenceResponse Client::evidence(std::uint64_t sequence) const {
    grpc::ClientContext context;
    prepare(context);
    v1::GetEvidenceRequest request;
    request.set_sequence(sequence);
    v1::GetEvidenceResponse response;
    const auto status = inspection().GetEvidence(&context, request, &response);
    if (!status.ok()) throw Error(status);
    return response;
}

v1::InspectionService::Stub& Client::inspection() const { return connection_->stub(); }
std::shared_ptr<grpc::Channel> Client::channel() const { return connection_->channel(); }
void Client::prepare(grpc::ClientContext& context) const { connection_->prepare(context, connection_->answer_timeout()); }

}  // namespace inspectd
