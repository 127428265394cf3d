#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "layers/network.h"
#include "training/codebook.h"

namespace espalier {

// What stages hand to one another: a network, and what pruning and quantization hold about its weights, by
// parameter name. A weight with a mask is zero where its mask is; a weight with a codebook equals
// centroids[codes].
struct Model {
  layers::Network network;
  std::map<std::string, Tensor> masks;  // uint8, 1 keeps
  std::map<std::string, Codebook> codebooks;

  Device device();
  // Weights that are not exactly zero, biases and normalisation parameters included.
  int64_t nonzeros();
};

// model.safetensors holds the network alone, so that its size is an honest one; masks.safetensors and
// codebooks.safetensors stand beside it where there are any. Each file is written atomically. Loading throws
// Error for anything damaged or inconsistent.
void save_model(const std::filesystem::path& folder, Model& model);
Model load_model(const std::filesystem::path& folder, Device device);
// The network as one .safetensors file, and back.
void save_network(const std::filesystem::path& file, layers::Network& network);
layers::Network load_network(const std::filesystem::path& file, Device device);

// The tensors of masks and codebooks under the names of a checkpoint, and back.
std::map<std::string, Tensor> pack_constraints(const Model& model);
void unpack_constraints(const std::map<std::string, Tensor>& tensors, Model& model, Device device,
                        const std::string& origin);

}  // namespace espalier
