#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "core/backend.h"
#include "cuda/allocator.h"
#include "cuda/convolution.h"
#include "cuda/handles.h"
#include "cuda/kernels/optimizer.h"
#include "cuda/kernels/softmax.h"
#include "cuda/staging.h"
#include "cuda/table.h"
#include "cuda/uploads.h"

namespace espalier::cuda {

// The first CUDA device: cuBLAS for products, cuDNN for convolutions, own kernels for the rest. All work but
// uploads goes to one stream and is asynchronous to the host, which waits in copy_to_host() and synchronize()
// alone. Every result has the same bits in every run. One thread at a time may call it, except allocate() and
// deallocate().
class CudaBackend final : public Backend {
 public:
  // Throws Error, saying why, when there is none or it cannot be used.
  CudaBackend();

  Device device() const override { return Device::cuda; }
  std::string description() const override { return description_; }
  // tf32 from the start, where the device's tensor cores have it (compute capability 8.0).
  Precision precision() const override { return precision_; }
  void set_precision(Precision precision) override;
  Allocator::Statistics memory() const { return allocator_.statistics(); }

  void* allocate(size_t bytes) override;
  void deallocate(void* pointer, size_t bytes) noexcept override;
  void copy_from_host(void* destination, const void* source, size_t bytes) override;
  void copy_to_host(void* destination, const void* source, size_t bytes) override;
  void copy(void* destination, const void* source, size_t bytes) override;
  void synchronize() override;
  void reserve_uploads() override;
  void upload(void* destination, const void* source, size_t bytes) override;

  bool can_record() const override { return true; }
  std::unique_ptr<Recording> record(const std::function<void()>& work) override;

  void fill(Tensor& y, double value) override;
  void axpby(double alpha, const Tensor& x, double beta, Tensor& y) override;
  void unary(UnaryOp op, const Tensor& x, Tensor& y) override;
  void unary_backward(UnaryOp op, const Tensor& y, const Tensor& dy, Tensor& dx) override;
  void binary(BinaryOp op, const Tensor& a, const Tensor& b, Tensor& y) override;
  void broadcast_scalar(const Tensor& scalar, double factor, Tensor& y) override;
  void dropout(const Tensor& x, double p, RandomKey key, Tensor& y) override;
  void epilogue(const Tensor& z, const Epilogue& epilogue, Tensor& y) override;
  void sum_rows(const Tensor& x, Tensor& y) override;
  void sum(const Tensor& x, Tensor& y) override;
  void copy_columns(const Tensor& x, int64_t x_offset, Tensor& y, int64_t y_offset, int64_t count) override;
  void gemm(const Tensor& a, const Tensor& b, Tensor& c, const GemmOptions& options,
            const Epilogue& epilogue) override;
  void conv2d(const Tensor& x, const Tensor& weight, Tensor& y, const Conv2dOptions& options,
              const Epilogue& epilogue) override;
  void conv2d_backward_data(const Tensor& dy, const Tensor& weight, Tensor& dx, const Conv2dOptions& options,
                            const Tensor& addend) override;
  void conv2d_backward_weight(const Tensor& x, const Tensor& dy, Tensor& dweight,
                              const Conv2dOptions& options) override;
  void batch_norm(const Tensor& x, const Tensor& scale, const Tensor& shift, const Tensor& residual,
                  Tensor& running_mean, Tensor& running_variance, Tensor& batch_mean,
                  Tensor& batch_inverse_std, Tensor& y, const BatchNormOptions& options) override;
  void batch_norm_affine(const Tensor& scale, const Tensor& shift, const Tensor& running_mean,
                         const Tensor& running_variance, Tensor& factor, Tensor& offset,
                         const BatchNormOptions& options) override;
  void batch_norm_backward(const Tensor& x, const Tensor& scale, const Tensor& shift,
                           const Tensor& batch_mean, const Tensor& batch_inverse_std, const Tensor& y,
                           const Tensor& dy, Tensor& dx, Tensor& dscale, Tensor& dshift, Tensor& dresidual,
                           const BatchNormOptions& options) override;
  void pool2d(PoolOp op, const Tensor& x, Tensor& y, Tensor& indices, const Pool2dOptions& options) override;
  void pool2d_backward(PoolOp op, const Tensor& dy, const Tensor& indices, Tensor& dx,
                       const Pool2dOptions& options) override;
  void softmax(const Tensor& x, Tensor& y) override;
  void softmax_backward(const Tensor& y, const Tensor& dy, Tensor& dx) override;
  void log_softmax(const Tensor& x, Tensor& y) override;
  void log_softmax_backward(const Tensor& y, const Tensor& dy, Tensor& dx) override;
  void cross_entropy(const Tensor& logits, const Tensor& labels, double smoothing, Tensor& loss,
                     Tensor& probabilities, Tensor& correct) override;
  void cross_entropy_backward(const Tensor& probabilities, const Tensor& labels, double smoothing,
                              const Tensor& dloss, Tensor& dlogits) override;
  void add_to_totals(const Tensor& loss, const Tensor& correct, int64_t images, int64_t batch,
                     Tensor& totals) override;
  void gather(const Tensor& table, const Tensor& codes, Tensor& y) override;
  void scatter_add(const Tensor& dy, const Tensor& codes, Tensor& dtable) override;
  void sgd_step(std::span<const SgdUpdate> updates, const SgdOptions& options) override;
  void adam_step(std::span<const AdamUpdate> updates, const AdamOptions& options) override;
  void sum_of_squares(std::span<const MaskedGradient> gradients, Tensor& y) override;
  void apply_mask(Tensor& weight, const Tensor& mask) override;

 private:
  bool has_tf32() const;
  // Waits for the stream, then throws what a kernel could not.
  void wait(std::string_view operation);
  Workspace<double> workspace(int64_t doubles) { return {allocator_, static_cast<size_t>(doubles)}; }

  cudaDeviceProp properties_;
  std::string description_;
  Precision precision_ = Precision::float32;
  Stream stream_;
  Allocator allocator_;
  CublasHandle cublas_;
  CudnnHandle cudnn_;
  PinnedMemory fault_memory_;
  kernels::LabelFault* fault_;
  Uploads uploads_;
  Staging staging_;  // waits for the stream before what stands above it goes
  Table<kernels::SgdRow> sgd_table_{allocator_, staging_};
  Table<kernels::AdamRow> adam_table_{allocator_, staging_};
  Table<kernels::SquaresRow> squares_table_{allocator_, staging_};
  Convolutions convolutions_;
};

}  // namespace espalier::cuda
