#include "tests/pruning/random_network.h"

#include <algorithm>

#include "core/random.h"
#include "tests/support/tensors.h"

namespace espalier::test {
namespace {

using layers::Network;
using nlohmann::json;

class Grower {
 public:
  Grower(uint64_t seed, bool with_sigmoid)
      : random_(seed, "network"), with_sigmoid_(with_sigmoid), network_("random", {6, 6, 3}) {
    convolution("input");
  }

  Network operator()() {
    const int layers = between(5, 14);
    while (std::ssize(network_.nodes()) < layers) grow();
    end();
    return std::move(network_);
  }

 private:
  int between(int low, int high) {
    return low + static_cast<int>(random_.below(static_cast<uint64_t>(high - low + 1)));
  }
  bool chance(double share) { return random_.uniform() < share; }
  std::string pick(std::vector<std::string> choices) { return choices[random_.below(choices.size())]; }

  std::string add(const std::string& type, const json& attributes, const std::vector<std::string>& inputs) {
    const std::string name = fmt::format("{}{}", type, network_.nodes().size());
    network_.add(type, name, attributes, inputs);
    for (const std::string& input : inputs) std::erase(unread_, input);
    unread_.push_back(name);
    all_.push_back(name);
    return name;
  }
  const Shape& shape(const std::string& name) const {
    for (const auto& node : network_.nodes())
      if (node.layer->name() == name) return node.output;
    fail("no layer '{}'", name);
  }
  // One of the latest layers.
  std::string some() {
    const size_t last = std::min<size_t>(4, all_.size());
    return all_[all_.size() - 1 - random_.below(last)];
  }
  // With maps of the same size as those of `name`.
  std::vector<std::string> alike(const std::string& name) const {
    std::vector<std::string> result;
    for (const std::string& other : all_)
      if (shape(other)[1] == shape(name)[1]) result.push_back(other);
    return result;
  }

  std::string convolution(const std::string& input) {
    const int64_t side = input == "input" ? 6 : shape(input)[1];
    const int kernel = side >= 3 ? pick({"1", "3"}) == "1" ? 1 : 3 : 1;
    return add("conv2d",
               {{"channels", between(2, 7)},
                {"kernel", kernel},
                {"padding", kernel == 3 && chance(0.7) ? 1 : 0},
                {"stride", side >= 4 && chance(0.2) ? 2 : 1},
                {"bias", chance(0.5)}},
               {input});
  }
  void grouped(const std::string& input) {
    const int64_t channels = shape(input)[3];
    for (int groups : {2, 3})
      if (channels % groups == 0 && channels > groups) {
        add("conv2d",
            {{"channels", groups * between(1, 3)},
             {"kernel", 3},
             {"padding", 1},
             {"groups", groups},
             {"bias", chance(0.5)}},
            {input});
        return;
      }
  }
  void depthwise(const std::string& input) {
    const int64_t channels = shape(input)[3];
    if (channels < 2) return;
    add("conv2d",
        {{"channels", channels * between(1, 2)},
         {"kernel", 3},
         {"padding", 1},
         {"groups", channels},
         {"bias", chance(0.5)}},
        {input});
  }
  void pool(const std::string& input) {
    if (shape(input)[1] < 3) return;
    if (chance(0.5)) {
      add("max_pool2d", {{"kernel", 2}}, {input});
    } else {
      add("average_pool2d",
          {{"kernel", 3}, {"stride", 1}, {"padding", 1}, {"count_include_pad", chance(0.5)}}, {input});
    }
  }
  void join(const std::string& a) {
    std::string b = pick(alike(a));
    const int64_t wanted = shape(a)[3], there = shape(b)[3];
    if (there < wanted && chance(0.7)) {
      const int64_t before = between(0, static_cast<int>(wanted - there));
      b = add("pad_channels", {{"before", before}, {"after", wanted - there - before}}, {b});
    } else if (there != wanted) {
      b = add("conv2d", {{"channels", wanted}, {"kernel", 1}, {"bias", chance(0.5)}}, {b});
    }
    add(chance(0.75) ? "add" : "multiply", json::object(), {a, b});
  }
  void concatenate(const std::string& a) {
    std::vector<std::string> inputs{a};
    for (int i = between(1, 2); i > 0; --i) inputs.push_back(pick(alike(a)));
    int64_t channels = 0;
    for (const std::string& input : inputs) channels += shape(input)[3];
    if (channels <= 20) add("concat", json::object(), inputs);
  }
  void select(const std::string& input) {
    std::vector<int64_t> channels;
    for (int64_t c = 0; c < shape(input)[3]; ++c)
      if (chance(0.7)) channels.push_back(c);
    if (!channels.empty()) add("select_channels", {{"channels", channels}}, {input});
  }
  void activation(const std::string& input) {
    std::vector<std::string> types = {"relu", "relu", "relu6", "tanh"};
    if (with_sigmoid_) types.insert(types.end(), {"sigmoid", "sigmoid", "softmax"});
    add(pick(types), json::object(), {input});
  }

  void grow() {
    const std::string input = some();
    switch (between(0, 13)) {
      case 0:
      case 1:
        convolution(input);
        break;
      case 2:
        grouped(input);
        break;
      case 3:
        depthwise(input);
        break;
      case 4:
      case 5:
        add("batch_norm", json::object(), {input});
        break;
      case 6:
      case 7:
        activation(input);
        break;
      case 8:
        pool(input);
        break;
      case 9:
      case 10:
        join(input);
        break;
      case 11:
        concatenate(input);
        break;
      case 12:
        select(input);
        break;
      default:
        add("pad_channels", {{"before", between(0, 2)}, {"after", between(0, 2)}}, {input});
    }
  }

  void end() {
    std::vector<std::string> ends;
    for (const std::string& open : std::vector<std::string>(unread_))
      ends.push_back(add(chance(0.5) ? "flatten" : "global_average_pool2d", json::object(), {open}));
    std::string last = ends.size() == 1 ? ends.front() : add("concat", json::object(), ends);
    if (chance(0.5)) {
      last = add("linear", {{"features", between(2, 6)}, {"bias", chance(0.5)}}, {last});
      if (chance(0.5)) last = add("batch_norm", json::object(), {last});
      last = add("relu", json::object(), {last});
      last = add("dropout", {{"probability", 0}}, {last});
    }
    add("linear", {{"features", 3}, {"bias", chance(0.5)}}, {last});
  }

  RandomStream random_;
  bool with_sigmoid_;
  Network network_;
  std::vector<std::string> all_, unread_;
};

}  // namespace

Network random_network(uint64_t seed, bool with_sigmoid) {
  return Grower(seed, with_sigmoid)();
}

void randomise(Network& network, uint64_t seed) {
  network.initialise(layers::Initialiser::kaiming_normal, seed, Device::cpu);
  RandomStream random(seed, "weights");
  for (Parameter* parameter : network.parameters()) {
    Tensor& value = parameter->variable.value();
    if (parameter->kind == ParameterKind::norm_scale)
      value.copy_from(random.uniform(parameter->shape, 0.5, 1.5));
    else if (parameter->kind != ParameterKind::weight)
      value.copy_from(random.normal(parameter->shape, 0, 0.5));
  }
  for (const auto& node : network.nodes())
    for (layers::Buffer& buffer : node.layer->buffers())
      buffer.tensor.copy_from(random.uniform(buffer.shape, buffer.initial - 0.4, buffer.initial + 0.6));
}

void set(Network& network, const std::string& parameter, const std::vector<float>& values) {
  Tensor& tensor = network.parameter(parameter).variable.value();
  tensor.copy_from(Tensor::from(values, tensor.shape()));
}

Network copy_of(Network& network) {
  Network copy = Network::from_description(network.description(), "copy");
  copy.load_state(network.state(), Device::cpu, "copy");
  return copy;
}

pruning::Samples random_samples(const layers::Network& network, int64_t count) {
  const Shape& image = network.image();
  datasets::Batch batch;
  batch.images = random_tensor({count, image[0], image[1], image[2]}, 5, DType::float32, Device::cpu);
  batch.labels = random_integers({count}, 6, 0, network.classes(), Device::cpu);
  return {batch};
}

}  // namespace espalier::test
