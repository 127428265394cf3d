#include "core/cpu/gemm_kernel.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <type_traits>
#include <utility>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/cpu/gemm_kernel.cpp"
#include "core/cpu/simd.h"

HWY_BEFORE_NAMESPACE();
namespace espalier::cpu::HWY_NAMESPACE {

// Rows of C that a register tile of one vector or of two holds, so that its sums, B's vectors and an element
// of A fit the registers, and there are enough sums not to wait for one another.
#if HWY_TARGET == HWY_AVX3
constexpr int kRows[] = {14, 14};
#elif HWY_TARGET == HWY_NEON
constexpr int kRows[] = {12, 12};
#else
constexpr int kRows[] = {12, 6};
#endif

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

constexpr int kWidth = static_cast<int>(hn::MaxLanes(Floats()));

// Where kCount rows are that lie kDistance floats apart: it is part of the instructions then. One in a
// register splits a product in two on its way through the processor.
template <typename Float, int kCount, int kDistance>
class Rows {
 public:
  HWY_INLINE Rows(Float* first, int64_t) : at_(first) {}
  HWY_INLINE Float* at(int row) const { return at_ + row * kDistance; }
  HWY_INLINE void advance(int64_t floats) { at_ += floats; }

 private:
  Float* at_;
};

// Any distance: a pointer for every three rows, and the distance of one and of two rows from it. With a
// distance for each row the registers would not do, and their loads would take turns with A's.
template <typename Float, int kCount>
class Rows<Float, kCount, 0> {
 public:
  HWY_INLINE Rows(Float* first, int64_t stride) : stride_(stride) {
#pragma GCC unroll 8
    for (int p = 0; p < kPointers; ++p) {
      at_[p] = first + 3 * p * stride;
      asm("" : "+r"(at_[p]));  // or the compiler makes one pointer and many distances of them again
    }
  }
  HWY_INLINE Float* at(int row) const {
    return at_[row / 3] + row % 3 * stride_;
  }
  HWY_INLINE void advance(int64_t floats) {
#pragma GCC unroll 8
    for (int p = 0; p < kPointers; ++p) at_[p] += floats;
  }

 private:
  static constexpr int kPointers = (kCount + 2) / 3;
  int64_t stride_;
  Float* at_[kPointers];
};

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

// make(a_row, as a type, or 0 for any): for one vector of columns each element of A is a factor straight from
// memory.
template <typename Make>
HWY_INLINE auto with_distance(int64_t a_row, Make make) {
  if (a_row == 1) return make(std::integral_constant<int, 1>());
  if (a_row == kWidth / 2) return make(std::integral_constant<int, kWidth / 2>());
  if (a_row == kWidth) return make(std::integral_constant<int, kWidth>());
  if (a_row == 2 * kWidth) return make(std::integral_constant<int, 2 * kWidth>());
  return make(std::integral_constant<int, 0>());
}
HWY_INLINE const Tile* one_vector_tiles(int64_t a_row) {
  return with_distance(a_row, [](auto distance) { return kTiles<1, distance>.data(); });
}

int64_t panel_width() {
  return 2 * vector_width();
}

// body(row, height) for tiles of at most `most` of `rows` rows, as equal as can be: a thin one would wait for
// its sums.
template <typename Body>
HWY_INLINE void for_each_tile(int64_t rows, int64_t most, Body body) {
  const int64_t tiles = (rows + most - 1) / most;
  const int64_t least = tiles == 1 ? rows : rows / tiles, taller = rows - tiles * least;
  for (int64_t tile = 0, row = 0; tile < tiles; ++tile) {
    const int64_t height = least + (tile < taller ? 1 : 0);
    body(row, static_cast<size_t>(height));
    row += height;
  }
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

// tile(block, batch, row) for each `rows` rows; those that are left are multiplied product by product.
HWY_INLINE void for_each_batch_tile(GemmBlock block, const GemmBatch& batch, int64_t rows,
                                    void (*tile)(const GemmBlock&, const GemmBatch&, int64_t row),
                                    void (*multiply_rest)(const GemmBlock&)) {
  const int64_t whole = block.m / rows * rows;
  for (int64_t row = 0; row < whole; row += rows) tile(block, batch, row);
  if (whole == block.m) return;
  block.m -= whole;
  block.a += whole * block.a_row;
  block.c += whole * block.c_row;
  for (int64_t n = 0; n < batch.count; ++n, block.a += batch.a, block.b += batch.b, block.c += batch.c)
    multiply_rest(block);
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

#if HWY_TARGET == HWY_SCALAR
void multiply_narrow(const GemmBlock&) {}
void multiply_narrow_batch(const GemmBlock&, const GemmBatch&) {}
#else
// kTileRows rows of C. Sums of even and of odd k take turns in a vector, and are added in the end.
template <int kTileRows, typename RowsOfA>
HWY_INLINE void multiply_narrow_rows(RowsOfA a, const float* HWY_RESTRICT b, int64_t b_row, int64_t k,
                                     float* c, int64_t c_row) {
  const Floats d;
  const hn::Repartition<double, Floats> pairs;
  Vector sums[kTileRows];
#pragma GCC unroll 16
  for (int i = 0; i < kTileRows; ++i) sums[i] = hn::Zero(d);

#pragma GCC unroll 4
  for (int64_t pair = 0; pair < k / 2; ++pair, b += b_row) {
    const Vector loaded = hn::LoadU(d, b);
#pragma GCC unroll 16
    for (int i = 0; i < kTileRows; ++i) {
      double elements;
      std::memcpy(&elements, a.at(i), sizeof elements);
      sums[i] = hn::MulAdd(hn::BitCast(d, hn::Set(pairs, elements)), loaded, sums[i]);
    }
    a.advance(2);
  }
  if (k % 2 == 1) {
    const Vector loaded = hn::LoadU(d, b);
#pragma GCC unroll 16
    for (int i = 0; i < kTileRows; ++i) sums[i] = hn::MulAdd(hn::Set(d, *a.at(i)), loaded, sums[i]);
  }

  const bool together = c_row == kWidth / 2;
#pragma GCC unroll 8
  for (int i = 0; i + 1 < kTileRows; i += 2) {
    const Vector both =
        hn::Add(hn::ConcatEven(d, sums[i + 1], sums[i]), hn::ConcatOdd(d, sums[i + 1], sums[i]));
    if (together)
      hn::StoreU(both, d, c + i * kWidth / 2);
    else
      store_twins<false>(both, c + i * c_row, c_row, 0);
  }
  if constexpr (kTileRows % 2 == 1) {
    const Vector last = sums[kTileRows - 1];
    hn::StoreU(hn::LowerHalf(hn::Add(hn::ConcatEven(d, last, last), hn::ConcatOdd(d, last, last))),
               hn::Half<Floats>(), c + (kTileRows - 1) * c_row);
  }
}

template <int kTileRows, int kDistance>
HWY_NOINLINE void multiply_narrow_tile(const GemmBlock& g, int64_t row) {
  multiply_narrow_rows<kTileRows>(Rows<const float, kTileRows, kDistance>(g.a + row * g.a_row, g.a_row), g.b,
                                  g.b_row, g.k, g.c + row * g.c_row, g.c_row);
}

template <int kTileRows, int kDistance>
HWY_NOINLINE void multiply_narrow_tiles(const GemmBlock& g, const GemmBatch& batch, int64_t row) {
  const int64_t a_row = g.a_row, b_row = g.b_row, c_row = g.c_row, k = g.k;
  const float *a = g.a + row * a_row, *b = g.b;
  float* c = g.c + row * c_row;
  for (int64_t n = batch.count; n > 0; --n, a += batch.a, b += batch.b, c += batch.c)
    multiply_narrow_rows<kTileRows>(Rows<const float, kTileRows, kDistance>(a, a_row), b, b_row, k, c, c_row);
}

template <int kDistance, size_t... kIndices>
constexpr auto narrow_tiles(std::index_sequence<kIndices...>) {
  return std::array{multiply_narrow_tile<static_cast<int>(kIndices) + 1, kDistance>...};
}
template <int kDistance>
constexpr auto kNarrow = narrow_tiles<kDistance>(std::make_index_sequence<kRows[0]>());

// make(a_row, as a type, or 0 for any).
template <typename Make>
HWY_INLINE auto with_narrow_distance(int64_t a_row, Make make) {
  if (a_row == kWidth) return make(std::integral_constant<int, kWidth>());
  if (a_row == kWidth / 2) return make(std::integral_constant<int, kWidth / 2>());
  return make(std::integral_constant<int, 0>());
}

void multiply_narrow(const GemmBlock& block) {
  const auto* tiles =
      with_narrow_distance(block.a_row, [](auto distance) { return kNarrow<distance>.data(); });
  for_each_tile(block.m, kRows[0],
                [&](int64_t row, size_t height) ESPALIER_INLINE_LAMBDA { tiles[height - 1](block, row); });
}

void multiply_narrow_batch(const GemmBlock& block, const GemmBatch& batch) {
  const auto tile = with_narrow_distance(
      block.a_row, [](auto distance) { return &multiply_narrow_tiles<int{kBatchRows}, distance>; });
  for_each_batch_tile(block, batch, kBatchRows, tile, multiply_narrow);
}

// Four columns of four rows each, turned in registers.
HWY_INLINE void transpose_four(const float* from, int64_t stride, float* to, int64_t to_stride) {
  const hn::FixedTag<float, 4> d;
  const hn::Repartition<uint64_t, decltype(d)> pairs;
  const auto row0 = hn::LoadU(d, from), row1 = hn::LoadU(d, from + stride);
  const auto row2 = hn::LoadU(d, from + 2 * stride), row3 = hn::LoadU(d, from + 3 * stride);
  const auto low01 = hn::BitCast(pairs, hn::InterleaveLower(d, row0, row1));
  const auto low23 = hn::BitCast(pairs, hn::InterleaveLower(d, row2, row3));
  const auto high01 = hn::BitCast(pairs, hn::InterleaveUpper(d, row0, row1));
  const auto high23 = hn::BitCast(pairs, hn::InterleaveUpper(d, row2, row3));
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(pairs, low01, low23)), d, to);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(pairs, low01, low23)), d, to + to_stride);
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(pairs, high01, high23)), d, to + 2 * to_stride);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(pairs, high01, high23)), d, to + 3 * to_stride);
}
#endif

void pack_panel(const float* b, int64_t stride, bool transposed, int64_t k, int64_t n, float* panel) {
  const int64_t width = panel_width();
  if (!transposed) {
    for (int64_t i = 0; i < k; ++i) {
      std::copy_n(b + i * stride, n, panel + i * width);
      std::fill(panel + i * width + n, panel + (i + 1) * width, 0.0f);
    }
    return;
  }
#if HWY_TARGET == HWY_SCALAR
  const int64_t whole_n = 0, whole_k = 0;
#else
  const int64_t whole_n = n / 4 * 4, whole_k = k / 4 * 4;
  for (int64_t i = 0; i < whole_k; i += 4)
    for (int64_t j = 0; j < whole_n; j += 4)
      transpose_four(b + j * stride + i, stride, panel + i * width + j, width);
#endif
  for (int64_t i = 0; i < k; ++i) {
    for (int64_t j = i < whole_k ? whole_n : 0; j < n; ++j) panel[i * width + j] = b[j * stride + i];
    std::fill(panel + i * width + n, panel + (i + 1) * width, 0.0f);
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
HWY_EXPORT(multiply_narrow);
HWY_EXPORT(multiply_batch);
HWY_EXPORT(multiply_narrow_batch);
HWY_EXPORT(panel_width);
HWY_EXPORT(pack_panel);
HWY_EXPORT(multiply_row);

void multiply(const GemmBlock& block) {
  HWY_DYNAMIC_DISPATCH(multiply)(block);
}
void multiply_narrow(const GemmBlock& block) {
  HWY_DYNAMIC_DISPATCH(multiply_narrow)(block);
}
void multiply_batch(const GemmBlock& block, const GemmBatch& batch) {
  HWY_DYNAMIC_DISPATCH(multiply_batch)(block, batch);
}
void multiply_narrow_batch(const GemmBlock& block, const GemmBatch& batch) {
  HWY_DYNAMIC_DISPATCH(multiply_narrow_batch)(block, batch);
}
int64_t panel_width() {
  return HWY_DYNAMIC_DISPATCH(panel_width)();
}
void pack_panel(const float* b, int64_t stride, bool transposed, int64_t k, int64_t n, float* panel) {
  HWY_DYNAMIC_DISPATCH(pack_panel)(b, stride, transposed, k, n, panel);
}
void multiply_row(const float* x, const float* b, int64_t stride, int64_t n, int64_t k, float alpha,
                  float beta, float* y) {
  HWY_DYNAMIC_DISPATCH(multiply_row)(x, b, stride, n, k, alpha, beta, y);
}

}  // namespace espalier::cpu
#endif
