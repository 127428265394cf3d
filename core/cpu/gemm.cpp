#include "core/cpu/gemm.h"

#include <cblas.h>
#include <omp.h>

#include <climits>

#include "core/cpu/cpu_backend.h"
#include "core/cpu/parallel.h"
#include "core/cpu/workspace.h"

namespace espalier::cpu {
namespace {

// Work for which waking the other threads pays, and no more tiles than keep 16 threads evenly busy.
constexpr double kTileProducts = 1 << 20;
constexpr int64_t kMostTiles = 32;
constexpr int64_t kLeastEdge = 48, kLeastDepth = 256;

// The extents of a tile. More than one along k means partial products, which are added in order.
struct Tiling {
  int64_t m, n, k;
};

Tiling tiling_of(int64_t m, int64_t n, int64_t k) {
  const double products = static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
  const auto wanted = static_cast<int64_t>(std::min<double>(kMostTiles, products / kTileProducts));
  int64_t m_parts = 1, n_parts = 1;
  while (m_parts * n_parts < wanted) {
    const int64_t m_next = m / (2 * m_parts), n_next = n / (2 * n_parts);
    if (std::max(m_next, n_next) < kLeastEdge) break;
    (m_next >= n_next ? m_parts : n_parts) *= 2;
  }
  const int64_t k_parts = std::max<int64_t>(1, std::min(wanted / (m_parts * n_parts), k / kLeastDepth));
  // Multiples of 16 leave no ragged register tile inside the matrix.
  const auto part = [](int64_t extent, int64_t parts) {
    return parts == 1 ? extent : ceil_div(ceil_div(extent, parts), 16) * 16;
  };
  return {part(m, m_parts), part(n, n_parts), part(k, k_parts)};
}

ESPALIER_VECTORISED void add_partial(const float* partial, float* c, int64_t count) {
  for (int64_t i = 0; i < count; ++i) c[i] += partial[i];
}

ESPALIER_VECTORISED void scale_partial(const float* partial, float beta, float* c, int64_t count) {
  for (int64_t i = 0; i < count; ++i) c[i] = partial[i] + beta * c[i];
}

void check_extent(int64_t extent) {
  check(extent <= INT_MAX, "[gemm] extent {} exceeds {}", extent, INT_MAX);
}

}  // namespace

void gemm_serial(const GemmProblem& problem) {
  if (problem.m == 0 || problem.n == 0) return;
  // OpenBLAS asks OpenMP how many threads to use; a parallel region of one thread does not count as one.
  const int threads = omp_get_max_threads();
  if (threads != 1) omp_set_num_threads(1);
  const auto fit = [](int64_t extent) { return static_cast<blasint>(extent); };
  const auto transpose = [](const MatrixView& view) { return view.transposed ? CblasTrans : CblasNoTrans; };
  // One row is a matrix-vector product, which need not pack B. A transposed A of one row has its stride
  // between elements.
  if (problem.m == 1 && problem.k > 0)
    cblas_sgemv(CblasRowMajor, problem.b.transposed ? CblasNoTrans : CblasTrans,
                fit(problem.b.transposed ? problem.n : problem.k),
                fit(problem.b.transposed ? problem.k : problem.n), problem.alpha, problem.b.data,
                fit(std::max<int64_t>(problem.b.stride, 1)), problem.a.data,
                problem.a.transposed ? fit(problem.a.stride) : 1, problem.beta, problem.c, 1);
  else
    cblas_sgemm(CblasRowMajor, transpose(problem.a), transpose(problem.b), fit(problem.m), fit(problem.n),
                fit(problem.k), problem.alpha, problem.a.data, fit(std::max<int64_t>(problem.a.stride, 1)),
                problem.b.data, fit(std::max<int64_t>(problem.b.stride, 1)), problem.beta, problem.c,
                fit(problem.c_stride));
  if (threads != 1) omp_set_num_threads(threads);
}

void gemm_parallel(const GemmProblem& problem) {
  for (int64_t extent :
       {problem.m, problem.n, problem.k, problem.a.stride, problem.b.stride, problem.c_stride})
    check_extent(extent);
  if (problem.m == 0 || problem.n == 0) return;
  const Tiling tile = tiling_of(problem.m, problem.n, std::max<int64_t>(problem.k, 1));
  const int64_t m_tiles = ceil_div(problem.m, tile.m), n_tiles = ceil_div(problem.n, tile.n);
  const int64_t k_tiles = std::max<int64_t>(1, ceil_div(problem.k, tile.k)), size = problem.m * problem.n;
  // With one tile along k the tiles go straight into C.
  Workspace<float> partial(k_tiles > 1 ? k_tiles * size : 0);
  float* parts = partial.data();
  for_each_chunk(
      m_tiles * n_tiles * k_tiles, 1,
      [&](int64_t index, int64_t, int64_t) {
        const int64_t kk = index / (m_tiles * n_tiles), i = index / n_tiles % m_tiles * tile.m,
                      j = index % n_tiles * tile.n;
        GemmProblem part = problem;
        part.m = std::min(tile.m, problem.m - i);
        part.n = std::min(tile.n, problem.n - j);
        part.k = std::min(tile.k, problem.k - kk * tile.k);
        part.a = problem.a.from(i, kk * tile.k);
        part.b = problem.b.from(kk * tile.k, j);
        part.c = problem.c + i * problem.c_stride + j;
        if (k_tiles > 1) {
          part.c = parts + kk * size + i * problem.n + j;
          part.c_stride = problem.n;
          part.beta = 0.0f;
        }
        gemm_serial(part);
      },
      1);
  if (k_tiles == 1) return;
  for_each_chunk(problem.m, std::max<int64_t>(1, kChunk / problem.n),
                 [&](int64_t, int64_t begin, int64_t end) {
                   for (int64_t i = begin; i < end; ++i) {
                     float* row = problem.c + i * problem.c_stride;
                     if (problem.beta == 0.0f)
                       std::copy_n(parts + i * problem.n, problem.n, row);
                     else
                       scale_partial(parts + i * problem.n, problem.beta, row, problem.n);
                     for (int64_t kk = 1; kk < k_tiles; ++kk)
                       add_partial(parts + kk * size + i * problem.n, row, problem.n);
                   }
                 });
}

void CpuBackend::gemm(const Tensor& a, const Tensor& b, Tensor& c, const GemmOptions& options) {
  gemm_parallel({.m = c.shape()[0],
                 .n = c.shape()[1],
                 .k = a.shape()[options.transpose_a ? 0 : 1],
                 .a = {a.data<float>(), a.shape()[1], options.transpose_a},
                 .b = {b.data<float>(), b.shape()[1], options.transpose_b},
                 .c = c.data<float>(),
                 .c_stride = c.shape()[1],
                 .alpha = static_cast<float>(options.alpha),
                 .beta = static_cast<float>(options.beta)});
}

}  // namespace espalier::cpu
