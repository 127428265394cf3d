#pragma once

#include <cstdint>

#include "core/cpu/column_moments.h"
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

// Floats of A, 192 KiB, that stay in L2 beside C and a panel of B.
constexpr int64_t kCachedFloats = 49152;

// C = alpha op(A) op(B) + beta C, with op(A) m by k and op(B) k by n, then the epilogue. beta 0 does not read
// C.
struct GemmProblem {
  int64_t m, n, k;
  MatrixView a, b;
  float* c;
  int64_t c_stride;
  float alpha = 1.0f, beta = 0.0f;
  EpilogueView epilogue = {};
  // Of C, rows of it at a time while they are near, where not null.
  PartMoments* moments = nullptr;
};

// op(B), k by n, arranged once for many products.
class PackedMatrix {
 public:
  PackedMatrix(const MatrixView& b, int64_t k, int64_t n);
  // On the calling thread alone: as gemm_serial with the packed matrix's columns from `column` on, a multiple
  // of panel_width(), in place of problem.b. REQUIRES: problem.k is the packed matrix's.
  void multiply(const GemmProblem& problem, int64_t column = 0) const;

 private:
  int64_t n_;
  Workspace<float> floats_;
};

// On the calling thread alone.
void gemm_serial(const GemmProblem& problem);
// In tiles that depend on (m, n, k) alone, over the threads. `packed`, where there is one, is the whole of B.
// `moments`, which only goes with a packed matrix, gets those of C.
void gemm_parallel(const GemmProblem& problem, const PackedMatrix* packed = nullptr,
                   OutputMoments* moments = nullptr);

}  // namespace espalier::cpu
