#pragma once

#include <map>
#include <memory>
#include <span>
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
  double weight_decay = 0.0;  // on ParameterKind::weight only, unless:
  bool decay_biases_and_norms = false;
  std::map<std::string, double> weight_decay_of;  // by parameter, instead of weight_decay
  double clip_norm =
      0;  // > 0: gradients are scaled down together to this ℓ2 norm (Pascanu et al., ICML 2013)
};

// Moves parameters along their gradients. Parameters share their Variables with the caller. Masks (uint8, by
// parameter name) hold their zeros at exactly zero, momentum and decay included.
class Optimizer {
 public:
  virtual ~Optimizer() = default;

  // Replaces the masks; masked weights and their moments are zeroed at once. Throws Error for a mask whose
  // name, shape or dtype fits no parameter.
  void set_masks(std::map<std::string, Tensor> masks);
  // Updates every parameter that has a gradient, then clears the gradients, which are multiplied by
  // `gradient_factor` before anything else.
  void step(double learning_rate, double gradient_factor = 1);
  void clear_gradients();
  double gradient_norm() const;  // ℓ2, over all that masks do not hold; 0 without gradients
  // The state beside the parameters ("momentum/<parameter>", …), for checkpoints; a parameter that has not
  // moved yet has none. load_state throws Error for a tensor of another shape.
  virtual std::map<std::string, Tensor> state() const = 0;
  void load_state(const std::map<std::string, Tensor>& state, int64_t steps);
  int64_t steps() const { return steps_; }

 protected:
  // A parameter that has a gradient; `mask` may be null.
  struct Turn {
    Parameter* parameter;
    const Tensor* mask;
    double weight_decay;
  };

  Optimizer(std::vector<Parameter> parameters, OptimizerOptions options);
  // REQUIRES: there are turns.
  virtual void update(std::span<const Turn> turns, double learning_rate, double gradient_factor) = 0;
  virtual void load_moments(const std::map<std::string, Tensor>& state) = 0;
  virtual void mask_moments(const std::string& name, const Tensor& mask) = 0;

  const Tensor* mask_of(const Parameter& parameter) const;  // null: none

  std::vector<Parameter> parameters_;
  std::map<std::string, Tensor> masks_;
  OptimizerOptions options_;
  int64_t steps_ = 0;
};

const std::vector<std::string>& optimizer_kinds();
// Throws Error, naming the kinds there are, for an unknown kind.
std::unique_ptr<Optimizer> make_optimizer(const OptimizerOptions& options, std::vector<Parameter> parameters);

}  // namespace espalier
