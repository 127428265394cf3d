#include "pruning/channel_selection.h"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "pruning/surgery.h"
#include "training/latency.h"

namespace espalier::pruning {
namespace {

bool fits(const std::string& pattern, const std::string& layer) {
  return fnmatch(pattern.c_str(), layer.c_str(), 0) == 0;
}

// REQUIRES: the group is prunable, hence not the image's.
bool matches(const std::string& pattern, const layers::Network& network, const ChannelGroup& group) {
  return fits(pattern, group.name) || std::ranges::any_of(group.named_by(), [&](int n) {
           return fits(pattern, network.nodes()[static_cast<size_t>(n)].layer->name());
         });
}

// Of patterns that match, the one that names a group most closely counts: by its own name before a layer's;
// then by the most letters.
std::pair<bool, int64_t> closeness(const std::string& pattern, const ChannelGroup& group) {
  return {fits(pattern, group.name), std::ssize(pattern) - std::ranges::count(pattern, '*')};
}

// Groups whose channels are made at the same resolution share a stage: height, width.
std::pair<int64_t, int64_t> stage_of(const layers::Network& network, const ChannelGroup& group) {
  const Shape& output = network.nodes()[static_cast<size_t>(group.named_by().front())].output;
  return output.rank() == 4 ? std::pair(output[1], output[2]) : std::pair(int64_t{0}, int64_t{0});
}

// In percent.
std::string shortfall(const std::string& target, double most, double due) {
  return fmt::format("no more than {:.1f} % of the {} can go, short of {:.1f} %", most, target, due);
}

// The lowest scores first, of equal ones as they are.
void sort_by_score(Removal& candidates, const ChannelScores& scores) {
  std::ranges::stable_sort(candidates, {}, [&](const Candidate& candidate) {
    return scores[static_cast<size_t>(candidate.group)][static_cast<size_t>(candidate.channel)];
  });
}

}  // namespace

ChannelSelectionOptions read_channel_selection(const Config& config) {
  ChannelSelectionOptions options;
  options.scope = config.get_choice("scope", {"group", "stage", "global"}, options.scope);
  options.target =
      config.get_choice("target", {"channels", "flops", "parameters", "latency"}, options.target);
  if (options.scope == "group") {
    const Config layers = config.table("layers", false);
    for (const std::string& layer : layers.keys()) options.layers[layer] = layers.get_number(layer, {}, 0, 1);
    layers.finish();
  }
  const bool by_layer = !options.layers.empty() && options.target == "channels";
  options.reduction =
      config.get_number("reduction", by_layer ? std::optional<double>(0.0) : std::nullopt, 0, 0.999);
  options.protect = config.get_strings("protect", std::vector<std::string>{});
  options.residual = config.get_bool("residual", options.residual);
  options.multiple = static_cast<int>(config.get_integer("multiple", options.multiple, 1, 1024));
  return options;
}

ChannelSelection::ChannelSelection(const layers::Network& network, const ChannelCriterion& criterion,
                                   ChannelSelectionOptions options, Device device)
    : options_(std::move(options)) {
  const ChannelGraph graph(network);
  std::vector<ChannelGroup> groups = graph.groups();
  const auto check_names = [&](const std::string& pattern) {
    check(std::ranges::any_of(groups,
                              [&](const ChannelGroup& group) { return matches(pattern, network, group); }),
          "[channels] of the layers of '{}' whose channels may go none has a name like '{}'", network.name(),
          pattern);
  };
  std::erase_if(groups, [](const ChannelGroup& group) { return !group.prunable; });
  std::ranges::for_each(options_.protect, check_names);
  for (const auto& [pattern, share] : options_.layers)
    if (share == 0) check_names(pattern);
  // What is to lose channels has to be able to.
  std::erase_if(groups, [&](const ChannelGroup& group) {
    return !criterion.applies_to(network, group) || (!options_.residual && is_residual(network, group)) ||
           std::ranges::any_of(options_.protect,
                               [&](const auto& pattern) { return matches(pattern, network, group); });
  });
  for (const auto& [pattern, share] : options_.layers)
    if (share > 0) check_names(pattern);
  for (const ChannelGroup& group : groups) channels_[group.name] = group.channels;
  check(!channels_.empty(), "[channels] nothing of '{}' may be pruned", network.name());

  if (options_.target == "flops") {
    cost_ = [first = static_cast<double>(network.flops())](const layers::Network& now) {
      return static_cast<double>(now.flops()) / first;
    };
  } else if (options_.target == "parameters") {
    cost_ = [first = static_cast<double>(network.parameter_count())](const layers::Network& now) {
      return static_cast<double>(now.parameter_count()) / first;
    };
  } else if (options_.target == "latency") {
    const auto first = std::make_shared<layers::Network>(without_channels(network, {}));
    cost_ = [first, device](const layers::Network& now) {
      const Latency latency = measure_latency(now, *first, device);
      return latency.seconds / latency.beside;
    };
  } else {
    cost_ = [channels = channels_](const layers::Network& now) {
      double before = 0, after = 0;
      for (const auto& [name, count] : channels) before += count;
      const ChannelGraph left(now);
      for (const ChannelGroup& group : left.groups())
        if (channels.contains(group.name)) after += group.channels;
      return after / before;
    };
  }
}

std::vector<ChannelSelection::Contest> ChannelSelection::contests(const ChannelGraph& graph,
                                                                  const layers::Network& network,
                                                                  const ChannelScores& scores) const {
  std::vector<Contest> result;
  std::map<std::pair<int64_t, int64_t>, size_t> of_stage;
  for (size_t g = 0; g < graph.groups().size(); ++g) {
    const ChannelGroup& group = graph.groups()[g];
    if (!channels_.contains(group.name)) continue;
    const auto stage =
        options_.scope == "global" ? std::pair(int64_t{0}, int64_t{0}) : stage_of(network, group);
    if (options_.scope == "group" || !of_stage.contains(stage)) {
      of_stage[stage] = result.size();
      result.push_back({.share = options_.target == "channels" ? options_.reduction : 1});
      std::pair<bool, int64_t> closest(false, -1);
      for (const auto& [pattern, share] : options_.layers)
        if (matches(pattern, network, group) && closeness(pattern, group) > closest) {
          closest = closeness(pattern, group);
          result.back().share = share;
        }
    }
    Contest& contest = result[of_stage[stage]];
    contest.at_first += channels_.at(group.name);
    for (int channel = 0; channel < group.channels; ++channel)
      contest.order.push_back({static_cast<int>(g), channel});
  }
  for (Contest& contest : result) sort_by_score(contest.order, scores);
  return result;
}

int64_t ChannelSelection::Contest::to_go(double part) const {
  const auto all = std::llround(std::min(1.0, part * share) * static_cast<double>(at_first));
  return std::clamp<int64_t>(all - (at_first - std::ssize(order)), 0, std::ssize(order));
}

ChannelChoice ChannelSelection::choose_shares(const ChannelGraph& graph, const std::vector<Contest>& all,
                                              double progress) const {
  Removal wishes;
  int64_t first = 0, due = 0, missing = 0;
  for (const Contest& contest : all) {
    const int64_t to_go = contest.to_go(progress), left = std::ssize(contest.order);
    // The last of a group cannot go: those behind it in the contest take its turn.
    int64_t count = to_go, met = 0;
    const size_t others = wishes.size();
    while (true) {
      wishes.resize(others);
      wishes.insert(wishes.end(), contest.order.begin(), contest.order.begin() + count);
      const Removal possible = graph.admissible(wishes);
      met = std::count_if(wishes.begin() + static_cast<std::ptrdiff_t>(others), wishes.end(),
                          [&](const Candidate& wish) { return std::ranges::binary_search(possible, wish); });
      if (met == to_go || count == left) break;
      count = std::min(count + to_go - met, left);
    }
    first += contest.at_first;
    due += contest.at_first - left + to_go;
    missing += to_go - met;
  }
  const auto percent = [&](int64_t channels) {
    return 100 * static_cast<double>(channels) / static_cast<double>(first);
  };
  return {graph.admissible(wishes, options_.multiple),
          missing > 0 ? shortfall(options_.target, percent(due - missing), percent(due)) : ""};
}

ChannelChoice ChannelSelection::choose(const ChannelGraph& graph, const layers::Network& network,
                                       const ChannelScores& scores, double progress) const {
  const std::vector<Contest> all = contests(graph, network, scores);
  // As far as `part`, and the first `ahead` contests as far as `further`.
  const auto at = [&](double part, double further, size_t ahead) {
    Removal wishes;
    for (size_t i = 0; i < all.size(); ++i) {
      const int64_t count = all[i].to_go(i < ahead ? further : part);
      wishes.insert(wishes.end(), all[i].order.begin(), all[i].order.begin() + count);
    }
    return graph.admissible(wishes, options_.multiple);
  };
  if (options_.target == "channels") return choose_shares(graph, all, progress);
  // The smallest part that reaches the target; shares above 1 take what the others leave.
  const double target = 1 - progress * options_.reduction;
  const auto left = [&](const Removal& removal) { return cost_(without_channels(network, removal)); };
  const auto reaches = [&](const Removal& removal) { return left(removal) <= target; };
  double low = 0, high = 1;
  for (const Contest& contest : all)
    if (contest.share > 0) high = std::max(high, 1 / contest.share);
  const Removal most = at(high, high, 0);
  if (const double least = left(most); least > target)
    return {most, shortfall(options_.target, 100 * (1 - least), 100 * (1 - target))};
  for (int i = 0; i < 16; ++i) {
    const double middle = (low + high) / 2;
    (reaches(at(middle, middle, 0)) ? high : low) = middle;
  }
  // There groups of one size and share take their step together: as many of them as it takes do.
  size_t few = 0, many = all.size();
  while (few < many) {
    const size_t middle = (few + many) / 2;
    if (reaches(at(low, high, middle)))
      many = middle;
    else
      few = middle + 1;
  }
  return {at(low, high, many), ""};
}

bool ChannelSelection::reached(const layers::Network& network) const {
  return cost_(network) <= 1 - options_.reduction;
}

Removal ChannelSelection::lowest(const ChannelGraph& graph, const layers::Network& network,
                                 const ChannelScores& scores, int64_t count) const {
  Removal order;
  for (const Contest& contest : contests(graph, network, scores))
    order.insert(order.end(), contest.order.begin(), contest.order.end());
  sort_by_score(order, scores);
  // Some cannot go, or the last of a group would: those behind them take their turn.
  Removal result;
  for (const Candidate& candidate : order) {
    if (std::ssize(result) >= count) break;
    Removal wishes = result;
    wishes.push_back(candidate);
    const Removal possible = graph.admissible(wishes);
    if (possible.size() > result.size()) result = possible;
  }
  return result;
}

}  // namespace espalier::pruning
