#include <numeric>

#include "core/ops.h"
#include "layers/types.h"

// Layers that rearrange channels.
namespace espalier::layers {
namespace {

Shape with_channels(const Shape& shape, int64_t channels) {
  std::vector<int64_t> extents(shape.begin(), shape.end());
  extents.back() = channels;
  return Shape(extents);
}

class PadChannels final : public Layer {
 public:
  explicit PadChannels(Attributes& attributes)
      : Layer(attributes.layer()),
        before_(attributes.integer("before", 0, kMaxChannels)),
        after_(attributes.integer("after", 0, kMaxChannels)) {}
  Shape output_shape(Shapes inputs) const override {
    return with_channels(inputs[0], before_ + inputs[0].columns() + after_);
  }
  Variable forward(std::span<const Variable> inputs, const ForwardContext&) override {
    return ops::pad_channels(inputs[0], before_, after_);
  }

 private:
  int before_, after_;
};

class SelectChannels final : public Layer {
 public:
  SelectChannels(Attributes& attributes, const Shape& input) : Layer(attributes.layer()) {
    check(input.columns() <= kMaxChannels, "input {} has more than {} channels", input.to_string(),
          kMaxChannels);
    channels_.resize(static_cast<size_t>(input.columns()));
    std::iota(channels_.begin(), channels_.end(), 0);
    channels_ = attributes.indices("channels", static_cast<int>(input.columns()), channels_);
  }
  Shape output_shape(Shapes inputs) const override {
    return with_channels(inputs[0], static_cast<int64_t>(channels_.size()));
  }
  Variable forward(std::span<const Variable> inputs, const ForwardContext&) override {
    return ops::select_channels(inputs[0], channels_);
  }

 private:
  std::vector<int> channels_;
};

}  // namespace

Made make_pad_channels(Attributes& attributes, Shapes) {
  return std::make_unique<PadChannels>(attributes);
}
Made make_select_channels(Attributes& attributes, Shapes inputs) {
  return std::make_unique<SelectChannels>(attributes, inputs[0]);
}

}  // namespace espalier::layers
