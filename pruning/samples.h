#pragma once

#include <vector>

#include "datasets/loader.h"

namespace espalier::pruning {

// Labelled images that a network is measured on, as often as that takes.
using Samples = std::vector<datasets::Batch>;

// `count` images of `data` (all, where there are no more), drawn at random from `seed` and not augmented.
Samples draw_samples(std::shared_ptr<const datasets::Dataset> data, int64_t count, uint64_t seed,
                     Device device);

}  // namespace espalier::pruning
