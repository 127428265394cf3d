#include "core/optim/optimizer.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/error.h"
#include "core/profile.h"

namespace espalier {
namespace {

// State tensors by parameter name, made at a parameter's first step.
class Moments {
 public:
  explicit Moments(std::string prefix) : prefix_(std::move(prefix)) {}

  Tensor& of(const Parameter& parameter) {
    Tensor& tensor = tensors_[parameter.name];
    if (!tensor.defined())
      tensor = Tensor::zeros(parameter.shape, DType::float32, parameter.variable.value().device());
    return tensor;
  }
  void mask(const std::string& name, const Tensor& mask) {
    if (auto found = tensors_.find(name); found != tensors_.end())
      found->second.backend().apply_mask(found->second, mask);
  }
  void save(std::map<std::string, Tensor>& state) const {
    for (const auto& [name, tensor] : tensors_) state[prefix_ + name] = tensor;
  }
  void load(const std::map<std::string, Tensor>& state, const std::vector<Parameter>& parameters) {
    tensors_.clear();
    for (const Parameter& parameter : parameters) {
      const auto found = state.find(prefix_ + parameter.name);
      if (found == state.end()) continue;
      check(found->second.shape() == parameter.shape && found->second.dtype() == DType::float32,
            "[optimizer] state '{}' has shape {}; expected float32 {}", found->first,
            found->second.shape().to_string(), parameter.shape.to_string());
      of(parameter).copy_from(found->second);
    }
  }

 private:
  std::string prefix_;
  std::map<std::string, Tensor> tensors_;
};

class Sgd final : public Optimizer {
 public:
  Sgd(std::vector<Parameter> parameters, OptimizerOptions options)
      : Optimizer(std::move(parameters), std::move(options)) {}

  std::map<std::string, Tensor> state() const override {
    std::map<std::string, Tensor> result;
    momentum_.save(result);
    return result;
  }

 private:
  void load_moments(const std::map<std::string, Tensor>& state) override {
    momentum_.load(state, parameters_);
  }
  void mask_moments(const std::string& name, const Tensor& mask) override { momentum_.mask(name, mask); }

  void update(std::span<const Turn> turns, double learning_rate, double gradient_factor) override {
    std::vector<SgdUpdate> updates;
    for (const auto& [parameter, mask, weight_decay] : turns)
      updates.push_back({.weight = &parameter->variable.value(),
                         .gradient = &parameter->variable.gradient(),
                         .momentum = options_.momentum == 0 ? nullptr : &momentum_.of(*parameter),
                         .mask = mask,
                         .weight_decay = weight_decay});
    updates.front().weight->backend().sgd_step(updates, {.learning_rate = learning_rate,
                                                         .gradient_factor = gradient_factor,
                                                         .momentum = options_.momentum,
                                                         .nesterov = options_.nesterov});
  }

  Moments momentum_{"momentum/"};
};

class Adam final : public Optimizer {
 public:
  Adam(std::vector<Parameter> parameters, OptimizerOptions options)
      : Optimizer(std::move(parameters), std::move(options)) {}

  std::map<std::string, Tensor> state() const override {
    std::map<std::string, Tensor> result;
    first_.save(result);
    second_.save(result);
    return result;
  }

 private:
  void load_moments(const std::map<std::string, Tensor>& state) override {
    first_.load(state, parameters_);
    second_.load(state, parameters_);
  }
  void mask_moments(const std::string& name, const Tensor& mask) override {
    first_.mask(name, mask);
    second_.mask(name, mask);
  }

  void update(std::span<const Turn> turns, double learning_rate, double gradient_factor) override {
    std::vector<AdamUpdate> updates;
    for (const auto& [parameter, mask, weight_decay] : turns)
      updates.push_back({.weight = &parameter->variable.value(),
                         .gradient = &parameter->variable.gradient(),
                         .first_moment = &first_.of(*parameter),
                         .second_moment = &second_.of(*parameter),
                         .mask = mask,
                         .weight_decay = weight_decay});
    updates.front().weight->backend().adam_step(updates, {.learning_rate = learning_rate,
                                                          .gradient_factor = gradient_factor,
                                                          .beta1 = options_.beta1,
                                                          .beta2 = options_.beta2,
                                                          .epsilon = options_.epsilon,
                                                          .decoupled = options_.kind == "adamw",
                                                          .step = steps_});
  }

  Moments first_{"first_moment/"}, second_{"second_moment/"};
};

}  // namespace

Optimizer::Optimizer(std::vector<Parameter> parameters, OptimizerOptions options)
    : parameters_(std::move(parameters)), options_(std::move(options)) {}

void Optimizer::set_masks(std::map<std::string, Tensor> masks) {
  std::vector<std::pair<Parameter*, const Tensor*>> masked;
  for (const auto& [name, mask] : masks) {
    const auto owner = std::ranges::find(parameters_, name, &Parameter::name);
    check(owner != parameters_.end(),
          "[optimizer] a mask for '{}', which is not among the parameters to train", name);
    check(mask.shape() == owner->shape && mask.dtype() == DType::uint8,
          "[optimizer] mask of '{}' is {} {}; expected uint8 {}", name, espalier::name(mask.dtype()),
          mask.shape().to_string(), owner->shape.to_string());
    masked.emplace_back(&*owner, &mask);
  }
  for (const auto& [owner, mask] : masked) {
    Tensor& weight = owner->variable.value();
    weight.backend().apply_mask(weight, *mask);
    mask_moments(owner->name, *mask);
  }
  masks_ = std::move(masks);
}

const Tensor* Optimizer::mask_of(const Parameter& parameter) const {
  const auto found = masks_.find(parameter.name);
  return found == masks_.end() ? nullptr : &found->second;
}

void Optimizer::step(double learning_rate, double gradient_factor) {
  const profile::Scope scope("optimizer", options_.kind);
  ++steps_;
  if (options_.clip_norm > 0) {
    const double norm = gradient_factor * gradient_norm();
    if (norm > options_.clip_norm) gradient_factor *= options_.clip_norm / norm;
  }
  std::vector<Turn> turns;
  for (Parameter& parameter : parameters_) {
    if (!parameter.variable.gradient().defined()) continue;
    const bool decays = parameter.kind == ParameterKind::weight || options_.decay_biases_and_norms;
    const auto own = options_.weight_decay_of.find(parameter.name);
    turns.push_back({.parameter = &parameter,
                     .mask = mask_of(parameter),
                     .weight_decay = own != options_.weight_decay_of.end() ? own->second
                                     : decays                              ? options_.weight_decay
                                                                           : 0.0});
  }
  if (!turns.empty()) update(turns, learning_rate, gradient_factor);
  clear_gradients();
}

double Optimizer::gradient_norm() const {
  std::vector<MaskedGradient> gradients;
  for (const Parameter& parameter : parameters_)
    if (const Tensor& gradient = parameter.variable.gradient(); gradient.defined())
      gradients.push_back({.gradient = &gradient, .mask = mask_of(parameter)});
  if (gradients.empty()) return 0;
  const Tensor& first = *gradients.front().gradient;
  Tensor total(Shape{}, first.dtype(), first.device());
  total.backend().sum_of_squares(gradients, total);
  return std::sqrt(total.item());
}

void Optimizer::clear_gradients() {
  for (Parameter& parameter : parameters_) parameter.variable.clear_gradient();
}

void Optimizer::load_state(const std::map<std::string, Tensor>& state, int64_t steps) {
  load_moments(state);
  steps_ = steps;
}

const std::vector<std::string>& optimizer_kinds() {
  static const std::vector<std::string> kKinds = {"sgd", "adam", "adamw"};
  return kKinds;
}

std::unique_ptr<Optimizer> make_optimizer(const OptimizerOptions& options,
                                          std::vector<Parameter> parameters) {
  if (options.kind == "sgd") return std::make_unique<Sgd>(std::move(parameters), options);
  if (options.kind == "adam" || options.kind == "adamw")
    return std::make_unique<Adam>(std::move(parameters), options);
  fail("[optimizer] unknown kind '{}'; the kinds are {}", options.kind, fmt::join(optimizer_kinds(), ", "));
}

}  // namespace espalier
