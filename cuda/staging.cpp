#include "cuda/staging.h"

#include <algorithm>
#include <cstring>

namespace espalier::cuda {

Staging::Staging(cudaStream_t stream) : stream_(stream) {}

void Staging::copy_from_host(void* destination, const void* source, size_t bytes) {
  // A recorded copy would read the buffer when it is replayed, whatever is in it then.
  cudaStreamCaptureStatus recording = cudaStreamCaptureStatusNone;
  check_cuda(cudaStreamIsCapturing(stream_, &recording), "copy_from_host");
  check(recording == cudaStreamCaptureStatusNone, "[copy_from_host] not while work is recorded");
  auto* to = static_cast<char*>(destination);
  const auto* from = static_cast<const char*>(source);
  while (bytes > 0) {
    const size_t part = std::min(bytes, kBytes);
    Buffer& buffer = buffers_[next_];
    next_ = 1 - next_;
    check_cuda(cudaEventSynchronize(buffer.read), "copy_from_host");
    std::memcpy(buffer.memory, from, part);
    check_cuda(cudaMemcpyAsync(to, buffer.memory, part, cudaMemcpyHostToDevice, stream_), "copy_from_host");
    check_cuda(cudaEventRecord(buffer.read, stream_), "copy_from_host");
    to += part;
    from += part;
    bytes -= part;
  }
}

}  // namespace espalier::cuda
