#pragma once

#include <filesystem>
#include <vector>

#include "compression/format/esp.h"
#include "training/model.h"

namespace espalier::apps {

// A model file of either kind, told apart by its contents.
struct LoadedModel {
  Model model;
  uint64_t bytes = 0;                             // the file's size
  bool compressed = false;                        // an .esp file
  std::vector<compression::EspTensorSize> sizes;  // of an .esp file
};
// Throws Error for a file that is neither, or damaged.
LoadedModel load(const std::filesystem::path& file, Device device);

}  // namespace espalier::apps
