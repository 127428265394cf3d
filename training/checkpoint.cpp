#include "training/checkpoint.h"

#include "core/error.h"

namespace espalier::checkpoint {
namespace {

constexpr std::string_view kNetwork = "network/";
constexpr const char* kDescription = "network";  // in the metadata

}  // namespace

void put(TensorFile& file, const std::map<std::string, Tensor>& tensors, std::string_view prefix) {
  for (const auto& [name, tensor] : tensors)
    file.tensors[std::string(prefix) + name] = tensor.to(Device::cpu);
}

std::map<std::string, Tensor> get(const TensorFile& file, std::string_view prefix) {
  std::map<std::string, Tensor> result;
  for (const auto& [name, tensor] : file.tensors)
    if (name.starts_with(prefix)) result[name.substr(prefix.size())] = tensor;
  return result;
}

void put_model(TensorFile& file, Model& model) {
  put(file, model.network.state(), kNetwork);
  put(file, pack_constraints(model), "");
  file.metadata[kDescription] = model.network.description();
}

void get_model(const TensorFile& file, Model& model, const std::string& origin) {
  const Device device = model.device();
  const auto description = file.metadata.find(kDescription);
  check(description != file.metadata.end(), "{}: not a training checkpoint: no '{}' in the metadata", origin,
        kDescription);
  if (description->second != model.network.description())
    model.network = layers::Network::from_description(description->second, origin);
  model.network.load_state(get(file, kNetwork), device, origin);
  unpack_constraints(file.tensors, model, device, origin);
}

}  // namespace espalier::checkpoint
