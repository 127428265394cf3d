#pragma once

#include <filesystem>
#include <optional>

#include "core/ops.h"
#include "datasets/loader.h"
#include "layers/network.h"

namespace espalier {

// Knowledge distillation (Hinton, Vinyals & Dean, 2015): the student also learns the probabilities that a
// teacher gives, both softened by a temperature T.
struct DistillationOptions {
  std::filesystem::path teacher;  // a .safetensors model; empty: no distillation
  double temperature = 4;
  double weight = 0.9;  // α: the loss is (1 - α) cross-entropy + α T² KL(teacher || student)
};

struct ObjectiveOptions {
  double label_smoothing = 0;
  DistillationOptions distillation;
};

// What training minimises: the mean of the cross-entropy over a batch, mixed between both labels of an image
// under mixup, or its mixture with distillation. Correct answers are counted against the first labels.
class Objective {
 public:
  // Loads the teacher, where there is one, onto the device. Throws Error when it takes other images than
  // `student`, or, where both say so, other normalised ones.
  Objective(const ObjectiveOptions& options, const layers::Network& student, Device device);

  // `logits` are the student's for `batch`.
  ops::CrossEntropy operator()(const Variable& logits, const datasets::Batch& batch);

 private:
  Variable divergence(const Variable& logits, const Tensor& images);

  ObjectiveOptions options_;
  std::optional<layers::Network> teacher_;
};

}  // namespace espalier
