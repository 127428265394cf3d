#pragma once

#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "core/tensor.h"

namespace espalier::interchange {

// Tensors as another program named and laid them out. Floating-point ones are float32 here, whatever they
// were.
struct Checkpoint {
  std::map<std::string, Tensor> tensors;
  std::vector<std::string> ignored;  // what stood beside the tensors: an epoch, an optimizer's state
};

// A PyTorch checkpoint (zip or, before 1.6, legacy), a NumPy .npz or a safetensors file, told apart by its
// contents. Untrusted input: nothing in it is run; anything damaged or unknown is an Error that begins with
// `origin`, in memory bounded by the file's size.
Checkpoint decode_checkpoint(std::span<const std::byte> bytes, const std::string& origin);
Checkpoint read_checkpoint(const std::filesystem::path& path);

}  // namespace espalier::interchange
