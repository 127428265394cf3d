#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/backend.h"
#include "core/parameter.h"

namespace espalier {

struct OptimizerOptions {
  std::string kind = "sgd";  // sgd, adam, adamw
  double momentum = 0.9;     // sgd
  bool nesterov = false;     // sgd
  double beta1 = 0.9;        // adam, adamw
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0.0;       // on ParameterKind::weight only, unless:
  bool decay_biases_and_norms = false;
};

// Moves parameters along their gradients. Masks (uint8, by parameter name) hold their zeros at exactly zero, momentum and
// decay included.
class Optimizer {
 public:
  virtual ~Optimizer() = default;

  // Updates every parameter that has a gradient, then clears the gradients.
  void step(double learning_rate);
  void clear_gradients();
  // The state beside the parameters ("momentum/<parameter>", …), for checkpoints. load_state throws Error on a missing tensor or
  // another shape; a parameter that has not moved yet has no state.
  virtual std::map<std::string, Tensor> state() const = 0;
  virtual void load_state(const std::map<std::string, Tensor>& state, int64_t steps) = 0;
  int64_t steps() const { return steps_; }

 protected:
  Optimizer(std::vector<Parameter> parameters, std::map<std::string, Tensor> masks, OptimizerOptions options);
  virtual void update(Parameter& parameter, const Tensor& mask, double learning_rate, double weight_decay) = 0;

  std::vector<Parameter> parameters_;
  std::map<std::string, Tensor> masks_;
  OptimizerOptions options_;
  int64_t steps_ = 0;
};

// Throws Error, naming the kinds there are, for an unknown kind. Parameters share their Variables with the caller. Masked weights are
// zeroed at once. Throws Error for a mask whose shape or dtype does not fit its parameter.
std::unique_ptr<Optimizer> make_optimizer(const OptimizerOptions& options, std::vector<Parameter> parameters,
                                          std::map<std::string, Tensor> masks = {});

}  // namespace espalier
