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
    const Vector even2 = hn::Sub(d[4], d[2]), odd2 = times(2.0f, hn::Sub(d[3], d[1]));
    t[0] = add_times(add_times(d[4], -5.0f, d[2]), 4.0f, d[0]);
    t[1] = hn::Add(even, odd);
    t[2] = hn::Sub(even, odd);
    t[3] = hn::Add(even2, odd2);
    t[4] = hn::Sub(even2, odd2);
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

// The transform along both axes of the vectors at from + row * from_row + column * from_column.
template <typename Transform>
HWY_NOINLINE void transform_square(const float* from, int64_t from_row, int64_t from_column, float* to,
                                   int64_t to_row, int64_t to_column) {
  const Floats d;
  constexpr Transform transform;
  Vector between[Transform::kTo][Transform::kFrom];
#pragma GCC unroll 6
  for (int column = 0; column < Transform::kFrom; ++column) {
    Vector in[Transform::kFrom], out[Transform::kTo];
#pragma GCC unroll 6
    for (int row = 0; row < Transform::kFrom; ++row)
      in[row] = hn::LoadU(d, from + row * from_row + column * from_column);
    transform(in, out);
#pragma GCC unroll 6
    for (int row = 0; row < Transform::kTo; ++row) between[row][column] = out[row];
  }
#pragma GCC unroll 6
  for (int row = 0; row < Transform::kTo; ++row) {
    Vector out[Transform::kTo];
    transform(between[row], out);
#pragma GCC unroll 6
    for (int column = 0; column < Transform::kTo; ++column)
      hn::StoreU(out[column], d, to + row * to_row + column * to_column);
  }
}

// Vectors of a square of up to six by six, side by side.
constexpr int64_t kLanes = static_cast<int64_t>(hn::MaxLanes(Floats()));
struct Staged {
  static constexpr int64_t kRow = kPatch * kLanes, kColumn = kLanes;
  float* at(int64_t row, int64_t column) { return values + row * kRow + column * kColumn; }
  HWY_ALIGN float values[kPatch * kRow];
};

// body(whether the vector is only a part, as a type).
template <typename Body>
HWY_INLINE void with_part(bool is_part, Body body) {
  if (is_part)
    body(std::true_type());
  else
    body(std::false_type());
}

template <typename Transform>
HWY_INLINE void transform_pixels(const Square<const float>& square, int64_t channels, float* points,
                                 int64_t point_stride) {
  constexpr int kFrom = Transform::kFrom, kTo = Transform::kTo;
  const int64_t width = vector_width();
  const bool inside = square.row_begin == 0 && square.row_end == kFrom && square.column_begin == 0 &&
                      square.column_end == kFrom;
  // In the image a vector may begin in a pixel and end in the next.
  const float* last =
      square.data + (square.row_end - 1) * square.row_stride + (square.column_end - 1) * square.column_stride;
  const bool twins = square.twin != 0;
  const int64_t reach = twins ? square.twin + width / 2 : width;
  Staged staged;
  if (!inside) std::fill_n(staged.values, kPatch * Staged::kRow, 0.0f);
  for (int64_t c = 0; c < channels; c += width) {
    const bool fits = last + c + reach <= square.end;
    if (inside && fits && !twins) {
      transform_square<Transform>(square.data + c, square.row_stride, square.column_stride, points + c,
                                  kTo * point_stride, point_stride);
      continue;
    }
    const int64_t lanes = std::min(width, channels - c);
    with_part(!fits, [&](auto part) ESPALIER_INLINE_LAMBDA {
      for (int64_t row = square.row_begin; row < square.row_end; ++row)
        for (int64_t column = square.column_begin; column < square.column_end; ++column) {
          const float* from = square.data + row * square.row_stride + column * square.column_stride + c;
          hn::Store(twins ? load_twins<decltype(part)::value>(from, square.twin, lanes)
                          : load<decltype(part)::value>(from, lanes),
                    Floats(), staged.at(row, column));
        }
    });
    transform_square<Transform>(staged.values, Staged::kRow, Staged::kColumn, points + c, kTo * point_stride,
                                point_stride);
  }
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
  Staged patch;
  for (int64_t c = 0; c < channels; c += vector_width()) {
    transform_square<InputTransposed>(points + c, kPatch * point_stride, point_stride, patch.values,
                                      Staged::kRow, Staged::kColumn);
    for (int row = 0; row < kPatch; ++row)
      for (int column = 0; column < kPatch; ++column) {
        float* sum = to + row * row_stride + column * column_stride + c;
        hn::StoreU(hn::Add(hn::LoadU(d, sum), hn::Load(d, patch.at(row, column))), d, sum);
      }
  }
}

// The staged outputs' channels from `channel` on, with the epilogue. A part of a vector is written whole
// where pixels of the square's row follow, whose channels are written after it, and y's end is not reached.
template <bool kPart, bool kTwins = false>
HWY_INLINE void write_outputs(Staged& outputs, int64_t channel, int64_t lanes, const Square<float>& y,
                              const EpilogueView& epilogue) {
  const ColumnEpilogue<kPart, kTwins> finish(epilogue, channel, lanes, y.twin);
  const int64_t reach = channel + (kTwins ? vector_width() / 2 : vector_width());
  for (int64_t row = 0; row < y.row_end; ++row)
    for (int64_t column = 0; column < y.column_end; ++column) {
      const int64_t pixel = row * y.row_stride + column * y.column_stride, place = pixel + channel;
      const Vector z = hn::Load(Floats(), outputs.at(row, column));
      const bool fits =
          (y.column_end - column) * y.column_stride >= reach && y.data + y.twin + pixel + reach <= y.end;
      if (kPart && !fits)
        store<kPart, kTwins>(finish(z, place), y.data + place, lanes, y.twin);
      else
        store<false, kTwins>(finish.template of<false>(z, place), y.data + place, lanes, y.twin);
    }
}

template <int kOutputs>
HWY_INLINE void transform_outputs(const float* points, int64_t point_stride, int64_t channels,
                                  const Square<float>& y, const EpilogueView& epilogue) {
  const int64_t width = vector_width(), ragged = channels % width;
  const bool plain = epilogue.is_empty() && y.row_end == kOutputs && y.column_end == kOutputs;
  Staged outputs;
  const auto transform = [&](int64_t c, float* to, int64_t to_row, int64_t to_column) {
    transform_square<Output<kOutputs>>(points + c, kPatch * point_stride, point_stride, to, to_row,
                                       to_column);
  };
  if (y.twin != 0) {
    transform(0, outputs.values, Staged::kRow, Staged::kColumn);
    write_outputs<true, true>(outputs, 0, channels, y, epilogue);
    return;
  }
  // The part of a vector comes first, since it spills into channels of the next pixel.
  if (ragged > 0) {
    transform(channels - ragged, outputs.values, Staged::kRow, Staged::kColumn);
    write_outputs<true>(outputs, channels - ragged, ragged, y, epilogue);
  }
  for (int64_t c = 0; c + width <= channels; c += width) {
    if (plain) {
      transform(c, y.data + c, y.row_stride, y.column_stride);
    } else {
      transform(c, outputs.values, Staged::kRow, Staged::kColumn);
      write_outputs<false>(outputs, c, width, y, epilogue);
    }
  }
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
  Staged staged;
  for (int64_t j = 0; j < count; j += vector_width()) {
    const int64_t lanes = std::min(vector_width(), count - j);
    with_part(lanes < vector_width(), [&](auto part) ESPALIER_INLINE_LAMBDA {
      for (int tap = 0; tap < kFilter * kFilter; ++tap)
        hn::Store(load<decltype(part)::value>(first + tap * stride + j, lanes), Floats(),
                  staged.at(tap / kFilter, tap % kFilter));
    });
    transform_square<Filter<kFilter>>(staged.values, Staged::kRow, Staged::kColumn, points + j,
                                      kPatch * point_stride, point_stride);
  }
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
  Staged staged;
  for (int64_t j = 0; j < count; j += vector_width()) {
    const int64_t lanes = std::min(vector_width(), count - j);
    transform_square<Output<kFilter>>(points + j, kPatch * point_stride, point_stride, staged.values,
                                      Staged::kRow, Staged::kColumn);
    with_part(lanes < vector_width(), [&](auto part) ESPALIER_INLINE_LAMBDA {
      for (int tap = 0; tap < kFilter * kFilter; ++tap)
        store<decltype(part)::value>(hn::Load(Floats(), staged.at(tap / kFilter, tap % kFilter)),
                                     taps + tap * tap_stride + j, lanes);
    });
  }
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
