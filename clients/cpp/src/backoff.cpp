#include "inspectd/backoff.hpp"

#include <algorithm>

namespace inspectd {

std::chrono::milliseconds Backoff::pause(unsigned failures) const {
    // 2^20 times the shortest pause is longer than any maximum that makes sense.
    const auto factor = std::chrono::milliseconds::rep{1} << std::min(failures, 20U);
    return std::min(initial * factor, max);
}

}  // namespace inspectd
