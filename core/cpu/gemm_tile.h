// What the kernels of products share: the rows of their register tiles. Read for each instruction set, as
// simd.h is: see there.
#include "core/cpu/gemm_kernel.h"
#include "core/cpu/simd.h"

HWY_BEFORE_NAMESPACE();
namespace espalier::cpu::HWY_NAMESPACE {

constexpr int kWidth = static_cast<int>(hn::MaxLanes(Floats()));

// Rows of C that a register tile of one vector or of two holds, so that its sums, B's vectors and an element
// of A fit the registers, and there are enough sums not to wait for one another.
#if HWY_TARGET == HWY_AVX3
constexpr int kRows[] = {14, 14};
#elif HWY_TARGET == HWY_NEON
constexpr int kRows[] = {12, 12};
#else
constexpr int kRows[] = {12, 6};
#endif

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

// make(a_row, as a type, where it is one of these, or else 0 for any).
template <int... kDistances, typename Make>
HWY_INLINE auto with_distance_of(int64_t a_row, Make make) {
  auto made = make(std::integral_constant<int, 0>());
  ((a_row == kDistances ? void(made = make(std::integral_constant<int, kDistances>())) : void()), ...);
  return made;
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

}  // namespace espalier::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
