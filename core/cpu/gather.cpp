#include <algorithm>

#include "core/cpu/cpu_backend.h"
#include "core/cpu/parallel.h"
#include "core/cpu/workspace.h"

namespace espalier::cpu {

void CpuBackend::gather(const Tensor& table, const Tensor& codes, Tensor& y) {
  const float* from = table.data<float>();
  const int32_t* code = codes.data<int32_t>();
  float* to = y.data<float>();
  for_each_chunk(y.numel(), kChunk, [=](int64_t, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) to[i] = code[i] < 0 ? 0.0f : from[code[i]];
  });
}

void CpuBackend::scatter_add(const Tensor& dy, const Tensor& codes, Tensor& dtable) {
  // A table for each of at most 16 parts, in double: a codebook's few entries each sum a great many
  // gradients.
  const int64_t size = dtable.numel(), count = dy.numel();
  const int64_t part = std::max({kChunk, ceil_div(count, 16), size});
  const int64_t parts = ceil_div(count, part);
  Workspace<double> tables(parts * size);
  const float* from = dy.data<float>();
  const int32_t* code = codes.data<int32_t>();
  double* sums = tables.data();
  for_each_chunk(count, part, [=](int64_t i, int64_t begin, int64_t end) {
    double* own = sums + i * size;
    std::fill(own, own + size, 0.0);
    for (int64_t j = begin; j < end; ++j)
      if (code[j] >= 0) own[code[j]] += static_cast<double>(from[j]);
  });
  float* to = dtable.data<float>();
  for (int64_t j = 0; j < size; ++j) {
    double total = 0;
    for (int64_t i = 0; i < parts; ++i) total += sums[i * size + j];
    to[j] = static_cast<float>(total);
  }
}

}  // namespace espalier::cpu
