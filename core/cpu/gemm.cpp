#include "core/cpu/gemm.h"

#include <algorithm>

#include "core/cpu/cpu_backend.h"
#include "core/cpu/parallel.h"
#include "core/cpu/workspace.h"

namespace espalier::cpu {
namespace {

// Rows of B multiplied at a time: with AVX-512 a panel of them takes 32 KiB and stays in L1.
constexpr int64_t kDepth = 256;
// Rows of B further apart than this many floats cost a page each; a copy side by side is cheaper.
constexpr int64_t kNear = 512;
// Floats of a panel at its widest.
constexpr int64_t kWidest = 32;

// Work for which waking the other threads pays, and no more tiles than keep 16 threads evenly busy.
constexpr double kTileProducts = 1 << 20;
constexpr int64_t kMostTiles = 32;
constexpr int64_t kLeastEdge = 48, kLeastDepth = 256;

// The extents of a tile. More than one along k means partial products, which are added in order.
struct Tiling {
  int64_t m, n, k;
};

Tiling tiling_of(int64_t m, int64_t n, int64_t k, bool splits_depth) {
  const double products = static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
  // One row waits for the matrix's way from memory, which every thread has its own of.
  const double tile = m == 1 ? kTileProducts / 16 : kTileProducts;
  const auto wanted = static_cast<int64_t>(std::min<double>(kMostTiles, products / tile));
  const int64_t k_most = splits_depth ? std::max<int64_t>(k / kLeastDepth, 1) : 1;
  // Tiles along k read A and B once, others one of them again and again; as long as the sums of these tiles
  // are fewer than what they save to read.
  const int64_t few_sums = k / std::max(m, n);
  int64_t m_parts = 1, n_parts = 1, k_parts = std::clamp(std::min(wanted, few_sums), int64_t{1}, k_most);
  while (m_parts * n_parts * k_parts < wanted) {
    const int64_t m_next = m / (2 * m_parts), n_next = n / (2 * n_parts);
    if (std::max(m_next, n_next) < kLeastEdge) break;
    (m_next >= n_next ? m_parts : n_parts) *= 2;
  }
  k_parts = std::clamp(wanted / (m_parts * n_parts), k_parts, k_most);
  // Multiples of the widest panel leave no ragged one inside the matrix; one row is cut finer, into equal
  // parts.
  const int64_t multiple = m == 1 ? kWidest / 2 : kWidest;
  const auto part = [=](int64_t extent, int64_t parts) {
    return parts == 1 ? extent : ceil_div(ceil_div(extent, parts), multiple) * multiple;
  };
  return {part(m, m_parts), part(n, n_parts), part(k, k_parts)};
}

ESPALIER_VECTORISED void add_partial(const float* partial, float* c, int64_t count) {
  for (int64_t i = 0; i < count; ++i) c[i] += partial[i];
}

ESPALIER_VECTORISED void scale_partial(const float* partial, float beta, float* c, int64_t count) {
  for (int64_t i = 0; i < count; ++i) c[i] = partial[i] + beta * c[i];
}

// The product of A's rows from `row` on, block of depth by block of depth and panel by panel; `panel_of(k,
// depth, j, columns, row, panel)` gives the panel of B's rows [k, k + depth) and columns [j, j + columns) and
// the distance of its rows.
template <typename PanelOf>
void multiply_rows(const GemmProblem& problem, int64_t row, int64_t rows, PanelOf panel_of) {
  const int64_t width = panel_width();
  int64_t k = 0;
  do {
    const int64_t depth = std::min(kDepth, problem.k - k);
    const bool last = k + depth == problem.k;
    for (int64_t j = 0; j < problem.n; j += width) {
      const int64_t columns = std::min(width, problem.n - j);
      const int64_t place = row * problem.c_stride + j;
      const MatrixView a = problem.a.from(row, k);
      const auto [b, b_row] = panel_of(k, depth, j, columns);
      multiply({.m = rows,
                .n = columns,
                .k = depth,
                .a = a.data,
                .a_row = a.transposed ? 1 : a.stride,
                .a_depth = a.transposed ? a.stride : 1,
                .b = b,
                .b_row = b_row,
                .c = problem.c + place,
                .c_row = problem.c_stride,
                .alpha = problem.alpha,
                .beta = k == 0 ? problem.beta : 1.0f,
                .epilogue = last ? problem.epilogue.from(j, place) : EpilogueView()});
    }
    k += depth;
  } while (k < problem.k);
}

// In blocks of rows that come from L2 for all panels but the first.
template <typename PanelOf>
void multiply_panels(const GemmProblem& problem, PanelOf panel_of) {
  const int64_t rows = std::max<int64_t>(kCachedFloats / std::clamp<int64_t>(problem.k, 1, kDepth), 1);
  for (int64_t row = 0; row < problem.m; row += rows) {
    const int64_t count = std::min(rows, problem.m - row);
    multiply_rows(problem, row, count, panel_of);
    if (problem.moments != nullptr)
      problem.moments->add(problem.c + row * problem.c_stride, count, problem.n, problem.c_stride);
  }
}

struct Panel {
  const float* data;
  int64_t row;
};

}  // namespace

void gemm_serial(const GemmProblem& problem) {
  if (problem.m == 0 || problem.n == 0) return;
  // One row is a matrix-vector product, which need not turn B.
  if (problem.m == 1 && problem.b.transposed && (!problem.a.transposed || problem.a.stride == 1)) {
    multiply_row(problem.a.data, problem.b.data, problem.b.stride, problem.n, problem.k, problem.alpha,
                 problem.beta, problem.c);
    for (int64_t j = 0; j < problem.n && !problem.epilogue.is_empty(); ++j)
      problem.c[j] = problem.epilogue(problem.c[j], j, j);
    return;
  }
  alignas(64) float panel[kDepth * kWidest];
  multiply_panels(problem, [&](int64_t k, int64_t depth, int64_t j, int64_t columns) -> Panel {
    const MatrixView b = problem.b.from(k, j);
    if (!b.transposed && b.stride <= kNear && columns % (panel_width() / 2) == 0) return {b.data, b.stride};
    pack_panel(b.data, b.stride, b.transposed, depth, columns, panel);
    return {panel, panel_width()};
  });
}

PackedMatrix::PackedMatrix(const MatrixView& b, int64_t k, int64_t n)
    : n_(n), floats_(k * ceil_div(n, panel_width()) * panel_width()) {
  const int64_t width = panel_width(), padded = ceil_div(n, width) * width;
  const int64_t blocks = ceil_div(k, kDepth), panels = padded / width;
  for_each_chunk(blocks * panels, 1, [&, to = floats_.data()](int64_t index, int64_t, int64_t) {
    const int64_t row = index / panels * kDepth, column = index % panels * width;
    const int64_t depth = std::min(kDepth, k - row);
    const MatrixView part = b.from(row, column);
    pack_panel(part.data, part.stride, part.transposed, depth, std::min(width, n - column),
               to + row * padded + column * depth);
  });
}

void PackedMatrix::multiply(const GemmProblem& problem, int64_t column) const {
  const int64_t width = panel_width(), padded = ceil_div(n_, width) * width;
  multiply_panels(problem, [&](int64_t k, int64_t depth, int64_t j, int64_t) -> Panel {
    return {floats_.data() + k * padded + (column + j) * depth, width};
  });
}

void gemm_parallel(const GemmProblem& problem, const PackedMatrix* packed, OutputMoments* moments) {
  if (problem.m == 0 || problem.n == 0) return;
  // An epilogue and packed matrices go with whole sums.
  const bool splits_depth = packed == nullptr && problem.epilogue.is_empty();
  const Tiling tile = tiling_of(problem.m, problem.n, std::max<int64_t>(problem.k, 1), splits_depth);
  const int64_t m_tiles = ceil_div(problem.m, tile.m), n_tiles = ceil_div(problem.n, tile.n);
  const int64_t k_tiles = std::max<int64_t>(1, ceil_div(problem.k, tile.k)), size = problem.m * problem.n;
  // With one tile along k the tiles go straight into C.
  Workspace<float> partial(k_tiles > 1 ? k_tiles * size : 0);
  float* parts = partial.data();
  std::optional<ThreadBuffers> lanes;
  if (moments != nullptr) {
    moments->emplace(problem.n, m_tiles);
    lanes.emplace(PartMoments::floats(tile.n));
  }
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
        part.epilogue = problem.epilogue.from(j, i * problem.c_stride + j);
        if (k_tiles > 1) {
          part.c = parts + kk * size + i * problem.n + j;
          part.c_stride = problem.n;
          part.beta = 0.0f;
        }
        std::optional<PartMoments> gathered;
        if (moments != nullptr) part.moments = &gathered.emplace(part.n, part.n, lanes->own());
        if (packed != nullptr)
          packed->multiply(part, j);
        else
          gemm_serial(part);
        if (moments != nullptr) gathered->store(index / n_tiles, **moments, j);
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

void CpuBackend::gemm(const Tensor& a, const Tensor& b, Tensor& c, const GemmOptions& options,
                      const Epilogue& epilogue) {
  gemm_parallel({.m = c.shape()[0],
                 .n = c.shape()[1],
                 .k = a.shape()[options.transpose_a ? 0 : 1],
                 .a = {a.data<float>(), a.shape()[1], options.transpose_a},
                 .b = {b.data<float>(), b.shape()[1], options.transpose_b},
                 .c = c.data<float>(),
                 .c_stride = c.shape()[1],
                 .alpha = static_cast<float>(options.alpha),
                 .beta = static_cast<float>(options.beta),
                 .epilogue = view_of(epilogue)});
}

}  // namespace espalier::cpu
