#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "apps/load.h"

namespace espalier::apps {

// A model layer by layer: {"network", "bytes", "parameters", "nonzeros", "flops", "layers": [{"name", "type",
// "output", "flops", "tensors":
// [{"name", "shape", "parameters", "nonzeros", "density", …}]}]}. For a compressed file each weight also has
// what the paper's tables show: bits per weight and index before and after Huffman coding, and its size as a
// share of float32 after pruning and quantization ("P+Q") and with Huffman codes ("P+Q+H").
nlohmann::json inspect(LoadedModel& loaded);
std::string inspect_text(const nlohmann::json& inspected);

// What pruning saved: {"before", "after"} with "parameters", "flops", "bytes" and "milliseconds" (a batch of
// "batch_size" images in inference, measured side by side) each. Masked weights save nothing here but the
// bytes of a compressed file.
nlohmann::json savings(const LoadedModel& before, const LoadedModel& after, Device device);
std::string savings_text(const nlohmann::json& savings);

// The sizes of one weight as shares of its float32 size, from a compressed file's figures.
struct CompressionRates {
  double pruned = 0;     // survivors as float32 and gaps of index_bits
  double quantized = 0;  // codes of weight_bits, gaps and the codebook
  double huffman = 0;    // everything as it stands in the file
};
CompressionRates compression_rates(const nlohmann::json& tensor);

}  // namespace espalier::apps
