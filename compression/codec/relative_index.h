#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/error.h"

namespace espalier::compression {

// Positions in a sparse vector by their distances (Han et al., section 2 and figure 2). An entry stores in
// `bits` bits how many positions are skipped between the entry before it (or the beginning) and itself: its
// difference minus 1, so that differences 1 .. 2^bits fit. A larger difference is bridged by filler entries,
// zeros of the vector that are stored all the same, each at the largest difference.
//
// Figure 2 has nonzeros at positions 1, 4 and 15 and bits = 3. The differences are 3 from 1 to 4, then 8 to a
// filler at 12, then 3 to 15, stored as 2, 7 and 2. The figure counts the first difference from position 0;
// here it counts from -1, so that a nonzero at position 0 has one as well.
struct RelativeEntry {
  uint32_t skipped = 0;
  bool filler = false;
  bool operator==(const RelativeEntry&) const = default;
};

inline constexpr int kMaxIndexBits = 16;

// Throws Error unless 1 <= bits <= kMaxIndexBits and positions ascend strictly from 0 or above.
std::vector<RelativeEntry> encode_relative(std::span<const int64_t> positions, int bits);

// Follows entries to their positions in a vector of `size` elements.
class RelativeCursor {
 public:
  explicit RelativeCursor(int64_t size) : size_(size) {}
  // The position of the next entry. Throws Error when it lies outside the vector.
  int64_t advance(uint32_t skipped) {
    check(skipped < size_ - next_,
          "[relative_index] an entry {} positions past {} lies outside a vector of {}", skipped, next_,
          size_);
    next_ += skipped + int64_t{1};
    return next_ - 1;
  }

 private:
  int64_t size_;
  int64_t next_ = 0;
};

}  // namespace espalier::compression
