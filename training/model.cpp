#include "training/model.h"

#include <algorithm>

#include "core/io/safetensors.h"
#include "training/paths.h"

namespace espalier {
namespace {

constexpr std::string_view kMask = "mask/", kCentroids = "centroids/", kCodes = "codes/";
constexpr std::string_view kDescription = "espalier.network";

std::map<std::string, Tensor> on_host(const std::map<std::string, Tensor>& tensors) {
  std::map<std::string, Tensor> result;
  for (const auto& [name, tensor] : tensors) result[name] = tensor.to(Device::cpu);
  return result;
}

}  // namespace

Device Model::device() {
  const auto parameters = network.parameters();
  check(!parameters.empty(), "[model] network '{}' has no parameters", network.name());
  return parameters.front()->variable.value().device();
}

int64_t Model::nonzeros() {
  int64_t count = 0;
  for (const Parameter* parameter : network.parameters())
    count +=
        std::ranges::count_if(parameter->variable.value().to_vector<float>(), [](float w) { return w != 0; });
  return count;
}

std::map<std::string, Tensor> pack_constraints(const Model& model) {
  std::map<std::string, Tensor> tensors;
  for (const auto& [name, mask] : model.masks) tensors[std::string(kMask) + name] = mask;
  for (const auto& [name, codebook] : model.codebooks) {
    tensors[std::string(kCentroids) + name] = codebook.centroids;
    tensors[std::string(kCodes) + name] = codebook.codes;
  }
  return tensors;
}

void unpack_constraints(const std::map<std::string, Tensor>& tensors, Model& model, Device device,
                        const std::string& origin) {
  model.masks.clear();
  model.codebooks.clear();
  for (const auto& [key, tensor] : tensors) {
    const auto named = [&](std::string_view prefix) { return key.starts_with(prefix); };
    const auto expect = [&](DType dtype, bool fits) {
      check(fits && tensor.dtype() == dtype, "{}: '{}' is {} {}, which does not fit its parameter", origin,
            key, name(tensor.dtype()), tensor.shape().to_string());
    };
    if (named(kMask)) {
      const std::string parameter = key.substr(kMask.size());
      expect(DType::uint8, tensor.shape() == model.network.parameter(parameter).shape);
      model.masks[parameter] = tensor.to(device);
    } else if (named(kCentroids)) {
      const std::string parameter = key.substr(kCentroids.size());
      expect(DType::float32, tensor.shape().rank() == 1);
      model.codebooks[parameter].centroids = tensor.to(device);
    } else if (named(kCodes)) {
      const std::string parameter = key.substr(kCodes.size());
      expect(DType::int32, tensor.shape() == model.network.parameter(parameter).shape);
      model.codebooks[parameter].codes = tensor.to(device);
    }
  }
  for (const auto& [name, mask] : model.masks) {
    const std::vector<uint8_t> keep = mask.to_vector<uint8_t>();
    const std::vector<float> weights = model.network.parameter(name).variable.value().to_vector<float>();
    for (size_t i = 0; i < keep.size(); ++i)
      check(keep[i] == 1 || (keep[i] == 0 && weights[i] == 0),
            "{}: element {} of '{}' is {} under a mask of {}", origin, i, name, weights[i], keep[i]);
  }
  for (const auto& [name, codebook] : model.codebooks) {
    check(codebook.codes.defined() && codebook.centroids.defined(),
          "{}: the codebook of '{}' lacks its codes or centroids", origin, name);
    const std::vector<float> centroids = codebook.centroids.to_vector<float>();
    const std::vector<int32_t> codes = codebook.codes.to_vector<int32_t>();
    const std::vector<float> weights = model.network.parameter(name).variable.value().to_vector<float>();
    const auto clusters = static_cast<int64_t>(centroids.size());
    for (size_t i = 0; i < codes.size(); ++i) {
      check(codes[i] >= -1 && codes[i] < clusters, "{}: code {} of '{}'; expected -1 to {}", origin, codes[i],
            name, clusters - 1);
      const float shared = codes[i] < 0 ? 0.0f : centroids[static_cast<size_t>(codes[i])];
      check(weights[i] == shared, "{}: element {} of '{}' is {}; its code stands for {}", origin, i, name,
            weights[i], shared);
    }
  }
}

void save_model(const std::filesystem::path& folder, Model& model) {
  std::map<std::string, Tensor> masks, codebooks;
  for (const auto& [name, tensor] : on_host(pack_constraints(model)))
    (name.starts_with(kMask) ? masks : codebooks)[name] = tensor;
  // A file left by an earlier model would be taken for this one's.
  const auto put = [](const std::filesystem::path& path, const std::map<std::string, Tensor>& tensors) {
    if (tensors.empty())
      std::filesystem::remove(path);
    else
      write_safetensors(path, {tensors, {}});
  };
  put(paths::masks(folder), masks);
  put(paths::codebooks(folder), codebooks);
  save_network(paths::model(folder), model.network);
}

void save_network(const std::filesystem::path& file, layers::Network& network) {
  write_safetensors(file, {on_host(network.state()), {{std::string(kDescription), network.description()}}});
}

layers::Network load_network(const std::filesystem::path& file, Device device) {
  const TensorFile contents = read_safetensors(file);
  const auto description = contents.metadata.find(std::string(kDescription));
  check(description != contents.metadata.end(),
        "{}: no network description ('{}' in the metadata); was this written by espalier?", file.string(),
        kDescription);
  auto network = layers::Network::from_description(description->second, file.string());
  network.load_state(contents.tensors, device, file.string());
  return network;
}

Model load_model(const std::filesystem::path& folder, Device device) {
  Model model{load_network(paths::model(folder), device), {}, {}};
  std::map<std::string, Tensor> constraints;
  for (const auto& file : {paths::masks(folder), paths::codebooks(folder)})
    if (std::filesystem::exists(file)) constraints.merge(read_safetensors(file).tensors);
  unpack_constraints(constraints, model, device, folder.string());
  check(model.masks.size() + 2 * model.codebooks.size() == constraints.size(),
        "{}: the files of masks and codebooks hold other tensors", folder.string());
  return model;
}

}  // namespace espalier
