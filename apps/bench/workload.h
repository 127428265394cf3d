#pragma once

#include <memory>

#include "core/optim/optimizer.h"
#include "layers/network.h"

namespace espalier::apps {

// A network at work on a batch of random images in memory. A training step is forward, cross-entropy,
// backward and SGD with momentum; one of inference is forward alone, nothing recorded.
class Workload {
 public:
  // The network has weights already; `training` moves them.
  Workload(layers::Network network, int64_t batch, bool training);

  void step();
  // The same on other images.
  void step(const Tensor& images, const Tensor& labels);

  int64_t batch() const { return labels_.numel(); }
  const layers::Network& network() const { return network_; }

 private:
  layers::Network network_;
  std::unique_ptr<Optimizer> optimizer_;  // null for inference
  Tensor images_, labels_;
};

}  // namespace espalier::apps
