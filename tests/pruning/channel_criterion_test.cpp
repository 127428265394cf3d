#include "pruning/channel_criterion.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/ops.h"
#include "core/random.h"
#include "layers/models.h"
#include "pruning/silence.h"
#include "tests/pruning/random_network.h"
#include "tests/support/catch.h"
#include "tests/support/tensors.h"

namespace espalier::test {
namespace {

using layers::Network;
using nlohmann::json;
using namespace pruning;

using Floats = std::vector<float>;

// One image of `side`² pixels through a 1x1 convolution into three channels that a linear layer reads.
Network three_channels(int64_t side = 1, bool norm = false) {
  Network network("hand", {side, side, 1});
  network.add("conv2d", "conv", {{"channels", 3}, {"kernel", 1}, {"bias", false}});
  if (norm) network.add("batch_norm", "bn");
  network.add("relu", "relu");
  network.add("global_average_pool2d", "pool");
  network.add("linear", "fc", {{"features", 2}});
  network.initialise(layers::Initialiser::kaiming_normal, 1, Device::cpu);
  return network;
}

// A residual sum of two 1x1 convolutions that share their two channels.
Network sum_of_two() {
  Network network("hand", {1, 1, 1});
  network.add("conv2d", "first", {{"channels", 2}, {"kernel", 1}, {"bias", false}});
  network.add("conv2d", "second", {{"channels", 2}, {"kernel", 1}, {"bias", false}});
  network.add("add", "sum", json::object(), {"first", "second"});
  network.add("flatten", "flatten");
  network.add("linear", "fc", {{"features", 2}});
  network.initialise(layers::Initialiser::kaiming_normal, 1, Device::cpu);
  set(network, "first.weight", {1, -2});
  set(network, "second.weight", {3, 0, 0, 4});
  return network;
}

Samples one_batch(const Floats& pixels, Shape images, const std::vector<int32_t>& labels) {
  datasets::Batch batch;
  batch.images = Tensor::from(pixels, images);
  batch.labels = Tensor::from(labels, {images[0]});
  return {batch};
}

Floats scores_of(Network& network, const std::string& criterion, const std::string& group,
                 const ChannelCriterionOptions& options = {}, const Samples& samples = {}) {
  const ChannelGraph graph(network);
  return channel_criterion(criterion).make(options)->scores(graph, network,
                                                            samples)[static_cast<size_t>(graph.group(group))];
}

void check_scores(const Floats& values, const Floats& expected) {
  REQUIRE(values.size() == expected.size());
  for (size_t i = 0; i < values.size(); ++i) CHECK(values[i] == Approx(expected[i]).margin(1e-6));
}

TEST_CASE("l1 and l2 are the norms of a channel's filters") {
  Network network("hand", {2, 2, 1});
  network.add("conv2d", "conv", {{"channels", 2}, {"kernel", 2}});
  network.add("flatten", "flatten");
  network.add("linear", "fc", {{"features", 2}});
  network.initialise(layers::Initialiser::kaiming_normal, 1, Device::cpu);
  set(network, "conv.weight", {1, -2, 2, 0, -3, 0, 4, 0});
  set(network, "conv.bias", {100, 0});  // is no part of a filter
  check_scores(scores_of(network, "l1", "conv"), {5, 7});
  check_scores(scores_of(network, "l2", "conv"), {3, 5});
}

TEST_CASE("the scores of layers that share channels are reduced as was asked") {
  Network network = sum_of_two();
  // By layer: 1 and 2 of the first, 3 and 4 of the second.
  check_scores(scores_of(network, "l1", "first", {.reduction = Reduction::sum}), {4, 6});
  check_scores(scores_of(network, "l1", "first", {.reduction = Reduction::mean}), {2, 3});
  check_scores(scores_of(network, "l1", "first", {.reduction = Reduction::max}), {3, 4});
  check_scores(scores_of(network, "l1", "first", {.reduction = Reduction::producer}), {1, 2});
  CHECK_ERROR(reduction_from_name("median"), "unknown reduction 'median'; expected sum, mean, max, producer");
}

TEST_CASE("the filter nearest to the geometric median of its layer scores lowest") {
  Network network = three_channels();
  set(network, "conv.weight", {0, 1, 10});
  check_scores(scores_of(network, "geometric_median", "conv"), {11, 10, 19});
  // By norm first: one of three goes for that, and distances count among the others alone.
  check_scores(scores_of(network, "geometric_median", "conv", {.norm_share = 1.0 / 3}), {-1, 9, 9});
}

TEST_CASE("geometric_median's order is that of a geometric median found by brute force") {
  // The filter that minimises the sum of distances is the one nearest to being the median among the filters
  // (He et al., CVPR 2019, eq. 4 to 6); in float64 here.
  Network network("hand", {8, 8, 3});
  network.add("conv2d", "conv", {{"channels", 37}, {"kernel", 3}});
  network.add("global_average_pool2d", "pool");
  network.add("linear", "fc", {{"features", 2}});
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    network.initialise(layers::Initialiser::kaiming_normal, seed, Device::cpu);
    const Floats weight = network.parameter("conv.weight").variable.value().to_vector<float>();
    std::vector<double> sums(37, 0.0);
    for (size_t k = 0; k < 37; ++k)
      for (size_t j = 0; j < 37; ++j) {
        double squares = 0;
        for (size_t i = 0; i < 27; ++i) {
          const double difference =
              static_cast<double>(weight[k * 27 + i]) - static_cast<double>(weight[j * 27 + i]);
          squares += difference * difference;
        }
        sums[k] += std::sqrt(squares);
      }
    const auto order = [](const auto& scores) {
      std::vector<size_t> result(scores.size());
      std::iota(result.begin(), result.end(), size_t{0});
      std::ranges::sort(result, {}, [&](size_t i) { return scores[i]; });
      return result;
    };
    CHECK(order(scores_of(network, "geometric_median", "conv")) == order(sums));
  }
}

TEST_CASE("batch_norm_scale is |γ|, and does not apply where there is none") {
  Network network = three_channels(1, true);
  set(network, "bn.weight", {-0.5, 0.25, 2});
  check_scores(scores_of(network, "batch_norm_scale", "conv"), {0.5, 0.25, 2});
  Network without = three_channels();
  CHECK(scores_of(without, "batch_norm_scale", "conv").empty());
}

TEST_CASE("activation_mean and apoz look at what comes out of the activation function") {
  Network network = three_channels(2);
  set(network, "conv.weight", {1, -1, 2});
  // Two images of four pixels; behind the ReLU the channels hold 1 0 3 0 | 2 2 0 0, 0 2 0 4 | 0 0 1 0, and
  // twice the first.
  const Samples samples = one_batch({1, -2, 3, -4, 2, 2, -1, 0}, {2, 2, 2, 1}, {0, 1});
  check_scores(scores_of(network, "activation_mean", "conv", {}, samples), {1, 7.0f / 8, 2});
  check_scores(scores_of(network, "apoz", "conv", {}, samples), {4.0f / 8, 3.0f / 8, 4.0f / 8});
}

TEST_CASE(
    "taylor is the mean over images of |mean over positions of activation times gradient|, by group norm") {
  Network network = three_channels(2);
  set(network, "conv.weight", {1, 2, 3});
  set(network, "fc.weight", {1, 0, 0, 0, 1, 0});
  set(network, "fc.bias", {0, 0});
  const Floats pixels{1, 2, 0, 1, 0, 1, 1, 2};
  const Samples samples = one_batch(pixels, {2, 2, 2, 1}, {0, 1});
  // Logits of an image with pixel sum s: s/4 and 2s/4. The loss's gradient in logit l is p_l − [l = label];
  // in each position of channel c it is that through fc, over 4.
  Floats expected(3, 0.0f);
  for (size_t image = 0; image < 2; ++image) {
    double s = 0;
    for (size_t i = 0; i < 4; ++i) s += pixels[image * 4 + i];
    const double p1 = 1 / (1 + std::exp(s / 4 - s / 2));
    const double gradient[3] = {(1 - p1) - (image == 0), p1 - (image == 1), 0};
    for (size_t c = 0; c < 3; ++c)
      expected[c] += static_cast<float>(std::abs(gradient[c] / 4 * static_cast<double>(c + 1) * s / 4) / 2);
  }
  const float norm = std::sqrt(expected[0] * expected[0] + expected[1] * expected[1]);
  for (float& score : expected) score /= norm;
  check_scores(scores_of(network, "taylor", "conv", {}, samples), expected);

  // A channel saves 4 multiply-adds of the convolution and 2 of the linear layer.
  for (float& score : expected) score -= 6e-6f * 1e5f;
  check_scores(scores_of(network, "taylor", "conv", {.flops_weight = 1e5}, samples), expected);
}

TEST_CASE("the oracle is the change of the loss when a channel alone is silenced") {
  Network network = three_channels();
  set(network, "conv.weight", {1, 2, 3});
  set(network, "fc.weight", {1, 0, 0, 0, 1, 0});
  set(network, "fc.bias", {0, 0});
  const Samples samples = one_batch({1}, {1, 1, 1, 1}, {0});
  const auto loss = [](double first, double second) { return std::log(1 + std::exp(second - first)); };
  check_scores(scores_of(network, "oracle", "conv", {}, samples),
               {static_cast<float>(std::abs(loss(0, 2) - loss(1, 2))),
                static_cast<float>(std::abs(loss(1, 0) - loss(1, 2))), 0});
}

TEST_CASE("random scores are those of their seed") {
  Network network = three_channels();
  const Floats first = scores_of(network, "random", "conv", {.seed = 1});
  CHECK(scores_of(network, "random", "conv", {.seed = 1}) == first);
  CHECK(scores_of(network, "random", "conv", {.seed = 2}) != first);
}

TEST_CASE(
    "every criterion gives every channel that can go one finite score and leaves the network as it was") {
  std::vector<Network> networks;
  for (uint64_t seed = 1; seed <= 20; ++seed) networks.push_back(random_network(seed, true));
  for (const char* model : {"lenet5", "resnet20", "densenet40", "mobilenet_v2"})
    networks.push_back(layers::make_model(model, {.image = {32, 32, 3}, .classes = 10, .width = 0.125}));
  for (Network& network : networks) {
    randomise(network, 3);
    const Samples samples = random_samples(network, 3);
    const ChannelGraph graph(network);
    std::map<std::string, Tensor> before;
    for (const auto& [name, tensor] : network.state()) before[name] = tensor.clone();
    for (const ChannelCriterionRow& row : channel_criteria()) {
      if (row.name == "oracle" && network.nodes().size() > 40) continue;  // a pass per channel
      INFO(network.name() << " " << row.name);
      const auto criterion = row.make({});
      const ChannelScores scores = criterion->scores(graph, network, samples);
      REQUIRE(scores.size() == graph.groups().size());
      for (size_t g = 0; g < scores.size(); ++g) {
        const ChannelGroup& group = graph.groups()[g];
        const bool scored = group.prunable && criterion->applies_to(network, group);
        CHECK(scores[g].size() == (scored ? static_cast<size_t>(group.channels) : 0));
        CHECK(std::ranges::all_of(scores[g], [](float score) { return std::isfinite(score); }));
      }
      CHECK(criterion->scores(graph, network, samples) == scores);
      for (const auto& [name, tensor] : network.state()) CHECK(identical(tensor, before.at(name)));
      for (Parameter* parameter : network.parameters()) CHECK(!parameter->variable.gradient().defined());
    }
  }
}

TEST_CASE("an unknown channel criterion is an error that lists those there are") {
  CHECK_ERROR(channel_criterion("l3"), "unknown criterion 'l3'; the criteria are l1, l2, geometric_median");
}

}  // namespace
}  // namespace espalier::test
