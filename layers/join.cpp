#include "core/ops.h"
#include "layers/types.h"

// Layers that join branches.
namespace espalier::layers {
namespace {

class Binary final : public Layer {
 public:
  Binary(Attributes& attributes, BinaryOp op) : Layer(attributes.layer()), op_(op) {}
  Shape output_shape(Shapes inputs) const override {
    check(inputs[0] == inputs[1], "inputs {} and {} differ", inputs[0].to_string(), inputs[1].to_string());
    return inputs[0];
  }
  ChannelFlow channel_flow(Shapes inputs) const override { return channelwise(inputs); }
  Variable forward(std::span<const Variable> inputs, const ForwardContext&) override {
    return op_ == BinaryOp::add ? ops::add(inputs[0], inputs[1]) : ops::multiply(inputs[0], inputs[1]);
  }
  TailPart tail_part() const override { return op_ == BinaryOp::add ? TailPart::sum : TailPart::none; }

 private:
  BinaryOp op_;
};

class Concat final : public Layer {
 public:
  using Layer::Layer;
  Shape output_shape(Shapes inputs) const override {
    std::vector<int64_t> extents(inputs[0].begin(), inputs[0].end());
    extents.back() = 0;
    for (const Shape& input : inputs) {
      check(input.rank() == inputs[0].rank() && std::equal(input.begin(), input.end() - 1, inputs[0].begin()),
            "inputs {} and {} differ before the last axis", inputs[0].to_string(), input.to_string());
      extents.back() += input.columns();
    }
    return Shape(extents);
  }
  ChannelFlow channel_flow(Shapes inputs) const override {
    ChannelFlow flow;
    int64_t output = 0;
    for (size_t i = 0; i < inputs.size(); ++i)
      for (int64_t c = 0; c < inputs[i].columns(); ++c)
        flow.tied.push_back({static_cast<int>(i), c, output++});
    return flow;
  }
  Variable forward(std::span<const Variable> inputs, const ForwardContext&) override {
    return ops::concat({inputs.begin(), inputs.end()});
  }
};

}  // namespace

Made make_add(Attributes& attributes, Shapes) {
  return std::make_unique<Binary>(attributes, BinaryOp::add);
}
Made make_multiply(Attributes& attributes, Shapes) {
  return std::make_unique<Binary>(attributes, BinaryOp::multiply);
}
Made make_concat(Attributes& attributes, Shapes) {
  return std::make_unique<Concat>(attributes.layer());
}

}  // namespace espalier::layers
