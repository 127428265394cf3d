#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "datasets/dataset.h"

namespace espalier::datasets {

struct MemoryImages {
  Shape image_shape;  // (H, W, C)
  int classes = 0;
  std::vector<uint8_t> pixels;  // (N, H, W, C)
  std::vector<int32_t> labels;  // (N), in [0, classes)
  Normalisation normalisation;
};

// Byte images held in memory and normalised as they are read, through a table of 256 floats per channel.
class MemoryDataset final : public Dataset {
 public:
  // Throws Error, beginning with "[dataset] `origin`", when the parts disagree or a label is out of range.
  MemoryDataset(MemoryImages images, const std::string& origin);

  int64_t size() const override { return static_cast<int64_t>(images_.labels.size()); }
  Shape image_shape() const override { return images_.image_shape; }
  int classes() const override { return images_.classes; }
  int32_t get(int64_t index, std::span<float> image) const override;

 private:
  MemoryImages images_;
  std::vector<std::array<float, 256>> tables_;  // the normalised value of each byte, per channel
};

}  // namespace espalier::datasets
