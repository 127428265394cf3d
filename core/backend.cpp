#include "core/backend.h"

#include "core/cpu/cpu_backend.h"
#include "core/reference/reference_backend.h"

namespace espalier {
namespace {

[[noreturn]] void missing(std::string_view operation, Device device) {
  fail("[{}] not implemented on {}", operation, name(device));
}

}  // namespace

Backend& backend(Device device) {
  // Never destroyed: tensors with static storage may outlive any order of destruction chosen here.
  switch (device) {
    case Device::cpu: {
      static Backend& instance = *new cpu::CpuBackend;
      return instance;
    }
    case Device::reference: {
      static Backend& instance = *new reference::ReferenceBackend;
      return instance;
    }
    case Device::cuda:
      return cuda_backend();
  }
  fail("[backend] unknown device {}", static_cast<int>(device));
}

void Backend::set_precision(Precision precision) {
  check(precision == Precision::float32, "[backend] {} multiplies in float32 alone, not in {}",
        name(device()), name(precision));
}

std::unique_ptr<Recording> Backend::record(const std::function<void()>&) {
  missing("record", device());
}

void Backend::fill(Tensor&, double) {
  missing("fill", device());
}
void Backend::axpby(double, const Tensor&, double, Tensor&) {
  missing("axpby", device());
}
void Backend::unary(UnaryOp, const Tensor&, Tensor&) {
  missing("unary", device());
}
void Backend::unary_backward(UnaryOp, const Tensor&, const Tensor&, Tensor&) {
  missing("unary_backward", device());
}
void Backend::binary(BinaryOp, const Tensor&, const Tensor&, Tensor&) {
  missing("binary", device());
}
void Backend::broadcast_scalar(const Tensor&, double, Tensor&) {
  missing("broadcast_scalar", device());
}
void Backend::dropout(const Tensor&, double, RandomKey, Tensor&) {
  missing("dropout", device());
}
void Backend::epilogue(const Tensor&, const Epilogue&, Tensor&) {
  missing("epilogue", device());
}
void Backend::sum_rows(const Tensor&, Tensor&) {
  missing("sum_rows", device());
}
void Backend::sum(const Tensor&, Tensor&) {
  missing("sum", device());
}
void Backend::copy_columns(const Tensor&, int64_t, Tensor&, int64_t, int64_t) {
  missing("copy_columns", device());
}
void Backend::gemm(const Tensor&, const Tensor&, Tensor&, const GemmOptions&, const Epilogue&) {
  missing("gemm", device());
}
void Backend::conv2d(const Tensor&, const Tensor&, Tensor&, const Conv2dOptions&, const Epilogue&) {
  missing("conv2d", device());
}
void Backend::conv2d_backward_data(const Tensor&, const Tensor&, Tensor&, const Conv2dOptions&,
                                   const Tensor&) {
  missing("conv2d_backward_data", device());
}
void Backend::conv2d_backward_weight(const Tensor&, const Tensor&, Tensor&, const Conv2dOptions&) {
  missing("conv2d_backward_weight", device());
}
void Backend::batch_norm(const Tensor&, const Tensor&, const Tensor&, const Tensor&, Tensor&, Tensor&,
                         Tensor&, Tensor&, Tensor&, const BatchNormOptions&) {
  missing("batch_norm", device());
}
void Backend::batch_norm_affine(const Tensor&, const Tensor&, const Tensor&, const Tensor&, Tensor&, Tensor&,
                                const BatchNormOptions&) {
  missing("batch_norm_affine", device());
}
void Backend::batch_norm_backward(const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&,
                                  const Tensor&, const Tensor&, Tensor&, Tensor&, Tensor&, Tensor&,
                                  const BatchNormOptions&) {
  missing("batch_norm_backward", device());
}
void Backend::pool2d(PoolOp, const Tensor&, Tensor&, Tensor&, const Pool2dOptions&) {
  missing("pool2d", device());
}
void Backend::pool2d_backward(PoolOp, const Tensor&, const Tensor&, Tensor&, const Pool2dOptions&) {
  missing("pool2d_backward", device());
}
void Backend::softmax(const Tensor&, Tensor&) {
  missing("softmax", device());
}
void Backend::softmax_backward(const Tensor&, const Tensor&, Tensor&) {
  missing("softmax_backward", device());
}
void Backend::log_softmax(const Tensor&, Tensor&) {
  missing("log_softmax", device());
}
void Backend::log_softmax_backward(const Tensor&, const Tensor&, Tensor&) {
  missing("log_softmax_backward", device());
}
void Backend::cross_entropy(const Tensor&, const Tensor&, double, Tensor&, Tensor&, Tensor&) {
  missing("cross_entropy", device());
}
void Backend::cross_entropy_backward(const Tensor&, const Tensor&, double, const Tensor&, Tensor&) {
  missing("cross_entropy_backward", device());
}
void Backend::add_to_totals(const Tensor&, const Tensor&, int64_t, int64_t, Tensor&) {
  missing("add_to_totals", device());
}
void Backend::gather(const Tensor&, const Tensor&, Tensor&) {
  missing("gather", device());
}
void Backend::scatter_add(const Tensor&, const Tensor&, Tensor&) {
  missing("scatter_add", device());
}
void Backend::sgd_step(std::span<const SgdUpdate>, const SgdOptions&) {
  missing("sgd_step", device());
}
void Backend::adam_step(std::span<const AdamUpdate>, const AdamOptions&) {
  missing("adam_step", device());
}
void Backend::sum_of_squares(std::span<const MaskedGradient>, Tensor&) {
  missing("sum_of_squares", device());
}
void Backend::apply_mask(Tensor&, const Tensor&) {
  missing("apply_mask", device());
}

}  // namespace espalier
