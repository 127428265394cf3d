#pragma once

#include <nlohmann/json.hpp>

#include "compression/format/esp.h"
#include "training/model.h"

namespace espalier::compression {

// A model as the contents of a compressed file, and back. Decoding throws Error, beginning with `origin`, for
// contents that do not fit the network described there.
EspFile to_esp(Model& model, int index_bits_convolution, int index_bits_linear);
Model from_esp(const EspFile& file, Device device, const std::string& origin);
// Whether a file begins as a compressed one does.
bool is_esp(std::span<const std::byte> bytes);
nlohmann::json to_json(const EspTensorSize& size);
Model load_esp(const std::filesystem::path& path, Device device);

}  // namespace espalier::compression
