// Pauses between attempts.
#pragma once

#include <chrono>

namespace inspectd {

/// The pause before another attempt. It doubles with each failure, up to a maximum.
struct Backoff {
    /// The pause after the first failure.
    std::chrono::milliseconds initial{250};
    /// The longest pause.
    std::chrono::milliseconds max{5000};

    /// Returns the pause after this number of failures, counted from 0.
    [[nodiscard]] std::chrono::milliseconds pause(unsigned failures) const;
};

}  // namespace inspectd
