#include <algorithm>

#include "core/cpu/gemm_kernel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/cpu/gemm_pack_kernel.cpp"
#include "core/cpu/simd.h"

HWY_BEFORE_NAMESPACE();
namespace espalier::cpu::HWY_NAMESPACE {

#if HWY_TARGET != HWY_SCALAR
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
  const int64_t width = 2 * vector_width();
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

}  // namespace espalier::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace espalier::cpu {

HWY_EXPORT(pack_panel);

void pack_panel(const float* b, int64_t stride, bool transposed, int64_t k, int64_t n, float* panel) {
  HWY_DYNAMIC_DISPATCH(pack_panel)(b, stride, transposed, k, n, panel);
}

}  // namespace espalier::cpu
#endif
