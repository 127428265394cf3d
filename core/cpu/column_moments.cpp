#include "core/cpu/column_moments.h"

#include "core/cpu/parallel.h"

namespace espalier::cpu {
namespace {

// Adds the deviations from the pivot and their squares.
ESPALIER_VECTORISED void add_deviations(const float* x, int64_t rows, int64_t count, int64_t stride,
                                        const float* pivot, float* sums, float* squares) {
  int64_t row = 0;
  for (; row + 4 <= rows; row += 4) {
    const float *x0 = x + row * stride, *x1 = x0 + stride, *x2 = x1 + stride, *x3 = x2 + stride;
#pragma omp simd
    for (int64_t j = 0; j < count; ++j) {
      const float d0 = x0[j] - pivot[j], d1 = x1[j] - pivot[j], d2 = x2[j] - pivot[j], d3 = x3[j] - pivot[j];
      sums[j] += (d0 + d1) + (d2 + d3);
      squares[j] += (d0 * d0 + d1 * d1) + (d2 * d2 + d3 * d3);
    }
  }
  for (; row < rows; ++row) {
#pragma omp simd
    for (int64_t j = 0; j < count; ++j) {
      const float difference = x[row * stride + j] - pivot[j];
      sums[j] += difference;
      squares[j] += difference * difference;
    }
  }
}

ESPALIER_VECTORISED void join_part(const double* part_means, const double* part_squares, int64_t columns,
                                   double rows_before, double share, double* means, double* squares) {
#pragma omp simd
  for (int64_t c = 0; c < columns; ++c) {
    const double difference = part_means[c] - means[c];
    means[c] += difference * share;
    squares[c] += part_squares[c] + difference * difference * rows_before * share;
  }
}

}  // namespace

int64_t ColumnMoments::join(double* means, double* squares) const {
  int64_t rows = 0;
  std::fill_n(means, columns_, 0.0);
  std::fill_n(squares, columns_, 0.0);
  for (int64_t part = 0; part < parts_; ++part) {
    const int64_t count = rows_.data()[part];
    if (count == 0) continue;
    const double* moments = moments_.data() + 2 * part * columns_;
    join_part(moments, moments + columns_, columns_, static_cast<double>(rows),
              static_cast<double>(count) / static_cast<double>(rows + count), means, squares);
    rows += count;
  }
  return rows;
}

void PartMoments::add(const float* x, int64_t rows, int64_t count, int64_t stride) {
  if (rows == 0 || count == 0) return;
  if (rows_ == 0) {
    for (int64_t j = 0; j < width_; ++j) pivot_[j] = x[j % columns_];
    std::fill(sums_, squares_ + width_, 0.0f);
  }
  add_deviations(x, rows, count, stride, pivot_, sums_, squares_);
  rows_ += rows * (count / columns_);
}

void PartMoments::store(int64_t part, ColumnMoments& to, int64_t first) const {
  if (first == 0) to.rows_.data()[part] = rows_;
  double *means = to.moments_.data() + 2 * part * to.columns_ + first, *squares = means + to.columns_;
  for (int64_t c = 0; c < columns_ && rows_ > 0; ++c) {
    double sum = 0, square = 0;
    for (int64_t j = c; j < width_; j += columns_) {
      sum += static_cast<double>(sums_[j]);
      square += static_cast<double>(squares_[j]);
    }
    const double deviation = sum / static_cast<double>(rows_);
    means[c] = static_cast<double>(pivot_[c]) + deviation;
    squares[c] = std::max(square - sum * deviation, 0.0);  // written so that NaN passes
  }
}

}  // namespace espalier::cpu
