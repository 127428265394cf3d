#pragma once

#include <functional>

#include "core/backend.h"
#include "cuda/allocator.h"
#include "cuda/handles.h"

namespace espalier::cuda {

// A stream's work as a CUDA graph, on memory of its own.
class GraphRecording final : public Recording {
 public:
  // Throws what `work` throws, having recorded nothing, and Error when CUDA refuses.
  GraphRecording(cudaStream_t stream, Allocator& allocator, const std::function<void()>& work);

  void replay() override;

 private:
  cudaStream_t stream_;
  Allocator::Pool pool_;  // what it has goes to others in the end, whose work comes later on the stream
  GraphExecution execution_;
};

}  // namespace espalier::cuda
