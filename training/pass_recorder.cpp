#include "training/pass_recorder.h"

#include <algorithm>

namespace espalier {

PassRecorder::PassRecorder(Device device, Pass pass, std::vector<Parameter> parameters)
    : backend_(backend(device)), pass_(std::move(pass)), parameters_(std::move(parameters)) {}

PassRecorder::Result PassRecorder::run(const datasets::Batch& batch, double factor) {
  if (!is_made_for(batch, factor)) {
    forget();
    made_ = {.images = batch.images.shape(), .factor = factor, .weights = {}};
    for (const Parameter& parameter : parameters_) made_->weights.push_back(parameter.variable.value());
    return pass_(batch, factor);
  }
  if (recording_ == nullptr) {
    batch_ = {.images = batch.images.clone(), .labels = batch.labels.clone()};
    record();
  } else {
    batch_.images.copy_from(batch.images);
    batch_.labels.copy_from(batch.labels);
  }
  recording_->replay();
  for (const auto& [variable, gradient] : gradients_) variable.accumulate(gradient);
  return result_;
}

void PassRecorder::record() {
  recording_ = backend_.record([&] { result_ = pass_(batch_, made_->factor); });
  for (Parameter& parameter : parameters_) {
    if (!parameter.variable.gradient().defined()) continue;
    gradients_.emplace_back(parameter.variable, parameter.variable.gradient());
    parameter.variable.clear_gradient();
  }
}

void PassRecorder::forget() {
  made_.reset();
  gradients_.clear();
  result_ = {};
  recording_.reset();
  batch_ = {};
}

bool PassRecorder::is_made_for(const datasets::Batch& batch, double factor) const {
  return made_ && made_->images == batch.images.shape() && made_->factor == factor &&
         std::ranges::equal(parameters_, made_->weights,
                            [](const Parameter& parameter, const Tensor& weight) {
                              return parameter.variable.value().shares_storage_with(weight);
                            });
}

}  // namespace espalier
