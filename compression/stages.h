#pragma once

#include "compression/format/esp.h"
#include "training/stage.h"

namespace espalier::compression {

// Shares each layer's surviving weights among 2^bits centroids and trains these (Han et al., ICLR 2016, section 3).
std::unique_ptr<Stage> make_quantize_stage(const Config& config);
// Huffman-codes the model into model.esp, reads it back, and goes on with what was read (section 4).
std::unique_ptr<Stage> make_encode_stage(const Config& config);

// A model as the contents of a compressed file, and back. Decoding throws Error, beginning with `origin`, for contents that do not fit
// the network described there.
EspFile to_esp(Model& model, int index_bits_convolution, int index_bits_linear);
Model from_esp(const EspFile& file, Device device, const std::string& origin);
Model load_esp(const std::filesystem::path& path, Device device);

}  // namespace espalier::compression
