#include "core/cpu/winograd_kernel.h"

#include <type_traits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/cpu/winograd_kernel.cpp"
#include "core/cpu/simd.h"

HWY_BEFORE_NAMESPACE();
namespace espalier::cpu::HWY_NAMESPACE {

using winograd::kFilter;
using winograd::kOutput;
using winograd::kPatch;
using winograd::Square;

HWY_INLINE Vector times(float factor, Vector v) {
  return hn::Mul(hn::Set(Floats(), factor), v);
}
HWY_INLINE Vector add_times(Vector sum, float factor, Vector v) {
  return hn::MulAdd(hn::Set(Floats(), factor), v, sum);
}

// The one-dimensional transforms, as products with the matrices of F(4, 3) and F(3, 4).
struct Input {  // Bᵀ
  static constexpr int kFrom = kPatch, kTo = kPatch;
  HWY_INLINE void operator()(const Vector* d, Vector* t) const {
    const Vector even = add_times(d[4], -4.0f, d[2]), odd = add_times(d[3], -4.0f, d[1]);
    const Vector even2 = hn::Sub(d[4], d[2]), odd2 = times(2.0f, hn::Sub(d[3], d[1]));
    t[0] = add_times(add_times(d[4], -5.0f, d[2]), 4.0f, d[0]);
    t[1] = hn::Add(even, odd);
    t[2] = hn::Sub(even, odd);
    t[3] = hn::Add(even2, odd2);
    t[4] = hn::Sub(even2, odd2);
    t[5] = add_times(add_times(d[5], -5.0f, d[3]), 4.0f, d[1]);
  }
};

struct Filter {  // G of F(4, 3)
  static constexpr int kFrom = kFilter, kTo = kPatch;
  HWY_INLINE void operator()(const Vector* g, Vector* t) const {
    const Vector even = times(-1.0f / 6, hn::Add(g[0], g[2])), odd = times(-1.0f / 6, g[1]);
    const Vector even2 = add_times(times(1.0f / 24, g[0]), 1.0f / 6, g[2]), odd2 = times(1.0f / 12, g[1]);
    t[0] = times(0.25f, g[0]);
    t[1] = hn::Add(even, odd);
    t[2] = hn::Sub(even, odd);
    t[3] = hn::Add(even2, odd2);
    t[4] = hn::Sub(even2, odd2);
    t[5] = g[2];
  }
};

struct Gradient {  // G of F(3, 4)
  static constexpr int kFrom = kOutput, kTo = kPatch;
  HWY_INLINE void operator()(const Vector* g, Vector* t) const {
    const Vector even = times(-1.0f / 6, hn::Add(g[0], g[2])), odd = times(-1.0f / 6, hn::Add(g[1], g[3]));
    const Vector even2 = add_times(times(1.0f / 24, g[0]), 1.0f / 6, g[2]);
    const Vector odd2 = add_times(times(1.0f / 12, g[1]), 1.0f / 3, g[3]);
    t[0] = times(0.25f, g[0]);
    t[1] = hn::Add(even, odd);
    t[2] = hn::Sub(even, odd);
    t[3] = hn::Add(even2, odd2);
    t[4] = hn::Sub(even2, odd2);
    t[5] = g[3];
  }
};

struct Output {  // Aᵀ of F(4, 3)
  static constexpr int kFrom = kPatch, kTo = kOutput;
  HWY_INLINE void operator()(const Vector* m, Vector* t) const {
    const Vector even = hn::Add(m[1], m[2]), odd = hn::Sub(m[1], m[2]);
    const Vector even2 = hn::Add(m[3], m[4]), odd2 = hn::Sub(m[3], m[4]);
    t[0] = hn::Add(hn::Add(m[0], even), even2);
    t[1] = add_times(odd, 2.0f, odd2);
    t[2] = add_times(even, 4.0f, even2);
    t[3] = add_times(hn::Add(odd, m[5]), 8.0f, odd2);
  }
};

struct FilterGradient {  // Aᵀ of F(3, 4)
  static constexpr int kFrom = kPatch, kTo = kFilter;
  HWY_INLINE void operator()(const Vector* m, Vector* t) const {
    const Vector even = hn::Add(m[1], m[2]), odd = hn::Sub(m[1], m[2]);
    const Vector even2 = hn::Add(m[3], m[4]), odd2 = hn::Sub(m[3], m[4]);
    t[0] = hn::Add(hn::Add(m[0], even), even2);
    t[1] = add_times(odd, 2.0f, odd2);
    t[2] = add_times(hn::Add(even, m[5]), 4.0f, even2);
  }
};

// The transform along both axes: load(row, column) gives the elements, store(row, column, value) takes the
// results.
template <typename Transform, typename Load, typename Store>
HWY_INLINE void transform_square(Load load_element, Store store_element) {
  constexpr Transform transform;
  Vector between[Transform::kTo][Transform::kFrom];
#pragma GCC unroll 6
  for (int column = 0; column < Transform::kFrom; ++column) {
    Vector from[Transform::kFrom], to[Transform::kTo];
#pragma GCC unroll 6
    for (int row = 0; row < Transform::kFrom; ++row) from[row] = load_element(row, column);
    transform(from, to);
#pragma GCC unroll 6
    for (int row = 0; row < Transform::kTo; ++row) between[row][column] = to[row];
  }
#pragma GCC unroll 6
  for (int row = 0; row < Transform::kTo; ++row) {
    Vector to[Transform::kTo];
    transform(between[row], to);
#pragma GCC unroll 6
    for (int column = 0; column < Transform::kTo; ++column) store_element(row, column, to[column]);
  }
}

// body(channel, lanes, is part of a vector) for every vector of channels.
template <typename Body>
HWY_INLINE void for_each_vector(int64_t channels, Body body) {
  const int64_t width = vector_width();
  int64_t c = 0;
  for (; c + width <= channels; c += width) body(c, width, std::false_type());
  if (c < channels) body(c, channels - c, std::true_type());
}

template <typename Transform>
HWY_INLINE void transform_pixels(const Square<const float>& square, int64_t channels, float* points,
                                 int64_t point_stride) {
  constexpr int kTo = Transform::kTo;
  const bool inside = square.row_begin == 0 && square.row_end == Transform::kFrom &&
                      square.column_begin == 0 && square.column_end == Transform::kFrom;
  const auto run = [&](auto is_inside) ESPALIER_INLINE_LAMBDA {
    for_each_vector(channels, [&](int64_t c, int64_t lanes, auto part) ESPALIER_INLINE_LAMBDA {
      transform_square<Transform>(
          [&](int row, int column) ESPALIER_INLINE_LAMBDA {
            if constexpr (!decltype(is_inside)::value)
              if (row < square.row_begin || row >= square.row_end || column < square.column_begin ||
                  column >= square.column_end)
                return hn::Zero(Floats());
            return load<decltype(part)::value>(
                square.data + row * square.row_stride + column * square.column_stride + c, lanes);
          },
          [&](int row, int column, Vector value) ESPALIER_INLINE_LAMBDA {
            store<decltype(part)::value>(value, points + (row * kTo + column) * point_stride + c, lanes);
          });
    });
  };
  if (inside)
    run(std::true_type());
  else
    run(std::false_type());
}

void transform_input(const Square<const float>& patch, int64_t channels, float* points,
                     int64_t point_stride) {
  transform_pixels<Input>(patch, channels, points, point_stride);
}

void transform_gradient(const Square<const float>& gradients, int64_t channels, float* points,
                        int64_t point_stride) {
  transform_pixels<Gradient>(gradients, channels, points, point_stride);
}

void transform_output(const float* points, int64_t point_stride, int64_t channels, const Square<float>& y,
                      const EpilogueView& epilogue) {
  const bool plain = epilogue.is_empty();
  for_each_vector(channels, [&](int64_t c, int64_t lanes, auto part) ESPALIER_INLINE_LAMBDA {
    constexpr bool kPart = decltype(part)::value;
    transform_square<Output>(
        [&](int row, int column) ESPALIER_INLINE_LAMBDA {
          return load<kPart>(points + (row * kPatch + column) * point_stride + c, lanes);
        },
        [&](int row, int column, Vector value) ESPALIER_INLINE_LAMBDA {
          if (row >= y.row_end || column >= y.column_end) return;
          const int64_t offset = row * y.row_stride + column * y.column_stride + c;
          if (!plain) value = finish<kPart>(value, epilogue, c, offset, lanes);
          store<kPart>(value, y.data + offset, lanes);
        });
  });
}

void transform_filter(const float* taps, int64_t tap_stride, bool turned, int64_t count, float* points,
                      int64_t point_stride) {
  for_each_vector(count, [&](int64_t j, int64_t lanes, auto part) ESPALIER_INLINE_LAMBDA {
    transform_square<Filter>(
        [&](int row, int column) ESPALIER_INLINE_LAMBDA {
          const int tap = row * kFilter + column;
          return load<decltype(part)::value>(taps + (turned ? 8 - tap : tap) * tap_stride + j, lanes);
        },
        [&](int row, int column, Vector value) ESPALIER_INLINE_LAMBDA {
          hn::StoreU(value, Floats(), points + (row * kPatch + column) * point_stride + j);
        });
  });
}

void transform_filter_gradient(const float* points, int64_t point_stride, int64_t count, float* taps,
                               int64_t tap_stride) {
  for_each_vector(count, [&](int64_t j, int64_t lanes, auto part) ESPALIER_INLINE_LAMBDA {
    constexpr bool kPart = decltype(part)::value;
    transform_square<FilterGradient>(
        [&](int row, int column) ESPALIER_INLINE_LAMBDA {
          return load<kPart>(points + (row * kPatch + column) * point_stride + j, lanes);
        },
        [&](int row, int column, Vector value) ESPALIER_INLINE_LAMBDA {
          store<kPart>(value, taps + (row * kFilter + column) * tap_stride + j, lanes);
        });
  });
}

}  // namespace espalier::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace espalier::cpu {

HWY_EXPORT(transform_input);
HWY_EXPORT(transform_gradient);
HWY_EXPORT(transform_output);
HWY_EXPORT(transform_filter);
HWY_EXPORT(transform_filter_gradient);

namespace winograd {

void transform_input(const Square<const float>& patch, int64_t channels, float* points,
                     int64_t point_stride) {
  HWY_DYNAMIC_DISPATCH(transform_input)(patch, channels, points, point_stride);
}
void transform_gradient(const Square<const float>& gradients, int64_t channels, float* points,
                        int64_t point_stride) {
  HWY_DYNAMIC_DISPATCH(transform_gradient)(gradients, channels, points, point_stride);
}
void transform_output(const float* points, int64_t point_stride, int64_t channels, const Square<float>& y,
                      const EpilogueView& epilogue) {
  HWY_DYNAMIC_DISPATCH(transform_output)(points, point_stride, channels, y, epilogue);
}
void transform_filter(const float* taps, int64_t tap_stride, bool turned, int64_t count, float* points,
                      int64_t point_stride) {
  HWY_DYNAMIC_DISPATCH(transform_filter)(taps, tap_stride, turned, count, points, point_stride);
}
void transform_filter_gradient(const float* points, int64_t point_stride, int64_t count, float* taps,
                               int64_t tap_stride) {
  HWY_DYNAMIC_DISPATCH(transform_filter_gradient)(points, point_stride, count, taps, tap_stride);
}

}  // namespace winograd
}  // namespace espalier::cpu
#endif
