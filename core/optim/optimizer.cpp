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

  void update(Parameter& parameter, const Tensor& mask, double learning_rate, double weight_decay) override {
    Tensor none;
    Tensor& weight = parameter.variable.value();
    weight.backend().sgd_step(weight, parameter.variable.gradient(),
                              options_.momentum == 0 ? none : momentum_.of(parameter), mask,
                              {.learning_rate = learning_rate,
                               .momentum = options_.momentum,
                               .weight_decay = weight_decay,
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

  void update(Parameter& parameter, const Tensor& mask, double learning_rate, double weight_decay) override {
    Tensor& weight = parameter.variable.value();
    weight.backend().adam_step(weight, parameter.variable.gradient(), first_.of(parameter),
                               second_.of(parameter), mask,
                               {.learning_rate = learning_rate,
                                .beta1 = options_.beta1,
                                .beta2 = options_.beta2,
                                .epsilon = options_.epsilon,
                                .weight_decay = weight_decay,
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

namespace {

// Out of place: two parameters may share one gradient.
void scale_gradient(Variable& variable, double factor) {
  const Tensor& gradient = variable.gradient();
  Tensor scaled(gradient.shape(), gradient.dtype(), gradient.device());
  scaled.backend().axpby(factor, gradient, 0.0, scaled);
  variable.clear_gradient();
  variable.accumulate(scaled);
}

}  // namespace

void Optimizer::step(double learning_rate, double gradient_factor) {
  const profile::Scope scope("optimizer", options_.kind);
  ++steps_;
  if (options_.clip_norm > 0) {
    const double norm = gradient_factor * gradient_norm();
    if (norm > options_.clip_norm) gradient_factor *= options_.clip_norm / norm;
  }
  static const Tensor kUnmasked;
  for (Parameter& parameter : parameters_) {
    if (!parameter.variable.gradient().defined()) continue;
    const bool decays = parameter.kind == ParameterKind::weight || options_.decay_biases_and_norms;
    const auto own = options_.weight_decay_of.find(parameter.name);
    const double weight_decay = own != options_.weight_decay_of.end() ? own->second
                                : decays                              ? options_.weight_decay
                                                                      : 0.0;
    const auto mask = masks_.find(parameter.name);
    if (gradient_factor != 1) scale_gradient(parameter.variable, gradient_factor);
    update(parameter, mask == masks_.end() ? kUnmasked : mask->second, learning_rate, weight_decay);
  }
  clear_gradients();
}

double Optimizer::gradient_norm() const {
  double sum_of_squares = 0;
  for (const Parameter& parameter : parameters_) {
    const Tensor& gradient = parameter.variable.gradient();
    if (!gradient.defined()) continue;
    Tensor squares(gradient.shape(), gradient.dtype(), gradient.device());
    Tensor total(Shape{}, gradient.dtype(), gradient.device());
    gradient.backend().binary(BinaryOp::multiply, gradient, gradient, squares);
    if (const auto mask = masks_.find(parameter.name); mask != masks_.end())
      squares.backend().apply_mask(squares, mask->second);
    gradient.backend().sum(squares, total);
    sum_of_squares += total.item();
  }
  return std::sqrt(sum_of_squares);
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
