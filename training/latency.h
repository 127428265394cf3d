#pragma once

#include "layers/network.h"

namespace espalier {

// How long `network` takes for a batch of random images in inference, in seconds, and how long `beside` does:
// medians of several passes of each, alternating, so that their ratio means something on a busy machine. The
// descriptions are enough: both are run with fresh weights, whose values cost no time.
struct Latency {
  double seconds = 0, beside = 0;
};
Latency measure_latency(const layers::Network& network, const layers::Network& beside, Device device,
                        int64_t batch_size = 64);

}  // namespace espalier
