#pragma once

#include <random>
#include <span>
#include <string>
#include <vector>

#include "compression/codec/crc32c.h"
#include "compression/format/byte_stream.h"
#include "compression/format/esp.h"
#include "tests/support/bytes.h"

namespace espalier::test {

// The file of the worked example in docs/esp-format.md: figure 2 of Deep Compression with shared weights, and
// a bias.
inline compression::EspFile example_file() {
  std::vector<float> values(16, 0.0f);
  std::vector<int32_t> codes(16, -1);
  values[1] = 3.0f, codes[1] = 1;
  values[4] = values[15] = 1.0f, codes[4] = codes[15] = 0;
  compression::EspFile file{.description = "{}"};
  file.tensors.push_back({.name = "w",
                          .values = Tensor::from(values, {2, 8}),
                          .sparse = true,
                          .codebook = Codebook{.centroids = Tensor::from(std::vector<float>{1.0f, 3.0f}, {2}),
                                               .codes = Tensor::from(codes, {2, 8})},
                          .index_bits = 3});
  file.tensors.push_back({.name = "b", .values = Tensor::from(std::vector<float>{0.5f, -2.0f}, {2})});
  return file;
}

// A tensor of random size and density, sparse or dense, quantized or not.
inline compression::EspTensor random_tensor(std::string name, std::mt19937& random, uint32_t max_rows = 40) {
  compression::EspTensor tensor{.name = std::move(name)};
  const Shape shape{static_cast<int64_t>(random() % max_rows), 1 + static_cast<int64_t>(random() % 30)};
  tensor.sparse = random() % 3 != 0;
  tensor.index_bits = static_cast<int>(random() % 17);
  const bool quantized = random() % 3 != 0;
  const uint32_t rarity = tensor.sparse ? random() % 40 : 0;  // 0: no zeros
  const auto clusters = 1 + static_cast<int32_t>(random() % 40);
  std::vector<float> centroids;
  for (int32_t j = 0; j < clusters; ++j) centroids.push_back(static_cast<float>(random()) * 1e-9f - 2.0f);
  std::vector<float> values;
  std::vector<int32_t> codes;
  for (int64_t i = 0; i < shape.numel(); ++i) {
    const bool kept = rarity == 0 || random() % rarity == 0;
    // The smaller of two draws: low codes are more frequent.
    const auto code = static_cast<int32_t>(std::min(random(), random()) % static_cast<uint32_t>(clusters));
    codes.push_back(kept ? code : -1);
    const float value =
        quantized ? centroids[static_cast<size_t>(code)] : static_cast<float>(random()) - 2e9f;
    values.push_back(kept ? value : 0.0f);
  }
  tensor.values = Tensor::from(values, shape);
  if (quantized) {
    tensor.codebook =
        Codebook{.centroids = Tensor::from(centroids, {clusters}), .codes = Tensor::from(codes, shape)};
  }
  return tensor;
}

inline compression::EspFile random_file(uint32_t seed, int tensors, uint32_t max_rows = 40) {
  std::mt19937 random(seed);
  compression::EspFile file{.description = "{\"layers\": [\"fc1\", \"fc2\"]}"};
  for (int i = 0; i < tensors; ++i) {
    file.tensors.push_back(random_tensor("layer" + std::to_string(i) + ".weight", random, max_rows));
  }
  return file;
}

// The payloads of an undamaged file, the directory's first.
inline std::vector<std::string> split_sections(const std::string& bytes) {
  compression::ByteReader reader(bytes_of(bytes));
  reader.take(5);
  std::vector<std::string> payloads;
  while (reader.remaining() > 0) {
    payloads.emplace_back(reader.take_text(static_cast<uint64_t>(reader.take_varint())));
    reader.take(4);
  }
  return payloads;
}

// A file with these payloads, its lengths and checksums right.
inline std::string join_sections(const std::vector<std::string>& payloads) {
  std::string bytes = "\211ESP\1";
  for (const std::string& payload : payloads) {
    compression::append_varint(payload.size(), bytes);
    bytes += payload;
    const uint32_t checksum = compression::crc32c(bytes_of(payload));
    compression::append_raw(std::span<const uint32_t>(&checksum, 1), bytes);
  }
  return bytes;
}

}  // namespace espalier::test
