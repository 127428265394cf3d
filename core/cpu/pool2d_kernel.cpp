#include "core/cpu/pool2d_kernel.h"

#include <type_traits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/cpu/pool2d_kernel.cpp"
#include "core/cpu/simd.h"

HWY_BEFORE_NAMESPACE();
namespace espalier::cpu::HWY_NAMESPACE {

using Pixels = hn::RebindToSigned<Floats>;

// body(pixel of the image) for the window's pixels, row by row.
template <typename Body>
HWY_INLINE void for_each_pixel(const PoolWindow& window, Body body) {
  for (int64_t row = window.row_begin; row < window.row_end; ++row)
    for (int64_t column = window.column_begin; column < window.column_end; ++column)
      body(row * window.image_width + column);
}

// Winners travel as floats of their bits, which vectors load and store alike.
template <typename Pixel>
HWY_INLINE auto bits(Pixel* winners) {
  return reinterpret_cast<std::conditional_t<std::is_const_v<Pixel>, const float, float>*>(winners);
}

void pool_max(const PoolWindow& window, const float* image, float* y, int32_t* winners) {
  const bool empty = window.row_begin >= window.row_end || window.column_begin >= window.column_end;
  const int64_t first = window.row_begin * window.image_width + window.column_begin;
  for_each_vector<true>(window.channels, [&](int64_t c, int64_t lanes, auto part) ESPALIER_INLINE_LAMBDA {
    constexpr bool kPart = decltype(part)::value;
    const Floats d;
    Vector best = hn::Zero(d), winner = hn::BitCast(d, hn::Set(Pixels(), -1));
    if (!empty) {
      best = load<kPart>(image + first * window.channels + c, lanes);
      winner = hn::BitCast(d, hn::Set(Pixels(), static_cast<int32_t>(first)));
    }
    for_each_pixel(window, [&](int64_t pixel) ESPALIER_INLINE_LAMBDA {
      const Vector x = load<kPart>(image + pixel * window.channels + c, lanes);
      // x > best or is the first NaN
      const auto larger = hn::AndNot(hn::Le(x, best), hn::Eq(best, best));
      best = hn::IfThenElse(larger, x, best);
      winner = hn::IfThenElse(larger, hn::BitCast(d, hn::Set(Pixels(), static_cast<int32_t>(pixel))), winner);
    });
    store<kPart>(best, y + c, lanes);
    store<kPart>(winner, bits(winners) + c, lanes);
  });
}

void pool_average(const PoolWindow& window, const float* image, float factor, float* y) {
  for_each_vector<true>(window.channels, [&](int64_t c, int64_t lanes, auto part) ESPALIER_INLINE_LAMBDA {
    constexpr bool kPart = decltype(part)::value;
    Vector sum = hn::Zero(Floats());
    for_each_pixel(window, [&](int64_t pixel) ESPALIER_INLINE_LAMBDA {
      sum = hn::Add(sum, load<kPart>(image + pixel * window.channels + c, lanes));
    });
    store<kPart>(hn::Mul(sum, hn::Set(Floats(), factor)), y + c, lanes);
  });
}

// What value_at(pixel) gives, for each of the window's pixels.
template <bool kPart, typename ValueAt>
HWY_INLINE void spread(const PoolWindow& window, int64_t c, int64_t lanes, bool adds, float* image,
                       ValueAt value_at) {
  for_each_pixel(window, [&](int64_t pixel) ESPALIER_INLINE_LAMBDA {
    float* to = image + pixel * window.channels + c;
    const Vector value = value_at(pixel);
    store<kPart>(adds ? hn::Add(load<kPart>(to, lanes), value) : value, to, lanes);
  });
}

void spread_max(const PoolWindow& window, const float* dy, const int32_t* winners, bool adds, float* image) {
  for_each_vector<false>(window.channels, [&](int64_t c, int64_t lanes, auto part) ESPALIER_INLINE_LAMBDA {
    constexpr bool kPart = decltype(part)::value;
    const Floats d;
    const Vector gradient = load<kPart>(dy + c, lanes);
    const auto winner = hn::BitCast(Pixels(), load<kPart>(bits(winners) + c, lanes));
    spread<kPart>(window, c, lanes, adds, image, [&](int64_t pixel) ESPALIER_INLINE_LAMBDA {
      const auto won = hn::Eq(winner, hn::Set(Pixels(), static_cast<int32_t>(pixel)));
      return hn::IfThenElseZero(hn::RebindMask(d, won), gradient);
    });
  });
}

void spread_average(const PoolWindow& window, const float* dy, float factor, bool adds, float* image) {
  for_each_vector<false>(window.channels, [&](int64_t c, int64_t lanes, auto part) ESPALIER_INLINE_LAMBDA {
    constexpr bool kPart = decltype(part)::value;
    const Vector share = hn::Mul(load<kPart>(dy + c, lanes), hn::Set(Floats(), factor));
    spread<kPart>(window, c, lanes, adds, image, [&](int64_t) ESPALIER_INLINE_LAMBDA { return share; });
  });
}

}  // namespace espalier::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace espalier::cpu {

HWY_EXPORT(pool_max);
HWY_EXPORT(pool_average);
HWY_EXPORT(spread_max);
HWY_EXPORT(spread_average);

void pool_max(const PoolWindow& window, const float* image, float* y, int32_t* winners) {
  HWY_DYNAMIC_DISPATCH(pool_max)(window, image, y, winners);
}
void pool_average(const PoolWindow& window, const float* image, float factor, float* y) {
  HWY_DYNAMIC_DISPATCH(pool_average)(window, image, factor, y);
}
void spread_max(const PoolWindow& window, const float* dy, const int32_t* winners, bool adds, float* image) {
  HWY_DYNAMIC_DISPATCH(spread_max)(window, dy, winners, adds, image);
}
void spread_average(const PoolWindow& window, const float* dy, float factor, bool adds, float* image) {
  HWY_DYNAMIC_DISPATCH(spread_average)(window, dy, factor, adds, image);
}

}  // namespace espalier::cpu
#endif
