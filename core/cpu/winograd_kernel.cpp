#include "core/cpu/winograd_kernel.h"

#include <algorithm>
#include <type_traits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/cpu/winograd_kernel.cpp"
#include "core/cpu/simd.h"

HWY_BEFORE_NAMESPACE();
namespace espalier::cpu::HWY_NAMESPACE {

using winograd::kPatch;
using winograd::outputs_of;
using winograd::Square;

HWY_INLINE Vector times(float factor, Vector v) {
  return hn::Mul(hn::Set(Floats(), factor), v);
}
HWY_INLINE Vector add_times(Vector sum, float factor, Vector v) {
  return hn::MulAdd(hn::Set(Floats(), factor), v, sum);
}

// The one-dimensional transforms, as products with the matrices of F(outputs, taps).
struct Input {  // Bᵀ
  static constexpr int kFrom = kPatch, kTo = kPatch;
  HWY_INLINE void operator()(const Vector* d, Vector* t) const {
    const Vector even = add_times(d[4], -4.0f, d[2]), odd = add_times(d[3], -4.0f, d[1]);
    const Vector even2 = hn::Sub(d[4], d[2]), odd2 = hn::Sub(d[3], d[1]);
    t[0] = add_times(add_times(d[4], -5.0f, d[2]), 4.0f, d[0]);
    t[1] = hn::Add(even, odd);
    t[2] = hn::Sub(even, odd);
    t[3] = add_times(even2, 2.0f, odd2);
    t[4] = add_times(even2, -2.0f, odd2);
    t[5] = add_times(add_times(d[5], -5.0f, d[3]), 4.0f, d[1]);
  }
};

template <int kTaps>
struct Filter {  // G: the polynomial of the taps at each point, scaled
  static_assert(kTaps >= 2 && kTaps <= 5);
  static constexpr int kFrom = kTaps, kTo = kPatch;
  HWY_INLINE void operator()(const Vector* g, Vector* t) const {
    Vector even = g[0], odd = g[1];
    Vector even2 = times(1.0f / 24, g[0]), odd2 = times(1.0f / 12, g[1]);
    if constexpr (kTaps > 2) {
      even = hn::Add(even, g[2]);
      even2 = add_times(even2, 1.0f / 6, g[2]);
    }
    if constexpr (kTaps > 3) {
      odd = hn::Add(odd, g[3]);
      odd2 = add_times(odd2, 1.0f / 3, g[3]);
    }
    if constexpr (kTaps > 4) {
      even = hn::Add(even, g[4]);
      even2 = add_times(even2, 2.0f / 3, g[4]);
    }
    even = times(-1.0f / 6, even);
    odd = times(-1.0f / 6, odd);
    t[0] = times(0.25f, g[0]);
    t[1] = hn::Add(even, odd);
    t[2] = hn::Sub(even, odd);
    t[3] = hn::Add(even2, odd2);
    t[4] = hn::Sub(even2, odd2);
    t[5] = g[kTaps - 1];
  }
};

template <int kOutputs>
struct Output {  // Aᵀ
  static_assert(kOutputs >= 2 && kOutputs <= 5);
  static constexpr int kFrom = kPatch, kTo = kOutputs;
  HWY_INLINE void operator()(const Vector* m, Vector* t) const {
    const Vector even = hn::Add(m[1], m[2]), odd = hn::Sub(m[1], m[2]);
    const Vector even2 = hn::Add(m[3], m[4]), odd2 = hn::Sub(m[3], m[4]);
    t[0] = hn::Add(hn::Add(m[0], even), even2);
#pragma GCC unroll 4
    for (int j = 1; j < kOutputs; ++j) {
      const Vector ones = j % 2 == 0 ? even : odd;
      t[j] = add_times(j + 1 == kOutputs ? hn::Add(ones, m[5]) : ones, static_cast<float>(1 << j),
                       j % 2 == 0 ? even2 : odd2);
    }
  }
};

struct InputTransposed {  // B
  static constexpr int kFrom = kPatch, kTo = kPatch;
  HWY_INLINE void operator()(const Vector* m, Vector* t) const {
    const Vector sum = hn::Add(m[1], m[2]), difference = hn::Sub(m[1], m[2]);
    const Vector sum2 = hn::Add(m[3], m[4]), difference2 = hn::Sub(m[3], m[4]);
    t[0] = times(4.0f, m[0]);
    t[1] = times(-2.0f, hn::Add(add_times(difference2, 2.0f, difference), times(-2.0f, m[5])));
    t[2] = add_times(add_times(times(-5.0f, m[0]), -4.0f, sum), -1.0f, sum2);
    t[3] = add_times(add_times(difference, 2.0f, difference2), -5.0f, m[5]);
    t[4] = hn::Add(m[0], hn::Add(sum, sum2));
    t[5] = m[5];
  }
};

template <int kOutputs>
struct OutputTransposed {  // A
  static constexpr int kFrom = kOutputs, kTo = kPatch;
  HWY_INLINE void operator()(const Vector* y, Vector* t) const {
    Vector even = y[0], odd = y[1], even2 = y[0], odd2 = times(2.0f, y[1]);
#pragma GCC unroll 4
    for (int j = 2; j < kOutputs; ++j) {
      Vector &ones = j % 2 == 0 ? even : odd, &powers = j % 2 == 0 ? even2 : odd2;
      ones = hn::Add(ones, y[j]);
      powers = add_times(powers, static_cast<float>(1 << j), y[j]);
    }
    t[0] = y[0];
    t[1] = hn::Add(even, odd);
    t[2] = hn::Sub(even, odd);
    t[3] = hn::Add(even2, odd2);
    t[4] = hn::Sub(even2, odd2);
    t[5] = y[kOutputs - 1];
  }
};

// body(the filter's size, as a type).
template <typename Body>
HWY_INLINE void with_filter(int64_t filter, Body body) {
  if (filter == 3)
    body(std::integral_constant<int, 3>());
  else
    body(std::integral_constant<int, 5>());
}

// The transform along both axes of the vectors that take(row, column) gives; put(row, column, vector) has
// what becomes of them, row by row.
template <typename Transform, typename Take, typename Put>
HWY_INLINE void transform_both(Take take, Put put) {
  constexpr Transform transform;
  Vector between[Transform::kTo][Transform::kFrom];
#pragma GCC unroll 6
  for (int column = 0; column < Transform::kFrom; ++column) {
    Vector in[Transform::kFrom], out[Transform::kTo];
#pragma GCC unroll 6
    for (int row = 0; row < Transform::kFrom; ++row) in[row] = take(row, column);
    transform(in, out);
#pragma GCC unroll 6
    for (int row = 0; row < Transform::kTo; ++row) between[row][column] = out[row];
  }
#pragma GCC unroll 6
  for (int row = 0; row < Transform::kTo; ++row) {
    Vector out[Transform::kTo];
    transform(between[row], out);
#pragma GCC unroll 6
    for (int column = 0; column < Transform::kTo; ++column) put(row, column, out[column]);
  }
}

// A point of a transformed tile.
template <typename Float>
HWY_INLINE Float* point_at(Float* points, int64_t point_stride, int row, int column) {
  return points + (row * kPatch + column) * point_stride;
}

// body(condition, as a type).
template <typename Body>
HWY_INLINE void with_choice(bool condition, Body body) {
  if (condition)
    body(std::true_type());
  else
    body(std::false_type());
}

// Of a vector of channels of the pixels, or of its first lanes, or of twins.
template <typename Transform, bool kPart, bool kTwins>
HWY_NOINLINE void transform_pixels_at(const Square<const float>& square, int64_t channel, int64_t lanes,
                                      float* points, int64_t point_stride) {
  const auto [corner, row_stride, column_stride, row_begin, row_end, column_begin, column_end, end, twin] =
      square;
  const float* const data = corner + channel;
  float* const to = points + channel;
  transform_both<Transform>(
      [=](int row, int column) ESPALIER_INLINE_LAMBDA {
        if (row < row_begin || row >= row_end || column < column_begin || column >= column_end)
          return hn::Zero(Floats());
        return load<kPart, kTwins>(data + row * row_stride + column * column_stride, lanes, twin);
      },
      [=](int row, int column, Vector v)
          ESPALIER_INLINE_LAMBDA { hn::StoreU(v, Floats(), point_at(to, point_stride, row, column)); });
}

template <typename Transform>
HWY_INLINE void transform_pixels(const Square<const float>& square, int64_t channels, float* points,
                                 int64_t point_stride) {
  const int64_t width = vector_width();
  // In the image a vector may begin in a pixel and end in the next.
  const float* last =
      square.data + (square.row_end - 1) * square.row_stride + (square.column_end - 1) * square.column_stride;
  const bool twins = square.twin != 0;
  const int64_t reach = twins ? square.twin + width / 2 : width;
  for (int64_t c = 0; c < channels; c += width)
    with_choice(last + c + reach > square.end, [&](auto part) ESPALIER_INLINE_LAMBDA {
      const auto transform =
          twins ? transform_pixels_at<Transform, part, true> : transform_pixels_at<Transform, part, false>;
      transform(square, c, std::min(width, channels - c), points, point_stride);
    });
}

void transform_input(const Square<const float>& patch, int64_t channels, float* points,
                     int64_t point_stride) {
  transform_pixels<Input>(patch, channels, points, point_stride);
}

void transform_gradient(int64_t filter, const Square<const float>& gradients, int64_t channels, float* points,
                        int64_t point_stride) {
  with_filter(filter, [&](auto size) ESPALIER_INLINE_LAMBDA {
    transform_pixels<Filter<outputs_of(size)>>(gradients, channels, points, point_stride);
  });
}

void spread_gradient(int64_t filter, const Square<const float>& gradients, int64_t channels, float* points,
                     int64_t point_stride) {
  with_filter(filter, [&](auto size) ESPALIER_INLINE_LAMBDA {
    transform_pixels<OutputTransposed<outputs_of(size)>>(gradients, channels, points, point_stride);
  });
}

void add_patch(const float* points, int64_t point_stride, int64_t channels, float* to, int64_t row_stride,
               int64_t column_stride) {
  const Floats d;
  for (int64_t c = 0; c < channels; c += vector_width())
    transform_both<InputTransposed>(
        [=](int row, int column)
            ESPALIER_INLINE_LAMBDA { return hn::LoadU(d, point_at(points + c, point_stride, row, column)); },
        [=](int row, int column, Vector v) ESPALIER_INLINE_LAMBDA {
          float* sum = to + row * row_stride + column * column_stride + c;
          hn::StoreU(hn::Add(hn::LoadU(d, sum), v), d, sum);
        });
}

// The outputs' channels from `channel` on, a vector or its first lanes or those of twins, with the epilogue
// unless kPlain. A part of a vector is written whole where pixels of the square's row follow, whose channels
// are written after it, and y's end lies behind the square.
template <int kOutputs, bool kWhole, bool kPlain, bool kPart, bool kTwins>
HWY_NOINLINE void transform_outputs_at(const float* points, int64_t point_stride, int64_t channel,
                                       int64_t lanes, const Square<float>& y, const EpilogueView& epilogue) {
  const ColumnEpilogue<kPart, kTwins> finish(epilogue, channel, lanes, y.twin);
  const int64_t reach = channel + (kTwins ? vector_width() / 2 : vector_width());
  const int64_t row_stride = y.row_stride, column_stride = y.column_stride, twin = y.twin;
  const int64_t rows = kWhole ? kOutputs : y.row_end, columns = kWhole ? kOutputs : y.column_end;
  float* const data = y.data;
  const int64_t room = data + twin + reach <= y.end ? columns * column_stride : 0;
  transform_both<Output<kOutputs>>(
      [=](int row, int column) ESPALIER_INLINE_LAMBDA {
        return hn::LoadU(Floats(), point_at(points + channel, point_stride, row, column));
      },
      [=](int row, int column, Vector z) ESPALIER_INLINE_LAMBDA {
        if (row >= rows || column >= columns) return;
        const int64_t place = row * row_stride + column * column_stride + channel;
        if (kPart && room - column * column_stride < reach)
          store<kPart, kTwins>(kPlain ? z : finish(z, place), data + place, lanes, twin);
        else
          store<false, kTwins>(kPlain ? z : finish.template of<false>(z, place), data + place, lanes, twin);
      });
}

template <int kOutputs>
HWY_INLINE void transform_outputs(const float* points, int64_t point_stride, int64_t channels,
                                  const Square<float>& y, const EpilogueView& epilogue) {
  const int64_t width = vector_width(), ragged = channels % width;
  const bool is_whole = y.row_end == kOutputs && y.column_end == kOutputs;
  with_choice(is_whole, [&](auto whole) ESPALIER_INLINE_LAMBDA {
    with_choice(epilogue.is_empty(), [&](auto plain) ESPALIER_INLINE_LAMBDA {
      if (y.twin != 0) {
        transform_outputs_at<kOutputs, whole, plain, true, true>(points, point_stride, 0, channels, y,
                                                                 epilogue);
        return;
      }
      // The part of a vector comes first, since it spills into channels of the next pixel.
      if (ragged > 0)
        transform_outputs_at<kOutputs, whole, plain, true, false>(points, point_stride, channels - ragged,
                                                                  ragged, y, epilogue);
      for (int64_t c = 0; c + width <= channels; c += width)
        transform_outputs_at<kOutputs, whole, plain, false, false>(points, point_stride, c, width, y,
                                                                   epilogue);
    });
  });
}

void transform_output(int64_t filter, const float* points, int64_t point_stride, int64_t channels,
                      const Square<float>& y, const EpilogueView& epilogue) {
  with_filter(filter, [&](auto size) ESPALIER_INLINE_LAMBDA {
    transform_outputs<outputs_of(size)>(points, point_stride, channels, y, epilogue);
  });
}

template <int kFilter>
HWY_INLINE void transform_filters(const float* taps, int64_t tap_stride, bool turned, int64_t count,
                                  float* points, int64_t point_stride) {
  // Backwards from the last tap is turned by half a circle.
  const float* first = turned ? taps + (kFilter * kFilter - 1) * tap_stride : taps;
  const int64_t stride = turned ? -tap_stride : tap_stride;
  for_each_vector<false>(count, [&](int64_t j, int64_t lanes, auto part) ESPALIER_INLINE_LAMBDA {
    transform_both<Filter<kFilter>>(
        [=](int row, int column) ESPALIER_INLINE_LAMBDA {
          return load<part>(first + (row * kFilter + column) * stride + j, lanes);
        },
        [=](int row, int column, Vector v) ESPALIER_INLINE_LAMBDA {
          hn::StoreU(v, Floats(), point_at(points + j, point_stride, row, column));
        });
  });
}

void transform_filter(int64_t filter, const float* taps, int64_t tap_stride, bool turned, int64_t count,
                      float* points, int64_t point_stride) {
  with_filter(filter, [&](auto size) ESPALIER_INLINE_LAMBDA {
    transform_filters<size>(taps, tap_stride, turned, count, points, point_stride);
  });
}

template <int kFilter>
HWY_INLINE void transform_filter_gradients(const float* points, int64_t point_stride, int64_t count,
                                           float* taps, int64_t tap_stride) {
  for_each_vector<false>(count, [&](int64_t j, int64_t lanes, auto part) ESPALIER_INLINE_LAMBDA {
    transform_both<Output<kFilter>>(
        [=](int row, int column) ESPALIER_INLINE_LAMBDA {
          return hn::LoadU(Floats(), point_at(points + j, point_stride, row, column));
        },
        [=](int row, int column, Vector v) ESPALIER_INLINE_LAMBDA {
          store<part>(v, taps + (row * kFilter + column) * tap_stride + j, lanes);
        });
  });
}

void transform_filter_gradient(int64_t filter, const float* points, int64_t point_stride, int64_t count,
                               float* taps, int64_t tap_stride) {
  with_filter(filter, [&](auto size) ESPALIER_INLINE_LAMBDA {
    transform_filter_gradients<size>(points, point_stride, count, taps, tap_stride);
  });
}

}  // namespace espalier::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace espalier::cpu {

HWY_EXPORT(transform_input);
HWY_EXPORT(transform_gradient);
HWY_EXPORT(spread_gradient);
HWY_EXPORT(add_patch);
HWY_EXPORT(transform_output);
HWY_EXPORT(transform_filter);
HWY_EXPORT(transform_filter_gradient);

namespace winograd {

void transform_input(const Square<const float>& patch, int64_t channels, float* points,
                     int64_t point_stride) {
  HWY_DYNAMIC_DISPATCH(transform_input)(patch, channels, points, point_stride);
}
void transform_gradient(int64_t filter, const Square<const float>& gradients, int64_t channels, float* points,
                        int64_t point_stride) {
  HWY_DYNAMIC_DISPATCH(transform_gradient)(filter, gradients, channels, points, point_stride);
}
void spread_gradient(int64_t filter, const Square<const float>& gradients, int64_t channels, float* points,
                     int64_t point_stride) {
  HWY_DYNAMIC_DISPATCH(spread_gradient)(filter, gradients, channels, points, point_stride);
}
void add_patch(const float* points, int64_t point_stride, int64_t channels, float* to, int64_t row_stride,
               int64_t column_stride) {
  HWY_DYNAMIC_DISPATCH(add_patch)(points, point_stride, channels, to, row_stride, column_stride);
}
void transform_output(int64_t filter, const float* points, int64_t point_stride, int64_t channels,
                      const Square<float>& y, const EpilogueView& epilogue) {
  HWY_DYNAMIC_DISPATCH(transform_output)(filter, points, point_stride, channels, y, epilogue);
}
void transform_filter(int64_t filter, const float* taps, int64_t tap_stride, bool turned, int64_t count,
                      float* points, int64_t point_stride) {
  HWY_DYNAMIC_DISPATCH(transform_filter)(filter, taps, tap_stride, turned, count, points, point_stride);
}
void transform_filter_gradient(int64_t filter, const float* points, int64_t point_stride, int64_t count,
                               float* taps, int64_t tap_stride) {
  HWY_DYNAMIC_DISPATCH(transform_filter_gradient)(filter, points, point_stride, count, taps, tap_stride);
}

}  // namespace winograd
}  // namespace espalier::cpu
#endif
