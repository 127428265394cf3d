#pragma once

#include <map>
#include <string_view>
#include <tuple>

#include "core/dtype.h"
#include "cuda/allocator.h"
#include "cuda/handles.h"
#include "cuda/kernels/conv2d.h"

namespace espalier::cuda {

enum class ConvolutionPass : uint8_t { forward, backward_data, backward_weight };
std::string_view name(ConvolutionPass pass);  // "conv2d", as in an error's brackets

// cuDNN's convolutions. The algorithm of a shape is the first deterministic one in the order of cuDNN's
// heuristics, not the fastest of a trial: a trial measures other times, hence may give other bits, in every
// run.
class Convolutions {
 public:
  Convolutions(cudnnHandle_t cudnn, Allocator& allocator);
  ~Convolutions();
  Convolutions(const Convolutions&) = delete;
  Convolutions& operator=(const Convolutions&) = delete;

  // forward: (x, weight) to y; backward_data: (dy, weight) to dx; backward_weight: (x, dy) to dweight.
  // Returns false, having done nothing, when cuDNN has no deterministic algorithm for the shape.
  bool run(ConvolutionPass pass, Precision precision, const kernels::ConvShape& shape, const float* first,
           const float* second, float* result);

 private:
  struct Plan;
  using Key = std::tuple<ConvolutionPass, Precision, kernels::ConvShape>;
  Plan& plan(const Key& key);

  cudnnHandle_t cudnn_;
  Allocator& allocator_;
  std::map<Key, Plan> plans_;
};

}  // namespace espalier::cuda
