#pragma once

#include <map>
#include <string>
#include <vector>

#include "pruning/channel_graph.h"

namespace espalier::pruning {

// Which output channels of each node a removal takes away and which stay.
class RemovedChannels {
 public:
  // Takes the closure of `removal`, with its errors.
  RemovedChannels(const ChannelGraph& graph, const Removal& removal);
  bool contains(int node, int64_t channel) const {
    const Candidate candidate = graph_.candidate(node, channel);
    return removed_[static_cast<size_t>(candidate.group)][static_cast<size_t>(candidate.channel)] != 0;
  }
  std::vector<int64_t> kept(int node) const;  // increasing
  const Removal& removal() const { return removal_; }

 private:
  const ChannelGraph& graph_;
  Removal removal_;
  std::vector<std::vector<char>> removed_;  // by group and channel
};

// What is left of tensors that are laid out as a network's parameters and buffers are, without the channels
// that go.
class Restriction {
 public:
  Restriction() = default;
  Restriction(const layers::Network& network, const RemovedChannels& removed);

  // `tensor` has the shape of the parameter or buffer `name`; the result is a copy on its device where
  // anything goes, else the tensor itself. Throws Error for an unknown name or another shape.
  Tensor operator()(const std::string& name, const Tensor& tensor) const;
  // Of a network's state, or averages of what is trained. Centroids of shared weights stay as they are.
  std::map<std::string, Tensor> operator()(const std::map<std::string, Tensor>& tensors) const;
  // Of Optimizer::state(), whose names are "<kind>/<parameter>"; likewise.
  std::map<std::string, Tensor> optimizer_state(const std::map<std::string, Tensor>& state) const;

 private:
  struct Axis {
    int axis;
    std::vector<int64_t> kept;
  };
  struct Layout {
    Shape shape;
    std::vector<Axis> axes;  // those that shrink
  };
  // Of a weight of the network.
  bool is_centroids(const std::string& name) const;

  std::map<std::string, Layout> layouts_;
};

}  // namespace espalier::pruning
