#include "address.hpp"

#include <algorithm>
#include <stdexcept>

namespace inspectd {
namespace {

bool starts_with(const std::string& text, const std::string& prefix) { return text.compare(0, prefix.size(), prefix) == 0; }

bool only(const std::string& text, const char* allowed) {
    return !text.empty() && text.find_first_not_of(allowed) == std::string::npos;
}

bool is_host(const std::string& host) {
    if (starts_with(host, "[")) {
        return host.size() > 2 && host.back() == ']' && only(host.substr(1, host.size() - 2), "0123456789abcdefABCDEF:.");
    }
    return !host.empty() && host.find_first_of(" \t\r\n/:@[]") == std::string::npos;
}

bool is_port(const std::string& port) {
    if (port.size() > 5 || !only(port, "0123456789")) return false;
    const int number = std::stoi(port);
    return number >= 1 && number <= 65535;
}

bool is_loopback(const std::string& host) {
    const bool ipv4 = starts_with(host, "127.") && only(host, "0123456789.") && std::count(host.begin(), host.end(), '.') == 3;
    return host == "localhost" || host == "[::1]" || ipv4;
}

}  // namespace

Address Address::parse(const std::string& text) {
    const auto fail = [&text]() -> std::invalid_argument {
        return std::invalid_argument(text + ": must be http://HOST:PORT, https://HOST:PORT or unix:/PATH");
    };
    if (starts_with(text, "unix:")) {
        const auto path = text.substr(starts_with(text, "unix:///") ? 7 : 5);
        if (path.size() < 2 || path[0] != '/' || path[1] == '/') throw fail();
        return {"unix:" + path, "unix:" + path, Scheme::unix_socket, true};
    }
    const bool tls = starts_with(text, "https://");
    auto rest = text.substr(tls ? 8 : starts_with(text, "http://") ? 7 : 0);
    if (!rest.empty() && rest.back() == '/') rest.pop_back();
    const auto colon = rest.rfind(':');
    if (colon == std::string::npos) throw fail();
    const auto host = rest.substr(0, colon);
    if (!is_host(host) || !is_port(rest.substr(colon + 1))) throw fail();
    const auto scheme = tls ? Scheme::https : Scheme::http;
    return {(tls ? "https://" : "http://") + rest, rest, scheme, tls || is_loopback(host)};
}

}  // namespace inspectd
