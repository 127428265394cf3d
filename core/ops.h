#pragma once

#include <optional>
#include <vector>

#include "core/autograd/variable.h"
#include "core/backend.h"

// The differentiable operations. Each checks its arguments (Error "[op] what came, what was due"), infers the
// output shape, calls the backend of its input's device, and records its gradient. All arguments of a call
// live on one device.
namespace espalier::ops {

// What follows an operation's own result z before it goes to memory: y = activation(z factor[c] + offset[c] +
// residual), c the index along the last axis; what is undefined is left out. The activation is relu or relu6.
// factor and offset, which are batch normalisation's in inference, pass no gradient: Error where one is asked
// for.
struct Tail {
  Tensor factor = {}, offset = {};
  Variable residual = {};  // of the shape of y
  std::optional<UnaryOp> activation = {};
  bool precedes_batch_norm = false;  // a hint: a training batch_norm reads y next
};

// y = x Wᵀ + b. x (N, I), weight (O, I), bias (O) or undefined; y (N, O).
Variable linear(const Variable& x, const Variable& weight, const Variable& bias = {}, const Tail& tail = {});
// (M, K) times (K, N).
Variable matmul(const Variable& a, const Variable& b);

// Cross-correlation, as in every framework. x (N, H, W, C), weight (O, R, S, C / groups), bias (O) or
// undefined; y (N, P, Q, O) with P = (H + 2 padding - dilation (R - 1) - 1) / stride + 1, rounded down.
Variable conv2d(const Variable& x, const Variable& weight, const Variable& bias = {},
                const Conv2dOptions& options = {}, const Tail& tail = {});
Shape conv2d_shape(const Shape& x, const Shape& weight, const Conv2dOptions& options);

// Ioffe & Szegedy 2015, over all axes but the last. Training mode uses the batch's statistics and moves the
// running ones. The tail has neither factor nor offset.
struct BatchNormState {
  Tensor running_mean, running_variance;
};
Variable batch_norm(const Variable& x, const Variable& scale, const Variable& shift, BatchNormState& state,
                    bool training, const BatchNormOptions& options = {}, const Tail& tail = {});
// With the running statistics it is x factor[c] + offset[c]: these two, for the tail of what computes x.
Tail batch_norm_tail(const Variable& scale, const Variable& shift, const BatchNormState& state,
                     const BatchNormOptions& options = {});

Variable max_pool2d(const Variable& x, const Pool2dOptions& options = {});
Variable average_pool2d(const Variable& x, const Pool2dOptions& options = {});
Variable global_average_pool2d(const Variable& x);  // (N, H, W, C) to (N, C)
Shape pool2d_shape(const Shape& x, const Pool2dOptions& options);

Variable relu(const Variable& x);
Variable relu6(const Variable& x);
Variable sigmoid(const Variable& x);
Variable tanh(const Variable& x);
Variable activation(UnaryOp op, const Variable& x);

Variable add(const Variable& a, const Variable& b);       // same shape
Variable multiply(const Variable& a, const Variable& b);  // same shape
Variable scale(const Variable& x, double factor);
Variable concat(const std::vector<Variable>& inputs);  // along the last axis (channels)
// `before` and `after` channels of zeros on either side of the last axis.
Variable pad_channels(const Variable& x, int64_t before, int64_t after);
// The channels (of the last axis) with these indices, strictly increasing; x itself where they are all of
// them.
Variable select_channels(const Variable& x, const std::vector<int>& channels);
Variable reshape(const Variable& x, Shape shape);
Variable flatten(const Variable& x);  // (N, ...) to (N, rest), in NHWC order
// Each element is zeroed with probability p and the others scaled by 1 / (1 - p). The draw depends on `key`
// alone.
Variable dropout(const Variable& x, double p, RandomKey key);

Variable softmax(const Variable& x);      // over the last axis
Variable log_softmax(const Variable& x);  // over the last axis
Variable sum(const Variable& x);          // of all elements, a scalar
Variable mean(const Variable& x);

// Mean over rows of the cross-entropy between softmax(logits) (N, C) and labels (N), int32. `correct` (int64
// scalar) counts the rows whose largest logit is the label's.
struct CrossEntropy {
  Variable loss;
  Tensor correct;
};
CrossEntropy cross_entropy(const Variable& logits, const Tensor& labels, double label_smoothing = 0.0);

// y = table[codes], 0 where a code is negative: weights that share values. codes int32; y has the shape of
// codes.
Variable gather(const Variable& table, const Tensor& codes);

}  // namespace espalier::ops
