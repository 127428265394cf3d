#pragma once

#include "apps/bench/measure.h"

namespace espalier::apps {

// The speed of networks beside PyTorch's, in the memory format and form that suits it best, each row with the
// goal set for it; and two that stand for themselves: what loading images with CIFAR's augmentation adds to a
// training step, and what a step costs beside its arithmetic. Returns the table. Throws Error when the peer's
// network has another number of parameters than ours.
std::string bench(const BenchOptions& options);

}  // namespace espalier::apps
