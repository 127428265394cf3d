#include <algorithm>
#include <cmath>

#include "core/cpu/cpu_backend.h"
#include "core/cpu/parallel.h"
#include "core/random.h"

namespace espalier::cpu {
namespace {

ESPALIER_VECTORISED void scale(float alpha, const float* x, float* y, int64_t count) {
  for (int64_t i = 0; i < count; ++i) y[i] = alpha * x[i];
}

ESPALIER_VECTORISED void scale_and_add(float alpha, const float* x, float beta, float* y, int64_t count) {
  for (int64_t i = 0; i < count; ++i) y[i] = alpha * x[i] + beta * y[i];
}

ESPALIER_VECTORISED void add(const float* a, const float* b, float* y, int64_t count) {
  for (int64_t i = 0; i < count; ++i) y[i] = a[i] + b[i];
}

ESPALIER_VECTORISED void multiply(const float* a, const float* b, float* y, int64_t count) {
  for (int64_t i = 0; i < count; ++i) y[i] = a[i] * b[i];
}

// Comparisons are written so that NaN passes.
ESPALIER_VECTORISED void relu(const float* x, float* y, int64_t count) {
  for (int64_t i = 0; i < count; ++i) y[i] = x[i] < 0.0f ? 0.0f : x[i];
}

ESPALIER_VECTORISED void relu6(const float* x, float* y, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    const float v = x[i] < 0.0f ? 0.0f : x[i];
    y[i] = v > 6.0f ? 6.0f : v;
  }
}

ESPALIER_VECTORISED void relu_backward(const float* y, const float* dy, float* dx, int64_t count) {
  for (int64_t i = 0; i < count; ++i) dx[i] = y[i] > 0.0f ? dy[i] : 0.0f;
}

ESPALIER_VECTORISED void relu6_backward(const float* y, const float* dy, float* dx, int64_t count) {
  for (int64_t i = 0; i < count; ++i) dx[i] = (y[i] > 0.0f) & (y[i] < 6.0f) ? dy[i] : 0.0f;
}

ESPALIER_VECTORISED void sigmoid_backward(const float* y, const float* dy, float* dx, int64_t count) {
  for (int64_t i = 0; i < count; ++i) dx[i] = dy[i] * y[i] * (1.0f - y[i]);
}

ESPALIER_VECTORISED void tanh_backward(const float* y, const float* dy, float* dx, int64_t count) {
  for (int64_t i = 0; i < count; ++i) dx[i] = dy[i] * (1.0f - y[i] * y[i]);
}

void sigmoid(const float* x, float* y, int64_t count) {
  for (int64_t i = 0; i < count; ++i) y[i] = 1.0f / (1.0f + std::exp(-x[i]));
}

void tanh(const float* x, float* y, int64_t count) {
  for (int64_t i = 0; i < count; ++i) y[i] = std::tanh(x[i]);
}

// Draws of blocks [begin / 4, ...): `begin` is a multiple of 4, as every chunk's beginning is.
void dropout_chunk(const float* x, float* y, int64_t begin, int64_t end, RandomKey key, uint32_t threshold,
                   float factor) {
  for (int64_t first = begin; first < end; first += 4) {
    const auto words = random_block(key, static_cast<uint64_t>(first) / 4);
    const int64_t count = std::min<int64_t>(4, end - first);
    for (int64_t j = 0; j < count; ++j)
      y[first + j] = (words[static_cast<size_t>(j)] >> 8) >= threshold ? x[first + j] * factor : 0.0f;
  }
}

}  // namespace

void CpuBackend::fill(Tensor& y, double value) {
  const auto run = [&]<typename T>(T element) {
    T* to = y.data<T>();
    for_each_chunk(y.numel(), kChunk,
                   [=](int64_t, int64_t begin, int64_t end) { std::fill(to + begin, to + end, element); });
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

void CpuBackend::axpby(double alpha, const Tensor& x, double beta, Tensor& y) {
  const float* from = x.data<float>();
  float* to = y.data<float>();
  const auto a = static_cast<float>(alpha), b = static_cast<float>(beta);
  for_each_chunk(y.numel(), kChunk, [=](int64_t, int64_t begin, int64_t end) {
    if (b == 0.0f)
      scale(a, from + begin, to + begin, end - begin);
    else
      scale_and_add(a, from + begin, b, to + begin, end - begin);
  });
}

void CpuBackend::unary(UnaryOp op, const Tensor& x, Tensor& y) {
  constexpr void (*kKernels[])(const float*, float*, int64_t) = {relu, relu6, sigmoid, tanh};
  const auto kernel = kKernels[static_cast<size_t>(op)];
  const float* from = x.data<float>();
  float* to = y.data<float>();
  for_each_chunk(y.numel(), kChunk,
                 [=](int64_t, int64_t begin, int64_t end) { kernel(from + begin, to + begin, end - begin); });
}

void CpuBackend::unary_backward(UnaryOp op, const Tensor& y, const Tensor& dy, Tensor& dx) {
  constexpr void (*kKernels[])(const float*, const float*, float*, int64_t) = {
      relu_backward, relu6_backward, sigmoid_backward, tanh_backward};
  const auto kernel = kKernels[static_cast<size_t>(op)];
  const float *output = y.data<float>(), *gradient = dy.data<float>();
  float* to = dx.data<float>();
  for_each_chunk(y.numel(), kChunk, [=](int64_t, int64_t begin, int64_t end) {
    kernel(output + begin, gradient + begin, to + begin, end - begin);
  });
}

void CpuBackend::binary(BinaryOp op, const Tensor& a, const Tensor& b, Tensor& y) {
  const auto kernel = op == BinaryOp::add ? add : multiply;
  const float *left = a.data<float>(), *right = b.data<float>();
  float* to = y.data<float>();
  for_each_chunk(y.numel(), kChunk, [=](int64_t, int64_t begin, int64_t end) {
    kernel(left + begin, right + begin, to + begin, end - begin);
  });
}

void CpuBackend::broadcast_scalar(const Tensor& scalar, double factor, Tensor& y) {
  const float value = static_cast<float>(factor) * scalar.data<float>()[0];
  float* to = y.data<float>();
  for_each_chunk(y.numel(), kChunk,
                 [=](int64_t, int64_t begin, int64_t end) { std::fill(to + begin, to + end, value); });
}

void CpuBackend::dropout(const Tensor& x, double p, RandomKey key, Tensor& y) {
  const float* from = x.data<float>();
  float* to = y.data<float>();
  const auto factor = static_cast<float>(1.0 / (1.0 - p));
  // A draw k 2^-24 is at least p exactly when the integer k is at least p 2^24.
  const auto threshold = static_cast<uint32_t>(std::ceil(p * 0x1p24));
  for_each_chunk(y.numel(), kChunk / 4, [=](int64_t, int64_t begin, int64_t end) {
    dropout_chunk(from, to, begin, end, key, threshold, factor);
  });
}

}  // namespace espalier::cpu
