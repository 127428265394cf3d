#include "core/reference/dispatch.h"
#include "core/reference/reference_backend.h"

namespace espalier::reference {

void ReferenceBackend::gemm(const Tensor& a, const Tensor& b, Tensor& c, const GemmOptions& options,
                            const Epilogue& following) {
  dispatch(c, [&]<typename T>(T) {
    const int64_t rows = c.shape()[0], columns = c.shape()[1], depth = a.shape()[options.transpose_a ? 0 : 1];
    const T *left = a.data<T>(), *right = b.data<T>();
    T* to = c.data<T>();
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < columns; ++j) {
        T total = 0;
        for (int64_t k = 0; k < depth; ++k)
          total += left[options.transpose_a ? k * rows + i : i * depth + k] *
                   right[options.transpose_b ? j * depth + k : k * columns + j];
        T& out = to[i * columns + j];
        out = static_cast<T>(options.alpha) * total +
              (options.beta == 0.0 ? T{0} : static_cast<T>(options.beta) * out);
      }
  });
  if (!following.is_empty()) epilogue(c, following, c);
}

}  // namespace espalier::reference
