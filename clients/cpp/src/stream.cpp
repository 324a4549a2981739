#include "inspectd/stream.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <iostream>
#include <mutex>
#include <stdexcept>
#include <utility>

#include "acknowledger.hpp"
#include "connection.hpp"
#include "message_reader.hpp"
#include "position.hpp"

namespace inspectd {
namespace {

void check_consumer(const std::string& name) {
    constexpr const char* allowed = "abcdefghijklmnopqrstuvwxyz0123456789-_";
    if (name.empty() || name.size() > 64 || name.find_first_not_of(allowed) != std::string::npos) {
        throw std::invalid_argument("'" + name + "': a consumer's name is 1 to 64 of a-z, 0-9, '-' and '_'");
    }
}

void write_loss(const std::string& text) { std::cerr << "inspectd: " + text + "\n"; }

void write_acknowledge_failure(std::uint64_t sequence, const Error& error) {
    const auto range = "verdicts up to " + std::to_string(sequence);
    std::cerr << "inspectd: " + range + " are not acknowledged yet: " + error.what() + "\n";
}

std::string describe(const LostEvent& lost) {
    const auto first = lost.first == 0 ? std::string("up") : std::to_string(lost.first);
    return "verdicts " + first + " to " + std::to_string(lost.last) + " are lost";
}

std::string describe(const MissedEvent& missed) {
    return std::to_string(missed.count) + " verdicts were missed: this client reads too slowly";
}

}  // namespace

Subscription Subscription::of_consumer(std::string name) {
    Subscription subscription;
    subscription.start.kind = Start::Kind::consumer;
    subscription.start.consumer = std::move(name);
    return subscription;
}

Subscription Subscription::from_sequence(std::uint64_t sequence) {
    Subscription subscription;
    subscription.start.kind = Start::Kind::sequence;
    subscription.start.sequence = sequence;
    return subscription;
}

Subscription Subscription::from_time(std::chrono::system_clock::time_point time) {
    Subscription subscription;
    subscription.start.kind = Start::Kind::time;
    subscription.start.time = time;
    return subscription;
}

/// The state of a subscription over all its connections.
class VerdictStream::Session {
public:
    Session(std::shared_ptr<Connection> connection, Subscription subscription);

    std::optional<Event> next();
    std::optional<v1::Verdict> next_verdict();
    Acknowledger& acknowledger();
    void close();

private:
    /// Connects, or receives a message; adds the events for the user.
    void step();
    /// Opens the stream, after the pause that is due. It is open when its first message has arrived.
    void connect();
    v1::StreamVerdictsRequest request();
    void apply(v1::StreamVerdictsResponse&& message);
    /// Schedules another attempt, or throws the error.
    void fail(const Error& error);
    /// Continues with the oldest verdict that is kept; a consumer acknowledges those before it.
    void go_on_with_oldest(const Error& error, const KeptRange& kept);
    void replace_reader(std::unique_ptr<MessageReader> reader);
    bool is_closed();
    /// How long the stream may be silent.
    std::chrono::milliseconds silence() const { return std::max(subscription_.silence, 3 * interval_); }

    const std::shared_ptr<Connection> connection_;
    const Subscription subscription_;
    Position position_;
    std::deque<Event> events_;
    /// Failures since the last message.
    unsigned failures_ = 0;
    /// The pause before the next attempt.
    std::optional<std::chrono::milliseconds> pause_;
    std::uint64_t epoch_ = 0;
    /// The interval of heartbeats, as the daemon stated it last.
    std::chrono::milliseconds interval_{0};
    /// The verdict that `next_verdict` returned last.
    std::uint64_t returned_ = 0;
    std::unique_ptr<Acknowledger> acknowledger_;

    std::mutex mutex_;
    std::condition_variable changed_;
    bool closed_ = false;
    std::unique_ptr<MessageReader> reader_;
};

VerdictStream::Session::Session(std::shared_ptr<Connection> connection, Subscription subscription)
    : connection_(std::move(connection)), subscription_(std::move(subscription)), position_(subscription_.start) {
    if (subscription_.start.kind != Start::Kind::consumer) return;
    const auto& consumer = subscription_.start.consumer;
    check_consumer(consumer);
    auto send = [connection = connection_, consumer](std::uint64_t sequence) {
        static_cast<void>(connection->acknowledge(consumer, sequence));
    };
    const auto& on_failure = subscription_.on_acknowledge_failure;
    acknowledger_ = std::make_unique<Acknowledger>(
        std::move(send), subscription_.backoff,
        on_failure ? on_failure : Acknowledger::OnFailure(write_acknowledge_failure));
}

std::optional<Event> VerdictStream::Session::next() {
    while (events_.empty()) {
        if (is_closed()) return std::nullopt;
        try {
            step();
        } catch (const Error& error) {
            replace_reader(nullptr);
            if (!is_closed()) fail(error);
        }
    }
    auto event = std::move(events_.front());
    events_.pop_front();
    return event;
}

std::optional<v1::Verdict> VerdictStream::Session::next_verdict() {
    if (acknowledger_) acknowledger_->acknowledge(returned_);
    const auto report = [this](const std::string& text) {
        subscription_.on_loss ? subscription_.on_loss(text) : write_loss(text);
    };
    while (auto event = next()) {
        if (auto* received = std::get_if<VerdictEvent>(&*event)) {
            returned_ = received->verdict.sequence();
            return std::move(received->verdict);
        }
        if (const auto* lost = std::get_if<LostEvent>(&*event)) report(describe(*lost));
        if (const auto* missed = std::get_if<MissedEvent>(&*event)) report(describe(*missed));
    }
    return std::nullopt;
}

Acknowledger& VerdictStream::Session::acknowledger() {
    if (!acknowledger_) throw std::logic_error("only a stream of a consumer can acknowledge");
    return *acknowledger_;
}

void VerdictStream::Session::close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    if (reader_) reader_->cancel();
    changed_.notify_all();
}

bool VerdictStream::Session::is_closed() {
    const std::lock_guard lock(mutex_);
    return closed_;
}

void VerdictStream::Session::step() {
    if (!reader_) return connect();
    auto message = reader_->next(silence());
    failures_ = 0;
    apply(std::move(message));
}

void VerdictStream::Session::connect() {
    if (pause_) {
        std::unique_lock lock(mutex_);
        if (changed_.wait_for(lock, *pause_, [this] { return closed_; })) return;
    }
    if (position_.requires_newest()) position_.begin_after(connection_->newest_sequence());
    replace_reader(std::make_unique<MessageReader>(*connection_, request()));
    position_.connected();
    auto message = reader_->next(silence());
    failures_ = 0;
    if (pause_) events_.emplace_back(ReconnectedEvent{});
    pause_.reset();
    apply(std::move(message));
}

v1::StreamVerdictsRequest VerdictStream::Session::request() {
    v1::StreamVerdictsRequest request;
    for (const auto& id : subscription_.camera_ids) request.add_camera_ids(id);
    for (const auto decision : subscription_.decisions) request.add_decisions(decision);
    position_.write_to(request);
    return request;
}

void VerdictStream::Session::apply(v1::StreamVerdictsResponse&& message) {
    switch (message.event_case()) {
        case v1::StreamVerdictsResponse::kVerdict: {
            auto& verdict = *message.mutable_verdict();
            if (position_.is_new(verdict)) events_.emplace_back(VerdictEvent{std::move(verdict), epoch_});
            return;
        }
        case v1::StreamVerdictsResponse::kHeartbeat: {
            auto& heartbeat = *message.mutable_heartbeat();
            epoch_ = heartbeat.epoch();
            interval_ = std::chrono::seconds(heartbeat.interval().seconds()) +
                        std::chrono::milliseconds(heartbeat.interval().nanos() / 1000000);
            position_.heartbeat(heartbeat.sequence());
            events_.emplace_back(HeartbeatEvent{std::move(heartbeat)});
            return;
        }
        case v1::StreamVerdictsResponse::kGap: events_.push_back(position_.gap(message.gap())); return;
        // An event of a later version of the daemon.
        case v1::StreamVerdictsResponse::EVENT_NOT_SET: return;
    }
}

void VerdictStream::Session::fail(const Error& error) {
    if (const auto kept = error.kept_range()) return go_on_with_oldest(error, *kept);
    if (!error.is_transient()) {
        close();
        throw Error(error);
    }
    pause_ = subscription_.backoff.pause(failures_);
    failures_ += 1;
    events_.emplace_back(DisconnectedEvent{error, *pause_});
}

void VerdictStream::Session::go_on_with_oldest(const Error& error, const KeptRange& kept) {
    std::optional<LostEvent> lost;
    try {
        lost = position_.out_of_range(kept);
    } catch (const std::out_of_range&) {
        close();
        throw Error(error);
    }
    if (acknowledger_) {
        acknowledger_->acknowledge(kept.oldest_sequence - 1);
        try {
            acknowledger_->flush();
        } catch (const Error&) {
            // The daemon refuses the position again, after a pause.
        }
    }
    if (failures_ > 0) pause_ = subscription_.backoff.pause(failures_ - 1);
    failures_ += 1;
    if (lost) events_.emplace_back(*lost);
}

void VerdictStream::Session::replace_reader(std::unique_ptr<MessageReader> reader) {
    {
        const std::lock_guard lock(mutex_);
        std::swap(reader_, reader);
        if (closed_ && reader_) reader_->cancel();
    }
    // The old reader waits for the end of its call, without the lock.
}

VerdictStream::VerdictStream(std::shared_ptr<Connection> connection, Subscription subscription)
    : session_(std::make_unique<Session>(std::move(connection), std::move(subscription))) {}
VerdictStream::VerdictStream(VerdictStream&& other) noexcept = default;
VerdictStream& VerdictStream::operator=(VerdictStream&& other) noexcept = default;
VerdictStream::~VerdictStream() = default;

std::optional<Event> VerdictStream::next() { return session_->next(); }
std::optional<v1::Verdict> VerdictStream::next_verdict() { return session_->next_verdict(); }
void VerdictStream::acknowledge(std::uint64_t sequence) { session_->acknowledger().acknowledge(sequence); }
void VerdictStream::flush() { session_->acknowledger().flush(); }
void VerdictStream::close() { session_->close(); }

}  // namespace inspectd
