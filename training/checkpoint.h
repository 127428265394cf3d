#pragma once

#include <map>
#include <string>
#include <string_view>

#include "core/io/safetensors.h"
#include "training/model.h"

// The parts of a file that a training goes on from (paths::checkpoint) or may end with (paths::best).
namespace espalier::checkpoint {

// Tensors under names that begin with `prefix`, copied to the host, and back.
inline constexpr std::string_view kOptimizer = "optimizer/", kAverage = "average/";
void put(TensorFile& file, const std::map<std::string, Tensor>& tensors, std::string_view prefix);
std::map<std::string, Tensor> get(const TensorFile& file, std::string_view prefix);

// The network, its description included, with its masks and codebooks. get_model() gives `model` the network
// of the file, which may have fewer channels; it throws Error for a file without one, or one that is damaged.
void put_model(TensorFile& file, Model& model);
void get_model(const TensorFile& file, Model& model, const std::string& origin);

}  // namespace espalier::checkpoint
