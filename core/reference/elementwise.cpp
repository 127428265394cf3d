#include <cmath>

#include "core/random.h"
#include "core/reference/dispatch.h"
#include "core/reference/reference_backend.h"

namespace espalier::reference {

void ReferenceBackend::fill(Tensor& y, double value) {
  const auto run = [&]<typename T>(T) {
    for (T& element : y.host<T>()) element = static_cast<T>(value);
  };
  switch (y.dtype()) {
    case DType::float32:
      return run(float{});
    case DType::float64:
      return run(double{});
    case DType::uint8:
      return run(uint8_t{});
    case DType::int32:
      return run(int32_t{});
    case DType::int64:
      return run(int64_t{});
  }
}

void ReferenceBackend::axpby(double alpha, const Tensor& x, double beta, Tensor& y) {
  dispatch(y, [&]<typename T>(T) {
    const T* from = x.data<T>();
    T* to = y.data<T>();
    for (int64_t i = 0; i < y.numel(); ++i)
      to[i] = static_cast<T>(alpha) * from[i] + (beta == 0.0 ? T{0} : static_cast<T>(beta) * to[i]);
  });
}

void ReferenceBackend::unary(UnaryOp op, const Tensor& x, Tensor& y) {
  dispatch(y, [&]<typename T>(T) {
    const T* from = x.data<T>();
    T* to = y.data<T>();
    for (int64_t i = 0; i < y.numel(); ++i) {
      const T v = from[i];
      switch (op) {
        case UnaryOp::relu:
          to[i] = v < 0 ? T{0} : v;
          break;
        case UnaryOp::relu6:
          to[i] = v < 0 ? T{0} : v > 6 ? T{6} : v;
          break;
        case UnaryOp::sigmoid:
          to[i] = 1 / (1 + std::exp(-v));
          break;
        case UnaryOp::tanh:
          to[i] = std::tanh(v);
          break;
        case UnaryOp::sign:
          to[i] = static_cast<T>((v > 0) - (v < 0));
          break;
      }
    }
  });
}

void ReferenceBackend::unary_backward(UnaryOp op, const Tensor& y, const Tensor& dy, Tensor& dx) {
  dispatch(y, [&]<typename T>(T) {
    const T* output = y.data<T>();
    const T* gradient = dy.data<T>();
    T* to = dx.data<T>();
    for (int64_t i = 0; i < y.numel(); ++i) {
      const T v = output[i], g = gradient[i];
      switch (op) {
        case UnaryOp::relu:
          to[i] = v > 0 ? g : T{0};
          break;
        case UnaryOp::relu6:
          to[i] = v > 0 && v < 6 ? g : T{0};
          break;
        case UnaryOp::sigmoid:
          to[i] = g * v * (1 - v);
          break;
        case UnaryOp::tanh:
          to[i] = g * (1 - v * v);
          break;
        case UnaryOp::sign:
          to[i] = T{0};
          break;
      }
    }
  });
}

void ReferenceBackend::binary(BinaryOp op, const Tensor& a, const Tensor& b, Tensor& y) {
  dispatch(y, [&]<typename T>(T) {
    const T *left = a.data<T>(), *right = b.data<T>();
    T* to = y.data<T>();
    for (int64_t i = 0; i < y.numel(); ++i)
      to[i] = op == BinaryOp::add ? left[i] + right[i] : left[i] * right[i];
  });
}

void ReferenceBackend::broadcast_scalar(const Tensor& scalar, double factor, Tensor& y) {
  dispatch(y, [&]<typename T>(T) {
    const T value = static_cast<T>(factor) * scalar.data<T>()[0];
    for (T& element : y.host<T>()) element = value;
  });
}

void ReferenceBackend::dropout(const Tensor& x, double p, RandomKey key, Tensor& y) {
  dispatch(y, [&]<typename T>(T) {
    const T* from = x.data<T>();
    T* to = y.data<T>();
    const T scale = static_cast<T>(1.0 / (1.0 - p));
    for (int64_t i = 0; i < y.numel(); ++i) {
      const auto draw = static_cast<uint64_t>(i);
      const float uniform = uniform_from(random_block(key, draw / 4)[draw % 4]);
      to[i] = static_cast<double>(uniform) >= p ? from[i] * scale : T{0};
    }
  });
}

}  // namespace espalier::reference
