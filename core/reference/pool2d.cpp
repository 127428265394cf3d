#include <algorithm>
#include <cmath>

#include "core/reference/dispatch.h"
#include "core/reference/reference_backend.h"

namespace espalier::reference {
namespace {

// The pixels of an image under the window of output pixel (p, q), and what average pooling divides by.
struct Window {
  Window(const Shape& x, int64_t p, int64_t q, const Pool2dOptions& options) {
    const auto cut = [&](int axis, int64_t position, int64_t extent, int64_t& begin, int64_t& end) {
      const auto a = static_cast<size_t>(axis);
      const int64_t first = position * options.stride[a] - options.padding[a];
      const int64_t last = std::min<int64_t>(first + options.kernel[a], extent + options.padding[a]);
      begin = std::max<int64_t>(first, 0);
      end = std::min(last, extent);
      return options.count_include_pad ? last - first : end - begin;
    };
    const int64_t height = cut(0, p, x[1], h_begin, h_end);
    divisor = height * cut(1, q, x[2], w_begin, w_end);
  }
  int64_t h_begin, h_end, w_begin, w_end, divisor;
};

template <typename Body>
void for_each_output(const Shape& y, Body body) {
  for (int64_t n = 0; n < y[0]; ++n)
    for (int64_t p = 0; p < y[1]; ++p)
      for (int64_t q = 0; q < y[2]; ++q)
        for (int64_t c = 0; c < y[3]; ++c) body(n, p, q, c, ((n * y[1] + p) * y[2] + q) * y[3] + c);
}

}  // namespace

void ReferenceBackend::pool2d(PoolOp op, const Tensor& x, Tensor& y, Tensor& indices,
                              const Pool2dOptions& options) {
  dispatch(y, [&]<typename T>(T) {
    const Shape& in = x.shape();
    for_each_output(y.shape(), [&](int64_t n, int64_t p, int64_t q, int64_t c, int64_t out) {
      const Window window(in, p, q, options);
      T total = 0, best = 0;
      int64_t winner = -1;
      for (int64_t h = window.h_begin; h < window.h_end; ++h)
        for (int64_t w = window.w_begin; w < window.w_end; ++w) {
          const T value = x.data<T>()[((n * in[1] + h) * in[2] + w) * in[3] + c];
          total += value;
          if (winner < 0 || value > best || (std::isnan(value) && !std::isnan(best))) {
            best = value;
            winner = h * in[2] + w;
          }
        }
      if (op == PoolOp::max) {
        y.data<T>()[out] = best;
        indices.data<int32_t>()[out] = static_cast<int32_t>(winner);
      } else {
        y.data<T>()[out] = window.divisor > 0 ? total / static_cast<T>(window.divisor) : T{0};
      }
    });
  });
}

void ReferenceBackend::pool2d_backward(PoolOp op, const Tensor& dy, const Tensor& indices, Tensor& dx,
                                       const Pool2dOptions& options) {
  dispatch(dy, [&]<typename T>(T) {
    const Shape& in = dx.shape();
    fill(dx, 0.0);
    for_each_output(dy.shape(), [&](int64_t n, int64_t p, int64_t q, int64_t c, int64_t out) {
      const T gradient = dy.data<T>()[out];
      T* image = dx.data<T>() + n * in[1] * in[2] * in[3];
      if (op == PoolOp::max) {
        const int32_t winner = indices.data<int32_t>()[out];
        if (winner >= 0) image[winner * in[3] + c] += gradient;
        return;
      }
      const Window window(in, p, q, options);
      for (int64_t h = window.h_begin; h < window.h_end; ++h)
        for (int64_t w = window.w_begin; w < window.w_end; ++w)
          image[(h * in[2] + w) * in[3] + c] += gradient / static_cast<T>(window.divisor);
    });
  });
}

}  // namespace espalier::reference
