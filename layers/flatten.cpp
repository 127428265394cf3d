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
  ChannelFlow channel_flow(Shapes inputs) const override {
    const int64_t channels = inputs[0].columns(), places = inputs[0].numel() / inputs[0][0] / channels;
    ChannelFlow flow;
    for (int64_t place = 0; place < places; ++place)
      for (int64_t c = 0; c < channels; ++c) flow.tied.push_back({0, c, place * channels + c});
    return flow;
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
