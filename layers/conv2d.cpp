#include "core/ops.h"
#include "layers/types.h"

namespace espalier::layers {
namespace {

class Conv2d final : public Layer {
 public:
  Conv2d(Attributes& attributes, const Shape& input) : Layer(attributes.layer()) {
    const int channels = attributes.integer("channels", 1, kMaxChannels);
    const auto kernel = attributes.pair("kernel", 1, kMaxWindow);
    options_.stride = attributes.pair("stride", 1, kMaxWindow, {1, 1});
    options_.padding = attributes.pair("padding", 0, kMaxWindow, {0, 0});
    options_.dilation = attributes.pair("dilation", 1, kMaxWindow, {1, 1});
    options_.groups = attributes.integer("groups", 1, kMaxChannels, 1);
    bias_ = attributes.boolean("bias", true);
    check(input.rank() == 4 && input[3] % options_.groups == 0,
          "input {} does not divide into {} groups of channels", input.to_string(), options_.groups);
    add_parameter("weight", ParameterKind::weight,
                  {channels, kernel[0], kernel[1], input[3] / options_.groups});
    if (bias_) add_parameter("bias", ParameterKind::bias, {channels});
  }

  Shape output_shape(Shapes inputs) const override {
    return ops::conv2d_shape(inputs[0], parameters()[0].shape, options_);
  }
  int64_t flops(Shapes inputs) const override {
    const Shape& weight = parameters()[0].shape;
    return output_shape(inputs).numel() * weight[1] * weight[2] * weight[3];
  }
  Variable forward(std::span<const Variable> inputs, const ForwardContext& context) override {
    return forward(inputs, context, {});
  }
  bool takes_tail() const override { return true; }
  Variable forward(std::span<const Variable> inputs, const ForwardContext&, const ops::Tail& tail) override {
    return ops::conv2d(inputs[0], parameters()[0].variable, bias_ ? parameters()[1].variable : Variable(),
                       options_, tail);
  }

 private:
  Conv2dOptions options_;
  bool bias_ = true;
};

}  // namespace

Made make_conv2d(Attributes& attributes, Shapes inputs) {
  return std::make_unique<Conv2d>(attributes, inputs[0]);
}

}  // namespace espalier::layers
