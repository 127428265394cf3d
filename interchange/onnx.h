#pragma once

#include <filesystem>
#include <string>

#include "layers/network.h"

namespace espalier::interchange {

// Writes the network for inference as an ONNX model: IR version 7, operator set 13, weights inside; input
// "input", float32 (N, C, H, W), any N, normalised as in training; output "logits", float32 (N, classes).
// Layouts are PyTorch's. Throws Error for weights of 2 GB and more, which protobuf cannot carry; for a layer
// type without a row in onnx/translators.cpp; for a network that ends in a flattened image; and in a build
// without ONNX.
void write_onnx(const std::filesystem::path& path, layers::Network& network);

}  // namespace espalier::interchange
