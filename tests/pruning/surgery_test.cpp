#include "pruning/surgery.h"

#include <functional>

#include "core/optim/optimizer.h"
#include "tests/pruning/random_network.h"
#include "tests/support/catch.h"
#include "tests/support/folder.h"
#include "tests/support/tensors.h"

namespace espalier::test {
namespace {

using layers::Network;
using nlohmann::json;
using pruning::ChannelGraph;
using pruning::Removal;
using pruning::Shifts;
using pruning::Surgery;
using pruning::without_channels;

using Floats = std::vector<float>;

Removal channels_of(const Network& network, const std::string& group, const std::vector<int>& channels) {
  const int index = ChannelGraph(network).group(group);
  Removal removal;
  for (int channel : channels) removal.push_back({index, channel});
  return removal;
}

const json& attributes_of(const Network& network, const std::string& layer) {
  for (const auto& node : network.nodes())
    if (node.layer->name() == layer) return node.attributes;
  fail("no layer '{}'", layer);
}

Floats get(Network& network, const std::string& tensor) {
  return network.state().at(tensor).to_vector<float>();
}

// A 1x1 convolution of one image channel into two, then what `grow` adds.
Network stem(const std::function<void(Network&)>& grow, int64_t side = 1) {
  Network network("hand", {side, side, 1});
  network.add("conv2d", "conv1", {{"channels", 2}, {"kernel", 1}});
  grow(network);
  network.initialise(layers::Initialiser::kaiming_normal, 1, Device::cpu);
  return network;
}

TEST_CASE("weights, biases, norms and what reads them lose the removed channels' entries and no others") {
  Network network("hand", {2, 2, 2});
  network.add("conv2d", "conv1", {{"channels", 3}, {"kernel", 1}});
  network.add("batch_norm", "bn");
  network.add("flatten", "flatten");
  network.add("linear", "fc", {{"features", 2}});
  network.set_normalisation({{0.5, 0.25}, {1.0, 2.0}});
  network.set_labels({"cat", "dog"});
  randomise(network, 1);
  set(network, "conv1.weight", {1, 2, 3, 4, 5, 6});
  set(network, "conv1.bias", {7, 8, 9});
  set(network, "bn.weight", {10, 11, 12});
  Floats columns(24);
  for (size_t i = 0; i < columns.size(); ++i) columns[i] = static_cast<float>(i);
  set(network, "fc.weight", columns);
  const Floats mean = get(network, "bn.running_mean");

  Surgery surgery = remove_channels(network, channels_of(network, "conv1", {1}));
  Network& rewritten = surgery.network;
  CHECK(attributes_of(rewritten, "conv1").at("channels") == 2);
  CHECK(get(rewritten, "conv1.weight") == Floats{1, 2, 5, 6});
  CHECK(get(rewritten, "conv1.bias") == Floats{7, 9});
  CHECK(get(rewritten, "bn.weight") == Floats{10, 12});
  CHECK(get(rewritten, "bn.running_mean") == Floats{mean[0], mean[2]});
  CHECK(get(rewritten, "fc.weight") == Floats{0, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18, 20, 21, 23});
  CHECK(get(rewritten, "fc.bias") == get(network, "fc.bias"));
  CHECK(rewritten.name() == "hand");
  CHECK(rewritten.labels() == std::vector<std::string>{"cat", "dog"});
  CHECK(rewritten.normalisation()->mean == std::vector<double>{0.5, 0.25});
  CHECK(surgery.report.folded.empty());
}

TEST_CASE("attributes follow the channels that stay") {
  Network network("hand", {4, 4, 3});
  network.add("conv2d", "narrow", {{"channels", 4}, {"kernel", 1}});
  network.add("conv2d", "depthwise", {{"channels", 4}, {"kernel", 3}, {"padding", 1}, {"groups", 4}});
  network.add("pad_channels", "pad", {{"before", 2}, {"after", 2}});
  network.add("conv2d", "grouped", {{"channels", 8}, {"kernel", 1}, {"groups", 2}}, {"narrow"});
  network.add("add", "add", json::object(), {"grouped", "pad"});
  network.add("select_channels", "select", {{"channels", {0, 2, 3, 5, 7}}});
  network.add("global_average_pool2d", "pool");
  network.add("linear", "fc", {{"features", 2}});
  // grouped's outputs 0 and 4 are one class with pad's first zeros and channel 2 of narrow, which the groups
  // of the inputs tie to 0: with them go the whole network's even places.
  const ChannelGraph graph(network);
  const Network fewer = without_channels(network, {graph.candidate(0, 0)});
  CHECK(attributes_of(fewer, "narrow").at("channels") == 2);
  CHECK(attributes_of(fewer, "depthwise") ==
        json{{"channels", 2}, {"kernel", 3}, {"padding", 1}, {"groups", 2}});
  CHECK(attributes_of(fewer, "pad") == json{{"before", 1}, {"after", 1}});
  CHECK(attributes_of(fewer, "grouped") == json{{"channels", 4}, {"kernel", 1}, {"groups", 2}});
  CHECK(attributes_of(fewer, "select").at("channels") == json{1, 2, 3});
  // What is selected goes alone as well.
  const Network chosen = without_channels(network, channels_of(network, "select", {1, 3}));
  CHECK(attributes_of(chosen, "select").at("channels") == json{0, 3, 7});
  CHECK(attributes_of(chosen, "narrow").at("channels") == 4);
}

TEST_CASE("a removal from a layer that stays whole leaves its description alone") {
  const Network network = stem([](Network& net) {
    net.add("select_channels", "select");
    net.add("relu", "relu");
    net.add("flatten", "flatten");
    net.add("linear", "fc1", {{"features", 3}});
    net.add("linear", "fc2", {{"features", 2}});
  });
  const Network fewer = without_channels(network, channels_of(network, "fc1", {0}));
  CHECK(attributes_of(fewer, "select").empty());
  CHECK(without_channels(network, {}).description() == network.description());
}

TEST_CASE("what a removed scale leaves goes into the bias of the next layer") {
  Network network = stem([](Network& net) {
    net.add("batch_norm", "bn");
    net.add("relu", "relu");
    net.add("flatten", "flatten");
    net.add("linear", "fc", {{"features", 2}});
  });
  set(network, "bn.bias", {3, -1});
  set(network, "fc.weight", {1, 10, 2, 20});
  set(network, "fc.bias", {5, 6});
  Surgery kept = remove_channels(network, channels_of(network, "conv1", {0}), Shifts::keep);
  CHECK(get(kept.network, "fc.weight") == Floats{10, 20});
  CHECK(get(kept.network, "fc.bias") == Floats{5 + 3 * 1, 6 + 3 * 2});
  REQUIRE(kept.report.folded.size() == 1);
  CHECK(kept.report.folded[0].layer == "fc");
  CHECK(kept.report.folded[0].tensor == "fc.bias");
  CHECK(kept.report.folded[0].largest == 6);
  CHECK(kept.report.folded[0].error == 0);
  // Behind the ReLU a negative shift is nothing, and with Shifts::zero so is every other.
  CHECK(remove_channels(network, channels_of(network, "conv1", {1}), Shifts::keep).report.folded.empty());
  CHECK(remove_channels(network, channels_of(network, "conv1", {0})).report.folded.empty());
}

TEST_CASE("what a convolution's bias leaves goes into the running mean of a batch norm, or makes a bias") {
  const auto network = [](bool norm) {
    Network net = stem([&](Network& grown) {
      grown.add("conv2d", "conv2", {{"channels", 2}, {"kernel", 1}, {"bias", false}});
      if (norm) grown.add("batch_norm", "bn");
      grown.add("global_average_pool2d", "pool");
      grown.add("linear", "fc", {{"features", 2}});
    });
    set(net, "conv1.bias", {2, 0});
    set(net, "conv2.weight", {1, 0, 4, 0});
    return net;
  };
  Network normed = network(true);
  Surgery into_mean = remove_channels(normed, channels_of(normed, "conv1", {0}), Shifts::keep);
  CHECK(into_mean.report.folded.at(0).layer == "conv2");
  CHECK(into_mean.report.folded.at(0).tensor == "bn.running_mean");
  CHECK(get(into_mean.network, "bn.running_mean") == Floats{-2, -8});
  CHECK(into_mean.report.folded.at(0).added == Floats{-2, -8});

  Network bare = network(false);
  Surgery into_bias = remove_channels(bare, channels_of(bare, "conv1", {0}), Shifts::keep);
  CHECK(into_bias.report.folded.at(0).tensor == "conv2.bias");
  CHECK(get(into_bias.network, "conv2.bias") == Floats{2, 8});
  CHECK(attributes_of(into_bias.network, "conv2").at("bias") == true);
}

TEST_CASE("behind zero padding a fold is exact away from the border, and says how far off that is") {
  Network network = stem(
      [](Network& net) {
        net.add("conv2d", "conv2", {{"channels", 1}, {"kernel", 3}, {"padding", 1}});
        net.add("flatten", "flatten");
        net.add("linear", "fc", {{"features", 25}});
      },
      5);
  set(network, "conv1.bias", {2, 0});
  set(network, "conv2.weight", {1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0});
  Surgery surgery = remove_channels(network, channels_of(network, "conv1", {0}), Shifts::keep);
  CHECK(get(surgery.network, "conv2.bias") == Floats{18});
  REQUIRE(surgery.report.folded.size() == 1);
  CHECK(surgery.report.folded[0].layer == "conv2");
  CHECK(surgery.report.folded[0].error == 18 - 8);  // a corner's window meets four of its nine taps
}

TEST_CASE("a sigmoid makes one half of a silenced channel") {
  Network network = stem([](Network& net) {
    net.add("sigmoid", "sigmoid");
    net.add("dropout", "dropout", {{"probability", 0.5}});
    net.add("flatten", "flatten");
    net.add("linear", "fc", {{"features", 2}});
  });
  set(network, "fc.weight", {4, 0, 6, 0});
  Surgery surgery = remove_channels(network, channels_of(network, "conv1", {0}));
  CHECK(get(surgery.network, "fc.bias") == Floats{2, 3});
  CHECK(surgery.report.random == std::vector<std::string>{"dropout"});
}

TEST_CASE("averages follow: they lose what the weights lose and take up what was folded") {
  Network network = stem([](Network& net) {
    net.add("conv2d", "conv2", {{"channels", 2}, {"kernel", 1}, {"bias", false}});
    net.add("global_average_pool2d", "pool");
    net.add("linear", "fc", {{"features", 2}});
  });
  set(network, "conv1.bias", {2, 0});
  set(network, "conv2.weight", {1, 0, 4, 0});
  const Removal first = channels_of(network, "conv1", {0});
  Model model{std::move(network), {}, {}};
  const ModelSurgery surgery = prune_channels(model, first, Shifts::keep);
  const auto averages = follow_averages(surgery, {{"conv1.bias", Tensor::from(Floats{1, 3}, {2})},
                                                  {"conv1.weight.centroids", Tensor::from(Floats{7}, {1})},
                                                  {"fc.bias", Tensor::from(Floats{5, 6}, {2})}});
  CHECK(averages.size() == 4);
  CHECK(averages.at("conv1.weight.centroids").to_vector<float>() == Floats{7});
  CHECK(averages.at("conv1.bias").to_vector<float>() == Floats{3});
  CHECK(averages.at("fc.bias").to_vector<float>() == Floats{5, 6});
  CHECK(averages.at("conv2.bias").to_vector<float>() == Floats{2, 8});
}

TEST_CASE("an optimizer's state loses what the parameters lose") {
  Network network = stem([](Network& net) {
    net.add("flatten", "flatten");
    net.add("linear", "fc", {{"features", 2}});
  });
  const Surgery surgery = remove_channels(network, channels_of(network, "conv1", {1}));
  const auto state = surgery.restriction.optimizer_state(
      {{"first_moment/conv1.weight", Tensor::from(Floats{1, 2}, {2, 1, 1, 1})},
       {"second_moment/fc.weight", Tensor::from(Floats{1, 2, 3, 4}, {2, 2})},
       {"momentum/fc.weight.centroids", Tensor::from(Floats{1, 2, 3}, {3})}});
  CHECK(state.size() == 3);
  CHECK(state.at("first_moment/conv1.weight").to_vector<float>() == Floats{1});
  CHECK(state.at("second_moment/fc.weight").to_vector<float>() == Floats{1, 3});
  CHECK(state.at("momentum/fc.weight.centroids").to_vector<float>() == Floats{1, 2, 3});
  CHECK_ERROR(surgery.restriction.optimizer_state({{"momentum/fc9.weight", Tensor::zeros({2})}}),
              "[surgery] 'fc9.weight' is not a tensor of the network");
  CHECK_ERROR(surgery.restriction("fc.weight", Tensor::zeros({2})),
              "what belongs to 'fc.weight' has shape (2); expected (2, 2)");
}

TEST_CASE("a model's masks and codebooks are cut with its weights") {
  const TemporaryFolder folder;
  Model model{stem([](Network& net) {
                net.add("flatten", "flatten");
                net.add("linear", "fc", {{"features", 2}});
              }),
              {},
              {}};
  set(model.network, "conv1.weight", {0, 3});
  set(model.network, "fc.weight", {1, 2, 2, 0});
  model.masks["conv1.weight"] = Tensor::from(std::vector<uint8_t>{0, 1}, {2, 1, 1, 1});
  model.codebooks["fc.weight"] = {.centroids = Tensor::from(Floats{1, 2}, {2}),
                                  .codes = Tensor::from(std::vector<int32_t>{0, 1, 1, -1}, {2, 2})};
  const auto result = prune_channels(model, channels_of(model.network, "conv1", {0}));
  CHECK(result.report.removed.size() == 1);
  CHECK(model.masks.at("conv1.weight").to_vector<uint8_t>() == std::vector<uint8_t>{1});
  CHECK(model.codebooks.at("fc.weight").codes.to_vector<int32_t>() == std::vector<int32_t>{1, -1});
  CHECK(get(model.network, "fc.weight") == Floats{2, 0});
  save_model(folder.path(), model);
  CHECK_NOTHROW(load_model(folder.path(), Device::cpu));
}

TEST_CASE("a removal that cannot be leaves the model as it was") {
  Model model{stem([](Network& net) {
                net.add("flatten", "flatten");
                net.add("linear", "fc", {{"features", 2}});
              }),
              {},
              {}};
  set(model.network, "conv1.bias", {1, 1});
  model.masks["fc.bias"] = Tensor::full({2}, 1, DType::uint8);
  const std::string description = model.network.description();
  CHECK_ERROR(prune_channels(model, channels_of(model.network, "conv1", {0}), Shifts::keep),
              "[surgery] 'fc.bias' has a mask or a codebook");
  CHECK_ERROR(prune_channels(model, channels_of(model.network, "conv1", {0, 1})), "one at least has to stay");
  CHECK(model.network.description() == description);
  CHECK_NOTHROW(prune_channels(model, channels_of(model.network, "conv1", {0})));
}

TEST_CASE("a network without weights can be rewritten but not operated on") {
  Network network("bare", {4, 4, 3});
  network.add("conv2d", "conv", {{"channels", 4}, {"kernel", 1}, {"bias", false}});
  network.add("global_average_pool2d", "pool");
  network.add("linear", "fc", {{"features", 2}});
  const Removal removal = channels_of(network, "conv", {0, 3});
  CHECK(without_channels(network, removal).flops() == 16 * 3 * 2 + 2 * 2);
  CHECK(without_channels(network, removal).parameter_count() == 3 * 2 + 2 * 2 + 2);
  CHECK_ERROR(remove_channels(network, removal), "has no weights yet");
}

}  // namespace
}  // namespace espalier::test
