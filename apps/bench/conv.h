#pragma once

#include "apps/bench/measure.h"

namespace espalier::apps {

// Effective GFLOP/s of convolutions and their two gradients beside PyTorch's, in the memory format that suits
// each best: a direct convolution's multiplications and additions over the time, so that a cleverer algorithm
// may pass what the processor can do. Weights count as new in every call, as in training. Returns the table.
std::string bench_conv(const BenchOptions& options);

}  // namespace espalier::apps
