#include "pruning/channel_graph.h"

#include <algorithm>

#include "layers/models.h"
#include "tests/support/catch.h"

namespace espalier::test {
namespace {

using layers::Network;
using nlohmann::json;
using pruning::Candidate;
using pruning::ChannelGraph;
using pruning::ChannelGroup;
using pruning::ChannelSlices;
using pruning::Removal;

using Names = std::vector<std::string>;

Names names_of(const Network& network, const std::vector<int>& nodes) {
  Names names;
  for (int node : nodes)
    names.push_back(node < 0 ? "input" : network.nodes()[static_cast<size_t>(node)].layer->name());
  return names;
}

// "group: channels" of those that can be pruned, in order.
Names prunable(const ChannelGraph& graph) {
  Names result;
  for (const ChannelGroup& group : graph.groups())
    if (group.prunable) result.push_back(fmt::format("{}: {}", group.name, group.channels));
  return result;
}

const ChannelGroup& find(const ChannelGraph& graph, const std::string& name) {
  return graph.groups()[static_cast<size_t>(graph.group(name))];
}

// Where candidate `candidate` of a group lies: "conv1.weight[0]: 3".
Names slices_of(const ChannelGraph& graph, const std::string& group, int candidate) {
  Names result;
  for (const ChannelSlices& slices : find(graph, group).slices) {
    const auto indices = slices.of(candidate);
    result.push_back(fmt::format("{}[{}]: {}", slices.tensor, slices.axis,
                                 fmt::join(indices.begin(), indices.end(), " ")));
  }
  return result;
}

Network network(int64_t channels = 3, int64_t side = 4) {
  return Network("hand", {side, side, channels});
}
void add_head(Network& net) {
  net.add("global_average_pool2d", "pool");
  net.add("linear", "fc", {{"features", 2}});
}

TEST_CASE("a convolution's filters live with their batch norm's entries and with what reads them") {
  Network net = network();
  net.add("conv2d", "conv1", {{"channels", 5}, {"kernel", 3}, {"padding", 1}});
  net.add("batch_norm", "bn");
  net.add("relu", "relu");
  net.add("conv2d", "conv2", {{"channels", 4}, {"kernel", 1}, {"bias", false}});
  add_head(net);
  const ChannelGraph graph(net);
  CHECK(prunable(graph) == Names{"conv1: 5", "conv2: 4"});
  CHECK(slices_of(graph, "conv1", 3) == Names{"conv1.weight[0]: 3", "conv1.bias[0]: 3", "bn.weight[0]: 3",
                                              "bn.bias[0]: 3", "bn.running_mean[0]: 3",
                                              "bn.running_var[0]: 3", "conv2.weight[3]: 3"});
  CHECK(slices_of(graph, "conv2", 0) == Names{"conv2.weight[0]: 0", "fc.weight[1]: 0"});
  const ChannelGroup& group = find(graph, "conv1");
  CHECK(names_of(net, group.nodes) == Names{"conv1", "bn", "relu"});
  CHECK(names_of(net, group.producers) == Names{"conv1"});
  CHECK(names_of(net, group.norms) == Names{"bn"});
  CHECK(names_of(net, group.consumers) == Names{"conv2"});
  CHECK(graph.candidate(2, 3) == Candidate{graph.group("conv1"), 3});
  CHECK_FALSE(find(graph, "input").prunable);
  CHECK_FALSE(find(graph, "fc").prunable);
}

TEST_CASE("what a softmax reads, and what is tied to the image, stays whole") {
  Network net = network();
  net.add("batch_norm", "bn");
  net.add("conv2d", "conv", {{"channels", 4}, {"kernel", 1}});
  net.add("softmax", "softmax");
  net.add("conv2d", "last", {{"channels", 4}, {"kernel", 1}});
  add_head(net);
  const ChannelGraph graph(net);
  CHECK(prunable(graph) == Names{"last: 4"});
  CHECK(names_of(net, find(graph, "bn").nodes) == Names{"input", "bn"});
}

TEST_CASE("an addition and a product tie both sides, a concatenation neither") {
  for (const char* type : {"add", "multiply"}) {
    Network net = network();
    net.add("conv2d", "a", {{"channels", 4}, {"kernel", 1}}, {"input"});
    net.add("conv2d", "b", {{"channels", 4}, {"kernel", 1}}, {"input"});
    net.add(type, "join", json::object(), {"a", "b"});
    add_head(net);
    const ChannelGraph graph(net);
    CHECK(prunable(graph) == Names{"a: 4"});
    CHECK(names_of(net, find(graph, "a").producers) == Names{"a", "b"});
  }
  Network net = network();
  net.add("conv2d", "a", {{"channels", 4}, {"kernel", 1}}, {"input"});
  net.add("conv2d", "b", {{"channels", 2}, {"kernel", 1}}, {"input"});
  net.add("concat", "join", json::object(), {"a", "b", "input"});
  add_head(net);
  const ChannelGraph graph(net);
  CHECK(prunable(graph) == Names{"a: 4", "b: 2"});
  CHECK(slices_of(graph, "b", 1) == Names{"b.weight[0]: 1", "b.bias[0]: 1", "fc.weight[1]: 5"});
}

TEST_CASE("a flattened channel is read at every place") {
  Network net = network(3, 2);
  net.add("conv2d", "conv", {{"channels", 5}, {"kernel", 1}});
  net.add("flatten", "flatten");
  net.add("linear", "fc", {{"features", 2}, {"bias", false}});
  const ChannelGraph graph(net);
  CHECK(slices_of(graph, "conv", 2) ==
        Names{"conv.weight[0]: 2", "conv.bias[0]: 2", "fc.weight[1]: 2 7 12 17"});
}

TEST_CASE("a depthwise convolution's group goes with its input channel and all of its outputs") {
  Network net = network();
  net.add("conv2d", "conv", {{"channels", 3}, {"kernel", 1}, {"bias", false}});
  net.add("conv2d", "depthwise", {{"channels", 6}, {"kernel", 3}, {"groups", 3}, {"bias", false}});
  add_head(net);
  const ChannelGraph graph(net);
  CHECK(prunable(graph) == Names{"conv: 3"});
  CHECK(slices_of(graph, "conv", 1) ==
        Names{"conv.weight[0]: 1", "depthwise.weight[0]: 2 3", "fc.weight[1]: 2 3"});
}

TEST_CASE("a grouped convolution's channels go at the same place of each group") {
  Network net = network();
  net.add("conv2d", "conv", {{"channels", 6}, {"kernel", 1}, {"bias", false}});
  net.add("conv2d", "grouped", {{"channels", 4}, {"kernel", 1}, {"groups", 2}, {"bias", false}});
  add_head(net);
  const ChannelGraph graph(net);
  CHECK(prunable(graph) == Names{"conv: 3", "grouped: 2"});
  CHECK(slices_of(graph, "conv", 1) == Names{"conv.weight[0]: 1 4", "grouped.weight[3]: 1"});
  CHECK(slices_of(graph, "grouped", 1) == Names{"grouped.weight[0]: 1 3", "fc.weight[1]: 1 3"});
}

TEST_CASE("zeros that pad a shortcut go with the channels that they are added to") {
  Network net = network();
  net.add("conv2d", "narrow", {{"channels", 2}, {"kernel", 1}, {"bias", false}});
  net.add("pad_channels", "pad", {{"before", 1}, {"after", 2}});
  net.add("conv2d", "wide", {{"channels", 5}, {"kernel", 1}, {"bias", false}}, {"narrow"});
  net.add("add", "add", json::object(), {"wide", "pad"});
  add_head(net);
  const ChannelGraph graph(net);
  CHECK(prunable(graph) == Names{"narrow: 2", "wide: 3"});
  CHECK(slices_of(graph, "narrow", 1) ==
        Names{"narrow.weight[0]: 1", "wide.weight[0]: 2", "wide.weight[3]: 1", "fc.weight[1]: 2"});
  CHECK(names_of(net, find(graph, "wide").nodes) == Names{"pad", "wide", "add", "pool"});
}

TEST_CASE("what is selected goes with its source, but not the source with it") {
  Network net = network();
  net.add("conv2d", "stem", {{"channels", 4}, {"kernel", 1}});
  net.add("select_channels", "select", {{"channels", {1, 3}}});
  net.add("batch_norm", "bn");
  net.add("conv2d", "conv", {{"channels", 4}, {"kernel", 1}});
  net.add("add", "add", json::object(), {"conv", "stem"});
  add_head(net);
  const ChannelGraph graph(net);
  CHECK(prunable(graph) == Names{"stem: 4", "bn: 2"});
  const int stem = graph.group("stem"), selected = graph.group("bn");
  CHECK(graph.closure({{stem, 3}}) == Removal{{stem, 3}, {selected, 1}});
  CHECK(graph.closure({{stem, 0}}) == Removal{{stem, 0}});
  CHECK(graph.closure({{selected, 1}}) == Removal{{selected, 1}});
}

TEST_CASE("what the network's output is chosen from stays") {
  Network net = network();
  net.add("flatten", "flatten");
  net.add("linear", "fc1", {{"features", 4}});
  net.add("linear", "fc2", {{"features", 4}});
  net.add("select_channels", "select", {{"channels", {0, 2}}});
  const ChannelGraph graph(net);
  CHECK(prunable(graph) == Names{"fc1: 4", "fc2#2: 2"});
  CHECK(graph.candidate(2, 0).group == graph.group("fc2"));
  CHECK(graph.candidate(2, 1) == Candidate{graph.group("fc2#2"), 0});
}

TEST_CASE("a removal of all of a group, or of what cannot go, is an error and is left out of what can") {
  Network net = network();
  net.add("conv2d", "stem", {{"channels", 3}, {"kernel", 1}});
  net.add("select_channels", "select", {{"channels", {0, 1}}});
  net.add("conv2d", "conv", {{"channels", 3}, {"kernel", 1}});
  net.add("add", "add", json::object(), {"conv", "stem"});
  add_head(net);
  const ChannelGraph graph(net);
  const int stem = graph.group("stem"), selected = graph.group("select"), image = graph.group("input");
  CHECK_ERROR(graph.closure({{stem, 0}, {stem, 1}, {stem, 2}}),
              "[channels] all 3 channels of group 'stem' would go; one at least has to stay");
  CHECK_ERROR(graph.closure({{stem, 0}, {stem, 1}}), "all 2 channels of group 'select' would go");
  CHECK_ERROR(graph.closure({{image, 0}}), "channels of group 'input' cannot be removed");
  CHECK_ERROR(graph.closure({{stem, 3}}), "channel 3 of group 'stem', which has 3");
  CHECK_ERROR(graph.closure({{99, 0}}), "a candidate of group 99; there are");
  CHECK_ERROR(graph.group("stm"), "no group 'stm'; the groups are input, stem, select, fc");
  CHECK(graph.admissible({{image, 0}, {stem, 1}, {stem, 0}, {stem, 2}, {stem, 2}}) ==
        Removal{{stem, 1}, {stem, 2}, {selected, 1}});
}

TEST_CASE("rounding gives back the most important of what would go") {
  Network net = network();
  net.add("conv2d", "conv", {{"channels", 10}, {"kernel", 1}});
  add_head(net);
  const ChannelGraph graph(net);
  const int conv = graph.group("conv");
  Removal wishes;
  for (int channel : {9, 0, 5, 2, 7}) wishes.push_back({conv, channel});
  const auto kept = [&](size_t wished, int multiple) {
    return 10 -
           graph.admissible({wishes.begin(), wishes.begin() + static_cast<std::ptrdiff_t>(wished)}, multiple)
               .size();
  };
  CHECK(kept(5, 1) == 5);
  CHECK(kept(5, 4) == 8);
  CHECK(kept(1, 4) == 10);
  CHECK(kept(2, 8) == 8);
  CHECK(graph.admissible(wishes, 4) == Removal{{conv, 0}, {conv, 9}});
  CHECK_ERROR(graph.admissible(wishes, 0), "a multiple of 0");
}

TEST_CASE("the groups of ResNet-20 are its three streams, widened by zeros, and a group inside each block") {
  const Network net = layers::make_model("resnet20", {.image = {32, 32, 3}});
  const ChannelGraph graph(net);
  CHECK(prunable(graph) == Names{"conv1: 16", "layer1.0.conv1: 16", "layer1.1.conv1: 16",
                                 "layer1.2.conv1: 16", "layer2.0.conv1: 32", "layer2.0.conv2: 16",
                                 "layer2.1.conv1: 32", "layer2.2.conv1: 32", "layer3.0.conv1: 64",
                                 "layer3.0.conv2: 32", "layer3.1.conv1: 64", "layer3.2.conv1: 64"});
  // The stem's channels lie in the middle of the second stage's and of the third's.
  CHECK(names_of(net, find(graph, "conv1").producers) ==
        Names{"conv1", "layer1.0.conv2", "layer1.1.conv2", "layer1.2.conv2", "layer2.0.conv2",
              "layer2.1.conv2", "layer2.2.conv2", "layer3.0.conv2", "layer3.1.conv2", "layer3.2.conv2"});
  CHECK(names_of(net, find(graph, "layer2.0.conv2").producers).size() == 6);
  CHECK(names_of(net, find(graph, "layer3.0.conv2").consumers) ==
        Names{"layer3.1.conv1", "layer3.2.conv1", "linear"});
  const Names stem = slices_of(graph, "conv1", 5);
  CHECK(std::ranges::count(stem, "conv1.weight[0]: 5") == 1);
  CHECK(std::ranges::count(stem, "layer2.1.conv2.weight[0]: 13") == 1);
  CHECK(std::ranges::count(stem, "layer3.1.conv1.weight[3]: 29") == 1);
  CHECK(std::ranges::count(stem, "linear.weight[1]: 29") == 1);
}

TEST_CASE("in pre-activation networks what a block reads can go without the stream") {
  const Network pre = layers::make_model("preresnet164", {.image = {32, 32, 3}, .width = 0.25});
  const ChannelGraph graph(pre);
  const ChannelGroup& read = find(graph, "layer1.1.bn1");
  CHECK(read.prunable);
  CHECK(names_of(pre, read.nodes) == Names{"layer1.1.select", "layer1.1.bn1", "layer1.1.relu1"});
  CHECK(names_of(pre, read.consumers) == Names{"layer1.1.conv1"});

  const Network dense = layers::make_model("densenet40", {.image = {32, 32, 3}, .width = 0.25});
  const ChannelGraph dense_graph(dense);
  const Removal stem = dense_graph.closure({{dense_graph.group("conv1"), 0}});
  CHECK(stem.size() == 1 + 13);  // each layer of the first block and its transition selects it
}

TEST_CASE("a network of too many channels is refused") {
  Network net("wide", {1024, 1024, 5});
  net.add("flatten", "flatten");
  CHECK_ERROR(ChannelGraph(net), "has 5242885 channels in all its layers; expected at most 4194304");
  CHECK_ERROR(ChannelGraph(Network("none", {1, 1, 1})), "network 'none' has no layers");
}

}  // namespace
}  // namespace espalier::test
