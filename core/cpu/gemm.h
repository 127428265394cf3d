#pragma once

#include <cstdint>

#include "core/cpu/gemm_kernel.h"
#include "core/cpu/workspace.h"

namespace espalier::cpu {

// A row-major matrix with `stride` elements from row to row, read as its transpose when `transposed`.
struct MatrixView {
  const float* data;
  int64_t stride;
  bool transposed = false;

  // The view whose first element is (row, column) of op(X).
  MatrixView from(int64_t row, int64_t column) const {
    return {data + (transposed ? column * stride + row : row * stride + column), stride, transposed};
  }
};

// C = alpha op(A) op(B) + beta C, with op(A) m by k and op(B) k by n, then the epilogue. beta 0 does not read
// C.
struct GemmProblem {
  int64_t m, n, k;
  MatrixView a, b;
  float* c;
  int64_t c_stride;
  float alpha = 1.0f, beta = 0.0f;
  EpilogueView epilogue = {};
};

// On the calling thread alone.
void gemm_serial(const GemmProblem& problem);
// In tiles that depend on (m, n, k) alone, over the threads.
void gemm_parallel(const GemmProblem& problem);

// op(B), k by n, arranged once for many products.
class PackedMatrix {
 public:
  PackedMatrix(const MatrixView& b, int64_t k, int64_t n);
  // gemm_serial with problem.n, .k and .b replaced by the packed matrix's.
  void multiply(const GemmProblem& problem) const;

 private:
  int64_t k_, n_;
  Workspace<float> floats_;
};

}  // namespace espalier::cpu
