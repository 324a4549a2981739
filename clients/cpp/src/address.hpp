// The address of a daemon: TCP, TLS or a Unix socket.
#pragma once

#include <string>

namespace inspectd {

struct Address {
    enum class Scheme { http, https, unix_socket };

    /// Reads `http://HOST:PORT`, `https://HOST:PORT` or `unix:/PATH`. Throws `std::invalid_argument`.
    static Address parse(const std::string& text);

    /// The address as it is shown in errors.
    std::string text;
    /// The target of the gRPC channel.
    std::string target;
    Scheme scheme;
    /// Whether no other machine can read what is sent: TLS, a Unix socket or the loopback interface.
    bool confidential;
};

}  // namespace inspectd
