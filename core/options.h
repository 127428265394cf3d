#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <optional>

// What a backend's operations are told beside their tensors. Apart from backend.h so that a device's kernels
// include nothing heavier than this.
namespace espalier {

enum class UnaryOp : uint8_t { relu, relu6, sigmoid, tanh, sign };  // sign(0) = 0
// The activations that only cut: relu to [0, inf), relu6 to [0, 6], none to all numbers.
struct Clamp {
  float lowest = -std::numeric_limits<float>::infinity();
  float highest = std::numeric_limits<float>::infinity();
};
// REQUIRES: relu, relu6 or none.
constexpr Clamp clamp_of(std::optional<UnaryOp> activation) {
  if (!activation) return {};
  return {0.0f, *activation == UnaryOp::relu6 ? 6.0f : Clamp().highest};
}

enum class BinaryOp : uint8_t { add, multiply };
enum class PoolOp : uint8_t { max, average };

// A product of row-major matrices, C = alpha * op(A) * op(B) + beta * C, op(X) = X or its transpose.
struct GemmOptions {
  bool transpose_a = false;
  bool transpose_b = false;
  double alpha = 1.0;
  double beta = 0.0;  // 0 overwrites C without reading it
};

// The geometry of a 2-d convolution or pooling window, in (height, width) order where two numbers stand.
struct Conv2dOptions {
  std::array<int, 2> stride = {1, 1};
  std::array<int, 2> padding = {0, 0};
  std::array<int, 2> dilation = {1, 1};
  int groups = 1;
};

struct Pool2dOptions {
  std::array<int, 2> kernel = {2, 2};
  std::array<int, 2> stride = {2, 2};
  std::array<int, 2> padding = {0, 0};
  bool ceil_mode = false;  // round the output size up (Caffe) instead of down
  bool count_include_pad =
      false;  // average pooling: divide by the window cut to the padded image, padding included
};

struct BatchNormOptions {
  double momentum = 0.1;  // running = (1 - momentum) * running + momentum * batch statistic
  double epsilon = 1e-5;
  std::optional<UnaryOp> activation = {};  // relu or relu6, of the normalised values plus the residual
};

// A counter-based random draw: element i of the result depends only on (key, i).
struct RandomKey {
  uint64_t seed = 0;
  uint64_t stream = 0;
};

struct SgdOptions {
  double learning_rate = 0.1;
  double gradient_factor = 1.0;  // gradients are multiplied by it before anything else
  double momentum = 0.0;
  bool nesterov = false;
};

struct AdamOptions {
  double learning_rate = 1e-3;
  double gradient_factor = 1.0;  // as above
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  bool decoupled = false;  // AdamW: decay acts on the weight, not through the gradient
  int64_t step = 1;        // counts from 1, for the bias corrections
};

}  // namespace espalier
