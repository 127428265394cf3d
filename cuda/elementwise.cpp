#include "cuda/kernels/elementwise.h"

#include <cmath>

#include "cuda/cuda_backend.h"

namespace espalier::cuda {

void CudaBackend::fill(Tensor& y, double value) {
  const auto run = [&]<typename T>(T element) {
    check_cuda(kernels::fill(y.data<T>(), element, y.numel(), stream_), "fill");
  };
  switch (y.dtype()) {
    case DType::float32:
      return run(static_cast<float>(value));
    case DType::float64:
      return run(value);
    case DType::uint8:
      return run(static_cast<uint8_t>(value));
    case DType::int32:
      return run(static_cast<int32_t>(value));
    case DType::int64:
      return run(static_cast<int64_t>(value));
  }
}

void CudaBackend::axpby(double alpha, const Tensor& x, double beta, Tensor& y) {
  check_cuda(kernels::axpby(static_cast<float>(alpha), x.data<float>(), static_cast<float>(beta),
                            y.data<float>(), y.numel(), stream_),
             "axpby");
}

void CudaBackend::unary(UnaryOp op, const Tensor& x, Tensor& y) {
  check_cuda(kernels::unary(op, x.data<float>(), y.data<float>(), y.numel(), stream_), "unary");
}

void CudaBackend::unary_backward(UnaryOp op, const Tensor& y, const Tensor& dy, Tensor& dx) {
  check_cuda(
      kernels::unary_backward(op, y.data<float>(), dy.data<float>(), dx.data<float>(), y.numel(), stream_),
      "unary_backward");
}

void CudaBackend::binary(BinaryOp op, const Tensor& a, const Tensor& b, Tensor& y) {
  check_cuda(kernels::binary(op, a.data<float>(), b.data<float>(), y.data<float>(), y.numel(), stream_),
             "binary");
}

void CudaBackend::broadcast_scalar(const Tensor& scalar, double factor, Tensor& y) {
  check_cuda(kernels::broadcast_scalar(scalar.data<float>(), static_cast<float>(factor), y.data<float>(),
                                       y.numel(), stream_),
             "broadcast_scalar");
}

void CudaBackend::dropout(const Tensor& x, double p, RandomKey key, Tensor& y) {
  // A draw k 2^-24 is at least p exactly when the integer k is at least p 2^24.
  check_cuda(kernels::dropout(x.data<float>(), static_cast<uint32_t>(std::ceil(p * 0x1p24)),
                              static_cast<float>(1.0 / (1.0 - p)), key, y.data<float>(), y.numel(), stream_),
             "dropout");
}

}  // namespace espalier::cuda
