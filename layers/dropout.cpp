#include "core/ops.h"
#include "core/random.h"
#include "layers/types.h"

namespace espalier::layers {
namespace {

class Dropout final : public Layer {
 public:
  explicit Dropout(Attributes& attributes)
      : Layer(attributes.layer()), probability_(attributes.number("probability", 0, 0.999, 0.5)) {}
  Shape output_shape(Shapes inputs) const override { return inputs[0]; }
  ChannelFlow channel_flow(Shapes inputs) const override { return channelwise(inputs); }
  Variable forward(std::span<const Variable> inputs, const ForwardContext& context) override {
    if (!context.training || probability_ == 0) return inputs[0];
    return ops::dropout(inputs[0], probability_,
                        RandomStream(context.seed, "dropout/" + name(), context.step).key());
  }
  bool is_random() const override { return probability_ > 0; }

 private:
  double probability_;
};

}  // namespace

Made make_dropout(Attributes& attributes, Shapes) {
  return std::make_unique<Dropout>(attributes);
}

}  // namespace espalier::layers
