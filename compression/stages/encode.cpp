#include "compression/stages.h"
#include "core/error.h"
#include "core/io/file.h"
#include "training/paths.h"

namespace espalier::compression {

using nlohmann::json;

namespace {

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

class EncodeStage final : public Stage {
 public:
  explicit EncodeStage(const Config& config)
      : convolution_(static_cast<int>(config.get_integer("index_bits_convolution", 0, 0, 16))),
        linear_(static_cast<int>(config.get_integer("index_bits_linear", 0, 0, 16))) {}

  void run(StageContext& context) override {
    const EspEncoded encoded = encode_esp(to_esp(context.model, convolution_, linear_));
    const auto path = paths::compressed(context.folder);
    write_file(path, encoded.bytes);

    // What counts is what the file says: the stages after this one, and the accuracy in the report, use the decoded model.
    Model decoded = load_esp(path, context.model.device());
    decoded.masks = context.model.masks;
    decoded.codebooks = context.model.codebooks;
    context.model = std::move(decoded);
    json tensors = json::array();
    for (const EspTensorSize& size : encoded.sizes) tensors.push_back(to_json(size));
    const auto dense = 4 * context.model.network.parameter_count();
    context.metrics["compressed"] = {{"bytes", encoded.bytes.size()},
                                     {"dense_bytes", dense},
                                     {"ratio", static_cast<double>(dense) / static_cast<double>(encoded.bytes.size())},
                                     {"tensors", tensors}};
    context.reporter.line(fmt::format("{} bytes in {}; {:.1f} times smaller than {} bytes of float32 weights",
                                      encoded.bytes.size(), path.string(),
                                      static_cast<double>(dense) / static_cast<double>(encoded.bytes.size()), dense));
  }

 private:
  int convolution_, linear_;
};

}  // namespace

EspFile to_esp(Model& model, int index_bits_convolution, int index_bits_linear) {
  EspFile file{.description = model.network.description(), .tensors = {}};
  for (const auto& [name, tensor] : model.network.state()) {
    EspTensor entry{.name = name, .values = tensor.to(Device::cpu)};
    entry.sparse = model.masks.contains(name);
    entry.index_bits = tensor.shape().rank() == 4 ? index_bits_convolution : index_bits_linear;
    if (const auto codebook = model.codebooks.find(name); codebook != model.codebooks.end())
      entry.codebook = Codebook{codebook->second.centroids.to(Device::cpu), codebook->second.codes.to(Device::cpu)};
    file.tensors.push_back(std::move(entry));
  }
  return file;
}

Model from_esp(const EspFile& file, Device device, const std::string& origin) {
  Model model{layers::Network::from_description(file.description, origin), {}, {}};
  std::map<std::string, Tensor> state;
  for (const EspTensor& tensor : file.tensors) {
    check(state.emplace(tensor.name, tensor.values).second, "{}: [esp] tensor '{}' stands twice", origin, tensor.name);
  }
  model.network.load_state(state, device, origin);
  return model;
}

Model load_esp(const std::filesystem::path& path, Device device) {
  const std::vector<std::byte> bytes = read_file(path);
  return from_esp(decode_esp(bytes, path.string()).file, device, path.string());
}

std::unique_ptr<Stage> make_encode_stage(const Config& config) { return std::make_unique<EncodeStage>(config); }

}  // namespace espalier::compression
