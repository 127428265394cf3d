#include "core/reference/dispatch.h"
#include "core/reference/reference_backend.h"

namespace espalier::reference {

void ReferenceBackend::epilogue(const Tensor& z, const Epilogue& epilogue, Tensor& y) {
  dispatch(y, [&]<typename T>(T) {
    const auto [lowest, highest] = clamp_of(epilogue.activation);
    const int64_t columns = y.shape().columns();
    for (int64_t i = 0; i < y.numel(); ++i) {
      T value = z.data<T>()[i];
      if (epilogue.factor.defined()) value *= epilogue.factor.data<T>()[i % columns];
      if (epilogue.offset.defined()) value += epilogue.offset.data<T>()[i % columns];
      if (epilogue.residual.defined()) value += epilogue.residual.data<T>()[i];
      if (value < static_cast<T>(lowest)) value = static_cast<T>(lowest);
      if (value > static_cast<T>(highest)) value = static_cast<T>(highest);
      y.data<T>()[i] = value;
    }
  });
}

void ReferenceBackend::sum_rows(const Tensor& x, Tensor& y) {
  dispatch(y, [&]<typename T>(T) {
    const T* from = x.data<T>();
    const int64_t columns = y.numel();
    for (int64_t c = 0; c < columns; ++c) {
      double total = 0;
      for (int64_t i = c; i < x.numel(); i += columns) total += static_cast<double>(from[i]);
      y.data<T>()[c] = static_cast<T>(total);
    }
  });
}

void ReferenceBackend::sum(const Tensor& x, Tensor& y) {
  dispatch(y, [&]<typename T>(T) {
    double total = 0;
    for (T element : x.host<T>()) total += static_cast<double>(element);
    y.data<T>()[0] = static_cast<T>(total);
  });
}

void ReferenceBackend::copy_columns(const Tensor& x, int64_t x_offset, Tensor& y, int64_t y_offset,
                                    int64_t count) {
  dispatch(y, [&]<typename T>(T) {
    const int64_t from_columns = x.shape().columns(), to_columns = y.shape().columns();
    for (int64_t r = 0; r < x.shape().rows(); ++r)
      for (int64_t c = 0; c < count; ++c)
        y.data<T>()[r * to_columns + y_offset + c] = x.data<T>()[r * from_columns + x_offset + c];
  });
}

}  // namespace espalier::reference
