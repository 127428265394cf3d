#include "core/cpu/gemm_kernel.h"

#include <algorithm>
#include <array>
#include <type_traits>
#include <utility>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/cpu/gemm_kernel.cpp"
#include "core/cpu/gemm_tile.h"

HWY_BEFORE_NAMESPACE();
namespace espalier::cpu::HWY_NAMESPACE {

// A column of `rows` vectors of sums, `stride` floats apart, on its way to c: see GemmBlock.
template <bool kPart>
HWY_INLINE void write_column(const float* sums, int64_t stride, int64_t rows, const GemmBlock& g, int64_t row,
                             int64_t column, int64_t lanes) {
  const Floats d;
  const ColumnEpilogue<kPart> finish(g.epilogue, column, lanes);
  const Vector alpha = hn::Set(d, g.alpha), beta = hn::Set(d, g.beta);
  const bool adds = g.beta != 0.0f;
  float* const c = g.c;
  int64_t place = row * g.c_row + column;
  for (const int64_t c_row = g.c_row; rows > 0; --rows, sums += stride, place += c_row) {
    Vector z = hn::Mul(hn::Load(d, sums), alpha);
    if (adds) z = hn::MulAdd(beta, load<kPart>(c + place, lanes), z);
    store<kPart>(finish(z, place), c + place, lanes);
  }
}

// Likewise `vectors` columns side by side, of which the last counts `lanes` lanes.
HWY_NOINLINE void write_sums(const float* sums, int64_t rows, int64_t vectors, const GemmBlock& g,
                             int64_t row, int64_t column, int64_t lanes) {
  const int64_t width = vector_width();
  for (int64_t v = 0; v < vectors; ++v, sums += width, column += width) {
    if (v + 1 == vectors && lanes < width)
      write_column<true>(sums, vectors * width, rows, g, row, column, lanes);
    else
      write_column<false>(sums, vectors * width, rows, g, row, column, width);
  }
}

// A register tile of sums.
template <int kTileRows, int kVectors>
class TileSums {
 public:
  HWY_INLINE TileSums() {
#pragma GCC unroll 16
    for (int i = 0; i < kTileRows; ++i)
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) sums_[i][v] = hn::Zero(Floats());
  }
  // Adds the products of k columns of A, a_depth apart, and rows of B, b_row apart.
  template <typename RowsOfA>
  HWY_INLINE void add(RowsOfA a, int64_t a_depth, const float* HWY_RESTRICT b, int64_t b_row, int64_t k) {
    const Floats d;
    for (; k > 0; --k, b += b_row) {
      Vector loaded[kVectors];
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) loaded[v] = hn::LoadU(d, b + v * vector_width());
#pragma GCC unroll 16
      for (int i = 0; i < kTileRows; ++i) {
        const Vector element = hn::Set(d, *a.at(i));
#pragma GCC unroll 2
        for (int v = 0; v < kVectors; ++v) sums_[i][v] = hn::MulAdd(element, loaded[v], sums_[i][v]);
      }
      a.advance(a_depth);
    }
  }
  // Writes to or, where `adds`, adds onto rows of C.
  template <typename RowsOfC>
  HWY_INLINE void store(RowsOfC c, bool adds) const {
    const Floats d;
#pragma GCC unroll 16
    for (int i = 0; i < kTileRows; ++i)
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) {
        float* place = c.at(i) + v * vector_width();
        hn::StoreU(adds ? hn::Add(sums_[i][v], hn::LoadU(d, place)) : sums_[i][v], d, place);
      }
  }

 private:
  Vector sums_[kTileRows][kVectors];
};

// A tile of A B from `row` on, with kTileRows rows and kVectors vectors: to or, where `adds`, onto rows that
// lie to_row floats apart.
template <int kTileRows, int kVectors, int kDistance>
HWY_NOINLINE void multiply_tile(const GemmBlock& g, int64_t row, const float* b, float* to, int64_t to_row,
                                bool adds) {
  TileSums<kTileRows, kVectors> sums;
  const float* a = g.a + row * g.a_row;
  for (int64_t segment = 0; segment < g.segments; ++segment)
    sums.add(Rows<const float, kTileRows, kDistance>(a + segment * g.a_segment, g.a_row), g.a_depth,
             b + segment * g.b_segment, g.b_row, g.k);
  sums.store(Rows<float, kTileRows, 0>(to, to_row), adds);
}

// The same tile of each of a batch's products.
template <int kTileRows, int kVectors, int kDistance>
HWY_NOINLINE void multiply_tiles(const GemmBlock& g, const GemmBatch& batch, int64_t row) {
  const int64_t a_row = g.a_row, b_row = g.b_row, c_row = g.c_row, k = g.k;
  const float *a = g.a + row * a_row, *b = g.b;
  float* c = g.c + row * c_row;
  for (int64_t n = batch.count; n > 0; --n, a += batch.a, b += batch.b, c += batch.c) {
    TileSums<kTileRows, kVectors> sums;
    sums.add(Rows<const float, kTileRows, kDistance>(a, a_row), 1, b, b_row, k);
    sums.store(Rows<float, kTileRows, 0>(c, c_row), false);
  }
}

using Tile = void (*)(const GemmBlock&, int64_t row, const float* b, float* to, int64_t to_row, bool adds);

// multiply_tile by its number of rows, from 1.
template <int kVectors, int kDistance, size_t... kIndices>
constexpr std::array<Tile, sizeof...(kIndices)> tiles(std::index_sequence<kIndices...>) {
  return {multiply_tile<static_cast<int>(kIndices) + 1, kVectors, kDistance>...};
}
template <int kVectors, int kDistance>
constexpr auto kTiles = tiles<kVectors, kDistance>(std::make_index_sequence<kRows[kVectors - 1]>());

// For one vector of columns each element of A is a factor straight from memory.
template <typename Make>
HWY_INLINE auto with_distance(int64_t a_row, Make make) {
  return with_distance_of<1, kWidth / 2, kWidth, 2 * kWidth>(a_row, make);
}
HWY_INLINE const Tile* one_vector_tiles(int64_t a_row) {
  return with_distance(a_row, [](auto distance) { return kTiles<1, distance>.data(); });
}

int64_t panel_width() {
  return 2 * vector_width();
}

// Rows [row, row + rows) of the panel of C at `column`, with B's panel `b`.
HWY_INLINE void multiply_panel(const GemmBlock& block, int64_t row, int64_t rows, int64_t column,
                               const float* b) {
  const int64_t width = vector_width(), left = std::min(block.n - column, panel_width());
  const bool wide = left > width;
  const Tile* tiles = wide ? kTiles<2, 0>.data() : one_vector_tiles(block.a_row);
  const int64_t most = kRows[wide ? 1 : 0], vectors = wide ? 2 : 1;
  const bool direct = block.alpha == 1.0f && (block.beta == 0.0f || block.beta == 1.0f) &&
                      block.epilogue.is_empty() && left == vectors * width;
  if (direct) {
    for_each_tile(rows, most, [&](int64_t at, size_t height) ESPALIER_INLINE_LAMBDA {
      tiles[height - 1](block, row + at, b, block.c + (row + at) * block.c_row + column, block.c_row,
                        block.beta == 1.0f);
    });
    return;
  }
  HWY_ALIGN float sums[kRows[0] * 2 * kWidth];
  for_each_tile(rows, most, [&](int64_t at, size_t height) ESPALIER_INLINE_LAMBDA {
    tiles[height - 1](block, row + at, b, sums, vectors * width, false);
    write_sums(sums, static_cast<int64_t>(height), vectors, block, row + at, column,
               left - (vectors - 1) * width);
  });
}

void multiply(const GemmBlock& block) {
  // Where all of B stays in L1, C is written row by row, as it lies.
  const bool cached = block.n > panel_width() && block.k * block.segments * block.n <= kNearFloats;
  const int64_t strips = cached ? (block.m + kRows[0] - 1) / kRows[0] : 1;
  for (int64_t strip = 0; strip < strips; ++strip) {
    const int64_t row = strip * block.m / strips, next = (strip + 1) * block.m / strips;
    const float* b = block.b;
    for (int64_t column = 0; column < block.n; column += panel_width(), b += block.b_panel)
      multiply_panel(block, row, next - row, column, b);
  }
}

void multiply_batch(const GemmBlock& block, const GemmBatch& batch) {
  constexpr int kHigh = static_cast<int>(kBatchRows), kLow = std::min(kHigh, kRows[1]);
  GemmBlock panel = block;
  for (int64_t left = block.n; left > 0; left -= panel.n) {
    panel.n = std::min(left, panel_width());
    if (panel.n > vector_width()) {
      for_each_batch_tile(panel, batch, kLow, multiply_tiles<kLow, 2, 0>, multiply);
    } else {
      const auto tile =
          with_distance(block.a_row, [](auto distance) { return &multiply_tiles<kHigh, 1, distance>; });
      for_each_batch_tile(panel, batch, kHigh, tile, multiply);
    }
    panel.b += block.b_panel;
    panel.c += panel_width();
  }
}

template <int kDots>
HWY_INLINE void dot(const float* x, const float* b, int64_t stride, int64_t k, float* sums) {
  const Floats d;
  const int64_t width = vector_width();
  Vector partial[kDots];
#pragma GCC unroll 8
  for (int j = 0; j < kDots; ++j) partial[j] = hn::Zero(d);
  int64_t i = 0;
  for (; i + width <= k; i += width) {
    const Vector element = hn::LoadU(d, x + i);
#pragma GCC unroll 8
    for (int j = 0; j < kDots; ++j)
      partial[j] = hn::MulAdd(element, hn::LoadU(d, b + j * stride + i), partial[j]);
  }
#pragma GCC unroll 8
  for (int j = 0; j < kDots; ++j) sums[j] = hn::GetLane(hn::SumOfLanes(d, partial[j]));
  for (; i < k; ++i)
    for (int j = 0; j < kDots; ++j) sums[j] += x[i] * b[j * stride + i];
}

void multiply_row(const float* x, const float* b, int64_t stride, int64_t n, int64_t k, float alpha,
                  float beta, float* y) {
  constexpr int kDots = 8;
  float sums[kDots];
  for (int64_t j = 0; j < n; j += kDots) {
    const int64_t count = std::min<int64_t>(kDots, n - j);
    if (count == kDots)
      dot<kDots>(x, b + j * stride, stride, k, sums);
    else
      for (int64_t i = 0; i < count; ++i) dot<1>(x, b + (j + i) * stride, stride, k, sums + i);
    for (int64_t i = 0; i < count; ++i) y[j + i] = alpha * sums[i] + (beta == 0.0f ? 0.0f : beta * y[j + i]);
  }
}

}  // namespace espalier::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace espalier::cpu {

HWY_EXPORT(multiply);
HWY_EXPORT(multiply_batch);
HWY_EXPORT(panel_width);
HWY_EXPORT(multiply_row);

void multiply(const GemmBlock& block) {
  HWY_DYNAMIC_DISPATCH(multiply)(block);
}
void multiply_batch(const GemmBlock& block, const GemmBatch& batch) {
  HWY_DYNAMIC_DISPATCH(multiply_batch)(block, batch);
}
int64_t panel_width() {
  return HWY_DYNAMIC_DISPATCH(panel_width)();
}
void multiply_row(const float* x, const float* b, int64_t stride, int64_t n, int64_t k, float alpha,
                  float beta, float* y) {
  HWY_DYNAMIC_DISPATCH(multiply_row)(x, b, stride, n, k, alpha, beta, y);
}

}  // namespace espalier::cpu
#endif
