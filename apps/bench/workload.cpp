#include "apps/bench/workload.h"

#include "core/ops.h"
#include "core/random.h"

namespace espalier::apps {

Workload::Workload(layers::Network network, int64_t batch, bool training) : network_(std::move(network)) {
  if (training) {
    std::vector<Parameter> parameters;
    for (const Parameter* parameter : network_.parameters()) parameters.push_back(*parameter);
    optimizer_ = make_optimizer({.kind = "sgd", .momentum = 0.9}, parameters);
  }
  RandomStream random(1, "bench");
  const Shape& image = network_.image();
  images_ = random.normal({batch, image[0], image[1], image[2]}, 0, 1);
  std::vector<int32_t> labels;
  for (int64_t i = 0; i < batch; ++i)
    labels.push_back(static_cast<int32_t>(random.below(static_cast<uint64_t>(network_.classes()))));
  labels_ = Tensor::from(labels, {batch});
}

void Workload::step() {
  step(images_, labels_);
}

void Workload::step(const Tensor& images, const Tensor& labels) {
  if (optimizer_ == nullptr) {
    const NoGradient no_gradient;
    static_cast<void>(network_.forward(Variable(images), {}));
    return;
  }
  const Variable logits = network_.forward(Variable(images), {.training = true});
  ops::CrossEntropy result = ops::cross_entropy(logits, labels);
  static_cast<void>(result.loss.value().item());
  result.loss.backward();
  // Random labels teach nothing; a small rate keeps the weights as they are, however long this lasts.
  optimizer_->step(1e-4);
}

}  // namespace espalier::apps
