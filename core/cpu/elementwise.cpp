#include <algorithm>
#include <cmath>

#include "core/cpu/cpu_backend.h"
#include "core/cpu/parallel.h"

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
void sign(const float* x, float* y, int64_t count) {
  for (int64_t i = 0; i < count; ++i) y[i] = static_cast<float>((x[i] > 0.0f) - (x[i] < 0.0f));
}
void sign_backward(const float*, const float*, float* dx, int64_t count) {
  std::fill_n(dx, count, 0.0f);
}

void sigmoid(const float* x, float* y, int64_t count) {
  for (int64_t i = 0; i < count; ++i) y[i] = 1.0f / (1.0f + std::exp(-x[i]));
}

void tanh(const float* x, float* y, int64_t count) {
  for (int64_t i = 0; i < count; ++i) y[i] = std::tanh(x[i]);
}

// The words of kBlocks blocks from `block` on, in the order of draws. philox() spelled out over vectors of
// blocks.
constexpr int64_t kBlocks = 64;
ESPALIER_VECTORISED void draw(RandomKey key, uint64_t block, uint32_t* words) {
#pragma omp simd
  for (int64_t i = 0; i < kBlocks; ++i) {
    const uint64_t counter = block + static_cast<uint64_t>(i);
    auto c0 = static_cast<uint32_t>(counter), c1 = static_cast<uint32_t>(counter >> 32);
    auto c2 = static_cast<uint32_t>(key.stream), c3 = static_cast<uint32_t>(key.stream >> 32);
    auto k0 = static_cast<uint32_t>(key.seed), k1 = static_cast<uint32_t>(key.seed >> 32);
    for (int round = 0; round < 10; ++round) {
      const uint64_t product0 = uint64_t{0xD2511F53} * c0, product1 = uint64_t{0xCD9E8D57} * c2;
      c0 = static_cast<uint32_t>(product1 >> 32) ^ c1 ^ k0;
      c1 = static_cast<uint32_t>(product1);
      c2 = static_cast<uint32_t>(product0 >> 32) ^ c3 ^ k1;
      c3 = static_cast<uint32_t>(product0);
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
    words[4 * i] = c0;
    words[4 * i + 1] = c1;
    words[4 * i + 2] = c2;
    words[4 * i + 3] = c3;
  }
}

ESPALIER_VECTORISED void keep_or_clear(const float* x, const uint32_t* words, uint32_t threshold,
                                       float factor, float* y, int64_t count) {
  for (int64_t i = 0; i < count; ++i) y[i] = (words[i] >> 8) >= threshold ? x[i] * factor : 0.0f;
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
  constexpr void (*kKernels[])(const float*, float*, int64_t) = {relu, relu6, sigmoid, tanh, sign};
  const auto kernel = kKernels[static_cast<size_t>(op)];
  const float* from = x.data<float>();
  float* to = y.data<float>();
  for_each_chunk(y.numel(), kChunk,
                 [=](int64_t, int64_t begin, int64_t end) { kernel(from + begin, to + begin, end - begin); });
}

void CpuBackend::unary_backward(UnaryOp op, const Tensor& y, const Tensor& dy, Tensor& dx) {
  constexpr void (*kKernels[])(const float*, const float*, float*, int64_t) = {
      relu_backward, relu6_backward, sigmoid_backward, tanh_backward, sign_backward};
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
    alignas(64) uint32_t words[4 * kBlocks];
    for (int64_t first = begin; first < end; first += 4 * kBlocks) {
      draw(key, static_cast<uint64_t>(first) / 4, words);
      keep_or_clear(from + first, words, threshold, factor, to + first, std::min(4 * kBlocks, end - first));
    }
  });
}

}  // namespace espalier::cpu
