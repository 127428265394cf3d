#include "core/ops.h"
#include "layers/types.h"

namespace espalier::layers {
namespace {

class Flatten final : public Layer {
 public:
  using Layer::Layer;
  Shape output_shape(Shapes inputs) const override {
    return {inputs[0][0], inputs[0].numel() / inputs[0][0]};
  }
  Variable forward(std::span<const Variable> inputs, const ForwardContext&) override {
    return ops::flatten(inputs[0]);
  }
};

}  // namespace

Made make_flatten(Attributes& attributes, Shapes) {
  return std::make_unique<Flatten>(attributes.layer());
}

}  // namespace espalier::layers
