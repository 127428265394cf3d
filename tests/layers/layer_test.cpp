#include <map>

#include "layers/network.h"
#include "tests/support/catch.h"
#include "tests/support/gradient.h"
#include "tests/support/tensors.h"

namespace espalier::test {
namespace {

using layers::Network;
using nlohmann::json;

struct Step {
  std::string type;
  json attributes = json::object();
  std::vector<std::string> inputs = {};
};

// A tiny network around one layer of each type: steps are named by their place, "a", "b", … The first
// convolution gives the layer under test an input that depends on parameters, so that its gradient towards
// its input counts too; it has no bias, whose gradient batch norm would cancel.
const std::map<std::string, std::vector<Step>> kTiny = {
    {"conv2d",
     {{"conv2d", {{"channels", 4}, {"kernel", {3, 2}}, {"stride", {2, 1}}, {"padding", 1}, {"groups", 2}}}}},
    {"linear", {{"flatten"}, {"linear", {{"features", 3}}}, {"linear", {{"features", 2}, {"bias", false}}}}},
    {"batch_norm", {{"batch_norm", {{"epsilon", 1e-2}}}}},
    {"relu", {{"relu"}}},
    {"relu6", {{"relu6"}}},
    {"sigmoid", {{"sigmoid"}}},
    {"tanh", {{"tanh"}}},
    {"max_pool2d", {{"max_pool2d", {{"kernel", 2}, {"ceil_mode", true}}}}},
    {"average_pool2d",
     {{"average_pool2d", {{"kernel", 3}, {"stride", 2}, {"padding", 1}, {"count_include_pad", true}}}}},
    {"global_average_pool2d", {{"global_average_pool2d"}}},
    {"flatten", {{"flatten"}}},
    {"dropout", {{"dropout", {{"probability", 0.4}}}}},
    {"add", {{"tanh"}, {"add", json::object(), {"a", "b"}}}},
    {"multiply", {{"tanh"}, {"multiply", json::object(), {"a", "b"}}}},
    {"concat", {{"tanh"}, {"concat", json::object(), {"b", "input", "a"}}}},
    {"pad_channels", {{"pad_channels", {{"before", 1}, {"after", 2}}}}},
    {"select_channels", {{"select_channels", {{"channels", {0, 1, 3}}}}}},
    {"softmax", {{"softmax"}}},
};

std::shared_ptr<Network> tiny_network(const std::vector<Step>& steps) {
  auto network = std::make_shared<Network>("tiny", Shape{5, 4, 2});
  network->add("conv2d", "a", {{"channels", 4}, {"kernel", 3}, {"padding", 1}, {"bias", false}}, {"input"});
  char name = 'b';
  for (const Step& step : steps)
    network->add(step.type, std::string(1, name++), step.attributes, step.inputs);
  return network;
}

// The network as a function of the images and its parameters.
Differentiable as_function(const std::string& name, const std::shared_ptr<Network>& network) {
  Differentiable result{.name = name, .inputs = {{3, 5, 4, 2}}, .function = {}};
  for (const Parameter* parameter : network->parameters()) result.inputs.push_back(parameter->shape);
  result.function = [network](const std::vector<Variable>& v) {
    network->initialise(layers::Initialiser::kaiming_normal, 1, Device::cpu);
    const std::vector<Parameter*> parameters = network->parameters();
    for (size_t i = 0; i < parameters.size(); ++i) parameters[i]->variable = v[i + 1];
    for (const Network::Node& node : network->nodes())
      for (layers::Buffer& buffer : node.layer->buffers())
        buffer.tensor =
            Tensor::full(buffer.shape, buffer.initial, v[0].value().dtype(), v[0].value().device());
    return network->forward(v[0], {.training = true, .seed = 7, .step = 3});
  };
  return result;
}

TEST_CASE("every registered layer type passes gradients to its parameters and its input") {
  std::vector<Differentiable> functions;
  for (const layers::LayerType& type : layers::layer_types()) {
    INFO("add a tiny network for layer type '" << type.name << "' to this test");
    REQUIRE(kTiny.contains(std::string(type.name)));
    const std::vector<Step>& steps = kTiny.at(std::string(type.name));
    CHECK(std::ranges::count(steps, std::string(type.name), &Step::type) > 0);
    functions.push_back(as_function(std::string(type.name), tiny_network(steps)));
  }
  check_gradients(functions);
}

TEST_CASE("dropout repeats its draw for a step, changes it for the next, and is off in evaluation") {
  Network network("dropout", {4, 4, 1});
  network.add("dropout", "drop", {{"probability", 0.5}});
  network.add("dropout", "again", {{"probability", 0.5}}, {"drop"});
  network.initialise(layers::Initialiser::kaiming_normal, 1, Device::cpu);
  const Variable images(Tensor::full({8, 4, 4, 1}, 1.0));
  const auto run = [&](uint64_t seed, uint64_t step) {
    return network.forward(images, {.training = true, .seed = seed, .step = step}).value();
  };
  CHECK(identical(run(1, 2), run(1, 2)));
  CHECK_FALSE(identical(run(1, 2), run(1, 3)));
  CHECK_FALSE(identical(run(1, 2), run(2, 2)));
  CHECK(identical(network.forward(images, {}).value(), images.value()));
  int64_t kept = 0;
  for (float value : run(1, 2).to_vector<float>()) {
    CHECK((value == 0 || value == 4));  // two independent draws, each scaled by 2
    kept += value != 0;
  }
  CHECK((kept > 10 && kept < 60));  // a quarter of 128; half, were the two layers to draw alike
}

TEST_CASE("batch norm trains on the batch and evaluates on what it gathered") {
  Network network("norm", {2, 1, 1});
  network.add("batch_norm", "norm", {{"momentum", 1.0}, {"epsilon", 1e-12}});
  network.initialise(layers::Initialiser::kaiming_normal, 1, Device::cpu);
  const Variable images(Tensor::from(std::vector<float>{1, 3, 5, 7}, {2, 2, 1, 1}));
  const NoGradient no_gradient;
  const Tensor trained = network.forward(images, {.training = true}).value();
  const float deviation = std::sqrt(5.0f);  // biased
  check_close(trained,
              Tensor::from(std::vector<float>{-3 / deviation, -1 / deviation, 1 / deviation, 3 / deviation},
                           {2, 2, 1, 1}),
              1e-6);
  const auto state = network.state();
  CHECK(state.at("norm.running_mean").item() == Approx(4));
  CHECK(state.at("norm.running_var").item() == Approx(20.0 / 3));  // unbiased
  CHECK(network.forward(images, {}).value().to_vector<float>()[3] == Approx(3 / std::sqrt(20.0f / 3)));
}

TEST_CASE("a wrong attribute is an error that names layer, attribute and what was due") {
  Network network("wrong", {8, 8, 3});
  const auto add = [&](const std::string& type, const json& attributes) {
    network.add(type, "here", attributes);
  };
  CHECK_ERROR(add("conv2d", {{"kernel", 3}}), "layer 'here' lacks its attribute 'channels'");
  CHECK_ERROR(add("conv2d", {{"channels", 0}, {"kernel", 3}}),
              "attribute 'channels' of layer 'here' is 0; expected an integer in [1, 65536]");
  CHECK_ERROR(add("conv2d", {{"channels", 2.5}, {"kernel", 3}}), "'channels' of layer 'here' is 2.5");
  CHECK_ERROR(add("conv2d", {{"channels", 18446744073709551615u}, {"kernel", 3}}), "is 18446744073709551615");
  CHECK_ERROR(add("conv2d", {{"channels", 4}, {"kernel", {3, 3, 3}}}),
              "expected one integer or [height, width]");
  CHECK_ERROR(add("conv2d", {{"channels", 4}, {"kernel", 3}, {"groups", 2}}),
              "[network] layer 'here': input (1, 8, 8, 3) does not divide into 2 groups");
  CHECK_ERROR(add("conv2d", {{"channels", 4}, {"kernel", 9}}),
              "layer 'here': [conv2d] a window of 9 does not fit");
  CHECK_ERROR(add("conv2d", {{"channels", 4}, {"kernel", 3}, {"bias", 1}}), "is 1; expected true or false");
  CHECK_ERROR(add("dropout", {{"probability", "high"}}),
              "'probability' of layer 'here' is \"high\"; expected a number");
  CHECK_ERROR(add("linear", {{"features", 4}}), "layer 'here': input (1, 8, 8, 3) is not flat");
  CHECK_ERROR(add("relu", {{"slope", 0.1}}), "layer 'here' has no attribute 'slope'");
  CHECK_ERROR(add("max_pool2d", {{"kernel", 2}, {"strides", 2}}),
              "has no attribute 'strides'; it has: ceil_mode, kernel, padding, stride");
  CHECK_ERROR(add("relu", json::array()), "attributes of layer 'here' are not an object");
  CHECK_ERROR(add("swish", json::object()),
              "layer 'here' is of unknown type 'swish'; the types are conv2d, linear");
  CHECK(network.nodes().empty());
}

}  // namespace
}  // namespace espalier::test
