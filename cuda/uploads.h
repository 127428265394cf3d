#pragma once

#include "cuda/handles.h"
#include "cuda/staging.h"

namespace espalier::cuda {

// Copies from the host on a stream of their own, beside what another stream computes.
class Uploads {
 public:
  explicit Uploads(cudaStream_t compute) : compute_(compute) {}

  // From here on, copies wait only for what the computing stream was given before this call.
  void reserve();
  // What the computing stream is given after this call waits for the copy.
  void upload(void* destination, const void* source, size_t bytes);

 private:
  cudaStream_t compute_;
  Stream copies_ = make_stream();
  Event reserved_ = make_event(), copied_ = make_event();
  Staging staging_{copies_};
};

}  // namespace espalier::cuda
