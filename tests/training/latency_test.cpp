#include "training/latency.h"

#include "layers/models.h"
#include "tests/support/catch.h"

namespace espalier::test {

TEST_CASE("the latency of two networks is measured, and neither changes") {
  auto small = layers::make_model("lenet_300_100", {.image = {28, 28, 1}, .classes = 10, .width = 0.1});
  auto large = layers::make_model("lenet_300_100", {.image = {28, 28, 1}, .classes = 10});
  small.initialise(layers::Initialiser::kaiming_normal, 1, Device::cpu);
  large.initialise(layers::Initialiser::kaiming_normal, 1, Device::cpu);
  const auto before = small.state().begin()->second.to_vector<float>();
  const Latency latency = measure_latency(small, large, Device::cpu, 8);
  CHECK(latency.seconds > 0);
  CHECK(latency.beside > 0);
  CHECK(small.state().begin()->second.to_vector<float>() == before);
}

}  // namespace espalier::test
