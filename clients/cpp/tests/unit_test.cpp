// Parts of the client without a daemon.

#include <chrono>
#include <functional>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include "acknowledger.hpp"
#include "address.hpp"
#include "inspectd/client.hpp"
#include "position.hpp"

namespace {

using namespace inspectd;
using namespace std::chrono_literals;

int failures = 0;

template <typename T>
void expect_equal(const std::string& what, const T& actual, const T& expected) {
    if (actual == expected) return;
    std::cerr << what << ": " << actual << " instead of " << expected << '\n';
    ++failures;
}

template <typename Exception>
void throws(const std::string& what, const std::function<void()>& action) {
    try {
        action();
    } catch (const Exception&) {
        return;
    }
    std::cerr << what << ": no exception\n";
    ++failures;
}

void complete_addresses_are_accepted_and_others_rejected() {
    const auto check = [](const std::string& text, const std::string& target, bool confidential) {
        const auto address = Address::parse(text);
        expect_equal(text, address.target, target);
        expect_equal(text + " confidential", address.confidential, confidential);
    };
    check("127.0.0.1:50051", "127.0.0.1:50051", true);
    check("http://[::1]:50051/", "[::1]:50051", true);
    check("http://localhost:1", "localhost:1", true);
    check("http://localhost.box:1", "localhost.box:1", false);
    check("http://127.box:1", "127.box:1", false);
    check("http://192.0.2.1:1", "192.0.2.1:1", false);
    check("https://192.0.2.1:1", "192.0.2.1:1", true);
    check("unix:/run/inspectd.sock", "unix:/run/inspectd.sock", true);
    check("unix:///run/inspectd.sock", "unix:/run/inspectd.sock", true);
    for (const auto* text : {"", "box", "http://box", "ftp://box:1", "unix:run", "unix:", "unix://run", "http://:1",
                             "http://box:1/x", "box:port", "box:0", "box:65536", "http://localhost@box:1", "::1:50051"}) {
        throws<std::invalid_argument>(text, [text] { Address::parse(text); });
    }
}

void pause_doubles_up_to_the_maximum() {
    const auto check = [](unsigned after, int expected_ms) {
        expect_equal<long>("pause", Backoff{}.pause(after).count(), expected_ms);
    };
    check(0, 250);
    check(1, 500);
    check(4, 4000);
    check(5, 5000);
    check(100, 5000);
}

using Change = std::function<void(Position&)>;

v1::Verdict verdict_of(const std::string& run, std::uint64_t sequence) {
    v1::Verdict verdict;
    verdict.set_run_id(run);
    verdict.set_sequence(sequence);
    return verdict;
}

Change verdict(std::uint64_t sequence) {
    return [sequence](Position& position) { static_cast<void>(position.is_new(verdict_of("a", sequence))); };
}

Change heartbeat(std::uint64_t sequence) {
    return [sequence](Position& position) { position.heartbeat(sequence); };
}

Change lost(std::uint64_t first, std::uint64_t last) {
    v1::Gap gap;
    gap.set_reason(v1::GAP_REASON_LOST);
    gap.set_first_sequence(first);
    gap.set_last_sequence(last);
    return [gap](Position& position) { static_cast<void>(position.gap(gap)); };
}

std::string request_after(const Start& start, const std::vector<Change>& changes) {
    Position position(start);
    position.connected();
    for (const auto& change : changes) change(position);
    v1::StreamVerdictsRequest request;
    position.write_to(request);
    return request.ShortDebugString();
}

void reconnection_requests_what_follows_the_last_verdict() {
    const auto at = [](std::uint64_t sequence) { return Subscription::from_sequence(sequence).start; };
    const auto time = Subscription::from_time(std::chrono::system_clock::time_point(400250ms)).start;
    const auto consumer = Subscription::of_consumer("mes").start;
    Start live;
    live.kind = Start::Kind::live;
    const auto check = [](const Start& start, const std::vector<Change>& changes, const std::string& expected) {
        expect_equal("request", request_after(start, changes), expected);
    };
    check(live, {verdict(7)}, "");
    check(at(0), {}, "from_sequence: 0");
    check(at(3), {verdict(7)}, "from_sequence: 8");
    check(at(3), {verdict(7), verdict(0)}, "from_sequence: 8");
    check(at(3), {verdict(7), lost(8, 90)}, "from_sequence: 91");
    check(at(3), {heartbeat(90)}, "from_sequence: 3");
    check(at(3), {heartbeat(90), heartbeat(120)}, "from_sequence: 91");
    check(time, {}, "from_time { seconds: 400 nanos: 250000000 }");
    check(time, {verdict(7)}, "from_sequence: 8");
    check(consumer, {verdict(7)}, "consumer: \"mes\"");
}

void no_verdict_is_new_twice_except_those_without_a_sequence() {
    const auto received = [](Start::Kind kind) {
        Start start;
        start.kind = kind;
        Position position(start);
        std::string text;
        for (const std::uint64_t sequence : {5, 6, 0, 5, 0, 7}) {
            if (position.is_new(verdict_of("a", sequence))) text += std::to_string(sequence);
        }
        return text;
    };
    expect_equal<std::string>("consumer", received(Start::Kind::consumer), "56007");
    expect_equal<std::string>("sequence", received(Start::Kind::sequence), "56007");
    expect_equal<std::string>("live", received(Start::Kind::live), "560507");
}

void received_sequence_of_another_run_is_an_error() {
    Position position(Subscription::of_consumer("mes").start);
    const auto outcome = [&position](const std::string& run, std::uint64_t sequence) -> std::string {
        try {
            return position.is_new(verdict_of(run, sequence)) ? "new" : "repeated";
        } catch (const Error& error) {
            return error.code_name();
        }
    };
    const auto check = [&](const std::string& run, std::uint64_t sequence, const std::string& expected) {
        expect_equal(run + std::to_string(sequence), outcome(run, sequence), expected);
    };
    check("a", 1, "new");
    check("a", 2, "new");
    check("b", 3, "new");
    check("b", 7, "new");
    check("a", 2, "repeated");
    check("b", 7, "repeated");
    check("c", 1, "DATA_LOSS");
    check("a", 3, "DATA_LOSS");
    check("a", 7, "DATA_LOSS");
}

void position_before_the_kept_range_goes_on_with_the_oldest_verdict() {
    const auto check = [](const Start& start, std::uint64_t received, const std::string& loss, const std::string& request) {
        Position position(start);
        if (received > 0) verdict(received)(position);
        const auto event = position.out_of_range({50, 90});
        expect_equal("loss", event ? std::to_string(event->first) + "-" + std::to_string(event->last) : "none", loss);
        v1::StreamVerdictsRequest message;
        position.write_to(message);
        expect_equal("request", message.ShortDebugString(), request);
    };
    const auto start = Subscription::from_sequence(3).start;
    const auto consumer = Subscription::of_consumer("mes").start;
    check(start, 0, "3-49", "from_sequence: 50");
    check(start, 20, "21-49", "from_sequence: 50");
    check(consumer, 0, "0-49", "consumer: \"mes\"");
    check(consumer, 20, "21-49", "consumer: \"mes\"");
    // Received, but not acknowledged.
    check(consumer, 60, "none", "consumer: \"mes\"");
    throws<std::out_of_range>("a position after the range", [] {
        static_cast<void>(Position(Subscription::from_sequence(91).start).out_of_range({50, 90}));
    });
}

void newest_acknowledgement_is_repeated_after_an_error_that_may_pass() {
    std::vector<std::uint64_t> sent;
    std::vector<std::uint64_t> failed;
    {
        const auto send = [&sent](std::uint64_t sequence) {
            sent.push_back(sequence);
            if (sent.size() <= 2) throw Error({grpc::UNAVAILABLE, "stopping"});
        };
        Acknowledger acknowledger(send, Backoff{50ms, 50ms}, [&failed](auto sequence, const Error&) { failed.push_back(sequence); });
        acknowledger.acknowledge(3);
        throws<Error>("flush", [&acknowledger] { acknowledger.flush(); });
        acknowledger.acknowledge(2);
        acknowledger.acknowledge(9);
    }
    expect_equal<std::size_t>("reports of a series", failed.size(), 1);
    expect_equal<std::uint64_t>("first", sent.front(), 3);
    expect_equal<std::uint64_t>("last", sent.back(), 9);
}

void refused_acknowledgement_is_not_repeated() {
    std::vector<std::uint64_t> sent;
    {
        const auto send = [&sent](std::uint64_t sequence) {
            sent.push_back(sequence);
            throw Error({grpc::PERMISSION_DENIED, "another client"});
        };
        Acknowledger acknowledger(send, Backoff{1ms, 1ms}, [](auto, const Error&) {});
        acknowledger.acknowledge(3);
        throws<Error>("flush", [&acknowledger] { acknowledger.flush(); });
        std::this_thread::sleep_for(150ms);
    }
    expect_equal<std::size_t>("attempts", sent.size(), 1);
}

void credentials_and_names_that_are_not_allowed_are_refused() {
    Options options;
    options.address = "https://192.0.2.1:1";
    throws<std::invalid_argument>("no CA", [&options] { Client client(options); });
    options.ca_file = "/nonexistent/ca.pem";
    throws<std::invalid_argument>("no file", [&options] { Client client(options); });
    options.address = "http://127.0.0.1:1";
    throws<std::invalid_argument>("a CA without TLS", [&options] { Client client(options); });
    const Client client(Options{});
    throws<std::invalid_argument>("name", [&client] { static_cast<void>(client.subscribe(Subscription::of_consumer("MES"))); });
    throws<std::logic_error>("no consumer", [&client] { client.subscribe(Subscription{}).acknowledge(1); });
}

}  // namespace

int main() {
    complete_addresses_are_accepted_and_others_rejected();
    pause_doubles_up_to_the_maximum();
    reconnection_requests_what_follows_the_last_verdict();
    no_verdict_is_new_twice_except_those_without_a_sequence();
    received_sequence_of_another_run_is_an_error();
    position_before_the_kept_range_goes_on_with_the_oldest_verdict();
    newest_acknowledgement_is_repeated_after_an_error_that_may_pass();
    refused_acknowledgement_is_not_repeated();
    credentials_and_names_that_are_not_allowed_are_refused();
    if (failures == 0) std::cout << "all tests passed\n";
    return failures == 0 ? 0 : 1;
}
