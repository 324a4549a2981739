#include "position.hpp"

#include <algorithm>
#include <stdexcept>

#include "inspectd/error.hpp"

namespace inspectd {
namespace {

using Kind = Start::Kind;

void write_time(std::chrono::system_clock::time_point time, google::protobuf::Timestamp& timestamp) {
    using namespace std::chrono;
    const auto since_epoch = time.time_since_epoch();
    const auto whole = floor<seconds>(since_epoch);
    timestamp.set_seconds(whole.count());
    timestamp.set_nanos(static_cast<std::int32_t>(duration_cast<nanoseconds>(since_epoch - whole).count()));
}

}  // namespace

void Position::begin_after(std::optional<std::uint64_t> newest) {
    start_.kind = newest ? Kind::sequence : Kind::live;
    start_.sequence = newest ? *newest + 1 : 0;
}

void Position::write_to(v1::StreamVerdictsRequest& request) const {
    switch (start_.kind) {
        case Kind::next:
        case Kind::live: return;
        case Kind::consumer: request.set_consumer(start_.consumer); return;
        case Kind::sequence:
        case Kind::time:
            if (passed_ > 0) {
                request.set_from_sequence(passed_ + 1);
            } else if (start_.kind == Kind::sequence) {
                request.set_from_sequence(start_.sequence);
            } else {
                write_time(start_.time, *request.mutable_from_time());
            }
    }
}

bool Position::is_new(const v1::Verdict& verdict) {
    const auto sequence = verdict.sequence();
    if (start_.kind == Kind::live || sequence == 0) return true;
    const auto known = std::find_if(runs_.rbegin(), runs_.rend(), [&](const auto& run) { return run.first <= sequence; });
    const bool same_run = known != runs_.rend() && known->second == verdict.run_id();
    if (sequence <= received_) {
        if (same_run) return false;
        throw Error(grpc::Status(
            grpc::StatusCode::DATA_LOSS,
            "sequences began again: verdict " + std::to_string(sequence) +
                " was received before, for another inspection; the journal of the daemon was removed, or this is another "
                "daemon"));
    }
    if (!same_run) runs_.emplace_back(sequence, verdict.run_id());
    received_ = sequence;
    passed_ = std::max(passed_, sequence);
    return true;
}

void Position::heartbeat(std::uint64_t sequence) {
    // The daemon sends another heartbeat only once it has nothing else to send: what was the newest sequence at the one before
    // has been sent, or does not match the filter. Without this, a stream that rarely matches would resume where the journal
    // has aged out.
    if (heartbeat_) passed_ = std::max(passed_, *heartbeat_);
    heartbeat_ = sequence;
}

Event Position::gap(const v1::Gap& gap) {
    if (gap.reason() != v1::GAP_REASON_LOST) return MissedEvent{gap.missed()};
    // A new connection does not request them again.
    passed_ = std::max(passed_, gap.last_sequence());
    return LostEvent{gap.first_sequence(), gap.last_sequence()};
}

std::optional<LostEvent> Position::out_of_range(const KeptRange& kept) {
    const auto requested = start_.kind == Kind::sequence && passed_ == 0 ? start_.sequence : 0;
    const auto known = passed_ > 0 ? passed_ + 1 : requested;
    const bool is_before = known < kept.oldest_sequence;
    if (start_.kind == Kind::live || (start_.kind != Kind::consumer && !is_before)) {
        throw std::out_of_range("the position is not before the range");
    }
    if (!is_before) return std::nullopt;
    passed_ = kept.oldest_sequence - 1;
    return LostEvent{known, kept.oldest_sequence - 1};
}

}  // namespace inspectd
