#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/tensor.h"
#include "training/codebook.h"

namespace espalier::compression {

// One tensor on its way into a compressed file. A pruned weight is stored sparse (relative indices); with
// a codebook its values are stored as Huffman-coded codes, otherwise as float32.
struct EspTensor {
  std::string name;
  Tensor values;        // float32, the exact weights; zero where pruned
  bool sparse = false;  // store only the nonzeros, with gaps
  // values[i] == centroids[codes[i]] bit for bit, +0 where the code is -1, which requires sparse.
  std::optional<Codebook> codebook;
  // Width of a gap field before Huffman coding, 1..16; a larger gap takes filler zeros. 0: the width from
  // that of the mean gap, less one, to that of the largest gap which makes the smallest section.
  int index_bits = 5;
};

// What each part of a stored tensor costs; the paper's columns are computed from these.
struct EspTensorSize {
  std::string name;
  Shape shape;
  int64_t weights = 0;   // elements
  int64_t nonzeros = 0;  // of them, not 0
  int64_t entries = 0;   // stored entries: nonzeros and fillers when sparse, all weights otherwise
  int centroids = 0;     // 0: not quantized
  int weight_bits =
      32;  // per entry before Huffman: ceil(log2(codes that occur, filler included)); 32: no codes
  int index_bits = 0;              // per entry before Huffman; 0 when dense
  double huffman_weight_bits = 0;  // mean per entry, without the table
  double huffman_index_bits = 0;
  int64_t codebook_bytes = 0;
  int64_t table_bytes = 0;  // the Huffman code lengths of both alphabets
  // The tensor's section, header and checksum included. Its name and shape stand in the directory of the
  // file, which is compressed as a whole.
  int64_t section_bytes = 0;

  bool operator==(const EspTensorSize&) const = default;
};

struct EspFile {
  std::string description;  // the network, as JSON text
  std::vector<EspTensor> tensors;
};

struct EspEncoded {
  std::string bytes;
  std::vector<EspTensorSize> sizes;  // one per tensor, in order
};

// The compressed file of docs/esp-format.md. Throws Error when a codebook does not reproduce its values, a
// name comes twice, or the text exceeds kMaxDirectoryBytes.
EspEncoded encode_esp(const EspFile& file);

// The most that decoded tensors may take together, codes included: 16 MiB and 8192 times the file, but 2 GiB
// (twice what VGG-16 does) at most. A few bytes can stand for any number of zeros, and at 8 bytes a weight
// with its code, 8192 is what one weight in 700 kept at 11 bits comes to.
inline constexpr uint64_t kMaxDecodedBytes = uint64_t{1} << 31;
inline uint64_t decoded_limit(uint64_t file_bytes) {
  return std::min(kMaxDecodedBytes, (uint64_t{1} << 24) + 8192 * std::min(file_bytes, kMaxDecodedBytes));
}
// The most that the network's description and the tensors' names and shapes may take before compression.
inline constexpr size_t kMaxDirectoryBytes = size_t{1} << 24;

struct EspDecoded {
  EspFile file;
  std::vector<EspTensorSize> sizes;
};
// Untrusted input: every length is checked against the bytes that are there before anything is allocated,
// every checksum verified. Decoded tensors take `limit` bytes (by default decoded_limit) at most, dense ones
// 32 times their section (64 with codes) at most. Errors begin with `origin`.
EspDecoded decode_esp(std::span<const std::byte> bytes, const std::string& origin,
                      std::optional<uint64_t> limit = {});

}  // namespace espalier::compression
