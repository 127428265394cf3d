#include "compression/model.h"

#include <cstring>

#include "compression/format/esp_layout.h"
#include "core/error.h"
#include "core/io/file.h"

namespace espalier::compression {

using nlohmann::json;

json to_json(const EspTensorSize& size) {
  return {{"name", size.name},
          {"weights", size.weights},
          {"nonzeros", size.nonzeros},
          {"entries", size.entries},
          {"centroids", size.centroids},
          {"weight_bits", size.weight_bits},
          {"index_bits", size.index_bits},
          {"huffman_weight_bits", size.huffman_weight_bits},
          {"huffman_index_bits", size.huffman_index_bits},
          {"codebook_bytes", size.codebook_bytes},
          {"table_bytes", size.table_bytes},
          {"section_bytes", size.section_bytes}};
}

EspFile to_esp(Model& model, int index_bits_convolution, int index_bits_linear) {
  EspFile file{.description = model.network.description(), .tensors = {}};
  for (const auto& [name, tensor] : model.network.state()) {
    EspTensor entry{.name = name, .values = tensor.to(Device::cpu)};
    entry.sparse = model.masks.contains(name);
    entry.index_bits = tensor.shape().rank() == 4 ? index_bits_convolution : index_bits_linear;
    if (const auto codebook = model.codebooks.find(name); codebook != model.codebooks.end())
      entry.codebook =
          Codebook{codebook->second.centroids.to(Device::cpu), codebook->second.codes.to(Device::cpu)};
    file.tensors.push_back(std::move(entry));
  }
  return file;
}

Model from_esp(const EspFile& file, Device device, const std::string& origin) {
  Model model{layers::Network::from_description(file.description, origin), {}, {}};
  std::map<std::string, Tensor> state;
  for (const EspTensor& tensor : file.tensors) {
    check(state.emplace(tensor.name, tensor.values).second, "{}: [esp] tensor '{}' stands twice", origin,
          tensor.name);
  }
  model.network.load_state(state, device, origin);
  return model;
}

bool is_esp(std::span<const std::byte> bytes) {
  return bytes.size() >= kEspMagic.size() &&
         std::memcmp(bytes.data(), kEspMagic.data(), kEspMagic.size()) == 0;
}

Model load_esp(const std::filesystem::path& path, Device device) {
  const std::vector<std::byte> bytes = read_file(path);
  return from_esp(decode_esp(bytes, path.string()).file, device, path.string());
}

}  // namespace espalier::compression
