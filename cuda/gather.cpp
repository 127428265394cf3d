#include "cuda/kernels/gather.h"

#include "cuda/cuda_backend.h"

namespace espalier::cuda {

void CudaBackend::gather(const Tensor& table, const Tensor& codes, Tensor& y) {
  check_cuda(kernels::gather(table.data<float>(), codes.data<int32_t>(), y.data<float>(), y.numel(), stream_),
             "gather");
}

void CudaBackend::scatter_add(const Tensor& dy, const Tensor& codes, Tensor& dtable) {
  const auto tables = workspace(kernels::scatter_add_workspace(dy.numel(), dtable.numel()));
  check_cuda(kernels::scatter_add(dy.data<float>(), codes.data<int32_t>(), dy.numel(), dtable.data<float>(),
                                  dtable.numel(), tables.data(), stream_),
             "scatter_add");
}

}  // namespace espalier::cuda
