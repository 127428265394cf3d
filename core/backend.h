#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "core/options.h"
#include "core/tensor.h"

namespace espalier {

// What follows an operation's own result z on its way to memory: y = activation(z factor[c] + offset[c] +
// residual), c the index along the last axis. Undefined tensors leave their part out; the activation is relu
// or relu6.
struct Epilogue {
  Tensor factor, offset;  // one for each column
  Tensor residual;        // of the shape of y
  std::optional<UnaryOp> activation;
  // A hint: batch_norm reads y next, and its statistics may be gathered as y is written.
  bool precedes_batch_norm = false;

  bool is_empty() const {
    return !factor.defined() && !offset.defined() && !residual.defined() && !activation;
  }
};

// What an optimizer's step does to one parameter. `mask` (uint8, or null) holds the weight and its state at
// exactly zero where it is 0.
struct SgdUpdate {
  Tensor* weight;
  const Tensor* gradient;
  Tensor* momentum = nullptr;  // null where options.momentum is 0, and only there
  const Tensor* mask = nullptr;
  double weight_decay = 0;
};
struct AdamUpdate {
  Tensor* weight;
  const Tensor* gradient;
  Tensor *first_moment, *second_moment;
  const Tensor* mask = nullptr;
  double weight_decay = 0;
};
struct MaskedGradient {
  const Tensor* gradient;
  const Tensor* mask = nullptr;
};

// Work of a device that can be asked for again, all at once.
class Recording {
 public:
  virtual ~Recording() = default;
  // Asks for it, as if each of its operations were called again with the tensors of then.
  virtual void replay() = 0;
};

// What runs inside a training step, on one device. Callers (core/ops, core/optim) check arguments and infer
// shapes; a kernel gets valid, contiguous tensors of its own device. Floating tensors are float32
// (Device::reference also takes float64, all floating arguments of one call alike). Outputs are allocated by
// the caller and must not overlap inputs unless stated. Results do not depend on the number of threads.
//
// A backend overrides what it implements; the others throw "[op] not implemented on <device>".
class Backend {
 public:
  virtual ~Backend() = default;
  virtual Device device() const = 0;
  virtual std::string description() const = 0;  // what it computes on, in a few words for people

  // Every device starts with its own precision. Throws Error for one that it does not have.
  virtual Precision precision() const { return Precision::float32; }
  virtual void set_precision(Precision precision);

  // Memory. allocate() returns 64-byte aligned memory or throws Error; it may be called from any thread.
  virtual void* allocate(size_t bytes) = 0;
  virtual void deallocate(void* pointer, size_t bytes) noexcept = 0;
  virtual void copy_from_host(void* destination, const void* source, size_t bytes) = 0;
  virtual void copy_to_host(void* destination, const void* source, size_t bytes) = 0;
  virtual void copy(void* destination, const void* source, size_t bytes) = 0;
  virtual void synchronize() {}
  // Copies from the host that may run while the device computes what was asked of it since reserve_uploads().
  // REQUIRES: `destination` was allocated before that call and nothing was asked of it since.
  virtual void reserve_uploads() {}
  virtual void upload(void* destination, const void* source, size_t bytes) {
    copy_from_host(destination, source, bytes);
  }

  // Where asking for an operation can take longer than the operation: what `work` asks for is not done but
  // recorded. Memory that is allocated meanwhile serves nothing else as long as the recording lives, which is
  // not longer than the backend. Throws what `work` throws, and Error when it copies to or from the host or
  // waits for the device. REQUIRES: can_record(); what `work` asks for was asked for before with tensors of
  // these shapes.
  virtual bool can_record() const { return false; }
  virtual std::unique_ptr<Recording> record(const std::function<void()>& work);

  // Elementwise; y may be x (or a, or b).
  virtual void fill(Tensor& y, double value);  // any dtype
  virtual void axpby(double alpha, const Tensor& x, double beta,
                     Tensor& y);  // y = alpha x + beta y; beta 0 does not read y
  virtual void unary(UnaryOp op, const Tensor& x, Tensor& y);
  virtual void unary_backward(UnaryOp op, const Tensor& y, const Tensor& dy,
                              Tensor& dx);  // from the *output* y; dx may be dy
  virtual void binary(BinaryOp op, const Tensor& a, const Tensor& b, Tensor& y);
  virtual void broadcast_scalar(const Tensor& scalar, double factor, Tensor& y);  // y[i] = factor * scalar[0]
  // y[i] = x[i] / (1 - p) where the i-th uniform draw of `key` is >= p, else 0. The backward is the same call
  // on dy.
  virtual void dropout(const Tensor& x, double p, RandomKey key, Tensor& y);

  // Rows and channels: x is viewed as (rows, columns) with columns the last axis.
  virtual void epilogue(const Tensor& z, const Epilogue& epilogue, Tensor& y);  // y may be z or the residual
  virtual void sum_rows(const Tensor& x, Tensor& y);  // y[c] = sum over rows of x[r][c]
  virtual void sum(const Tensor& x, Tensor& y);       // y[0] = sum of all elements
  // For every row: y[r][y_offset .. +count) = x[r][x_offset .. +count). Other columns of y stand.
  virtual void copy_columns(const Tensor& x, int64_t x_offset, Tensor& y, int64_t y_offset, int64_t count);

  // Linear algebra: a, b, c are rank 2.
  virtual void gemm(const Tensor& a, const Tensor& b, Tensor& c, const GemmOptions& options,
                    const Epilogue& epilogue = {});

  // Convolution: x (N, H, W, C), weight (O, R, S, C / groups), y (N, P, Q, O). A bias is an
  // epilogue's offset, its gradient sum_rows. `addend`, of the shape of dx or undefined, is added to the
  // gradient.
  virtual void conv2d(const Tensor& x, const Tensor& weight, Tensor& y, const Conv2dOptions& options,
                      const Epilogue& epilogue = {});
  virtual void conv2d_backward_data(const Tensor& dy, const Tensor& weight, Tensor& dx,
                                    const Conv2dOptions& options, const Tensor& addend = {});
  virtual void conv2d_backward_weight(const Tensor& x, const Tensor& dy, Tensor& dweight,
                                      const Conv2dOptions& options);

  // Batch normalisation over all but the last axis. Training: normalises with the batch's mean and biased
  // variance, writes them to batch_mean and batch_inverse_std (1/sqrt(var + eps)), and moves the running
  // statistics (variance unbiased). `residual`, of the shape of x or undefined, is added before the
  // activation.
  virtual void batch_norm(const Tensor& x, const Tensor& scale, const Tensor& shift, const Tensor& residual,
                          Tensor& running_mean, Tensor& running_variance, Tensor& batch_mean,
                          Tensor& batch_inverse_std, Tensor& y, const BatchNormOptions& options);
  // With the running statistics it is x factor[c] + offset[c]: these two, for an epilogue.
  virtual void batch_norm_affine(const Tensor& scale, const Tensor& shift, const Tensor& running_mean,
                                 const Tensor& running_variance, Tensor& factor, Tensor& offset,
                                 const BatchNormOptions& options);
  // `y` is the forward's output. `dresidual` gets the residual's gradient; it is defined where there were a
  // residual and an activation (without an activation that gradient is dy).
  virtual void batch_norm_backward(const Tensor& x, const Tensor& scale, const Tensor& shift,
                                   const Tensor& batch_mean, const Tensor& batch_inverse_std, const Tensor& y,
                                   const Tensor& dy, Tensor& dx, Tensor& dscale, Tensor& dshift,
                                   Tensor& dresidual, const BatchNormOptions& options);

  // Pooling over windows of (N, H, W, C). Max pooling writes the flat h * W + w index of each winner (the
  // first of equals) to `indices` (int32, the shape of y); average pooling ignores it. Padding never wins;
  // the backward overwrites dx.
  virtual void pool2d(PoolOp op, const Tensor& x, Tensor& y, Tensor& indices, const Pool2dOptions& options);
  virtual void pool2d_backward(PoolOp op, const Tensor& dy, const Tensor& indices, Tensor& dx,
                               const Pool2dOptions& options);

  // Softmax over the last axis, and the loss. y may be x.
  virtual void softmax(const Tensor& x, Tensor& y);
  virtual void softmax_backward(const Tensor& y, const Tensor& dy, Tensor& dx);
  virtual void log_softmax(const Tensor& x, Tensor& y);
  virtual void log_softmax_backward(const Tensor& y, const Tensor& dy, Tensor& dx);
  // loss[0] = mean over rows of -sum_c t[c] log softmax(logits)[c], t = (1 - smoothing) onehot(label) +
  // smoothing / C; probabilities = softmax(logits). labels: int32 in [0, C). correct[0] (int64) = rows whose
  // first largest logit is the label.
  virtual void cross_entropy(const Tensor& logits, const Tensor& labels, double smoothing, Tensor& loss,
                             Tensor& probabilities, Tensor& correct);
  // dlogits = dloss[0] * (probabilities - t) / rows.
  virtual void cross_entropy_backward(const Tensor& probabilities, const Tensor& labels, double smoothing,
                                      const Tensor& dloss, Tensor& dlogits);

  // What a training lost and got right so far, kept on the device so that no step waits for it. totals
  // (float64) has 4 elements: the sum of images * loss[0], the sum of correct[0], and of the first batch
  // whose loss is not finite its number and loss. REQUIRES: batch > 0; totals[2] is 0 until there is one.
  virtual void add_to_totals(const Tensor& loss, const Tensor& correct, int64_t images, int64_t batch,
                             Tensor& totals);

  // Shared weights: y[i] = codes[i] < 0 ? 0 : table[codes[i]], and its transpose, dtable[j] = sum of dy[i]
  // with codes[i] == j (dtable is overwritten). codes: int32, < table.numel().
  virtual void gather(const Tensor& table, const Tensor& codes, Tensor& y);
  virtual void scatter_add(const Tensor& dy, const Tensor& codes, Tensor& dtable);

  // A step of an optimizer over all its parameters, in place and in one pass. SGD as PyTorch: g = factor g +
  // decay w; m = momentum m + g; w -= lr (nesterov ? g + momentum m : m).
  virtual void sgd_step(std::span<const SgdUpdate> updates, const SgdOptions& options);
  virtual void adam_step(std::span<const AdamUpdate> updates, const AdamOptions& options);
  // y[0] = the sum of the squares of all elements that no mask holds.
  virtual void sum_of_squares(std::span<const MaskedGradient> gradients, Tensor& y);
  // weight[i] = mask[i] ? weight[i] : 0.
  virtual void apply_mask(Tensor& weight, const Tensor& mask);
};

// The backend of a device. Throws Error, saying why and what to do instead, when the device is not usable.
// Backends live until the process ends.
Backend& backend(Device device);
// Device::cuda's, defined in cuda/.
Backend& cuda_backend();

}  // namespace espalier
