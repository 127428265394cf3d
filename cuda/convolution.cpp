#include "cuda/convolution.h"

#include <array>
#include <vector>

namespace espalier::cuda {
namespace {

using kernels::ConvShape;

// More workspace than this buys little speed; a constant, so that the choice does not depend on what is free.
constexpr size_t kMostWorkspace = size_t{1} << 30;
constexpr int kMostAlgorithms = 16;

// cuDNN reads float32 tensors in each of these; the last lets it round them to float16 on the way.
cudnnMathType_t math_of(Precision precision) {
  switch (precision) {
    case Precision::float32:
      return CUDNN_FMA_MATH;
    case Precision::tf32:
      return CUDNN_DEFAULT_MATH;
    case Precision::float16:
      return CUDNN_TENSOR_OP_MATH_ALLOW_CONVERSION;
  }
  return CUDNN_FMA_MATH;
}

bool is_unsupported(cudnnStatus_t status) {
  return CUDNN_STATUS_CATEGORY(status) == CUDNN_STATUS_NOT_SUPPORTED;
}

}  // namespace

std::string_view name(ConvolutionPass pass) {
  constexpr std::string_view kNames[] = {"conv2d", "conv2d_backward_data", "conv2d_backward_weight"};
  return kNames[static_cast<size_t>(pass)];
}

// The descriptors of a shape, and the algorithms that are left to try, best first.
struct Convolutions::Plan {
  struct Candidate {
    int algorithm;
    cudnnMathType_t math;
  };

  // False when cuDNN cannot even describe the shape.
  bool describe(const ConvShape& s, std::string_view operation) {
    const auto known = [&](cudnnStatus_t status) {
      if (is_unsupported(status)) return false;
      check_cudnn(status, operation);
      return true;
    };
    return known(cudnnSetTensor4dDescriptor(x, CUDNN_TENSOR_NHWC, CUDNN_DATA_FLOAT, s.batch, s.in_c, s.in_h,
                                            s.in_w)) &&
           known(cudnnSetTensor4dDescriptor(y, CUDNN_TENSOR_NHWC, CUDNN_DATA_FLOAT, s.batch, s.out_c, s.out_h,
                                            s.out_w)) &&
           known(cudnnSetFilter4dDescriptor(weight, CUDNN_DATA_FLOAT, CUDNN_TENSOR_NHWC, s.out_c,
                                            s.in_c / s.groups, s.kernel_h, s.kernel_w)) &&
           known(cudnnSetConvolution2dDescriptor(convolution, s.pad_h, s.pad_w, s.stride_h, s.stride_w,
                                                 s.dilation_h, s.dilation_w, CUDNN_CROSS_CORRELATION,
                                                 CUDNN_DATA_FLOAT)) &&
           known(cudnnSetConvolutionGroupCount(convolution, s.groups));
  }

  // `get` is one of cuDNN's three cudnnGetConvolution...Algorithm_v7.
  template <typename Performance, typename Get>
  void rank(Precision precision, std::string_view operation, Get get) {
    const cudnnMathType_t math = math_of(precision);
    check_cudnn(cudnnSetConvolutionMathType(convolution, math), operation);
    std::array<Performance, kMostAlgorithms> ranked{};
    int count = 0;
    const cudnnStatus_t status = get(kMostAlgorithms, &count, ranked.data());
    if (is_unsupported(status)) return;
    check_cudnn(status, operation);
    for (int i = 0; i < count; ++i) {
      const Performance& row = ranked[static_cast<size_t>(i)];
      if (row.status == CUDNN_STATUS_SUCCESS && row.determinism == CUDNN_DETERMINISTIC &&
          row.memory <= kMostWorkspace)
        candidates.push_back(
            {static_cast<int>(row.algo), precision == Precision::float32 ? math : row.mathType});
    }
  }

  TensorDescriptor x = make_tensor_descriptor(), y = make_tensor_descriptor();
  FilterDescriptor weight = make_filter_descriptor();
  ConvolutionDescriptor convolution = make_convolution_descriptor();
  std::vector<Candidate> candidates;
};

Convolutions::Convolutions(cudnnHandle_t cudnn, Allocator& allocator)
    : cudnn_(cudnn), allocator_(allocator) {}

Convolutions::~Convolutions() = default;

Convolutions::Plan& Convolutions::plan(const Key& key) {
  const auto& [pass, precision, shape] = key;
  if (const auto found = plans_.find(key); found != plans_.end()) return found->second;
  Plan made;
  if (made.describe(shape, name(pass))) {
    switch (pass) {
      case ConvolutionPass::forward:
        made.rank<cudnnConvolutionFwdAlgoPerf_t>(precision, name(pass), [&](auto... arguments) {
          return cudnnGetConvolutionForwardAlgorithm_v7(cudnn_, made.x, made.weight, made.convolution, made.y,
                                                        arguments...);
        });
        break;
      case ConvolutionPass::backward_data:
        made.rank<cudnnConvolutionBwdDataAlgoPerf_t>(precision, name(pass), [&](auto... arguments) {
          return cudnnGetConvolutionBackwardDataAlgorithm_v7(cudnn_, made.weight, made.y, made.convolution,
                                                             made.x, arguments...);
        });
        break;
      case ConvolutionPass::backward_weight:
        made.rank<cudnnConvolutionBwdFilterAlgoPerf_t>(precision, name(pass), [&](auto... arguments) {
          return cudnnGetConvolutionBackwardFilterAlgorithm_v7(cudnn_, made.x, made.y, made.convolution,
                                                               made.weight, arguments...);
        });
        break;
    }
  }
  return plans_.emplace(key, std::move(made)).first->second;
}

bool Convolutions::run(ConvolutionPass pass, Precision precision, const ConvShape& shape, const float* first,
                       const float* second, float* result) {
  Plan& p = plan({pass, precision, shape});
  // One way to run an algorithm; workspace_bytes asks what it needs.
  const auto workspace_bytes = [&](int algorithm, size_t* bytes) {
    switch (pass) {
      case ConvolutionPass::forward:
        return cudnnGetConvolutionForwardWorkspaceSize(cudnn_, p.x, p.weight, p.convolution, p.y,
                                                       static_cast<cudnnConvolutionFwdAlgo_t>(algorithm),
                                                       bytes);
      case ConvolutionPass::backward_data:
        return cudnnGetConvolutionBackwardDataWorkspaceSize(
            cudnn_, p.weight, p.y, p.convolution, p.x, static_cast<cudnnConvolutionBwdDataAlgo_t>(algorithm),
            bytes);
      case ConvolutionPass::backward_weight:
        return cudnnGetConvolutionBackwardFilterWorkspaceSize(
            cudnn_, p.x, p.y, p.convolution, p.weight,
            static_cast<cudnnConvolutionBwdFilterAlgo_t>(algorithm), bytes);
    }
    return CUDNN_STATUS_BAD_PARAM;
  };
  const auto convolve = [&](int algorithm, void* workspace, size_t bytes) {
    const float one = 1.0f, zero = 0.0f;
    switch (pass) {
      case ConvolutionPass::forward:
        return cudnnConvolutionForward(cudnn_, &one, p.x, first, p.weight, second, p.convolution,
                                       static_cast<cudnnConvolutionFwdAlgo_t>(algorithm), workspace, bytes,
                                       &zero, p.y, result);
      case ConvolutionPass::backward_data:
        return cudnnConvolutionBackwardData(cudnn_, &one, p.weight, second, p.y, first, p.convolution,
                                            static_cast<cudnnConvolutionBwdDataAlgo_t>(algorithm), workspace,
                                            bytes, &zero, p.x, result);
      case ConvolutionPass::backward_weight:
        return cudnnConvolutionBackwardFilter(cudnn_, &one, p.x, first, p.y, second, p.convolution,
                                              static_cast<cudnnConvolutionBwdFilterAlgo_t>(algorithm),
                                              workspace, bytes, &zero, p.weight, result);
    }
    return CUDNN_STATUS_BAD_PARAM;
  };
  while (!p.candidates.empty()) {
    const Plan::Candidate candidate = p.candidates.front();
    check_cudnn(cudnnSetConvolutionMathType(p.convolution, candidate.math), name(pass));
    size_t bytes = 0;
    cudnnStatus_t status = workspace_bytes(candidate.algorithm, &bytes);
    if (status == CUDNN_STATUS_SUCCESS) {
      const Workspace<char> workspace(allocator_, bytes);
      status = convolve(candidate.algorithm, workspace.data(), bytes);
    }
    if (status == CUDNN_STATUS_SUCCESS) return true;
    if (!is_unsupported(status)) check_cudnn(status, name(pass));
    p.candidates.erase(p.candidates.begin());  // the heuristics were wrong; ask it no more
  }
  return false;
}

}  // namespace espalier::cuda
