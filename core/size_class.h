#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>

namespace espalier {

// What a caching allocator rounds a request up to, so that a freed block serves the next request of about its
// size. Classes are a power of two and its quarters: at most a fifth of a block is unused.
struct SizeClass {
  static constexpr size_t kCount = 256;
  size_t index, bytes;
};

// The class of that index. REQUIRES: 8 <= index < kCount - 8.
inline SizeClass size_class_at(size_t index) {
  const size_t base = size_t{1} << index / 4;
  return {index, base + (index % 4 + 1) * (base / 4)};
}

// REQUIRES: bytes < 2^62.
inline SizeClass size_class_of(size_t bytes, size_t smallest = 64) {
  bytes = std::max(bytes, smallest);
  const int exponent = std::bit_width(bytes - 1) - 1;  // 2^exponent < bytes <= 2^(exponent + 1)
  const size_t base = size_t{1} << exponent, quarter = base / 4;
  const size_t steps = (bytes - base + quarter - 1) / quarter;
  return size_class_at(static_cast<size_t>(exponent) * 4 + steps - 1);
}

}  // namespace espalier
