#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "core/io/file.h"
#include "core/tensor.h"

namespace espalier::test {

// tests/golden/<name>, written by the script that stands beside it.
inline nlohmann::json read_golden(const std::string& name) {
  return nlohmann::json::parse(read_text(std::string(ESPALIER_SOURCE_DIR "/tests/golden/") + name));
}

// Element i is splitmix64(stream · 2^32 + i) scaled to [low, high): the numbers that
// tests/golden/make_training.py draws.
inline Tensor golden_tensor(Shape shape, uint64_t stream, float low, float high) {
  std::vector<float> values(static_cast<size_t>(shape.numel()));
  for (size_t i = 0; i < values.size(); ++i) {
    uint64_t z = ((stream << 32) + i) * 0x9E3779B97F4A7C15;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    z = z ^ (z >> 31);
    values[i] = low + (high - low) * (static_cast<float>(z >> 40) * 0x1p-24f);
  }
  return Tensor::from(values, shape);
}

}  // namespace espalier::test
