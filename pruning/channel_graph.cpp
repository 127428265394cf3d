#include "pruning/channel_graph.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <utility>

#include "core/error.h"

namespace espalier::pruning {
namespace {

using layers::ChannelFlow;
using layers::Network;

constexpr int64_t kMaxChannels = int64_t{1} << 22;

class UnionFind {
 public:
  explicit UnionFind(size_t count) : parents_(count) { std::iota(parents_.begin(), parents_.end(), 0); }
  size_t find(size_t element) {
    while (parents_[element] != element) {
      parents_[element] = parents_[parents_[element]];
      element = parents_[element];
    }
    return element;
  }
  // The earlier element stays the root.
  void unite(size_t a, size_t b) {
    a = find(a), b = find(b);
    parents_[std::max(a, b)] = std::min(a, b);
  }

 private:
  std::vector<size_t> parents_;
};

const Shape& shape_of(const layers::Layer& layer, const std::string& tensor) {
  for (const Parameter& parameter : layer.parameters())
    if (parameter.name == tensor) return parameter.shape;
  for (const layers::Buffer& buffer : layer.buffers())
    if (buffer.name == tensor) return buffer.shape;
  fail("[channels] layer '{}' has no tensor '{}'", layer.name(), tensor);
}

bool reads_by_weights(const ChannelFlow& flow) {
  return std::ranges::any_of(flow.axes,
                             [](const auto& axis) { return axis.side == ChannelFlow::Side::input; });
}

bool puts_out(const layers::Layer& layer, const ChannelFlow& flow, ParameterKind kind) {
  return std::ranges::any_of(flow.axes, [&](const auto& axis) {
    return axis.side == ChannelFlow::Side::output &&
           std::ranges::any_of(layer.parameters(), [&](const Parameter& parameter) {
             return parameter.name == axis.tensor && parameter.kind == kind;
           });
  });
}

// Channels that live and die together, numbered in order of their first.
struct Classes {
  std::vector<size_t> of;                    // by channel
  std::vector<char> fixed;                   // by class: cannot go
  std::vector<std::vector<size_t>> implied;  // by class: those that go when it does
};

Classes classify(const Network& network, const std::vector<ChannelFlow>& flows, const ChannelIndex& index) {
  const int count = static_cast<int>(flows.size());
  UnionFind joined(index.total());
  std::vector<std::pair<size_t, size_t>> choices;  // from, and what is chosen of it
  std::vector<char> fixed(index.total(), 0);
  const auto fix = [&](int node) {
    for (int64_t c = 0; c < index.channels(node); ++c) fixed[index(node, c)] = 1;
  };
  const auto unite_sets = [&](int node, const std::vector<std::vector<int64_t>>& sets) {
    for (const auto& set : sets)
      for (int64_t c : set) joined.unite(index(node, set.front()), index(node, c));
  };
  fix(-1);
  fix(count - 1);
  for (int n = 0; n < count; ++n) {
    const auto& inputs = network.nodes()[static_cast<size_t>(n)].inputs;
    const ChannelFlow& flow = flows[static_cast<size_t>(n)];
    const auto input = [&](const ChannelFlow::Link& link) {
      return index(inputs[static_cast<size_t>(link.input)], link.channel);
    };
    for (const auto& link : flow.tied) joined.unite(input(link), index(n, link.output));
    for (const auto& link : flow.chosen) choices.emplace_back(input(link), index(n, link.output));
    unite_sets(inputs[0], flow.input_sets);
    unite_sets(n, flow.output_sets);
    if (flow.whole) fix(n);
  }

  Classes result{.of = std::vector<size_t>(index.total()), .fixed = {}, .implied = {}};
  for (size_t e = 0; e < index.total(); ++e) {
    const size_t root = joined.find(e);
    if (root == e) result.fixed.push_back(0);
    result.of[e] = root == e ? result.fixed.size() - 1 : result.of[root];
    result.fixed[result.of[e]] |= fixed[e];
  }
  result.implied.resize(result.fixed.size());
  std::vector<std::vector<size_t>> reasons(result.fixed.size());
  for (const auto& [from, to] : choices) {
    if (result.of[from] == result.of[to]) continue;
    result.implied[result.of[from]].push_back(result.of[to]);
    reasons[result.of[to]].push_back(result.of[from]);
  }
  // What would take a fixed class along cannot go either.
  std::vector<size_t> spreading;
  for (size_t c = 0; c < result.fixed.size(); ++c)
    if (result.fixed[c] != 0) spreading.push_back(c);
  while (!spreading.empty()) {
    const size_t c = spreading.back();
    spreading.pop_back();
    for (size_t reason : reasons[c])
      if (std::exchange(result.fixed[reason], char{1}) == 0) spreading.push_back(reason);
  }
  return result;
}

// By class, increasing: 2 (node + 1) for a node that puts it out, 2 (node + 1) + 1 for one whose weights read
// it.
std::vector<std::vector<int>> members_of(const Network& network, const std::vector<ChannelFlow>& flows,
                                         const ChannelIndex& index, const Classes& classes) {
  std::vector<std::vector<int>> members(classes.fixed.size());
  const auto join = [&](int node, int member) {
    for (int64_t c = 0; c < index.channels(node); ++c) {
      std::vector<int>& all = members[classes.of[index(node, c)]];
      if (all.empty() || all.back() != member) all.push_back(member);
    }
  };
  join(-1, 0);
  for (int n = 0; n < static_cast<int>(flows.size()); ++n) {
    join(n, 2 * (n + 1));
    if (reads_by_weights(flows[static_cast<size_t>(n)]))
      join(network.nodes()[static_cast<size_t>(n)].inputs[0], 2 * (n + 1) + 1);
  }
  return members;
}

ChannelGroup make_group(const Network& network, const std::vector<ChannelFlow>& flows,
                        const std::vector<int>& members, bool prunable) {
  ChannelGroup group{.name = "input", .channels = 0, .prunable = prunable};
  for (int member : members) {
    const int n = member / 2 - 1;
    if (member % 2 != 0) {
      group.consumers.push_back(n);
      continue;
    }
    group.nodes.push_back(n);
    if (n < 0) continue;
    const layers::Layer& layer = *network.nodes()[static_cast<size_t>(n)].layer;
    const ChannelFlow& flow = flows[static_cast<size_t>(n)];
    if (puts_out(layer, flow, ParameterKind::weight)) group.producers.push_back(n);
    if (puts_out(layer, flow, ParameterKind::norm_scale)) group.norms.push_back(n);
  }
  if (const int first = group.named_by().front(); first >= 0)
    group.name = network.nodes()[static_cast<size_t>(first)].layer->name();
  return group;
}

}  // namespace

ChannelIndex::ChannelIndex(const Network& network) : begins_{0, network.image()[2]} {
  check(!network.nodes().empty(), "[channels] network '{}' has no layers", network.name());
  for (const auto& node : network.nodes()) begins_.push_back(begins_.back() + node.output.columns());
  check(begins_.back() <= kMaxChannels,
        "[channels] network '{}' has {} channels in all its layers; expected at most {}", network.name(),
        begins_.back(), kMaxChannels);
}

ChannelSlices::ChannelSlices(int layer, std::string name, int along, ChannelFlow::Side which, int candidates,
                             std::span<const std::pair<int, int>> pairs)
    : node(layer), tensor(std::move(name)), axis(along), side(which) {
  begins_.assign(static_cast<size_t>(candidates) + 1, 0);
  for (const auto& [candidate, index] : pairs) {
    ++begins_[static_cast<size_t>(candidate) + 1];
    indices_.push_back(index);
  }
  std::partial_sum(begins_.begin(), begins_.end(), begins_.begin());
}

ChannelGraph::ChannelGraph(const Network& network) : index_(network) {
  const auto& nodes = network.nodes();
  const int count = static_cast<int>(nodes.size());
  std::vector<ChannelFlow> flows;
  for (const auto& node : nodes) flows.push_back(node.layer->channel_flow(network.input_shapes(node)));
  const Classes classes = classify(network, flows, index_);
  const std::vector<std::vector<int>> members = members_of(network, flows, index_, classes);

  // Groups and their candidates, in order of their first channels.
  std::map<std::pair<char, std::vector<int>>, int> group_of;
  std::vector<Candidate> candidate_of;  // by class
  for (size_t c = 0; c < members.size(); ++c) {
    const auto [found, fresh] =
        group_of.try_emplace({classes.fixed[c], members[c]}, static_cast<int>(groups_.size()));
    if (fresh) groups_.push_back(make_group(network, flows, members[c], classes.fixed[c] == 0));
    candidate_of.push_back({found->second, groups_[static_cast<size_t>(found->second)].channels++});
  }
  for (size_t c : classes.of) candidates_.push_back(candidate_of[c]);
  for (const ChannelGroup& group : groups_) implied_.emplace_back(static_cast<size_t>(group.channels));
  for (size_t c = 0; c < members.size(); ++c)
    for (size_t other : classes.implied[c])
      implied_[static_cast<size_t>(candidate_of[c].group)][static_cast<size_t>(candidate_of[c].channel)]
          .push_back(candidate_of[other]);

  std::set<std::string> taken;
  for (ChannelGroup& group : groups_) {
    const std::string layer = group.name;
    for (int times = 2; !taken.insert(group.name).second; ++times)
      group.name = fmt::format("{}#{}", layer, times);
  }

  for (int n = 0; n < count; ++n) {
    const auto& node = nodes[static_cast<size_t>(n)];
    for (const ChannelFlow::Axis& axis : flows[static_cast<size_t>(n)].axes) {
      const int source = axis.side == ChannelFlow::Side::input ? node.inputs[0] : n;
      const int64_t extent = shape_of(*node.layer, axis.tensor)[axis.axis];
      std::map<int, std::vector<std::pair<int, int>>> pairs;  // by group: candidate, index
      for (int64_t c = 0; c < channels(source); ++c) {
        const Candidate where = candidate(source, c);
        pairs[where.group].emplace_back(where.channel, static_cast<int>(c % extent));
      }
      for (auto& [group, all] : pairs) {
        std::ranges::sort(all);
        all.erase(std::ranges::unique(all).begin(), all.end());
        ChannelGroup& owner = groups_[static_cast<size_t>(group)];
        owner.slices.emplace_back(n, axis.tensor, axis.axis, axis.side, owner.channels, all);
      }
    }
  }
}

int ChannelGraph::group(const std::string& name) const {
  std::vector<std::string> names;
  for (size_t g = 0; g < groups_.size(); ++g) {
    if (groups_[g].name == name) return static_cast<int>(g);
    names.push_back(groups_[g].name);
  }
  fail("[channels] no group '{}'; the groups are {}", name, fmt::join(names, ", "));
}

void ChannelGraph::check_known(const Candidate& candidate) const {
  check(candidate.group >= 0 && candidate.group < std::ssize(groups_),
        "[channels] a candidate of group {}; there are {}", candidate.group, groups_.size());
  const ChannelGroup& group = groups_[static_cast<size_t>(candidate.group)];
  check(candidate.channel >= 0 && candidate.channel < group.channels,
        "[channels] channel {} of group '{}', which has {}", candidate.channel, group.name, group.channels);
}

void ChannelGraph::imply(const Candidate& candidate, std::vector<std::vector<char>>& removed,
                         Removal& all) const {
  const auto take = [&](const Candidate& each) {
    char& mark = removed[static_cast<size_t>(each.group)][static_cast<size_t>(each.channel)];
    if (std::exchange(mark, char{1}) == 0) all.push_back(each);
  };
  size_t next = all.size();
  take(candidate);
  for (; next < all.size(); ++next) {
    const Candidate each = all[next];
    for (const Candidate& other : implied(each)) take(other);
  }
}

Removal ChannelGraph::closure(const Removal& removal) const {
  std::vector<std::vector<char>> removed;
  for (const ChannelGroup& group : groups_) removed.emplace_back(static_cast<size_t>(group.channels), 0);
  Removal all;
  for (const Candidate& candidate : removal) {
    check_known(candidate);
    const ChannelGroup& group = groups_[static_cast<size_t>(candidate.group)];
    check(group.prunable,
          "[channels] channels of group '{}' cannot be removed: they are those of the image, of "
          "the network's output or of a softmax",
          group.name);
    imply(candidate, removed, all);
  }
  for (size_t g = 0; g < groups_.size(); ++g)
    check(std::ranges::count(removed[g], 0) > 0,
          "[channels] all {} channels of group '{}' would go; one at least "
          "has to stay",
          groups_[g].channels, groups_[g].name);
  std::ranges::sort(all);
  return all;
}

Removal ChannelGraph::admissible(const Removal& wishes, int multiple) const {
  check(multiple >= 1, "[channels] a multiple of {}; expected 1 or more", multiple);
  std::vector<std::vector<char>> removed;
  std::vector<int> kept;
  for (const ChannelGroup& group : groups_) {
    removed.emplace_back(static_cast<size_t>(group.channels), 0);
    kept.push_back(group.channels);
  }
  const auto left = [&](const Candidate& candidate) -> int& {
    return kept[static_cast<size_t>(candidate.group)];
  };
  Removal accepted;  // without what they imply
  Removal all;
  std::set<Candidate> seen;
  for (const Candidate& wish : wishes) {
    check_known(wish);
    if (!groups_[static_cast<size_t>(wish.group)].prunable || !seen.insert(wish).second) continue;
    const size_t before = all.size();
    imply(wish, removed, all);
    for (size_t i = before; i < all.size(); ++i) --left(all[i]);
    if (std::any_of(all.begin() + static_cast<std::ptrdiff_t>(before), all.end(),
                    [&](const Candidate& each) { return left(each) == 0; })) {
      for (size_t i = before; i < all.size(); ++i) {
        ++left(all[i]);
        removed[static_cast<size_t>(all[i].group)][static_cast<size_t>(all[i].channel)] = 0;
      }
      all.resize(before);
    } else {
      accepted.push_back(wish);
    }
  }
  if (multiple == 1) return closure(accepted);

  // Giving a channel back gives back what only it implied, too: that belongs to later groups.
  for (int g = 0; g < std::ssize(groups_); ++g) {
    for (size_t i = accepted.size(); i-- > 0;) {
      if (accepted[i].group != g) continue;
      const auto gone = std::ranges::count(closure(accepted), g, &Candidate::group);
      if ((groups_[static_cast<size_t>(g)].channels - gone) % multiple == 0) break;
      accepted.erase(accepted.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
  return closure(accepted);
}

bool is_residual(const layers::Network& network, const ChannelGroup& group) {
  return std::ranges::any_of(
      group.nodes, [&](int n) { return n >= 0 && network.nodes()[static_cast<size_t>(n)].type == "add"; });
}

}  // namespace espalier::pruning
