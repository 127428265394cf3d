#pragma once

#include <cstdint>
#include <memory>

#include "datasets/dataset.h"
#include "layers/network.h"

namespace espalier {

struct Evaluation {
  int64_t images = 0;
  int64_t correct = 0;
  double loss = 0;  // mean cross-entropy
  double accuracy() const {
    return images == 0 ? 0 : static_cast<double>(correct) / static_cast<double>(images);
  }
};

// Top-1 over the whole of `data`, in evaluation mode.
Evaluation evaluate(layers::Network& network, const std::shared_ptr<const datasets::Dataset>& data,
                    Device device, int64_t batch_size = 256);

}  // namespace espalier
