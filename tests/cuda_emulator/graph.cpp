#include <cuda_runtime_api.h>

#include "tests/cuda_emulator/objects.h"
#include "tests/cuda_emulator/runtime.h"

namespace espalier::cuda_emulator {
namespace {

Objects<Graph, cudaGraph_t> graphs("graph", cudaErrorInvalidValue);
Objects<Graph, cudaGraphExec_t> executables("executable graph", cudaErrorInvalidValue);

void end_capture(cudaStream_t stream) {
  try {
    stream_at(stream, cudaErrorInvalidResourceHandle)->capture = nullptr;
  } catch (const Misuse&) {
    // There is no such stream.
  }
}

}  // namespace

size_t live_graphs() {
  return graphs.size() + executables.size();
}

void forget_graphs() {
  graphs.clear();
  executables.clear();
}

}  // namespace espalier::cuda_emulator

using namespace espalier::cuda_emulator;

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  return runtime_call("cudaStreamBeginCapture", [&] {
    require(mode == cudaStreamCaptureModeRelaxed, cudaErrorInvalidValue, "mode {} is not emulated",
            static_cast<int>(mode));
    require(stream != nullptr && stream != cudaStreamLegacy, cudaErrorStreamCaptureUnsupported,
            "the null stream is not captured");
    const auto object = stream_at(stream, cudaErrorInvalidResourceHandle);
    require_no_capture(*object);
    object->capture = std::make_shared<Graph>();
  });
}

// Whatever it answers, the stream is captured no longer.
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  const std::lock_guard lock(mutex());
  *graph = nullptr;
  const cudaError_t status = runtime_call("cudaStreamEndCapture", [&] {
    const auto captured = stream_at(stream, cudaErrorInvalidResourceHandle)->capture;
    require(captured != nullptr, cudaErrorInvalidValue, "the stream is not captured");
    if (!captured->valid) throw Refusal{cudaErrorStreamCaptureInvalidated};
    *graph = graphs.create(captured);
  });
  end_capture(stream);
  return status;
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  return runtime_call("cudaStreamIsCapturing", [&] {
    const auto& graph = stream_at(stream, cudaErrorInvalidResourceHandle)->capture;
    *status = graph == nullptr ? cudaStreamCaptureStatusNone
              : graph->valid   ? cudaStreamCaptureStatusActive
                               : cudaStreamCaptureStatusInvalidated;
  });
}

cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t* executable, cudaGraph_t graph,
                                          unsigned long long flags) {
  return runtime_call("cudaGraphInstantiateWithFlags", [&] {
    require(flags == 0, cudaErrorInvalidValue, "flags {}; 0 was due", flags);
    *executable = executables.create(std::make_shared<Graph>(*graphs.at(graph)));
  });
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  return runtime_call("cudaGraphLaunch", [&] {
    require_no_capture(*stream_at(stream, cudaErrorInvalidResourceHandle));
    for (const auto& [name, run] : executables.at(executable)->work) enqueue(stream, name, run);
  });
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  return runtime_call("cudaGraphDestroy", [&] { graphs.destroy(graph); });
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  return runtime_call("cudaGraphExecDestroy", [&] { executables.destroy(executable); });
}
