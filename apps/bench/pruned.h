#pragma once

#include "apps/bench/measure.h"

namespace espalier::apps {

struct PrunedBenchOptions : BenchOptions {
  std::filesystem::path dense, pruned;  // model files
  int64_t batch_size = 128;
};

// Images per second, in inference and in training, of a network and of what pruning left of it, step by step
// in turn: the speed-ups, the reduction in FLOPs, and the former as shares of the latter, whose goal is 80 %.
// Returns the table. Throws Error when the two take different images.
std::string bench_pruned(const PrunedBenchOptions& options);

}  // namespace espalier::apps
