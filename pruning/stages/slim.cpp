#include <algorithm>

#include "core/backend.h"
#include "core/error.h"
#include "pruning/stages.h"
#include "training/trainer.h"

namespace espalier::pruning {
namespace {

bool has_scales(const layers::Network& network) {
  return std::ranges::any_of(network.nodes(), [](const auto& node) {
    return std::ranges::any_of(node.layer->parameters(), [](const Parameter& parameter) {
      return parameter.kind == ParameterKind::norm_scale;
    });
  });
}

class SlimStage final : public Stage {
 public:
  explicit SlimStage(const Config& config)
      : penalty_(config.get_number("penalty", 1e-4, 0, 1e6)),
        initial_scale_(config.get_number("initial_scale", 0.0, 0, 1e6)),
        train_(read_train_options(config, TrainOptions{}.epochs)) {}

  void check(const layers::Network& network, const datasets::Split& data) const override {
    espalier::check(has_scales(network),
                    "[slim] network '{}' has no batch norms whose scales could be driven to zero",
                    network.name());
    check_train_options(train_, network, data);
  }

  void run(StageContext& context) override {
    std::vector<Parameter*> scales;
    for (Parameter* parameter : context.model.network.parameters())
      if (parameter->kind == ParameterKind::norm_scale) scales.push_back(parameter);
    if (initial_scale_ > 0)
      for (Parameter* scale : scales) scale->variable.value().fill(initial_scale_);
    train(context, train_, {.before_update = [&](double factor) {
            for (Parameter* scale : scales) add_subgradient(scale->variable, factor * penalty_);
          }});
  }

 private:
  // Of penalty Σ|γ|, which is taken to be 0 where γ is.
  static void add_subgradient(Variable& scale, double penalty) {
    if (!scale.gradient().defined()) return;
    const Tensor& gradient = scale.gradient();
    Tensor total(gradient.shape(), gradient.dtype(), gradient.device());
    Backend& backend = total.backend();
    backend.unary(UnaryOp::sign, scale.value(), total);
    backend.axpby(1, gradient, penalty, total);
    scale.replace_gradient(std::move(total));
  }

  double penalty_, initial_scale_;
  TrainOptions train_;
};

}  // namespace

const StageRow kSlimStage = {
    "slim",
    "train with an L1 penalty on the scales of batch norms: penalty, initial_scale, and the keys of train",
    make_stage<SlimStage>};

}  // namespace espalier::pruning
