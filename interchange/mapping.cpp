#include "interchange/mapping.h"

#include <algorithm>
#include <optional>

#include "core/config.h"

namespace espalier::interchange {
namespace {

using layers::Network;

constexpr std::string_view kPrefixes[] = {"module.", "_orig_mod.", "model."};
constexpr std::string_view kCounter = ".num_batches_tracked";

// A tensor whose image axes PyTorch orders otherwise: here its elements are (O, H, W, C), there (O, C, H, W),
// whatever its shape says.
struct Layout {
  Shape here;   // the network's own shape
  Shape image;  // (O, H, W, C); rank 0: the order is the same
  Shape torch() const { return here.rank() == 4 ? Shape{image[0], image[3], image[1], image[2]} : here; }
};

// The (H, W, C) that a layer's flat output still consists of, after flattening and what keeps the order of
// elements.
std::optional<Shape> flattened_image(const Network& network, size_t index,
                                     const std::vector<std::optional<Shape>>& before) {
  static constexpr std::string_view kKeepOrder[] = {
      "flatten", "relu", "relu6", "sigmoid", "tanh", "softmax", "dropout", "batch_norm", "add", "multiply"};
  const auto& node = network.nodes()[index];
  const int input = node.inputs.front();
  const auto image_of = [&](int each) { return each < 0 ? std::nullopt : before[static_cast<size_t>(each)]; };
  check(
      std::ranges::all_of(node.inputs, [&](int each) { return image_of(each) == image_of(input); }),
      "[interchange] layer '{}' joins flattened images and others; the order of its output is not translated",
      node.layer->name());
  if (node.type == "flatten") {
    const Shape& image = network.image();
    const Shape from = input < 0 ? Shape{1, image[0], image[1], image[2]}
                                 : network.nodes()[static_cast<size_t>(input)].output;
    if (from.rank() == 4) return Shape{from[1], from[2], from[3]};
  }
  if (input < 0) return {};
  const auto& image = before[static_cast<size_t>(input)];
  if (!image || node.type == "linear") return {};
  check(std::ranges::count(kKeepOrder, node.type) != 0,
        "[interchange] layer '{}', a {}, reads a flattened image; the order of its output is not translated",
        node.layer->name(), node.type);
  return image;
}

std::vector<std::optional<Shape>> flattened_images(const Network& network) {
  std::vector<std::optional<Shape>> images;
  for (size_t index = 0; index < network.nodes().size(); ++index)
    images.push_back(flattened_image(network, index, images));
  return images;
}

std::map<std::string, Layout> layouts(const Network& network) {
  std::map<std::string, Layout> result;
  const std::vector<std::optional<Shape>> images = flattened_images(network);
  for (const auto& node : network.nodes()) {
    const int input = node.inputs.front();
    const std::optional<Shape> image = input < 0 ? std::nullopt : images[static_cast<size_t>(input)];
    const auto add = [&](const std::string& name, const Shape& shape) {
      Layout layout{shape, {}};
      if (shape.rank() == 4) layout.image = shape;
      if (image && shape.columns() == image->numel() && (node.type == "batch_norm" || shape.rank() == 2))
        layout.image = Shape{shape.rows(), (*image)[0], (*image)[1], (*image)[2]};
      result[name] = layout;
    };
    for (const Parameter& parameter : node.layer->parameters()) add(parameter.name, parameter.shape);
    for (const layers::Buffer& buffer : node.layer->buffers()) add(buffer.name, buffer.shape);
  }
  return result;
}

enum class Direction { from_torch, to_torch };

Tensor translate(const Tensor& source, const Layout& layout, Direction direction) {
  const Shape shape = direction == Direction::to_torch ? layout.torch() : layout.here;
  if (layout.image.rank() == 0) return source.clone();
  const std::vector<float> in = source.to_vector<float>();
  std::vector<float> out(in.size());
  const auto [rows, height, width, channels] =
      std::array{layout.image[0], layout.image[1], layout.image[2], layout.image[3]};
  size_t here = 0;
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t place = 0; place < height * width; ++place)
      for (int64_t channel = 0; channel < channels; ++channel, ++here) {
        const auto torch = static_cast<size_t>((row * channels + channel) * height * width + place);
        if (direction == Direction::to_torch) {
          out[torch] = in[here];
        } else {
          out[here] = in[torch];
        }
      }
  return Tensor::from(out, shape);
}

std::string shared_prefix(const Checkpoint& checkpoint) {
  std::string prefix;
  for (bool found = !checkpoint.tensors.empty(); found;) {
    found = false;
    for (const std::string_view candidate : kPrefixes) {
      const std::string longer = prefix + std::string(candidate);
      if (std::ranges::all_of(checkpoint.tensors,
                              [&](const auto& item) { return item.first.starts_with(longer); })) {
        prefix = longer;
        found = true;
      }
    }
  }
  return prefix;
}

bool continues(const std::string& name, const std::string& rule) {
  return name.starts_with(rule) && (name.size() == rule.size() || name[rule.size()] == '.');
}

std::string renamed(const std::string& name, const NameRules& rules) {
  const std::pair<const std::string, std::string>* longest = nullptr;
  for (const auto& rule : rules.rename)
    if (continues(name, rule.first) && (longest == nullptr || rule.first.size() > longest->first.size()))
      longest = &rule;
  return longest == nullptr ? name : longest->second + name.substr(longest->first.size());
}

}  // namespace

NameRules read_name_rules(const std::filesystem::path& path) {
  const Config config = Config::from_file(path);
  NameRules rules;
  rules.ignore = config.get_strings("ignore", std::vector<std::string>{});
  const Config rename = config.table("rename", false);
  for (const std::string& theirs : rename.keys()) rules.rename[theirs] = rename.get_string(theirs);
  rename.finish();
  config.finish();
  return rules;
}

Filled fill_network(const Checkpoint& checkpoint, Network& network, const std::string& origin,
                    const NameRules& rules) {
  Filled result{shared_prefix(checkpoint), {}};
  const auto expected = layouts(network);
  std::map<std::string, Tensor> state;
  std::vector<std::string> problems;
  for (const auto& [full, tensor] : checkpoint.tensors) {
    const std::string theirs = full.substr(result.prefix.size()), name = renamed(theirs, rules);
    if (std::ranges::any_of(rules.ignore, [&](const std::string& rule) { return continues(theirs, rule); })) {
      result.ignored.push_back(full);
      continue;
    }
    if (state.contains(name)) problems.push_back(fmt::format("'{}' is '{}', which came already", full, name));
    const auto found = expected.find(name);
    if (found == expected.end()) {
      if (name.ends_with(kCounter)) {
        result.ignored.push_back(full);
      } else {
        problems.push_back(fmt::format("'{}' {} is unused", full, tensor.shape().to_string()));
      }
    } else if (tensor.dtype() != DType::float32 || tensor.shape() != found->second.torch()) {
      problems.push_back(fmt::format("'{}' is {} {}, expected float32 {}", full,
                                     espalier::name(tensor.dtype()), tensor.shape().to_string(),
                                     found->second.torch().to_string()));
      state[name] = {};
    } else {
      state[name] = translate(tensor, found->second, Direction::from_torch);
    }
  }
  for (const auto& [name, layout] : expected)
    if (!state.contains(name))
      problems.push_back(fmt::format("'{}' {} is missing", name, layout.torch().to_string()));
  check(problems.empty(), "{}: the tensors do not fit '{}': {}", origin, network.name(),
        fmt::join(problems, "; "));
  network.load_state(state, Device::cpu, origin);
  return result;
}

std::map<std::string, Tensor> torch_state(Network& network) {
  const auto layout = layouts(network);
  std::map<std::string, Tensor> result;
  for (const auto& [name, tensor] : network.state())
    result[name] = translate(tensor.to(Device::cpu), layout.at(name), Direction::to_torch);
  return result;
}

bool ends_in_flattened_image(const Network& network) {
  const auto images = flattened_images(network);
  const std::optional<Shape> image = images.empty() ? std::nullopt : images.back();
  return image && (*image)[0] * (*image)[1] > 1 && (*image)[2] > 1;
}

}  // namespace espalier::interchange
