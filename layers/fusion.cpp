#include "layers/fusion.h"

#include <algorithm>

namespace espalier::layers {
namespace {

using TailPart = Layer::TailPart;

// Parts come in the order affine, sum, activation, each at most once.
bool may_follow(TailPart part, TailPart last) {
  return part != TailPart::none && part > last;
}

}  // namespace

std::vector<std::optional<size_t>> only_readers(std::span<const Network::Node> nodes) {
  std::vector<int> count(nodes.size(), 0);
  std::vector<std::optional<size_t>> reader(nodes.size());
  for (size_t i = 0; i < nodes.size(); ++i)
    for (int input : nodes[i].inputs)
      if (input >= 0) {
        const auto at = static_cast<size_t>(input);
        reader[at] = ++count[at] == 1 ? std::optional(i) : std::nullopt;
      }
  return reader;
}

std::vector<Network::Step> fuse(std::span<const Network::Node> nodes, bool differentiable) {
  const auto reader = only_readers(nodes);
  std::vector<bool> taken(nodes.size(), false);
  std::vector<Network::Step> steps;
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (taken[i]) continue;
    Network::Step step{.layer = i, .inputs = nodes[i].inputs};
    // Batch norm is no tail where it needs a gradient, nor in training, where it reads the whole batch first;
    // nor is it one of a batch norm.
    TailPart last =
        differentiable || nodes[i].layer->tail_part() == TailPart::affine ? TailPart::affine : TailPart::none;
    for (size_t end = i; nodes[i].layer->takes_tail() && reader[end]; end = step.output()) {
      const size_t next = *reader[end];
      const TailPart part = nodes[next].layer->tail_part();
      if (taken[next] || !may_follow(part, last)) break;
      if (part == TailPart::sum) {
        const std::vector<int>& addends = nodes[next].inputs;
        step.inputs.push_back(addends[0] == static_cast<int>(end) ? addends[1] : addends[0]);
        step.has_residual = true;
      }
      taken[next] = true;
      last = part;
      step.tail.push_back(next);
    }
    const auto next = reader[step.output()];
    step.precedes_batch_norm = next && nodes[*next].layer->tail_part() == TailPart::affine;
    steps.push_back(std::move(step));
  }
  // A step's tail may wait for a residual that comes later than its layer.
  std::ranges::stable_sort(steps, {}, &Network::Step::output);
  return steps;
}

std::vector<Network::Step> one_by_one(std::span<const Network::Node> nodes) {
  std::vector<Network::Step> steps;
  for (size_t i = 0; i < nodes.size(); ++i) steps.push_back({.layer = i, .inputs = nodes[i].inputs});
  return steps;
}

}  // namespace espalier::layers
