#include <algorithm>
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
  ChannelFlow channel_flow(Shapes inputs) const override {
    ChannelFlow flow;
    for (int64_t c = 0; c < inputs[0].columns(); ++c) flow.tied.push_back({0, c, before_ + c});
    return flow;
  }
  void restrict(nlohmann::json& attributes, const KeptChannels& kept) const override {
    const auto before =
        std::ranges::count_if(kept.output, [&](int64_t channel) { return channel < before_; });
    attributes["before"] = before;
    attributes["after"] = std::ssize(kept.output) - std::ssize(kept.inputs[0]) - before;
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
  ChannelFlow channel_flow(Shapes) const override {
    ChannelFlow flow;
    for (size_t i = 0; i < channels_.size(); ++i)
      flow.chosen.push_back({0, channels_[i], static_cast<int64_t>(i)});
    return flow;
  }
  void restrict(nlohmann::json& attributes, const KeptChannels& kept) const override {
    std::vector<int64_t> channels;
    for (int64_t output : kept.output) {
      const auto place = std::ranges::lower_bound(kept.inputs[0], channels_[static_cast<size_t>(output)]);
      channels.push_back(place - kept.inputs[0].begin());
    }
    attributes["channels"] = channels;
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
