#include "cuda/kernels/elementwise.h"

#include "cuda/kernels/for_each.h"

namespace espalier::cuda::kernels {
namespace {

template <typename T>
struct Fill {
  T* y;
  T value;
  __device__ void operator()(int64_t i) const { y[i] = value; }
};

struct Scale {
  float alpha;
  const float* x;
  float* y;
  __device__ void operator()(int64_t i) const { y[i] = alpha * x[i]; }
};

struct ScaleAndAdd {
  float alpha;
  const float* x;
  float beta;
  float* y;
  __device__ void operator()(int64_t i) const { y[i] = alpha * x[i] + beta * y[i]; }
};

// Comparisons are written so that NaN passes.
template <UnaryOp kOp>
struct Unary {
  const float* x;
  float* y;
  __device__ void operator()(int64_t i) const {
    const float v = x[i];
    if constexpr (kOp == UnaryOp::relu) y[i] = v < 0.0f ? 0.0f : v;
    if constexpr (kOp == UnaryOp::relu6) y[i] = v < 0.0f ? 0.0f : v > 6.0f ? 6.0f : v;
    if constexpr (kOp == UnaryOp::sigmoid) y[i] = 1.0f / (1.0f + expf(-v));
    if constexpr (kOp == UnaryOp::tanh) y[i] = tanhf(v);
    if constexpr (kOp == UnaryOp::sign) y[i] = static_cast<float>((v > 0.0f) - (v < 0.0f));
  }
};

template <UnaryOp kOp>
struct UnaryBackward {
  const float *y, *dy;
  float* dx;
  __device__ void operator()(int64_t i) const {
    const float v = y[i], g = dy[i];
    if constexpr (kOp == UnaryOp::relu) dx[i] = v > 0.0f ? g : 0.0f;
    if constexpr (kOp == UnaryOp::relu6) dx[i] = v > 0.0f && v < 6.0f ? g : 0.0f;
    if constexpr (kOp == UnaryOp::sigmoid) dx[i] = g * v * (1.0f - v);
    if constexpr (kOp == UnaryOp::tanh) dx[i] = g * (1.0f - v * v);
    if constexpr (kOp == UnaryOp::sign) dx[i] = 0.0f;
  }
};

struct Add {
  const float *a, *b;
  float* y;
  __device__ void operator()(int64_t i) const { y[i] = a[i] + b[i]; }
};

struct Multiply {
  const float *a, *b;
  float* y;
  __device__ void operator()(int64_t i) const { y[i] = a[i] * b[i]; }
};

struct BroadcastScalar {
  const float* scalar;
  float factor;
  float* y;
  __device__ void operator()(int64_t i) const { y[i] = factor * scalar[0]; }
};

// The four elements that block `block` of the key's draws decides; philox() of core/random.h.
struct Dropout {
  const float* x;
  uint32_t threshold;
  float factor;
  RandomKey key;
  float* y;
  int64_t count;

  __device__ void operator()(int64_t block) const {
    const auto number = static_cast<uint64_t>(block);
    uint32_t c[4] = {static_cast<uint32_t>(number), static_cast<uint32_t>(number >> 32),
                     static_cast<uint32_t>(key.stream), static_cast<uint32_t>(key.stream >> 32)};
    uint32_t k0 = static_cast<uint32_t>(key.seed), k1 = static_cast<uint32_t>(key.seed >> 32);
#pragma unroll
    for (int round = 0; round < 10; ++round) {
      const uint64_t product0 = uint64_t{0xD2511F53} * c[0], product1 = uint64_t{0xCD9E8D57} * c[2];
      c[0] = static_cast<uint32_t>(product1 >> 32) ^ c[1] ^ k0;
      c[1] = static_cast<uint32_t>(product1);
      c[2] = static_cast<uint32_t>(product0 >> 32) ^ c[3] ^ k1;
      c[3] = static_cast<uint32_t>(product0);
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
#pragma unroll
    for (int word = 0; word < 4; ++word) {
      const int64_t i = 4 * block + word;
      if (i < count) y[i] = (c[word] >> 8) >= threshold ? x[i] * factor : 0.0f;
    }
  }
};

}  // namespace

template <typename T>
cudaError_t fill(T* y, T value, int64_t count, cudaStream_t stream) {
  return for_each(count, stream, Fill<T>{y, value});
}
template cudaError_t fill(float*, float, int64_t, cudaStream_t);
template cudaError_t fill(double*, double, int64_t, cudaStream_t);
template cudaError_t fill(uint8_t*, uint8_t, int64_t, cudaStream_t);
template cudaError_t fill(int32_t*, int32_t, int64_t, cudaStream_t);
template cudaError_t fill(int64_t*, int64_t, int64_t, cudaStream_t);

cudaError_t axpby(float alpha, const float* x, float beta, float* y, int64_t count, cudaStream_t stream) {
  if (beta == 0.0f) return for_each(count, stream, Scale{alpha, x, y});
  return for_each(count, stream, ScaleAndAdd{alpha, x, beta, y});
}

cudaError_t unary(UnaryOp op, const float* x, float* y, int64_t count, cudaStream_t stream) {
  switch (op) {
    case UnaryOp::relu:
      return for_each(count, stream, Unary<UnaryOp::relu>{x, y});
    case UnaryOp::relu6:
      return for_each(count, stream, Unary<UnaryOp::relu6>{x, y});
    case UnaryOp::sigmoid:
      return for_each(count, stream, Unary<UnaryOp::sigmoid>{x, y});
    case UnaryOp::tanh:
      return for_each(count, stream, Unary<UnaryOp::tanh>{x, y});
    case UnaryOp::sign:
      return for_each(count, stream, Unary<UnaryOp::sign>{x, y});
  }
  return cudaErrorInvalidValue;
}

cudaError_t unary_backward(UnaryOp op, const float* y, const float* dy, float* dx, int64_t count,
                           cudaStream_t stream) {
  switch (op) {
    case UnaryOp::relu:
      return for_each(count, stream, UnaryBackward<UnaryOp::relu>{y, dy, dx});
    case UnaryOp::relu6:
      return for_each(count, stream, UnaryBackward<UnaryOp::relu6>{y, dy, dx});
    case UnaryOp::sigmoid:
      return for_each(count, stream, UnaryBackward<UnaryOp::sigmoid>{y, dy, dx});
    case UnaryOp::tanh:
      return for_each(count, stream, UnaryBackward<UnaryOp::tanh>{y, dy, dx});
    case UnaryOp::sign:
      return for_each(count, stream, UnaryBackward<UnaryOp::sign>{y, dy, dx});
  }
  return cudaErrorInvalidValue;
}

cudaError_t binary(BinaryOp op, const float* a, const float* b, float* y, int64_t count,
                   cudaStream_t stream) {
  if (op == BinaryOp::add) return for_each(count, stream, Add{a, b, y});
  return for_each(count, stream, Multiply{a, b, y});
}

cudaError_t broadcast_scalar(const float* scalar, float factor, float* y, int64_t count,
                             cudaStream_t stream) {
  return for_each(count, stream, BroadcastScalar{scalar, factor, y});
}

cudaError_t dropout(const float* x, uint32_t threshold, float factor, RandomKey key, float* y, int64_t count,
                    cudaStream_t stream) {
  return for_each((count + 3) / 4, stream, Dropout{x, threshold, factor, key, y, count});
}

}  // namespace espalier::cuda::kernels
