#pragma once

#include <cstdint>
#include <limits>

namespace espalier::cpu {

// What happens to an element z of column j of a product on its way to memory: clamp(z factor[j] + offset[j] +
// residual[z's place]). Null pointers leave a part out. NaN stays NaN.
struct EpilogueView {
  const float* factor = nullptr;
  const float* offset = nullptr;
  const float* residual = nullptr;  // laid out as the output
  float lowest = -std::numeric_limits<float>::infinity();
  float highest = std::numeric_limits<float>::infinity();

  bool clamps() const { return lowest > -std::numeric_limits<float>::infinity(); }
  bool is_empty() const { return !factor && !offset && !residual && !clamps(); }
  // The view for the part of the output that begins `columns` to the right and `elements` further on.
  EpilogueView from(int64_t columns, int64_t elements) const {
    return {factor ? factor + columns : nullptr, offset ? offset + columns : nullptr,
            residual ? residual + elements : nullptr, lowest, highest};
  }
};

// C = alpha A B + beta C, then the epilogue; on the calling thread. A is read at a[i * a_row + k * a_depth].
// B's columns stand in panels of panel_width(): element (k, j) is at b[j / width * b_panel + k * b_row + j %
// width], and its rows are read by whole vectors: where n is no multiple of half a panel, the last panel must
// be a packed one.
struct GemmBlock {
  int64_t m = 0, n = 0, k = 0;
  const float* a = nullptr;
  int64_t a_row = 0, a_depth = 1;
  const float* b = nullptr;
  int64_t b_row = 0, b_panel = 0;
  float* c = nullptr;
  int64_t c_row = 0;
  float alpha = 1.0f, beta = 0.0f;  // beta 0 does not read C
  EpilogueView epilogue;
};
void multiply(const GemmBlock& block);

// Columns of a panel: two vectors.
int64_t panel_width();

// One panel of k rows from columns [0, n) of B, n <= panel_width(), zeros beyond: from rows that lie `stride`
// apart, or, transposed, from columns that do.
void pack_panel(const float* b, int64_t stride, bool transposed, int64_t k, int64_t n, float* panel);

// y[j] = alpha sum_k x[k] b[j * stride + k] + beta y[j], for j < n.
void multiply_row(const float* x, const float* b, int64_t stride, int64_t n, int64_t k, float alpha,
                  float beta, float* y);

}  // namespace espalier::cpu
