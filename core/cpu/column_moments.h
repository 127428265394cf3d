#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "core/cpu/workspace.h"

namespace espalier::cpu {

// The means and the sums of squared deviations of a matrix's columns. Threads gather them in parts of its
// rows, which join() puts together in their order.
class ColumnMoments {
 public:
  ColumnMoments(int64_t columns, int64_t parts)
      : columns_(columns), parts_(parts), rows_(parts), moments_(2 * parts * columns) {}
  // Of all rows, `columns` of each: Chan, Golub & LeVeque 1979. Returns how many rows there are; of none the
  // moments are 0.
  int64_t join(double* means, double* squares) const;

 private:
  friend class PartMoments;

  int64_t columns_, parts_;
  Workspace<int64_t> rows_;    // of each part
  Workspace<double> moments_;  // of each part, the means and then the squares
};

// What an operation gathers of its output while that is near; where nobody wants it, it is asked with null.
using OutputMoments = std::optional<ColumnMoments>;

// The moments of one part, in one pass about its first row, which is as far from its mean as its values are
// from one another: no digits are lost to a mean that is far from 0. Short rows side by side count as one row
// of `width` lanes; lane j belongs to column j % columns.
class PartMoments {
 public:
  // Floats that are to stand at `lanes`.
  static int64_t floats(int64_t width) { return 3 * width; }
  PartMoments(int64_t columns, int64_t width, float* lanes)
      : columns_(columns), width_(width), pivot_(lanes), sums_(lanes + width), squares_(sums_ + width) {}

  // Rows of `count` floats that are `stride` apart. REQUIRES: `count` is a multiple of `columns` and no more
  // than `width`.
  void add(const float* x, int64_t rows, int64_t count, int64_t stride);
  // Rows that lie end to end. REQUIRES: `count` is a multiple of `columns`.
  void add(const float* x, int64_t count) {
    const int64_t whole = count / width_ * width_;
    add(x, count / width_, width_, width_);
    add(x + whole, 1, count - whole, width_);
  }
  // As those of columns [first, first + columns) of the part, all of which have the same rows.
  void store(int64_t part, ColumnMoments& to, int64_t first = 0) const;

 private:
  int64_t columns_, width_, rows_ = 0;
  float *pivot_, *sums_, *squares_;
};

}  // namespace espalier::cpu
