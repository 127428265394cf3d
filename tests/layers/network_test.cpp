#include "layers/network.h"

#include "core/ops.h"
#include "layers/models.h"
#include "tests/support/allocation.h"
#include "tests/support/catch.h"
#include "tests/support/mutate.h"
#include "tests/support/tensors.h"

namespace espalier::test {
namespace {

using layers::Initialiser;
using layers::Network;
using nlohmann::json;

// One convolution whose output goes two ways and comes together by add and by concat.
Network branched() {
  Network network("branched", {6, 6, 2});
  network.add("conv2d", "stem", {{"channels", 3}, {"kernel", 3}, {"padding", 1}});
  network.add("batch_norm", "norm");
  network.add("conv2d", "branch", {{"channels", 3}, {"kernel", 1}}, {"norm"});
  network.add("add", "sum", json::object(), {"branch", "norm"});
  network.add("concat", "join", json::object(), {"sum", "stem", "input"});
  network.add("global_average_pool2d", "pool");
  network.add("linear", "classify", {{"features", 4}, {"bias", false}});
  return network;
}

TEST_CASE("the LeNets have the parameters and FLOPs of the papers") {
  Network lenet_300_100 = layers::make_model("lenet_300_100", {.image = {28, 28, 1}});
  CHECK(lenet_300_100.parameter_count() == 266'610);
  CHECK(lenet_300_100.flops() == 784 * 300 + 300 * 100 + 100 * 10);
  Network lenet5 = layers::make_model("lenet5", {.image = {28, 28, 1}});
  CHECK(lenet5.parameter_count() == 431'080);
  CHECK(lenet5.flops() == 24 * 24 * 20 * 25 + 8 * 8 * 50 * 500 + 800 * 500 + 500 * 10);
  CHECK(lenet5.parameter("conv2.weight").shape == Shape{50, 5, 5, 20});
}

TEST_CASE("a network's normalisation and labels are part of its description, and checked") {
  Network network = layers::make_model("lenet5", {.image = {28, 28, 1}, .classes = 3});
  CHECK_FALSE(network.normalisation().has_value());
  network.set_normalisation({{0.1307}, {0.3081}});
  network.set_labels({"cat", "dog", "\"bird\""});
  const Network again = Network::from_description(network.description(), "again");
  CHECK(again.normalisation() == network.normalisation());
  CHECK(again.labels() == network.labels());

  CHECK_ERROR(network.set_labels({"cat"}), "1 labels for 3 classes");
  CHECK_ERROR(network.set_labels({"cat", "dog", "gar\xe7on"}), "label 2 is not UTF-8");
  CHECK_ERROR(network.set_normalisation({{0.5, 0.5}, {1, 1}}),
              "2 means and 2 standard deviations for 1 channels");
  CHECK_ERROR(network.set_normalisation({{0.5}, {0}}), "standard deviation 0 of channel 0; expected > 0");
  CHECK_ERROR(network.set_normalisation({{std::nan("")}, {1}}), "mean nan of channel 0");
  const auto replaced = [&](const std::string& from, const std::string& to) {
    std::string text = network.description();
    text.replace(text.find(from), from.size(), to);
    return text;
  };
  CHECK_ERROR(Network::from_description(replaced("[0.3081]", "[-1.0]"), "evil"),
              "evil: [network] normalisation: standard deviation -1");
  CHECK_ERROR(Network::from_description(replaced("\"cat\",", ""), "evil"),
              "evil: [network] 2 labels for 3 classes");
  CHECK_ERROR(Network::from_description(replaced("[0.1307]", "7"), "evil"),
              "evil: [network] malformed description");
}

TEST_CASE("every model of the zoo comes back from its description, and runs") {
  const NoGradient no_gradient;
  for (const layers::ModelRow& row : layers::models()) {
    INFO(row.name);
    Network network = row.make({.image = {64, 64, 1}, .width = 0.25});
    const std::string description = network.description();
    Network copy = Network::from_description(description, "copy");
    CHECK(copy.description() == description);
    CHECK(copy.parameter_count() == network.parameter_count());
    CHECK(copy.flops() == network.flops());
    CHECK(copy.classes() == 10);
    network.initialise(Initialiser::kaiming_normal, 3, Device::cpu);
    copy.load_state(network.state(), Device::cpu, "copy");
    const Variable images(random_tensor({3, 64, 64, 1}, 1, DType::float32, Device::cpu));
    const Tensor logits = network.forward(images, {}).value();
    CHECK(logits.shape() == Shape{3, 10});
    CHECK(identical(copy.forward(images, {}).value(), logits));
  }
  CHECK_ERROR(layers::make_model("lenet", {.image = {28, 28, 1}}),
              "unknown name 'lenet'; the models are lenet_300_100");
}

TEST_CASE("branches that meet by add and concat compute what the operations compute") {
  Network network = branched();
  network.initialise(Initialiser::xavier_uniform, 5, Device::cpu);
  CHECK(network.parameter_count() == (3 * 9 * 2 + 3) + (3 + 3) + (3 * 3 + 3) + 4 * 8);
  CHECK(network.flops() == 36 * 3 * 18 + 36 * 3 * 3 + 4 * 8);
  CHECK(Network::from_description(network.description(), "copy").description() == network.description());

  const Variable images(random_tensor({2, 6, 6, 2}, 1, DType::float32, Device::cpu));
  const NoGradient no_gradient;
  const auto value = [&](const std::string& name) { return network.parameter(name).variable; };
  const Variable stem = ops::conv2d(images, value("stem.weight"), value("stem.bias"), {.padding = {1, 1}});
  ops::BatchNormState state{network.state().at("norm.running_mean"), network.state().at("norm.running_var")};
  const Variable norm = ops::batch_norm(stem, value("norm.weight"), value("norm.bias"), state, false);
  const Variable sum = ops::add(ops::conv2d(norm, value("branch.weight"), value("branch.bias")), norm);
  const Variable joined = ops::global_average_pool2d(ops::concat({sum, stem, images}));
  CHECK(
      identical(network.forward(images, {}).value(), ops::linear(joined, value("classify.weight")).value()));
}

TEST_CASE("a graph that cannot be is refused where it is built") {
  Network network("bad", {6, 6, 2});
  network.add("conv2d", "a", {{"channels", 4}, {"kernel", 3}});
  const json none = json::object();
  CHECK_ERROR(network.add("relu", "a"), "layer name 'a' is empty, reserved or taken");
  CHECK_ERROR(network.add("relu", ""), "layer name '' is empty");
  CHECK_ERROR(network.add("relu", "input"), "layer name 'input'");
  CHECK_ERROR(network.add("relu", "b", none, {"c"}), "'c' is not the name of an earlier layer");
  CHECK_ERROR(network.add("add", "b", none, {"a"}), "layer 'b' (add) has 1 inputs; expected 2");
  CHECK_ERROR(network.add("add", "b", none, {"a", "input"}), "inputs (1, 4, 4, 4) and (1, 6, 6, 2) differ");
  CHECK_ERROR(network.add("concat", "b", none, {"a", "input"}), "differ before the last axis");
  CHECK_ERROR(network.classes(), "'bad' does not end in a vector per image");
  CHECK_ERROR(network.parameter("b.weight"), "'bad' has no parameter 'b.weight'");
  CHECK(network.nodes().size() == 1);
  CHECK_ERROR(Network("none", {28, 28}), "image shape (28, 28); expected (H, W, C)");
  CHECK_ERROR(Network("none", {28, 0, 1}), "image shape (28, 0, 1)");
}

TEST_CASE("a network without weights, or given other images, says so") {
  Network network = branched();
  const Variable images(Tensor::zeros({1, 6, 6, 2}));
  CHECK_ERROR(network.forward(images, {}), "'branched' has no weights yet");
  CHECK_ERROR(network.state(), "'branched' has no weights yet");
  network.initialise(Initialiser::kaiming_normal, 1, Device::cpu);
  CHECK_ERROR(network.forward(Variable(Tensor::zeros({1, 6, 5, 2})), {}), "takes images (N, 6, 6, 2)");
  Network empty("empty", {6, 6, 2});
  empty.initialise(Initialiser::kaiming_normal, 1, Device::cpu);
  CHECK_ERROR(empty.forward(images, {}), "'empty' has no layers");
}

TEST_CASE(
    "a state that does not fit names every missing, surplus and misshapen tensor, and changes nothing") {
  Network source = branched(), network = branched();
  source.initialise(Initialiser::kaiming_normal, 1, Device::cpu);
  network.initialise(Initialiser::kaiming_normal, 2, Device::cpu);
  const Tensor before = network.state().at("branch.weight").clone();
  auto state = source.state();
  state.erase("stem.weight");
  state.erase("norm.running_var");
  state["classify.bias"] = Tensor::zeros({4});
  state["extra"] = Tensor::zeros({1});
  state["stem.bias"] = Tensor::zeros({4});
  state["branch.bias"] = Tensor::zeros({3}, DType::int32);
  const auto load = [&] { network.load_state(state, Device::cpu, "some/file"); };
  for (const char* fragment :
       {"some/file: ", "'stem.weight' is missing", "'norm.running_var' is missing", "'classify.bias' is not",
        "'extra' is not", "'stem.bias' is float32 (4); expected float32 (3)",
        "'branch.bias' is int32 (3); expected float32 (3)"})
    CHECK_ERROR(load(), fragment);
  CHECK(identical(network.state().at("branch.weight"), before));
}

TEST_CASE("a loaded network does not share its tensors with where they came from") {
  Network source = branched(), network = branched();
  source.initialise(Initialiser::kaiming_normal, 1, Device::cpu);
  network.load_state(source.state(), Device::cpu, "here");
  for (const auto& [name, tensor] : network.state()) {
    CHECK(identical(tensor, source.state().at(name)));
    CHECK_FALSE(tensor.shares_storage_with(source.state().at(name)));
  }
}

TEST_CASE("a malformed description is an error that begins with its origin") {
  const auto read = [](const std::string& text) { return Network::from_description(text, "some/file"); };
  const std::string head = R"({"name": "n", "input": [4, 4, 1], "layers": )";
  CHECK_ERROR(read(""), "some/file: [network] malformed description");
  CHECK_ERROR(read("[]"), "some/file: ");
  CHECK_ERROR(read(R"({"name": "n", "layers": []})"), "input");
  CHECK_ERROR(read(R"({"name": "n", "input": [4, 4], "layers": []})"), "expected [height, width, channels]");
  CHECK_ERROR(read(R"({"name": "n", "input": [-4, 4, 1], "layers": []})"), "some/file: ");
  CHECK_ERROR(read(R"({"name": "n", "input": [99999999, 99999999, 9], "layers": []})"), "some/file: ");
  CHECK_ERROR(read(head + "[]}"), "'n' does not end in a vector");
  CHECK_ERROR(read(head + "[3]}"), "some/file: ");
  CHECK_ERROR(read(head + R"([{"name": "a", "type": "flatten"}]})"), "inputs");
  CHECK_ERROR(read(head + R"([{"name": "a", "type": "flatten", "inputs": ["b"]}]})"), "'b' is not the name");
}

TEST_CASE("a description nested a million deep is refused, not followed") {
  const std::string deep(1'000'000, '[');
  const std::string closed = deep + std::string(deep.size(), ']');
  const auto read = [](const std::string& text) { return Network::from_description(text, "deep"); };
  const std::string layer =
      R"({"name": "n", "input": [4, 4, 1], "layers": [{"name": "a", "type": "max_pool2d", "inputs": ["input"],
                               "attributes": {"kernel": )";
  CHECK_ERROR(read(deep), "deep: ");
  CHECK_ERROR(read(R"({"name": "n", "layers": [], "input": )" + closed + "}"), "nested deeper");
  CHECK_ERROR(read(layer + closed + "}}]}"), "nested deeper");
}

TEST_CASE("a description can ask for no more than there may be") {
  const auto stack = [](int layers, int features) {
    json list = {{{"name", "flat"}, {"type", "flatten"}, {"inputs", {"input"}}}};
    for (int i = 0; i < layers; ++i)
      list.push_back({{"name", std::to_string(i)},
                      {"type", "linear"},
                      {"inputs", {i == 0 ? "flat" : std::to_string(i - 1)}},
                      {"attributes", {{"features", features}}}});
    return json{{"name", "n"}, {"input", {8, 8, 1}}, {"layers", list}}.dump();
  };
  CHECK_ERROR(Network::from_description(stack(4, 65536), "huge"), "parameters with layer");
  CHECK_ERROR(Network::from_description(stack(10'000, 1), "long"), "more than 10000 layers");
  CHECK(Network::from_description(stack(2, 65536), "wide").parameter_count() > int64_t{1} << 32);
}

void collect(json& value, std::vector<json*>& nodes) {
  nodes.push_back(&value);
  if (value.is_structured())
    for (json& child : value) collect(child, nodes);
}

// Well-formed JSON with up to three of its values replaced.
std::string distort(json document, uint64_t seed) {
  static const std::vector<json> kValues = {0,
                                            1,
                                            2,
                                            3,
                                            -1,
                                            65536,
                                            2147483648,
                                            INT64_MIN,
                                            UINT64_MAX,
                                            0.5,
                                            1e300,
                                            true,
                                            nullptr,
                                            "",
                                            "input",
                                            "stem",
                                            "conv2d",
                                            "add",
                                            "concat",
                                            "flatten",
                                            json::array(),
                                            json::object(),
                                            {2, 1},
                                            {"input", "input"},
                                            {{"kernel", 2}},
                                            {{"channels", 5}, {"kernel", 1}}};
  std::mt19937_64 random(seed);
  for (uint64_t changes = 1 + random() % 3; changes > 0; --changes) {
    std::vector<json*> nodes;
    collect(document, nodes);
    json& node = *nodes[random() % nodes.size()];
    json value = kValues[random() % kValues.size()];
    // Mostly of the same kind, or next to nothing would get past the first check.
    for (int draw = 0; draw < 100 && value.is_number_integer() != node.is_number_integer(); ++draw)
      value = kValues[random() % kValues.size()];
    node = std::move(value);
  }
  return document.dump();
}

TEST_CASE("ten thousand damaged descriptions end in an error or a network, at little cost", "[fuzz]") {
  std::vector<std::string> texts = {branched().description()};
  for (const layers::ModelRow& row : layers::models())
    texts.push_back(row.make({.image = {64, 64, 1}}).description());
  std::vector<json> documents;
  for (const std::string& text : texts) documents.push_back(json::parse(text));
  uint64_t accepted = 0, refused = 0, greedy = 0;
  for (uint64_t seed = 0; seed < 10'000; ++seed) {
    const size_t which = seed % texts.size();
    std::string text;
    if (seed % 2 == 0) {
      const auto bytes = mutate(std::as_bytes(std::span(texts[which])), seed);
      text.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    } else {
      text = distort(documents[which], seed);
    }
    const AllocationMeter meter;
    try {
      Network network = Network::from_description(text, "fuzz");
      CHECK(network.parameter_count() >= 0);
      CHECK(network.flops() >= 0);
      CHECK(Network::from_description(network.description(), "again").description() == network.description());
      ++accepted;
    } catch (const Error& error) {
      if (!std::string_view(error.what()).starts_with("fuzz: "))
        FAIL_CHECK("seed " << seed << ": " << error.what());
      ++refused;
    }
    greedy += meter.peak() > (size_t{256} << 10) + 64 * text.size() ? 1 : 0;
  }
  CHECK(accepted > 100);
  CHECK(refused > 5000);
  CHECK(greedy == 0);
}

}  // namespace
}  // namespace espalier::test
