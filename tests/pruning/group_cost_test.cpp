#include "pruning/group_cost.h"

#include "layers/models.h"
#include "pruning/surgery.h"
#include "tests/support/catch.h"

namespace espalier::test {

TEST_CASE("a channel's cost is what the network without it lacks, and nothing where it cannot go") {
  const auto network = layers::make_model("resnet20", {.image = {32, 32, 3}, .classes = 10});
  const pruning::ChannelGraph graph(network);
  for (int g = 0; g < std::ssize(graph.groups()); ++g) {
    const pruning::ChannelCost cost = cost_of_channel(network, graph, g);
    INFO(graph.groups()[static_cast<size_t>(g)].name);
    if (!graph.groups()[static_cast<size_t>(g)].prunable) {
      CHECK(cost.parameters == 0);
      CHECK(cost.flops == 0);
      continue;
    }
    const auto without = pruning::without_channels(network, {{g, 1}});
    CHECK(cost.parameters == network.parameter_count() - without.parameter_count());
    CHECK(cost.flops == network.flops() - without.flops());
  }
}

}  // namespace espalier::test
