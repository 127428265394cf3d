#include "layers/network.h"
#include "tests/support/catch.h"

namespace espalier::test {
namespace {

using layers::Network;
using nlohmann::json;

std::vector<float> output_of(const std::string& type, const json& attributes) {
  Network network("one", {1, 1, 3});
  network.add(type, "layer", attributes);
  network.initialise(layers::Initialiser::kaiming_normal, 1, Device::cpu);
  const Variable images(Tensor::from(std::vector<float>{1, 2, 3, 4, 5, 6}, {2, 1, 1, 3}));
  const Tensor y = network.forward(images, {}).value();
  CHECK(y.shape()[3] == network.nodes().back().output[3]);
  return y.to_vector<float>();
}

TEST_CASE("pad_channels puts zeros on either side of the channels") {
  CHECK(output_of("pad_channels", {{"before", 1}, {"after", 2}}) ==
        std::vector<float>{0, 1, 2, 3, 0, 0, 0, 4, 5, 6, 0, 0});
}

TEST_CASE("select_channels keeps the channels it names, and all of them by default") {
  CHECK(output_of("select_channels", {{"channels", {0, 2}}}) == std::vector<float>{1, 3, 4, 6});
  CHECK(output_of("select_channels", json::object()) == std::vector<float>{1, 2, 3, 4, 5, 6});
}

TEST_CASE("channels that are out of order, out of range or no list are errors") {
  Network network("one", {1, 1, 3});
  const auto add = [&](const char* channels) {
    network.add("select_channels", "s", {{"channels", json::parse(channels)}});
  };
  CHECK_ERROR(add("[1, 0]"), "attribute 'channels' of layer 's' is 0; expected an integer in [2, 2]");
  CHECK_ERROR(add("[3]"), "is 3; expected an integer in [0, 2]");
  CHECK_ERROR(add("[2, 2]"), "'channels' of layer 's' is 2");
  CHECK_ERROR(add("[-1]"), "is -1; expected an integer in [0, 2]");
  CHECK_ERROR(add("[]"), "is not a list of 1 to 3 indices");
  CHECK_ERROR(add("[0, 1, 2, 3]"), "is not a list of 1 to 3 indices");
  CHECK_ERROR(add("1"), "is not a list of 1 to 3 indices");
  CHECK_ERROR(network.add("pad_channels", "p", {{"before", -1}, {"after", 0}}), "'before'");
}

}  // namespace
}  // namespace espalier::test
