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
  ChannelFlow channel_flow(Shapes inputs) const override {
    using Side = ChannelFlow::Side;
    const Parameter& weight = parameters()[0];
    const int64_t groups = options_.groups, per_group_in = weight.shape[3],
                  per_group_out = weight.shape[0] / groups;
    ChannelFlow flow;
    for (const Parameter& parameter : parameters()) flow.axes.push_back({parameter.name, 0, Side::output});
    if (depthwise()) {
      for (int64_t c = 0; c < weight.shape[0]; ++c) flow.tied.push_back({0, c / per_group_out, c});
      return flow;
    }
    flow.axes.push_back({weight.name, 3, Side::input});
    if (groups > 1) {
      flow.input_sets = across_groups(inputs[0][3], per_group_in);
      flow.output_sets = across_groups(weight.shape[0], per_group_out);
    }
    return flow;
  }
  void restrict(nlohmann::json& attributes, const KeptChannels& kept) const override {
    attributes["channels"] = kept.output.size();
    if (depthwise()) attributes["groups"] = kept.inputs[0].size();
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
  // Whole groups, of one input channel each, may go; other groups stay, each as wide as the others.
  bool depthwise() const { return options_.groups > 1 && parameters()[0].shape[3] == 1; }
  // The channels at the same place of each group.
  static std::vector<std::vector<int64_t>> across_groups(int64_t channels, int64_t per_group) {
    std::vector<std::vector<int64_t>> sets(static_cast<size_t>(per_group));
    for (int64_t c = 0; c < channels; ++c) sets[static_cast<size_t>(c % per_group)].push_back(c);
    return sets;
  }

  Conv2dOptions options_;
  bool bias_ = true;
};

}  // namespace

Made make_conv2d(Attributes& attributes, Shapes inputs) {
  return std::make_unique<Conv2d>(attributes, inputs[0]);
}

}  // namespace espalier::layers
