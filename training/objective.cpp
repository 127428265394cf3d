#include "training/objective.h"

#include "core/error.h"
#include "core/profile.h"
#include "training/model.h"

namespace espalier {

Objective::Objective(const ObjectiveOptions& options, const layers::Network& student, Device device)
    : options_(options) {
  const std::filesystem::path& file = options.distillation.teacher;
  if (file.empty()) return;
  teacher_ = load_network(file, device);
  check(teacher_->image() == student.image() && teacher_->classes() == student.classes(),
        "{}: the teacher takes images {} of {} classes; the student {} of {}", file.string(),
        teacher_->image().to_string(), teacher_->classes(), student.image().to_string(), student.classes());
  const auto &theirs = teacher_->normalisation(), &ours = student.normalisation();
  check(!theirs || !ours || *theirs == *ours,
        "{}: the teacher expects pixels of mean {} and standard deviation {}; the student of {} and {}",
        file.string(), fmt::join(theirs->mean, ", "), fmt::join(theirs->standard_deviation, ", "),
        fmt::join(ours->mean, ", "), fmt::join(ours->standard_deviation, ", "));
}

ops::CrossEntropy Objective::operator()(const Variable& logits, const datasets::Batch& batch) {
  const profile::Scope scope("loss", "objective");
  ops::CrossEntropy result = ops::cross_entropy(logits, batch.labels, options_.label_smoothing);
  if (batch.other_labels.defined()) {
    const Variable other = ops::cross_entropy(logits, batch.other_labels, options_.label_smoothing).loss;
    result.loss = ops::add(ops::scale(result.loss, batch.lambda), ops::scale(other, 1 - batch.lambda));
  }
  if (teacher_) {
    const double weight = options_.distillation.weight;
    result.loss =
        ops::add(ops::scale(result.loss, 1 - weight), ops::scale(divergence(logits, batch.images), weight));
  }
  return result;
}

// T² times the mean over images of Σ p (log p - log q), where p and q are the softmax of the teacher's and
// the student's logits divided by T.
Variable Objective::divergence(const Variable& logits, const Tensor& images) {
  const double temperature = options_.distillation.temperature;
  Variable log_p, p;
  {
    const NoGradient no_gradient;
    const Variable softened = ops::scale(teacher_->forward(Variable(images), {}), 1 / temperature);
    log_p = ops::log_softmax(softened);
    p = ops::softmax(softened);
  }
  const Variable log_q = ops::log_softmax(ops::scale(logits, 1 / temperature));
  const Variable total = ops::sum(ops::multiply(p, ops::add(log_p, ops::scale(log_q, -1))));
  return ops::scale(total, temperature * temperature / static_cast<double>(logits.shape()[0]));
}

}  // namespace espalier
