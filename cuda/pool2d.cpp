#include "cuda/kernels/pool2d.h"

#include "cuda/cuda_backend.h"
#include "cuda/status.h"

namespace espalier::cuda {
namespace {

kernels::PoolShape pool_shape(const Shape& x, const Shape& y, const Pool2dOptions& options) {
  const auto extent = [](int64_t value) { return to_int(value, "pool2d"); };
  extent(x[0] * x[1] * x[2]);
  extent(y[0] * y[1] * y[2]);
  return {.batch = extent(x[0]),
          .in_h = extent(x[1]),
          .in_w = extent(x[2]),
          .out_h = extent(y[1]),
          .out_w = extent(y[2]),
          .channels = extent(x[3]),
          .options = options};
}

}  // namespace

void CudaBackend::pool2d(PoolOp op, const Tensor& x, Tensor& y, Tensor& indices,
                         const Pool2dOptions& options) {
  check_cuda(kernels::pool2d(op, pool_shape(x.shape(), y.shape(), options), x.data<float>(), y.data<float>(),
                             op == PoolOp::max ? indices.data<int32_t>() : nullptr, stream_),
             "pool2d");
}

void CudaBackend::pool2d_backward(PoolOp op, const Tensor& dy, const Tensor& indices, Tensor& dx,
                                  const Pool2dOptions& options) {
  check_cuda(kernels::pool2d_backward(op, pool_shape(dx.shape(), dy.shape(), options), dy.data<float>(),
                                      op == PoolOp::max ? indices.data<int32_t>() : nullptr, dx.data<float>(),
                                      stream_),
             "pool2d_backward");
}

}  // namespace espalier::cuda
