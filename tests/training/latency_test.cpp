#include "training/latency.h"

#include "layers/models.h"
#include "tests/support/catch.h"

namespace espalier::test {

TEST_CASE("the latency of two networks is measured from their descriptions") {
  const auto small = layers::make_model("vgg11", {.image = {32, 32, 3}, .classes = 10, .width = 0.05});
  const auto large = layers::make_model("vgg11", {.image = {32, 32, 3}, .classes = 10, .width = 0.5});
  const Latency latency = measure_latency(small, large, Device::cpu, 4);
  CHECK(latency.seconds > 0);
  CHECK(latency.beside > 0);
}

}  // namespace espalier::test
