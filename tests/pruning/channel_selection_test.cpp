#include "pruning/channel_selection.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "core/random.h"
#include "layers/models.h"
#include "pruning/surgery.h"
#include "tests/pruning/random_network.h"
#include "tests/support/catch.h"

namespace espalier::test {
namespace {

using layers::Network;
using nlohmann::json;
using namespace pruning;

Network small_resnet() {
  return layers::make_model("resnet20", {.image = {32, 32, 3}, .classes = 10});
}

ChannelScores random_scores(const ChannelGraph& graph, uint64_t seed) {
  ChannelScores scores;
  for (const ChannelGroup& group : graph.groups())
    scores.push_back(group.prunable
                         ? RandomStream(seed, group.name).uniform({group.channels}, 0, 1).to_vector<float>()
                         : std::vector<float>());
  return scores;
}

struct Chosen {
  Network before, after;
  std::string shortfall;
  const std::map<std::string, int> channels = counts(after);

  static std::map<std::string, int> counts(const Network& network) {
    std::map<std::string, int> result;
    const ChannelGraph graph(network);
    for (const ChannelGroup& group : graph.groups()) result[group.name] = group.channels;
    return result;
  }
  double flops_left() const {
    return static_cast<double>(after.flops()) / static_cast<double>(before.flops());
  }
  double parameters_left() const {
    return static_cast<double>(after.parameter_count()) / static_cast<double>(before.parameter_count());
  }
};

Chosen choose(Network network, const std::string& toml, const ChannelScores& scores = {},
              double progress = 1) {
  const Config config = Config::from_text(toml, "recipe");
  const ChannelSelection selection(network, *channel_criterion("l1").make({}), read_channel_selection(config),
                                   Device::cpu);
  config.finish();
  const ChannelGraph graph(network);
  const ChannelChoice choice =
      selection.choose(graph, network, scores.empty() ? random_scores(graph, 1) : scores, progress);
  Network after = without_channels(network, choice.removal);
  return {std::move(network), std::move(after), choice.shortfall};
}

TEST_CASE("a share of channels goes from each group, the lowest scores first") {
  Network network = small_resnet();
  const ChannelGraph graph(network);
  const ChannelScores scores = random_scores(graph, 1);
  const ChannelSelection selection(network, *channel_criterion("l1").make({}), {.reduction = 0.25},
                                   Device::cpu);
  const Removal removal = selection.choose(graph, network, scores).removal;
  for (size_t g = 0; g < graph.groups().size(); ++g) {
    const ChannelGroup& group = graph.groups()[g];
    if (!group.prunable) continue;
    INFO(group.name);
    std::vector<float> order = scores[g];
    std::ranges::sort(order);
    const auto count = static_cast<size_t>(group.channels / 4);
    size_t gone = 0;
    for (const Candidate& candidate : removal)
      if (candidate.group == static_cast<int>(g)) {
        ++gone;
        CHECK(scores[g][static_cast<size_t>(candidate.channel)] < order[count]);
      }
    CHECK(gone == count);
  }
}

TEST_CASE("of equal scores the earlier channel goes first") {
  Network network = small_resnet();
  const ChannelGraph graph(network);
  ChannelScores scores;
  for (const ChannelGroup& group : graph.groups())
    scores.emplace_back(group.prunable ? static_cast<size_t>(group.channels) : 0, 0.5f);
  const ChannelSelection selection(network, *channel_criterion("l1").make({}), {.reduction = 0.25},
                                   Device::cpu);
  for (const Candidate& candidate : selection.choose(graph, network, scores).removal)
    CHECK(candidate.channel < graph.groups()[static_cast<size_t>(candidate.group)].channels / 4);
}

TEST_CASE("a target of FLOPs or parameters is reached, and by no channel more than a group's step") {
  const Chosen flops = choose(small_resnet(), "target = \"flops\"\nreduction = 0.422");
  CHECK(flops.flops_left() <= 1 - 0.422);
  CHECK(flops.flops_left() > 1 - 0.422 - 0.02);
  const Chosen parameters =
      choose(small_resnet(), "target = \"parameters\"\nreduction = 0.5\nscope = \"global\"");
  CHECK(parameters.parameters_left() <= 0.5);
  CHECK(parameters.parameters_left() > 0.48);
}

TEST_CASE("a target of FLOPs is not overshot by groups of one size that would step together") {
  const Network network = small_resnet();
  const double channel =
      2.0 * 16 * 9 * 32 * 32 / static_cast<double>(network.flops());  // of a block's first layer
  for (double reduction : {0.1, 0.25, 0.422, 0.526}) {
    const Chosen chosen = choose(
        small_resnet(), fmt::format("target = \"flops\"\nreduction = {}\nresidual = false", reduction));
    CAPTURE(reduction, chosen.flops_left());
    CHECK(chosen.flops_left() <= 1 - reduction);
    CHECK(chosen.flops_left() > 1 - reduction - 1.01 * channel);
  }
}

TEST_CASE("part of the way takes part of the target") {
  const Chosen half = choose(small_resnet(), "target = \"flops\"\nreduction = 0.4", {}, 0.5);
  CHECK(half.flops_left() <= 0.8);
  CHECK(half.flops_left() > 0.77);
}

TEST_CASE("a second choice counts from what the network was at first") {
  Network network = small_resnet();
  const ChannelSelection selection(network, *channel_criterion("l1").make({}), {.reduction = 0.5},
                                   Device::cpu);
  const ChannelGraph graph(network);
  const Network first =
      without_channels(network, selection.choose(graph, network, random_scores(graph, 1), 0.5).removal);
  const ChannelGraph less(first);
  const Network second =
      without_channels(first, selection.choose(less, first, random_scores(less, 2)).removal);
  for (const auto& [name, channels] : Chosen::counts(second)) {
    INFO(name);
    if (ChannelGraph(network).groups()[static_cast<size_t>(graph.group(name))].prunable)
      CHECK(channels == Chosen::counts(network).at(name) / 2);
  }
  CHECK(selection.reached(second));
  CHECK_FALSE(selection.reached(first));
}

TEST_CASE("scores compete in the scope that was asked for") {
  Network network = small_resnet();
  const ChannelGraph graph(network);
  // The groups of the last resolution score below all others.
  ChannelScores scores;
  for (const ChannelGroup& group : graph.groups())
    scores.emplace_back(group.prunable ? static_cast<size_t>(group.channels) : 0,
                        group.channels == 64 ? 0.1f : 1.0f);
  const auto left = [&](const std::string& scope, int width) {
    const Chosen chosen = choose(small_resnet(), "reduction = 0.1\nscope = \"" + scope + "\"", scores);
    int before = 0, after = 0;
    for (const auto& [name, channels] : Chosen::counts(network))
      if (channels == width) {
        before += channels;
        after += chosen.channels.at(name);
      }
    return static_cast<double>(after) / before;
  };
  // A tenth of all channels, none of them of the first two resolutions.
  CHECK(left("global", 16) == 1);
  CHECK(left("global", 32) == 1);
  CHECK(left("global", 64) < 0.85);
  // A tenth of each.
  for (int width : {16, 32, 64}) CHECK(left("stage", width) == Approx(0.9).margin(0.03));
}

TEST_CASE("shares by layer, protected layers and residual channels") {
  const std::map<std::string, int> whole = Chosen::counts(small_resnet());
  const Chosen shares =
      choose(small_resnet(), "layers = {\"layer1.*.conv1\" = 0.5, \"layer2.0.conv1\" = 0.25, \"*\" = 0.0}");
  CHECK(shares.channels.at("layer1.0.conv1") == 8);
  CHECK(shares.channels.at("layer2.0.conv1") == 24);
  CHECK(shares.channels.at("layer3.0.conv1") == 64);
  // A layer's own name goes before one that stands for many, and a group's before those of layers it is
  // coupled to.
  const Chosen close = choose(small_resnet(),
                              "layers = {conv1 = 0.25, \"layer2.*.conv1\" = 0.5, \"layer2.1.conv1\" = 0.0, "
                              "\"layer3.0.conv2\" = 0.5}");
  CHECK(close.channels.at("conv1") == 12);
  CHECK(close.channels.at("layer2.0.conv1") == 16);
  CHECK(close.channels.at("layer2.1.conv1") == 32);
  CHECK(close.channels.at("layer3.0.conv2") == 16);
  const Chosen kept = choose(small_resnet(), "reduction = 0.5\nprotect = [\"layer3.*\"]\nresidual = false");
  for (const auto& [name, channels] : whole) {
    INFO(name);
    const bool inner = name.ends_with(".conv1") && name.starts_with("layer");
    CHECK(kept.channels.at(name) == (inner && !name.starts_with("layer3") ? channels / 2 : channels));
  }
  CHECK_ERROR(choose(small_resnet(), "reduction = 0.5\nprotect = [\"layer9.*\"]"), "layer9.*");
  CHECK_ERROR(choose(small_resnet(), "layers = {nosuch = 0.5}"), "nosuch");
  // What is to lose channels has to be able to; what stays whole may be said twice.
  CHECK_ERROR(choose(small_resnet(), "layers = {conv1 = 0.5, \"layer1.*\" = 0.5}\nresidual = false"),
              "none has a name like 'conv1'");
  CHECK_ERROR(choose(small_resnet(), "layers = {\"layer1.0.conv1\" = 0.5}\nprotect = [\"layer1.*\"]"),
              "none has a name like 'layer1.0.conv1'");
  CHECK_NOTHROW(choose(small_resnet(), "layers = {conv1 = 0.0, \"layer1.*\" = 0.5}\nresidual = false"));
  CHECK_ERROR(choose(small_resnet(), "reduction = 0.5\nprotect = [\"*\"]"),
              "nothing of 'resnet20' may be pruned");
  CHECK_ERROR(choose(small_resnet(), ""), "reduction");
}

TEST_CASE("shares by layer set the proportions in which a target of FLOPs is met") {
  const Chosen chosen = choose(small_resnet(),
                               "target = \"flops\"\nreduction = 0.3\nresidual = false\n"
                               "layers = {\"layer1.*\" = 0.8, \"layer2.*\" = 0.4, \"layer3.*\" = 0.0}");
  CHECK(chosen.flops_left() <= 0.7);
  CHECK(chosen.channels.at("layer3.0.conv1") == 64);
  const double first = 1 - chosen.channels.at("layer1.0.conv1") / 16.0,
               second = 1 - chosen.channels.at("layer2.0.conv1") / 32.0;
  CHECK(first == Approx(2 * second).margin(0.1));
}

TEST_CASE("what stays is a multiple, and a target that empties a group is met as far as it goes") {
  const Chosen eights = choose(small_resnet(), "reduction = 0.3\nmultiple = 8");
  for (const auto& [name, channels] : eights.channels) {
    INFO(name);
    const auto before = Chosen::counts(eights.before).at(name);
    CHECK((channels % 8 == 0 || channels == before));
  }
  CHECK(eights.shortfall.empty());
  const Chosen all = choose(small_resnet(), "target = \"flops\"\nreduction = 0.999");
  for (const auto& [name, channels] : all.channels) CHECK(channels >= 1);
  CHECK(all.shortfall == fmt::format("no more than {:.1f} % of the flops can go, short of 99.9 %",
                                     100 * (1 - all.flops_left())));
}

TEST_CASE("where the last of a group would go the next lowest takes its turn, as long as there is one") {
  Network network = small_resnet();
  const ChannelGraph graph(network);
  // All of layer1's own channels score lowest.
  ChannelScores scores = random_scores(graph, 1);
  int lowest = 0, all = 0;
  for (size_t g = 0; g < scores.size(); ++g) {
    all += static_cast<int>(scores[g].size());
    if (!graph.groups()[g].name.starts_with("layer1")) continue;
    for (float& score : scores[g]) score -= 1;
    lowest += static_cast<int>(scores[g].size());
  }
  const double share = static_cast<double>(lowest) / all;
  const auto gone = [&](const Chosen& chosen) {
    int left = 0;
    for (const ChannelGroup& group : graph.groups())
      if (group.prunable) left += chosen.channels.at(group.name);
    return all - left;
  };
  const Chosen chosen =
      choose(small_resnet(), fmt::format("scope = \"global\"\nreduction = {}", share), scores);
  CHECK(chosen.channels.at("layer1.0.conv1") == 1);
  CHECK(gone(chosen) == lowest);
  CHECK(chosen.shortfall.empty());
  const Chosen most = choose(small_resnet(), "scope = \"global\"\nreduction = 0.99", scores);
  for (const ChannelGroup& group : graph.groups())
    if (group.prunable) CHECK(most.channels.at(group.name) == 1);
  CHECK(most.shortfall == fmt::format("no more than {:.1f} % of the channels can go, short of {:.1f} %",
                                      100.0 * gone(most) / all, 100.0 * std::round(0.99 * all) / all));
  CHECK(choose(small_resnet(), "layers = {\"layer1.0.conv1\" = 1.0}").shortfall.starts_with("no more than "));
}

TEST_CASE("channels that are only chosen from others' go by their batch norms, as slimming has it") {
  for (const char* model : {"densenet40", "preresnet164"}) {
    INFO(model);
    Network network = layers::make_model(model, {.image = {32, 32, 3}, .classes = 10, .width = 0.25});
    const ChannelGraph graph(network);
    const ChannelSelection selection(network, *channel_criterion("batch_norm_scale").make({}),
                                     {.scope = "global", .reduction = 0.4}, Device::cpu);
    const Removal removal = selection.choose(graph, network, random_scores(graph, 1)).removal;
    int all = 0;
    for (const ChannelGroup& group : graph.groups())
      if (group.prunable && !group.norms.empty()) all += group.channels;
    CHECK(std::ssize(removal) >= std::llround(0.4 * all));
    std::set<std::string> losing;
    for (const Candidate& candidate : removal) {
      const ChannelGroup& group = graph.groups()[static_cast<size_t>(candidate.group)];
      if (group.producers.empty()) losing.insert(group.name);
    }
    CHECK(losing.size() >= 9);
    const Network after = without_channels(network, removal);
    CHECK(after.flops() < network.flops());
    // Other criteria leave them to what they are chosen from.
    const ChannelSelection half(network, *channel_criterion("random").make({}), {.reduction = 0.5},
                                Device::cpu);
    for (const ChannelGroup& group : graph.groups())
      CHECK(half.takes_from(group) == (group.prunable && !group.producers.empty()));
    // By its own name, too.
    const ChannelSelection named(network, *channel_criterion("batch_norm_scale").make({}),
                                 {.layers = {{*losing.begin(), 0.5}}}, Device::cpu);
    CHECK_FALSE(named.choose(graph, network, random_scores(graph, 1)).removal.empty());
  }
}

TEST_CASE("a target of latency ends, whatever the clock says, and says what it misses") {
  const Chosen chosen =
      choose(layers::make_model("conv2", {.image = {16, 16, 3}, .classes = 10, .width = 0.1}),
             "target = \"latency\"\nreduction = 0.3");
  CHECK((chosen.after.flops() < chosen.before.flops() || !chosen.shortfall.empty()));
}

TEST_CASE("the lowest of the whole network are as many as were asked for") {
  Network network = small_resnet();
  const ChannelGraph graph(network);
  const ChannelScores scores = random_scores(graph, 4);
  const ChannelSelection selection(network, *channel_criterion("l1").make({}), {.reduction = 0.5},
                                   Device::cpu);
  const Removal removal = selection.lowest(graph, network, scores, 5);
  REQUIRE(removal.size() == 5);
  std::vector<float> all, chosen;
  for (const auto& group : scores) all.insert(all.end(), group.begin(), group.end());
  std::ranges::sort(all);
  for (const Candidate& candidate : removal)
    chosen.push_back(scores[static_cast<size_t>(candidate.group)][static_cast<size_t>(candidate.channel)]);
  std::ranges::sort(chosen);
  CHECK(std::equal(chosen.begin(), chosen.end(), all.begin()));
  // As many as can go without emptying a group.
  const Network least = without_channels(network, selection.lowest(graph, network, scores, 1'000'000));
  for (const ChannelGroup& group : graph.groups())
    CHECK(Chosen::counts(least).at(group.name) == (group.prunable ? 1 : group.channels));
}

}  // namespace
}  // namespace espalier::test
