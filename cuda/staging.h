#pragma once

#include <array>

#include "cuda/handles.h"

namespace espalier::cuda {

// Copies from ordinary host memory that neither wait for the stream nor need the source afterwards: it goes
// through two page-locked buffers, one being filled while the device reads the other.
class Staging {
 public:
  explicit Staging(cudaStream_t stream);
  // The device may still be reading the buffers.
  ~Staging() { cudaStreamSynchronize(stream_); }
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;

  void copy_from_host(void* destination, const void* source, size_t bytes);

 private:
  static constexpr size_t kBytes = size_t{4} << 20;
  struct Buffer {
    PinnedMemory memory = make_pinned_memory(kBytes);
    Event read = make_event();
  };
  cudaStream_t stream_;
  std::array<Buffer, 2> buffers_;
  size_t next_ = 0;
};

}  // namespace espalier::cuda
