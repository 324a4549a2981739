#include "connection.hpp"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "address.hpp"

namespace inspectd {
namespace {

constexpr const char* whitespace = " \t\r\n";
// A silent connection is probed, so that a machine without power is detected.
constexpr int keepalive_interval_ms = 10000;
constexpr int keepalive_timeout_ms = 5000;
// The pauses between attempts are those of the stream; the channel does not add to them.
constexpr int first_reconnect_ms = 100;
constexpr int longest_reconnect_ms = 1000;
// Two uncompressed images of the largest camera fit.
constexpr int message_limit_bytes = 512 << 20;

std::string read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::string content{std::istreambuf_iterator<char>(file), {}};
    if (!file) throw std::invalid_argument(path + ": cannot be read");
    return content;
}

std::string read_certificates(const std::string& path) {
    auto content = read_file(path);
    if (content.find("-----BEGIN CERTIFICATE-----") == std::string::npos) {
        throw std::invalid_argument(path + ": must hold certificates, PEM");
    }
    return content;
}

std::string read_token(const std::string& path) {
    const auto content = read_file(path);
    const auto first = content.find_first_not_of(whitespace);
    const auto last = content.find_last_not_of(whitespace);
    const auto token = first == std::string::npos ? "" : content.substr(first, last - first + 1);
    const auto is_graphic = [](char c) { return c > ' ' && c <= '~'; };
    if (token.empty() || !std::all_of(token.begin(), token.end(), is_graphic)) {
        throw std::invalid_argument(path + ": must hold a token and nothing else");
    }
    return token;
}

std::shared_ptr<grpc::ChannelCredentials> credentials(const Address& address, const Options& options) {
    if (options.certificate_file.empty() != options.key_file.empty()) {
        throw std::invalid_argument("certificate_file and key_file belong together");
    }
    if (address.scheme != Address::Scheme::https) {
        if (!options.ca_file.empty() || !options.certificate_file.empty()) {
            throw std::invalid_argument(address.text + ": certificates require https://");
        }
        return grpc::InsecureChannelCredentials();
    }
    if (options.ca_file.empty()) throw std::invalid_argument("https:// requires the CA of the daemon's certificate");
    grpc::SslCredentialsOptions tls;
    tls.pem_root_certs = read_certificates(options.ca_file);
    if (!options.certificate_file.empty()) {
        tls.pem_cert_chain = read_certificates(options.certificate_file);
        tls.pem_private_key = read_file(options.key_file);
    }
    return grpc::SslCredentials(tls);
}

grpc::ChannelArguments channel_arguments() {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, keepalive_interval_ms);
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, keepalive_timeout_ms);
    arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
    arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, first_reconnect_ms);
    arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, longest_reconnect_ms);
    arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, longest_reconnect_ms);
    arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
    // The daemon is on the same network.
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    arguments.SetMaxReceiveMessageSize(message_limit_bytes);
    return arguments;
}

}  // namespace

Connection::Connection(const Options& options) : answer_timeout_(options.answer_timeout) {
    const auto address = Address::parse(options.address);
    if (!options.token_file.empty()) {
        if (!address.confidential) {
            throw std::invalid_argument(address.text + ": a token is not sent over a network without TLS; use https://");
        }
        authorization_ = "Bearer " + read_token(options.token_file);
    }
    channel_ = grpc::CreateCustomChannel(address.target, credentials(address, options), channel_arguments());
    stub_ = v1::InspectionService::NewStub(channel_);
}

void Connection::authorize(grpc::ClientContext& context) const {
    if (!authorization_.empty()) context.AddMetadata("authorization", authorization_);
}

void Connection::prepare(grpc::ClientContext& context, std::chrono::milliseconds timeout) const {
    authorize(context);
    context.set_deadline(std::chrono::system_clock::now() + timeout);
}

v1::Consumer Connection::acknowledge(const std::string& consumer, std::uint64_t sequence) const {
    grpc::ClientContext context;
    prepare(context, answer_timeout_);
    v1::AcknowledgeVerdictsRequest request;
    request.set_consumer(consumer);
    request.set_sequence(sequence);
    v1::AcknowledgeVerdictsResponse response;
    const auto status = stub_->AcknowledgeVerdicts(&context, request, &response);
    if (!status.ok()) throw Error(status);
    return std::move(*response.mutable_consumer());
}

std::optional<std::uint64_t> Connection::newest_sequence() const {
    grpc::ClientContext context;
    prepare(context, answer_timeout_);
    v1::ListVerdictsRequest request;
    request.set_page_size(1);
    v1::ListVerdictsResponse response;
    const auto status = stub_->ListVerdicts(&context, request, &response);
    if (status.error_code() == grpc::FAILED_PRECONDITION) return std::nullopt;
    if (!status.ok()) throw Error(status);
    return response.newest_sequence();
}

}  // namespace inspectd
