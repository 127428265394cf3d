#pragma once

#include "layers/network.h"

namespace espalier {

// How long `network` takes for a batch of random images in inference, in seconds, and how long `beside` does:
// medians of several passes of each, alternating, so that their ratio means something on a busy machine. Both
// have their weights.
struct Latency {
  double seconds = 0, beside = 0;
};
Latency measure_latency(layers::Network& network, layers::Network& beside, Device device,
                        int64_t batch_size = 64);

}  // namespace espalier
