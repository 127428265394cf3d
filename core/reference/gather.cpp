#include "core/reference/dispatch.h"
#include "core/reference/reference_backend.h"

namespace espalier::reference {

void ReferenceBackend::gather(const Tensor& table, const Tensor& codes, Tensor& y) {
  dispatch(y, [&]<typename T>(T) {
    for (int64_t i = 0; i < y.numel(); ++i) {
      const int32_t code = codes.data<int32_t>()[i];
      y.data<T>()[i] = code < 0 ? T{0} : table.data<T>()[code];
    }
  });
}

void ReferenceBackend::scatter_add(const Tensor& dy, const Tensor& codes, Tensor& dtable) {
  dispatch(dy, [&]<typename T>(T) {
    fill(dtable, 0.0);
    for (int64_t i = 0; i < dy.numel(); ++i) {
      const int32_t code = codes.data<int32_t>()[i];
      if (code >= 0) dtable.data<T>()[code] += dy.data<T>()[i];
    }
  });
}

}  // namespace espalier::reference
