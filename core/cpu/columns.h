#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>

#include "core/cpu/parallel.h"
#include "core/shape.h"

namespace espalier::cpu {

// How kernels walk a (rows, columns) matrix column by column: several short rows side by side count as one
// row of `width` lanes, so that loops are long enough for vectors whatever the number of channels; lane j
// belongs to column j % columns. A chunk is a whole number of such rows, the last one perhaps cut short at a
// row's end.
struct ColumnLanes {
  explicit ColumnLanes(int64_t column_count)
      : columns(std::max<int64_t>(column_count, 1)),
        width(columns * rows_of(columns)),
        chunk(width * std::max<int64_t>(16, kChunk / width)) {}

  static constexpr int64_t kLanes = 128;
  int64_t columns, width, chunk;  // chunk in elements

  // How many short rows, where it can be so that they end where a vector does.
  static int64_t rows_of(int64_t columns) {
    constexpr int64_t kWidest = 16;
    const int64_t rows = std::max<int64_t>(1, kLanes / columns), even = kWidest / std::gcd(columns, kWidest);
    return rows >= even ? rows / even * even : rows;
  }

  // Repeats `values`, one for each column, over the lanes.
  void repeat(const float* values, float* lanes) const {
    for (int64_t j = 0; j < width; ++j) lanes[j] = values[j % columns];
  }
};

}  // namespace espalier::cpu
