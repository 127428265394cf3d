#include <array>
#include <cstring>
#include <type_traits>
#include <utility>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/cpu/gemm_narrow_kernel.cpp"
#include "core/cpu/gemm_tile.h"

HWY_BEFORE_NAMESPACE();
namespace espalier::cpu::HWY_NAMESPACE {

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

void multiply_narrow(const GemmBlock& block) {
  const auto* tiles = with_distance_of<kWidth / 2, kWidth>(
      block.a_row, [](auto distance) { return kNarrow<distance>.data(); });
  for_each_tile(block.m, kRows[0],
                [&](int64_t row, size_t height) ESPALIER_INLINE_LAMBDA { tiles[height - 1](block, row); });
}

void multiply_narrow_batch(const GemmBlock& block, const GemmBatch& batch) {
  const auto tile = with_distance_of<kWidth / 2, kWidth>(
      block.a_row, [](auto distance) { return &multiply_narrow_tiles<int{kBatchRows}, distance>; });
  for_each_batch_tile(block, batch, kBatchRows, tile, multiply_narrow);
}
#endif

}  // namespace espalier::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace espalier::cpu {

HWY_EXPORT(multiply_narrow);
HWY_EXPORT(multiply_narrow_batch);

void multiply_narrow(const GemmBlock& block) {
  HWY_DYNAMIC_DISPATCH(multiply_narrow)(block);
}
void multiply_narrow_batch(const GemmBlock& block, const GemmBatch& batch) {
  HWY_DYNAMIC_DISPATCH(multiply_narrow_batch)(block, batch);
}

}  // namespace espalier::cpu
#endif
