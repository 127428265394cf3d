#pragma once

#include <array>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/normalisation.h"
#include "layers/initialiser.h"
#include "layers/layer.h"

namespace espalier::layers {

// A network as data: a directed acyclic graph of named layers in an order in which it can be computed. It is
// described by JSON
//   {"name": "lenet5", "input": [28, 28, 1],
//    "layers": [{"name": "conv1", "type": "conv2d", "inputs": ["input"], "attributes": {"channels": 20,
//    "kernel": 5}}, …]}
// and holds parameters and buffers only after initialise() or load_state(): a description costs no memory.
class Network {
 public:
  struct Node {
    std::string type;
    nlohmann::json attributes;
    std::unique_ptr<Layer> layer;
    std::vector<int> inputs;  // indices of earlier nodes; -1 is the image
    Shape output;             // for one image: (1, …)
  };

  // A layer and those behind it that it takes over as its tail (Layer::takes_tail): the value of the last
  // comes out, the others' never stand in memory.
  struct Step {
    size_t layer = 0;
    std::vector<size_t> tail = {};  // in their order
    std::vector<int> inputs = {};   // nodes, -1 for the image: the layer's, then what a sum in the tail adds
    bool has_residual = false;      // whether there is such a sum
    bool precedes_batch_norm = false;  // which keeps to itself
    size_t output() const { return tail.empty() ? layer : tail.back(); }
  };

  // `image` is (H, W, C).
  Network(std::string name, Shape image);

  // Appends a layer that reads earlier layers by name ("input": the image); an empty list means the layer
  // added last. Throws Error for a name taken or unknown, an unknown type, wrong attributes, or inputs that
  // do not fit.
  void add(const std::string& type, const std::string& name,
           const nlohmann::json& attributes = nlohmann::json::object(),
           const std::vector<std::string>& inputs = {});

  // The last layer's output for images (N, H, W, C). Throws Error before initialise() or load_state().
  Variable forward(const Variable& images, const ForwardContext& context);

  const std::string& name() const { return name_; }
  const Shape& image() const { return image_; }  // (H, W, C)
  // Length of the output vector.
  int64_t classes() const;
  const std::vector<Node>& nodes() const { return nodes_; }

  // How the images that the network was trained on were normalised, and what its classes are called, where
  // that is known. Both are part of the description. The setters throw Error for a normalisation of another
  // number of channels, standard deviations that are not positive, another number of labels than classes, or
  // one that is not UTF-8.
  const std::optional<Normalisation>& normalisation() const { return normalisation_; }
  const std::vector<std::string>& labels() const { return labels_; }
  void set_normalisation(Normalisation normalisation);
  void set_labels(std::vector<std::string> labels);

  // Pointers stay valid as long as the network does.
  std::vector<Parameter*> parameters();
  Parameter& parameter(const std::string& name);
  int64_t parameter_count() const;
  int64_t flops() const;  // of one image
  int64_t flops(const Node& node) const;
  std::vector<Shape> input_shapes(const Node& node) const;  // for one image

  void initialise(Initialiser initialiser, uint64_t seed, Device device);
  // Parameters and buffers by name. Values are shared, not copied.
  std::map<std::string, Tensor> state();
  // Copies `state` into fresh parameters on `device`. Throws Error, beginning with `origin`, naming every
  // missing, surplus or misshapen tensor.
  void load_state(const std::map<std::string, Tensor>& state, Device device, const std::string& origin);

  std::string description() const;
  // Untrusted input. Errors begin with `origin`.
  static Network from_description(std::string_view text, const std::string& origin);

 private:
  int index_of(const std::string& name) const;
  const std::vector<Step>& steps(bool differentiable);
  Variable forward(const Step& step, std::vector<Variable> inputs, const ForwardContext& context);
  bool ready() const { return ready_; }

  std::string name_;
  Shape image_;
  std::vector<Node> nodes_;
  std::optional<Normalisation> normalisation_;
  std::vector<std::string> labels_;
  std::map<std::string, int> index_;
  std::array<std::vector<Step>, 2> steps_;  // for inference and for gradients, made when first needed
  bool ready_ = false;
};

}  // namespace espalier::layers
