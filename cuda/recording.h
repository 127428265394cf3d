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
  ~GraphRecording() override;

  void replay() override;

 private:
  void record(const std::function<void()>& work);

  cudaStream_t stream_;
  Allocator& allocator_;
  Allocator::Pool pool_;
  GraphExecution execution_;
};

}  // namespace espalier::cuda
