#pragma once

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/autograd/variable.h"
#include "core/ops.h"
#include "core/parameter.h"
#include "layers/attributes.h"
#include "layers/channel_flow.h"

namespace espalier::layers {

// What a forward pass is for. Random layers draw from (seed, step) and their name alone, so that a resumed
// run repeats them.
struct ForwardContext {
  bool training = false;
  uint64_t seed = 0;
  uint64_t step = 0;
  bool fuse = true;  // let layers take over the batch norms, sums and activations that follow them
  // Where given: the outputs of the nodes (indices into Network::nodes()) that are its keys; nothing is fused
  // then, so that every one stands in memory.
  std::map<int, Variable>* outputs = nullptr;
};

// A tensor that a layer keeps but does not train (running statistics); undefined until the network is
// initialised or loaded.
struct Buffer {
  std::string name;
  Shape shape;
  double initial = 0.0;
  Tensor tensor;
};

// One kind of layer, stated in one place: how it is described, its output shape, its cost, how channels flow
// through it, and its forward pass. Shapes include the batch axis first. A layer is made by its type's row in
// layers/registry.cpp from attributes and input shapes.
class Layer {
 public:
  explicit Layer(std::string name) : name_(std::move(name)) {}
  virtual ~Layer() = default;

  const std::string& name() const { return name_; }
  // Checked when the layer was made.
  virtual Shape output_shape(std::span<const Shape> inputs) const = 0;
  // Multiply-accumulates of one forward pass, each counted once.
  virtual int64_t flops(std::span<const Shape> /*inputs*/) const { return 0; }
  virtual ChannelFlow channel_flow(std::span<const Shape> inputs) const = 0;
  // Rewrites the layer's attributes to those of the same layer on fewer channels. REQUIRES: `kept` agrees
  // with channel_flow().
  virtual void restrict(nlohmann::json& /*attributes*/, const KeptChannels& /*kept*/) const {}
  virtual Variable forward(std::span<const Variable> inputs, const ForwardContext& context) = 0;
  // Whether forward() draws anew at every step of a training.
  virtual bool is_random() const { return false; }

  // A layer that takes a tail can do what follows it before its output goes to memory.
  virtual bool takes_tail() const { return false; }
  // REQUIRES: takes_tail().
  virtual Variable forward(std::span<const Variable> inputs, const ForwardContext& context,
                           const ops::Tail& tail);
  // What the layer can be in the tail of the one before it. An affine layer is one in inference only.
  enum class TailPart { none, affine, sum, activation };
  virtual TailPart tail_part() const { return TailPart::none; }
  // Adds itself to the tail, of which a sum's residual is already there.
  virtual void extend(ops::Tail& /*tail*/) {}

  std::vector<Parameter>& parameters() { return parameters_; }
  const std::vector<Parameter>& parameters() const { return parameters_; }
  std::vector<Buffer>& buffers() { return buffers_; }
  const std::vector<Buffer>& buffers() const { return buffers_; }

 protected:
  // Named "<layer>.<part>".
  void add_parameter(std::string_view part, ParameterKind kind, Shape shape);
  void add_buffer(std::string_view part, Shape shape, double initial);

 private:
  std::string name_;
  std::vector<Parameter> parameters_;
  std::vector<Buffer> buffers_;
};

// One row of the registry.
struct LayerType {
  std::string_view name;
  std::string_view description;
  int inputs;  // how many; -1: one or more
  std::unique_ptr<Layer> (*make)(Attributes& attributes, std::span<const Shape> inputs);
};
std::span<const LayerType> layer_types();
// Throws Error for an unknown type, wrong attributes, or inputs that do not fit.
std::unique_ptr<Layer> make_layer(const std::string& type, const std::string& name,
                                  const nlohmann::json& attributes, std::span<const Shape> inputs);

}  // namespace espalier::layers
