#include "cuda/recording.h"

#include <exception>

#include "cuda/status.h"

namespace espalier::cuda {

GraphRecording::GraphRecording(cudaStream_t stream, Allocator& allocator, const std::function<void()>& work)
    : stream_(stream), pool_(allocator) {
  const Allocator::Pool::Use use(pool_);
  // Relaxed: the allocator may ask the device for memory meanwhile, as that is not the stream's work.
  check_cuda(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeRelaxed), "record");
  std::exception_ptr failure;
  try {
    work();
  } catch (...) {
    failure = std::current_exception();
  }
  cudaGraph_t captured = nullptr;
  const cudaError_t status = cudaStreamEndCapture(stream_, &captured);
  const Graph graph(captured);
  if (failure) {
    if (status != cudaSuccess) cudaGetLastError();  // the failure told of it
    std::rethrow_exception(failure);
  }
  check_cuda(status, "record");
  cudaGraphExec_t execution = nullptr;
  check_cuda(cudaGraphInstantiateWithFlags(&execution, graph, 0), "record");
  execution_ = GraphExecution(execution);
}

void GraphRecording::replay() {
  check_cuda(cudaGraphLaunch(execution_, stream_), "replay");
}

}  // namespace espalier::cuda
