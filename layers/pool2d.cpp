#include "core/ops.h"
#include "layers/types.h"

namespace espalier::layers {
namespace {

class Pool2d final : public Layer {
 public:
  Pool2d(Attributes& attributes, PoolOp op) : Layer(attributes.layer()), op_(op) {
    options_.kernel = attributes.pair("kernel", 1, kMaxWindow);
    options_.stride = attributes.pair("stride", 1, kMaxWindow, options_.kernel);
    options_.padding = attributes.pair("padding", 0, kMaxWindow, {0, 0});
    options_.ceil_mode = attributes.boolean("ceil_mode", false);
    if (op == PoolOp::average) options_.count_include_pad = attributes.boolean("count_include_pad", false);
  }
  Shape output_shape(Shapes inputs) const override { return ops::pool2d_shape(inputs[0], options_); }
  ChannelFlow channel_flow(Shapes inputs) const override { return channelwise(inputs); }
  Variable forward(std::span<const Variable> inputs, const ForwardContext&) override {
    return op_ == PoolOp::max ? ops::max_pool2d(inputs[0], options_)
                              : ops::average_pool2d(inputs[0], options_);
  }

 private:
  PoolOp op_;
  Pool2dOptions options_;
};

class GlobalAveragePool2d final : public Layer {
 public:
  using Layer::Layer;
  Shape output_shape(Shapes inputs) const override {
    check(inputs[0].rank() == 4, "input {} is not an image; expected (N, H, W, C)", inputs[0].to_string());
    return {inputs[0][0], inputs[0][3]};
  }
  ChannelFlow channel_flow(Shapes inputs) const override { return channelwise(inputs); }
  Variable forward(std::span<const Variable> inputs, const ForwardContext&) override {
    return ops::global_average_pool2d(inputs[0]);
  }
};

}  // namespace

Made make_max_pool2d(Attributes& attributes, Shapes) {
  return std::make_unique<Pool2d>(attributes, PoolOp::max);
}
Made make_average_pool2d(Attributes& attributes, Shapes) {
  return std::make_unique<Pool2d>(attributes, PoolOp::average);
}
Made make_global_average_pool2d(Attributes& attributes, Shapes) {
  return std::make_unique<GlobalAveragePool2d>(attributes.layer());
}

}  // namespace espalier::layers
