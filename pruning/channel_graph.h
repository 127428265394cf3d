#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "layers/network.h"

namespace espalier::pruning {

// One channel to keep or to remove, with all that exists only together with it.
struct Candidate {
  int group = 0;    // index into ChannelGraph::groups()
  int channel = 0;  // of the group
  auto operator<=>(const Candidate&) const = default;
};
// The least important first, where the order matters.
using Removal = std::vector<Candidate>;

// What belongs to a group's candidates along one axis of a parameter or buffer.
class ChannelSlices {
 public:
  // `pairs` are (candidate, index), increasing.
  ChannelSlices(int layer, std::string name, int along, layers::ChannelFlow::Side which, int candidates,
                std::span<const std::pair<int, int>> pairs);

  int node;  // index into Network::nodes()
  std::string tensor;
  int axis;
  layers::ChannelFlow::Side side;  // the layer puts the channels out along this axis, or reads them
  // Indices along the axis, increasing.
  std::span<const int> of(int candidate) const {
    const auto begin = static_cast<size_t>(begins_[static_cast<size_t>(candidate)]);
    return std::span(indices_).subspan(
        begin, static_cast<size_t>(begins_[static_cast<size_t>(candidate) + 1]) - begin);
  }
  int64_t count() const { return std::ssize(indices_); }

 private:
  std::vector<int> begins_, indices_;
};

// Numbers the output channels of all nodes; the image is node -1. Throws Error for more than 4 million.
class ChannelIndex {
 public:
  explicit ChannelIndex(const layers::Network& network);
  size_t operator()(int node, int64_t channel) const {
    return static_cast<size_t>(begins_[static_cast<size_t>(node + 1)] + channel);
  }
  int64_t channels(int node) const {
    return begins_[static_cast<size_t>(node + 2)] - begins_[static_cast<size_t>(node + 1)];
  }
  size_t total() const { return static_cast<size_t>(begins_.back()); }

 private:
  std::vector<int64_t> begins_;
};

// Channels that flow through the same layers. Each is a candidate of its own.
struct ChannelGroup {
  std::string name;  // of the first in named_by(); of groups with the same, later ones get "#2", …
  int channels = 0;
  // Not those of the image, of the network's output, or of a softmax, nor what these are chosen from.
  bool prunable = true;
  std::vector<int> nodes;  // all that put the channels out, increasing; -1 is the image
  std::vector<int> producers, norms,
      consumers;                      // those with weights of them, that scale them, that read them
  std::vector<ChannelSlices> slices;  // in the order of nodes

  // The layers whose names stand for the group: those that make its channels; where these are only chosen
  // from others', those that scale them, or else that pass them on.
  const std::vector<int>& named_by() const {
    return !producers.empty() ? producers : !norms.empty() ? norms : nodes;
  }
};

// Whether a sum of branches carries the group's channels, as the stream of a residual network.
bool is_residual(const layers::Network& network, const ChannelGroup& group);

// Which channels of a network live and die together, from what each layer says of its flow. A removal may
// imply others: of the channels that a select_channels layer passed on (and their batch norm's entries) when
// the selected one goes, but not the other way round.
class ChannelGraph {
 public:
  // The candidates depend on the network's description alone. Throws Error for more than 4 million channels.
  explicit ChannelGraph(const layers::Network& network);

  const std::vector<ChannelGroup>& groups() const { return groups_; }
  // Throws Error, listing those there are, for an unknown name.
  int group(const std::string& name) const;
  // Of an output channel of a node; -1 is the image.
  Candidate candidate(int node, int64_t channel) const { return candidates_[index_(node, channel)]; }
  int64_t channels(int node) const { return index_.channels(node); }

  // `removal` and all that it implies, sorted. Throws Error for a candidate that there isn't, that is not
  // prunable, and for a group that would be left without channels.
  Removal closure(const Removal& removal) const;
  // As many of `wishes`, in their order, as can go without emptying a group, with all that they imply. With
  // `multiple` above 1 the last of a group's are given back until it keeps a multiple of that, or all, or
  // what others imply is all that remains. Candidates that are not prunable are left out.
  Removal admissible(const Removal& wishes, int multiple = 1) const;

 private:
  void check_known(const Candidate& candidate) const;
  // Appends `candidate` and what it implies to `all`, unless marked in `removed`.
  void imply(const Candidate& candidate, std::vector<std::vector<char>>& removed, Removal& all) const;

  const std::vector<Candidate>& implied(const Candidate& candidate) const {
    return implied_[static_cast<size_t>(candidate.group)][static_cast<size_t>(candidate.channel)];
  }

  ChannelIndex index_;
  std::vector<ChannelGroup> groups_;
  std::vector<Candidate> candidates_;                         // by channel
  std::vector<std::vector<std::vector<Candidate>>> implied_;  // by group and channel
};

}  // namespace espalier::pruning
