#pragma once

#include <cstdint>

#include "core/cpu/epilogue.h"

namespace espalier::cpu {

// C = alpha A B + beta C, then the epilogue; on the calling thread. A is read at a[i * a_row + k * a_depth].
// B's columns stand in panels of panel_width(): element (k, j) is at b[j / width * b_panel + k * b_row + j %
// width]. Rows of B are read by whole vectors, of which columns past n are ignored. The depth may come in
// several segments of k, each a_segment and b_segment further on: a convolution sums a row of its window at a
// time.
struct GemmBlock {
  int64_t m = 0, n = 0, k = 0, segments = 1;
  const float* a = nullptr;
  int64_t a_row = 0, a_depth = 1, a_segment = 0;
  const float* b = nullptr;
  int64_t b_row = 0, b_panel = 0, b_segment = 0;
  float* c = nullptr;
  int64_t c_row = 0;
  float alpha = 1.0f, beta = 0.0f;  // beta 0 does not read C
  EpilogueView epilogue;
};
void multiply(const GemmBlock& block);
// Up to half a vector of columns, with two rows of B in a vector: element (k, j) is at b[k / 2 * b_row + 2 j
// + k % 2], and zeros stand where an odd k lacks the second row. Halves of vectors of C are written.
// REQUIRES: a_depth 1, one segment, alpha 1, beta 0, no epilogue, and vectors of more than one lane.
void multiply_narrow(const GemmBlock& block);

// So many products of matrices that lie a, b and c floats apart: all of them for some rows of C before the
// next, kBatchRows or a part of them, which stay in L1 meanwhile. C may lie over A where one panel holds its
// columns, and no row of C over a later one of A. REQUIRES: n in whole vectors, unless narrow; a_depth 1, one
// segment, alpha 1, beta 0, no epilogue.
struct GemmBatch {
  int64_t count, a, b, c;
};
void multiply_batch(const GemmBlock& block, const GemmBatch& batch);
void multiply_narrow_batch(const GemmBlock& block, const GemmBatch& batch);
inline constexpr int64_t kBatchRows = 12;

// Floats of B that stay in L1 beside what they are multiplied with.
inline constexpr int64_t kNearFloats = 4096;

// Columns of a panel: two vectors.
int64_t panel_width();

// One panel of k rows from columns [0, n) of B, n <= panel_width(), zeros beyond: from rows that lie `stride`
// apart, or, transposed, from columns that do.
void pack_panel(const float* b, int64_t stride, bool transposed, int64_t k, int64_t n, float* panel);

// y[j] = alpha sum_k x[k] b[j * stride + k] + beta y[j], for j < n.
void multiply_row(const float* x, const float* b, int64_t stride, int64_t n, int64_t k, float alpha,
                  float beta, float* y);

}  // namespace espalier::cpu
