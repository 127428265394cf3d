#include "pruning/sensitivity.h"

#include <algorithm>
#include <limits>

#include "layers/models.h"
#include "pruning/surgery.h"
#include "tests/support/catch.h"
#include "tests/support/stage_run.h"
#include "training/evaluate.h"

namespace espalier::test {

TEST_CASE("each row of a sensitivity is the accuracy without the lowest channels of one group") {
  auto network = layers::make_model("lenet5", {.image = {28, 28, 1}, .classes = 10, .width = 0.5});
  network.initialise(layers::Initialiser::kaiming_normal, 1, Device::cpu);
  const auto images = synthetic(10, 200).test;
  const auto criterion = pruning::channel_criterion("l1").make({});
  std::vector<std::string> heard;
  const pruning::Sensitivity sensitivity =
      pruning::measure_sensitivity(network, *criterion, {}, images, {0.25, 0.5, 1.0}, Device::cpu,
                                   [&](const std::string& group) { heard.push_back(group); });
  CHECK(sensitivity.accuracy == evaluate(network, images, Device::cpu).accuracy());
  CHECK(heard == std::vector<std::string>{"conv1", "conv2", "fc1"});
  REQUIRE(sensitivity.groups.size() == 3);

  const pruning::ChannelGraph graph(network);
  const auto scores = criterion->scores(graph, network, {});
  const int index = graph.group("conv2");
  const auto& score = scores[static_cast<size_t>(index)];
  const auto middle = [&] {
    auto sorted = score;
    std::ranges::sort(sorted);
    return sorted[(sorted.size() + 1) / 2];  // round(12.5) of 25 go
  }();
  pruning::Removal lowest;
  for (int c = 0; c < std::ssize(score); ++c)
    if (score[static_cast<size_t>(c)] < middle) lowest.push_back({index, c});
  auto pruned = remove_channels(network, lowest).network;
  CHECK(sensitivity.groups[1].accuracies[1] == evaluate(pruned, images, Device::cpu).accuracy());
  // One channel always stays, that of the highest score.
  REQUIRE(sensitivity.groups[1].accuracies.size() == 3);
  pruning::Removal all_but_one;
  for (int c = 0; c < std::ssize(score); ++c)
    if (score[static_cast<size_t>(c)] < std::ranges::max(score)) all_but_one.push_back({index, c});
  auto least = remove_channels(network, all_but_one).network;
  CHECK(sensitivity.groups[1].accuracies[2] == evaluate(least, images, Device::cpu).accuracy());
  CHECK(sensitivity.images == images->size());

  auto weight = network.parameter("conv2.weight").variable.value().to_vector<float>();
  weight[0] = std::numeric_limits<float>::quiet_NaN();
  Tensor broken = network.parameter("conv2.weight").variable.value();
  broken.copy_from(Tensor::from(weight, broken.shape()));
  CHECK_ERROR(
      pruning::measure_sensitivity(network, *criterion, {}, images, {0.5}, Device::cpu, [](const auto&) {}),
      "the score of channel 0 of 'conv2' by the criterion is nan");
}

TEST_CASE("the suggested share is the last before one that costs too much") {
  const pruning::Sensitivity sensitivity{.accuracy = 0.9, .shares = {0.1, 0.2, 0.3, 0.4}, .groups = {}};
  const auto suggested = [&](std::vector<double> accuracies) {
    return suggested_share(sensitivity, {"group", 10, std::move(accuracies)}, 0.0101);
  };
  CHECK(suggested({0.9, 0.91, 0.89, 0.7}) == 0.3);
  CHECK(suggested({0.9, 0.8, 0.89, 0.9}) == 0.1);
  CHECK(suggested({0.8, 0.9, 0.9, 0.9}) == 0);
  CHECK(suggested({0.9, 0.9, 0.9, 0.9}) == 0.4);
}

}  // namespace espalier::test
