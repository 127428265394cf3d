#include "interchange/onnx.h"

#include <onnx/onnx_pb.h>
#include <sys/wait.h>

#include <cstdlib>
#include <cstring>
#include <set>

#include "interchange/mapping.h"
#include "interchange/onnx/graph.h"
#include "layers/models.h"
#include "tests/interchange/golden_network.h"
#include "tests/support/catch.h"
#include "tests/support/folder.h"
#include "tests/support/tensors.h"

namespace espalier::interchange {
namespace {

using layers::Network;

// Fresh weights, and biases, scales and running statistics away from their initial values.
void randomise(Network& network) {
  network.initialise(layers::Initialiser::kaiming_normal, 1, Device::cpu);
  std::map<std::string, Tensor> state = network.state();
  uint64_t stream = 1;
  for (auto& [name, tensor] : state) {
    const bool positive = name.ends_with("running_var");
    if (tensor.shape().rank() == 1)
      tensor = test::golden_tensor(tensor.shape(), stream++, positive ? 0.5f : -0.4f, positive ? 1.5f : 0.6f);
  }
  network.load_state(state, Device::cpu, "random");
}

// Every layer type that reads images, and every attribute away from its default.
Network image_network() {
  Network network("images", {13, 10, 4});
  network.add("conv2d", "stem", {{"channels", 8}, {"kernel", {3, 5}}, {"padding", {1, 2}}, {"bias", false}});
  network.add("batch_norm", "norm", {{"epsilon", 1e-2}});
  network.add("relu6", "stem_out");
  network.add("conv2d", "grouped",
              {{"channels", 8}, {"kernel", 3}, {"padding", 2}, {"dilation", 2}, {"groups", 4}});
  network.add("sigmoid", "gate");
  network.add("multiply", "gated", nlohmann::json::object(), {"gate", "stem_out"});
  network.add("conv2d", "strided", {{"channels", 6}, {"kernel", 3}, {"stride", {2, 1}}}, {"gated"});
  network.add("relu", "relu");
  network.add("average_pool2d", "average",
              {{"kernel", {2, 3}}, {"stride", {3, 2}}, {"padding", {1, 1}}, {"ceil_mode", true}}, {"gated"});
  network.add("average_pool2d", "average_all",
              {{"kernel", {2, 3}},
               {"stride", {3, 2}},
               {"padding", {1, 1}},
               {"ceil_mode", true},
               {"count_include_pad", true}},
              {"gated"});
  network.add("add", "averages", nlohmann::json::object(), {"average", "average_all"});
  network.add("max_pool2d", "largest",
              {{"kernel", {2, 3}}, {"stride", {3, 2}}, {"padding", {1, 1}}, {"ceil_mode", true}}, {"gated"});
  network.add("concat", "both", nlohmann::json::object(), {"averages", "largest"});
  network.add("pad_channels", "padded", {{"before", 2}, {"after", 3}});
  network.add("select_channels", "selected", {{"channels", {1, 2, 5, 9, 17, 19}}});
  network.add("tanh", "tanh");
  network.add("global_average_pool2d", "mean_both");
  network.add("max_pool2d", "halves", {{"kernel", 2}}, {"relu"});
  network.add("average_pool2d", "thirds", {{"kernel", 2}, {"stride", 3}, {"count_include_pad", true}});
  network.add("softmax", "channels");
  network.add("global_average_pool2d", "mean_thirds");
  network.add("concat", "all", nlohmann::json::object(), {"mean_both", "mean_thirds"});
  network.add("dropout", "dropout");
  network.add("linear", "logits", {{"features", 7}, {"bias", false}});
  network.add("linear", "scores", {{"features", 5}});
  return network;
}

// Layers on a flattened image, whose elements ONNX orders otherwise, and an end without weights.
Network flat_network() {
  Network network("flat", {6, 5, 3});
  network.add("conv2d", "conv", {{"channels", 4}, {"kernel", 2}});
  network.add("flatten", "flatten");
  network.add("batch_norm", "norm");
  network.add("softmax", "softmax");
  network.add("linear", "fc1", {{"features", 9}});
  network.add("flatten", "again");
  network.add("pad_channels", "padded", {{"before", 1}, {"after", 2}});
  network.add("select_channels", "selected", {{"channels", {0, 3, 4, 9}}});
  network.add("linear", "fc2", {{"features", 4}});
  network.add("dropout", "dropout");
  return network;
}

std::vector<Network> networks() {
  std::vector<Network> result;
  result.push_back(image_network());
  result.push_back(flat_network());
  for (const char* name : {"lenet_300_100", "lenet5", "resnet20", "densenet40", "mobilenet_v2"})
    result.push_back(layers::make_model(name, {.image = {32, 32, 3}, .classes = 10, .width = 0.5}));
  for (Network& network : result) randomise(network);
  return result;
}

onnx::ModelProto read_model(const std::filesystem::path& path) {
  onnx::ModelProto model;
  REQUIRE(model.ParseFromString(read_text(path)));
  return model;
}

// (N, H, W, C) to (N, C, H, W).
std::vector<float> channels_first(const Tensor& images) {
  const Shape& shape = images.shape();
  const std::vector<float> in = images.to_vector<float>();
  std::vector<float> out;
  for (int64_t n = 0; n < shape[0]; ++n)
    for (int64_t c = 0; c < shape[3]; ++c)
      for (int64_t place = 0; place < shape[1] * shape[2]; ++place)
        out.push_back(in[static_cast<size_t>((n * shape[1] * shape[2] + place) * shape[3] + c)]);
  return out;
}

std::string python() {
  const char* chosen = std::getenv("ESPALIER_PYTHON");
  return chosen != nullptr ? chosen : "/usr/bin/python3";
}

TEST_CASE("an exported network passes ONNX's checker and computes our logits") {
  const test::TemporaryFolder folder;
  const NoGradient evaluation;
  for (Network& network : networks()) {
    INFO(network.name());
    write_onnx(folder / "model.onnx", network);
    const Shape& image = network.image();
    const Tensor images =
        test::random_tensor({3, image[0], image[1], image[2]}, 5, DType::float32, Device::cpu);
    const std::vector<float> input = channels_first(images);
    write_file(folder / "images", std::as_bytes(std::span(input)));
    const std::string command = fmt::format(
        "'{}' '" ESPALIER_SOURCE_DIR "/tests/interchange/check_onnx.py' '{}' '{}' '{}'", python(),
        (folder / "model.onnx").string(), (folder / "images").string(), (folder / "logits").string());
    const int status = std::system(command.c_str());
    REQUIRE(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77 || WEXITSTATUS(status) == 127)
      SKIP_TEST(python() +
                " has no onnx and onnxruntime or torch (python3-onnx, python3-torch): not checked");
    REQUIRE(WEXITSTATUS(status) == 0);
    const std::vector<std::byte> bytes = read_file(folder / "logits");
    REQUIRE(bytes.size() == static_cast<size_t>(3 * network.classes()) * sizeof(float));
    std::vector<float> logits(bytes.size() / sizeof(float));
    std::memcpy(logits.data(), bytes.data(), bytes.size());
    const std::vector<float> ours = network.forward(Variable(images), {}).value().to_vector<float>();
    for (size_t i = 0; i < ours.size(); ++i) CHECK(logits[i] == Approx(ours[i]).margin(1e-4));
  }
}

TEST_CASE("the file says what it takes and gives, and holds the weights in PyTorch's layouts") {
  const test::TemporaryFolder folder;
  Network network = test::golden_network();
  randomise(network);
  write_onnx(folder / "golden.onnx", network);
  const onnx::ModelProto model = read_model(folder / "golden.onnx");
  CHECK(model.ir_version() == 7);
  REQUIRE(model.opset_import_size() == 1);
  CHECK(model.opset_import(0).version() == 13);
  const onnx::GraphProto& graph = model.graph();
  const auto described = [](const onnx::ValueInfoProto& value) {
    std::string text = value.name();
    for (const auto& dim : value.type().tensor_type().shape().dim())
      text += " " + (dim.has_dim_param() ? dim.dim_param() : std::to_string(dim.dim_value()));
    return text;
  };
  REQUIRE(graph.input_size() == 1);
  REQUIRE(graph.output_size() == 1);
  CHECK(described(graph.input(0)) == "input N 2 6 6");
  CHECK(described(graph.output(0)) == "logits N 4");
  std::vector<std::string> operators;
  for (const auto& node : graph.node()) operators.push_back(node.op_type());
  CHECK(operators == std::vector<std::string>{"Conv", "BatchNormalization", "Relu", "Flatten", "Gemm"});
  std::map<std::string, Tensor> constants;
  for (const auto& constant : graph.initializer()) {
    std::vector<float> values(constant.raw_data().size() / sizeof(float));
    std::memcpy(values.data(), constant.raw_data().data(), constant.raw_data().size());
    constants[constant.name()] =
        Tensor::from(values, Shape(std::vector<int64_t>(constant.dims().begin(), constant.dims().end())));
  }
  const auto expected = torch_state(network);
  REQUIRE(constants.size() == expected.size());
  for (const auto& [name, tensor] : expected) {
    INFO(name);
    CHECK(test::identical(constants.at(name), tensor));
  }
}

TEST_CASE("every layer type has a row in the table of translators, and the networks above try it") {
  std::set<std::string_view> rows, tried;
  for (const OnnxTranslator& row : onnx_translators()) CHECK(rows.insert(row.type).second);
  const std::vector<Network> all = networks();
  for (const Network& network : all)
    for (const auto& node : network.nodes()) tried.insert(node.type);
  for (const layers::LayerType& type : layers::layer_types()) {
    INFO(type.name);
    CHECK(rows.contains(type.name));
    CHECK(tried.contains(type.name));
  }
}

TEST_CASE("what ONNX could not hold or would order differently is refused, and no file is left") {
  const test::TemporaryFolder folder;
  const auto path = folder / "model.onnx";
  Network huge("huge", {64, 64, 1});
  huge.add("flatten", "flatten");
  for (const char* name : {"fc1", "fc2", "fc3"}) huge.add("linear", name, {{"features", 32768}});
  CHECK_ERROR(write_onnx(path, huge), "of weights; protobuf files hold at most 2146435072");

  Network flattened("flattened", {4, 4, 2});
  flattened.add("flatten", "flatten");
  flattened.add("relu", "relu");
  flattened.initialise(layers::Initialiser::kaiming_normal, 1, Device::cpu);
  CHECK_ERROR(write_onnx(path, flattened), "'flattened' ends in a flattened image");

  Network joined("joined", {4, 4, 2});
  joined.add("flatten", "flatten");
  joined.add("concat", "twice", nlohmann::json::object(), {"flatten", "flatten"});
  joined.add("linear", "fc", {{"features", 2}});
  joined.initialise(layers::Initialiser::kaiming_normal, 1, Device::cpu);
  CHECK_ERROR(write_onnx(path, joined), "'twice', a concat, reads a flattened image");

  Network empty = test::golden_network();
  CHECK_ERROR(write_onnx(path, empty), "has no weights yet");
  CHECK_FALSE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace espalier::interchange
