#include "core/reference/dispatch.h"
#include "core/reference/reference_backend.h"

namespace espalier::reference {
namespace {

// Calls body(x index, weight index, y index) for every product that the convolution sums.
template <typename Body>
void for_each_product(const Shape& x, const Shape& weight, const Shape& y, const Conv2dOptions& options,
                      Body body) {
  const int64_t group_inputs = weight[3], group_outputs = weight[0] / options.groups;
  for (int64_t n = 0; n < y[0]; ++n)
    for (int64_t p = 0; p < y[1]; ++p)
      for (int64_t q = 0; q < y[2]; ++q)
        for (int64_t o = 0; o < y[3]; ++o)
          for (int64_t r = 0; r < weight[1]; ++r)
            for (int64_t s = 0; s < weight[2]; ++s) {
              const int64_t h = p * options.stride[0] - options.padding[0] + r * options.dilation[0];
              const int64_t w = q * options.stride[1] - options.padding[1] + s * options.dilation[1];
              if (h < 0 || h >= x[1] || w < 0 || w >= x[2]) continue;
              for (int64_t i = 0; i < group_inputs; ++i)
                body(((n * x[1] + h) * x[2] + w) * x[3] + o / group_outputs * group_inputs + i,
                     ((o * weight[1] + r) * weight[2] + s) * group_inputs + i,
                     ((n * y[1] + p) * y[2] + q) * y[3] + o);
            }
}

}  // namespace

void ReferenceBackend::conv2d(const Tensor& x, const Tensor& weight, Tensor& y, const Conv2dOptions& options,
                              const Epilogue& following) {
  dispatch(y, [&]<typename T>(T) {
    const T *input = x.data<T>(), *kernel = weight.data<T>();
    T* output = y.data<T>();
    fill(y, 0.0);
    for_each_product(x.shape(), weight.shape(), y.shape(), options,
                     [&](int64_t i, int64_t k, int64_t o) { output[o] += input[i] * kernel[k]; });
  });
  if (!following.is_empty()) epilogue(y, following, y);
}

void ReferenceBackend::conv2d_backward_data(const Tensor& dy, const Tensor& weight, Tensor& dx,
                                            const Conv2dOptions& options, const Tensor& addend) {
  dispatch(dy, [&]<typename T>(T) {
    const T *gradient = dy.data<T>(), *kernel = weight.data<T>();
    T* input_gradient = dx.data<T>();
    fill(dx, 0.0);
    for_each_product(dx.shape(), weight.shape(), dy.shape(), options,
                     [&](int64_t i, int64_t k, int64_t o) { input_gradient[i] += gradient[o] * kernel[k]; });
  });
  if (addend.defined()) binary(BinaryOp::add, dx, addend, dx);
}

void ReferenceBackend::conv2d_backward_weight(const Tensor& x, const Tensor& dy, Tensor& dweight,
                                              const Conv2dOptions& options) {
  dispatch(dy, [&]<typename T>(T) {
    const T *input = x.data<T>(), *gradient = dy.data<T>();
    T* kernel_gradient = dweight.data<T>();
    fill(dweight, 0.0);
    for_each_product(x.shape(), dweight.shape(), dy.shape(), options,
                     [&](int64_t i, int64_t k, int64_t o) { kernel_gradient[k] += input[i] * gradient[o]; });
  });
}

}  // namespace espalier::reference
