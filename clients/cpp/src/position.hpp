// Where a stream is: what a new connection has to request.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "inspectd/stream.hpp"

namespace inspectd {

/// Changed by messages only, so that it can be tested without a connection.
class Position {
public:
    explicit Position(Start start) : start_(std::move(start)) {}

    /// Whether `begin_after` has to be called before a stream is requested.
    [[nodiscard]] bool requires_newest() const { return start_.kind == Start::Kind::next; }
    /// Resolves `Start::Kind::next`: the newest sequence of the journal, or nothing without a journal.
    void begin_after(std::optional<std::uint64_t> newest);

    /// Writes the start of the next request.
    void write_to(v1::StreamVerdictsRequest& request) const;

    /// A new connection is open.
    void connected() { heartbeat_.reset(); }
    /// Takes a verdict. Returns whether it is new: a new connection may repeat what was received before.
    /// Throws `Error` (DATA_LOSS) if it has the sequence of another verdict that was received: sequences began again.
    [[nodiscard]] bool is_new(const v1::Verdict& verdict);
    /// Takes the sequence of a heartbeat.
    void heartbeat(std::uint64_t sequence);
    /// Takes a gap. Returns what the user has to know.
    [[nodiscard]] Event gap(const v1::Gap& gap);
    /// Takes the range that the daemon keeps, after it refused the position. The next request starts with the oldest verdict
    /// that is kept. Returns the verdicts that are lost, or nothing if all removed verdicts were received.
    /// Throws `std::out_of_range` if the position is not before the range, so that it cannot be corrected.
    [[nodiscard]] std::optional<LostEvent> out_of_range(const KeptRange& kept);

private:
    Start start_;
    /// Everything up to this sequence was received, or did not match the filter; 0: nothing yet.
    std::uint64_t passed_ = 0;
    /// The last verdict received; 0: none.
    std::uint64_t received_ = 0;
    /// The runs of the daemon whose verdicts were received: the first sequence and the id of each.
    std::vector<std::pair<std::uint64_t, std::string>> runs_;
    /// The sequence in the last heartbeat of this connection.
    std::optional<std::uint64_t> heartbeat_;
};

}  // namespace inspectd
