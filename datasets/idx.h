#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "core/shape.h"

namespace espalier::datasets {

// An array of bytes as in the IDX format of MNIST: two zero bytes, the element type (0x08, unsigned byte, is
// the one read here), the rank, the extents as big-endian 32-bit integers, then the elements in row-major
// order.
struct IdxArray {
  Shape shape;
  std::vector<uint8_t> values;
};

// Decodes an IDX file from memory, plain or gzip (told apart by the first bytes, not by a name). Untrusted
// input: the elements are allocated only once the header is known to promise no more than the bytes can hold
// (all of them when plain, 1032 times as many when gzip, the most that deflate can inflate), and missing or
// trailing bytes, damaged gzip data and more than 2 GiB are Errors that begin with "[idx] `origin`".
IdxArray decode_idx(std::span<const std::byte> bytes, const std::string& origin);
IdxArray read_idx(const std::filesystem::path& path);

}  // namespace espalier::datasets
