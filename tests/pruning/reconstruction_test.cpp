#include "pruning/reconstruction.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "layers/models.h"
#include "pruning/surgery.h"
#include "tests/pruning/random_network.h"
#include "tests/support/catch.h"
#include "tests/support/tensors.h"

namespace espalier::test {
namespace {

using layers::Network;
using nlohmann::json;
using namespace pruning;

Network pruned(Network& network, const ChannelGraph& graph, const std::string& group, int keep,
               const Samples& samples, int64_t positions = 1000) {
  Network original = copy_of(network);
  const int index = graph.group(group);
  REQUIRE(can_be_reconstructed(network, graph.groups()[static_cast<size_t>(index)]));
  const Reconstruction made = reconstruct(original, network, graph, index, keep, samples, positions, 1);
  for (const auto& [name, value] : made.parameters) network.parameter(name).variable.value().copy_from(value);
  return remove_channels(network, made.removal).network;
}

Tensor answers(Network& network, const Samples& samples) {
  const NoGradient no_gradient;
  return network.forward(Variable(samples.front().images), {}).value();
}

double max_difference(const Tensor& a, const Tensor& b) {
  const auto left = a.to_vector<float>(), right = b.to_vector<float>();
  double largest = 0;
  for (size_t i = 0; i < left.size(); ++i)
    largest = std::max(largest, std::abs(static_cast<double>(left[i]) - static_cast<double>(right[i])));
  return largest;
}

// Makes the output channels `copies` of a convolution equal to channel 0's times 2, 3, …, and read as it is:
// the reader has `period` channels in turn, the convolution's from `first` on.
void make_redundant(Network& network, const std::string& layer, const std::vector<int>& copies,
                    const std::string& reader, size_t period, size_t first = 0) {
  const auto change = [&](const std::string& name,
                          const std::function<void(std::vector<float>&, size_t)>& how) {
    Tensor& tensor = network.parameter(name).variable.value();
    std::vector<float> values = tensor.to_vector<float>();
    for (int copy : copies) how(values, static_cast<size_t>(copy));
    tensor.copy_from(Tensor::from(values, tensor.shape()));
  };
  for (const std::string part : {".weight", ".bias"}) {
    const Shape& shape = network.parameter(layer + part).shape;
    const auto size = static_cast<size_t>(shape.numel() / shape[0]);
    change(layer + part, [&](std::vector<float>& values, size_t copy) {
      for (size_t i = 0; i < size; ++i) values[copy * size + i] = values[i] * static_cast<float>(copy + 1);
    });
  }
  change(reader + ".weight", [&](std::vector<float>& values, size_t copy) {
    for (size_t i = first; i < values.size(); i += period) values[i + copy] = values[i];
  });
}

TEST_CASE("channels that others can make up for go without a trace") {
  for (const bool flat : {false, true}) {
    Network network("hand", {6, 5, 2});
    network.add("conv2d", "first", {{"channels", 6}, {"kernel", 3}, {"padding", 1}});
    network.add("relu", "relu");
    if (flat)
      network.add("flatten", "flatten");
    else
      network.add(
          "conv2d", "second",
          {{"channels", 4}, {"kernel", 3}, {"stride", {2, 1}}, {"padding", {1, 0}}, {"dilation", {1, 2}}});
    if (!flat) network.add("global_average_pool2d", "pool");
    network.add("linear", "fc", {{"features", 3}});
    randomise(network, 4);
    make_redundant(network, "first", {2, 5}, flat ? "fc" : "second", 6);  // so behind the ReLU
    const Samples samples = random_samples(network, 200);
    const Tensor before = answers(network, samples);
    Network smaller = pruned(network, ChannelGraph(network), "first", 4, samples);
    CHECK(smaller.flops() < network.flops());
    CHECK(max_difference(answers(smaller, samples), before) < 1e-3);
  }
}

TEST_CASE("least squares make up for more than what is left as it was") {
  Network network("hand", {6, 6, 2});
  network.add("conv2d", "first", {{"channels", 8}, {"kernel", 3}});
  network.add("relu", "relu");
  network.add("conv2d", "second", {{"channels", 5}, {"kernel", 3}});
  network.add("global_average_pool2d", "pool");
  network.add("linear", "fc", {{"features", 3}});
  randomise(network, 4);
  const Samples samples = random_samples(network, 100);
  const ChannelGraph graph(network);
  const Tensor before = answers(network, samples);
  Network original = copy_of(network);
  const int index = graph.group("first");
  const Reconstruction made = reconstruct(original, network, graph, index, 5, samples, 1000, 1);
  CHECK(made.removal.size() == 3);
  CHECK(made.error > 0);
  CHECK(made.error < 1);
  Network plain = remove_channels(network, made.removal).network;
  for (const auto& [name, value] : made.parameters) network.parameter(name).variable.value().copy_from(value);
  Network rebuilt = remove_channels(network, made.removal).network;
  CHECK(max_difference(answers(rebuilt, samples), before) < max_difference(answers(plain, samples), before));
  // The same seed samples the same places; another samples others.
  const auto weight_with = [&](uint64_t seed) {
    Network again = copy_of(original);
    return reconstruct(original, again, graph, index, 5, samples, 3, seed).parameters.at("second.weight");
  };
  CHECK(identical(weight_with(1), weight_with(1)));
  CHECK_FALSE(identical(weight_with(1), weight_with(2)));
}

TEST_CASE("a branch makes up for what the other branch of its sum has lost by now") {
  // The sum of a branch and of a convolution that an earlier step has damaged: the branch's bias takes the
  // damage, a constant here, upon itself.
  Network network("hand", {4, 4, 2});
  network.add("conv2d", "other", {{"channels", 3}, {"kernel", 1}});
  network.add("conv2d", "first", {{"channels", 4}, {"kernel", 1}}, {"input"});
  network.add("relu", "relu");
  network.add("conv2d", "second", {{"channels", 3}, {"kernel", 1}});
  network.add("batch_norm", "norm");
  network.add("add", "sum", json::object(), {"norm", "other"});
  network.add("global_average_pool2d", "pool");
  network.add("linear", "fc", {{"features", 3}});
  randomise(network, 4);
  make_redundant(network, "first", {3}, "second", 4);
  const Samples samples = random_samples(network, 100);
  const Tensor before = answers(network, samples);
  Network original = copy_of(network);
  set(network, "other.bias", {5, -3, 2});
  const ChannelGraph graph(network);
  const Reconstruction made =
      reconstruct(original, network, graph, graph.group("first"), 3, samples, 1000, 1);
  for (const auto& [name, value] : made.parameters) network.parameter(name).variable.value().copy_from(value);
  Network smaller = remove_channels(network, made.removal).network;
  CHECK(max_difference(answers(smaller, samples), before) < 1e-3);
}

TEST_CASE("a layer that reads several groups rebuilds its output from the channels of both") {
  Network network("hand", {4, 4, 2});
  network.add("conv2d", "left", {{"channels", 4}, {"kernel", 3}, {"padding", 1}});
  network.add("conv2d", "right", {{"channels", 3}, {"kernel", 3}, {"padding", 1}}, {"input"});
  network.add("concat", "both", json::object(), {"right", "left"});
  network.add("relu", "relu");
  network.add("conv2d", "reader", {{"channels", 5}, {"kernel", 3}});
  network.add("global_average_pool2d", "pool");
  network.add("linear", "fc", {{"features", 3}});
  randomise(network, 4);
  make_redundant(network, "left", {1, 2}, "reader", 7, 3);
  const Samples samples = random_samples(network, 100);
  const Tensor before = answers(network, samples);
  Network smaller = pruned(network, ChannelGraph(network), "left", 2, samples);
  CHECK(max_difference(answers(smaller, samples), before) < 1e-3);
}

TEST_CASE("sums, grouped readers and what is not prunable are not reconstructed") {
  const Network network = layers::make_model("resnet20", {.image = {32, 32, 3}, .classes = 10});
  const ChannelGraph graph(network);
  for (const ChannelGroup& group : graph.groups()) {
    INFO(group.name);
    CHECK(can_be_reconstructed(network, group) ==
          (group.name.starts_with("layer") && group.name.ends_with(".conv1")));
  }
  Network grouped("hand", {4, 4, 2});
  grouped.add("conv2d", "first", {{"channels", 4}, {"kernel", 1}});
  grouped.add("conv2d", "second", {{"channels", 4}, {"kernel", 1}, {"groups", 2}});
  grouped.add("global_average_pool2d", "pool");
  grouped.add("linear", "fc", {{"features", 3}});
  const ChannelGraph other(grouped);
  CHECK_FALSE(can_be_reconstructed(grouped, other.groups()[static_cast<size_t>(other.group("first"))]));
}

}  // namespace
}  // namespace espalier::test
