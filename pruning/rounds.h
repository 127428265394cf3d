#pragma once

#include <cstdint>

namespace espalier::pruning {

// Of `rounds` (from 1) spread over the first `rounds_end` of `epochs` the one to make before `epoch` (from
// 0), or 0. Round r is due at epoch floor((r - 1) rounds_end epochs / rounds), so that the last epochs train
// what the last round left; of rounds that are due at once only the last counts, which is where they lead.
inline int64_t round_due(int64_t epoch, int64_t epochs, int64_t rounds, double rounds_end) {
  const double span = rounds_end * static_cast<double>(epochs) / static_cast<double>(rounds);
  for (int64_t round = rounds; round > 0; --round)
    if (static_cast<int64_t>(static_cast<double>(round - 1) * span) == epoch) return round;
  return 0;
}

}  // namespace espalier::pruning
