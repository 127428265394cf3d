#pragma once

#include <cstdint>
#include <memory>

#include "datasets/dataset.h"
#include "layers/network.h"

namespace espalier {

struct Evaluation {
  int64_t images = 0;
  int64_t correct = 0;
  int64_t correct_top5 = 0;  // the label is among the five largest logits
  double loss = 0;           // mean cross-entropy
  double accuracy() const { return share(correct); }
  double top5_accuracy() const { return share(correct_top5); }

 private:
  double share(int64_t count) const {
    return images == 0 ? 0 : static_cast<double>(count) / static_cast<double>(images);
  }
};

// Top-1 and top-5 over the whole of `data`, in evaluation mode.
Evaluation evaluate(layers::Network& network, const std::shared_ptr<const datasets::Dataset>& data,
                    Device device, int64_t batch_size = 256);

}  // namespace espalier
