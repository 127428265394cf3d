#include "tests/cuda_emulator_test/device_array.h"
#include "tests/cuda_emulator_test/kernels.h"

namespace espalier::test {
namespace {

using namespace cuda_emulator;

// A stream that is captured, and what became of it.
class Capture {
 public:
  Capture() {
    REQUIRE(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking) == cudaSuccess);
    REQUIRE(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed) == cudaSuccess);
  }
  ~Capture() {
    if (executable != nullptr) cudaGraphExecDestroy(executable);
    cudaStreamDestroy(stream);
  }
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;

  cudaError_t end() {
    cudaGraph_t graph = nullptr;
    const cudaError_t status = cudaStreamEndCapture(stream, &graph);
    if (status != cudaSuccess) return status;
    REQUIRE(cudaGraphInstantiateWithFlags(&executable, graph, 0) == cudaSuccess);
    return cudaGraphDestroy(graph);
  }

  cudaStream_t stream = nullptr;
  cudaGraphExec_t executable = nullptr;
};

TEST_CASE("A captured stream's work runs when its graph is launched, each time and in order") {
  reset();
  const DeviceArray<float> values(std::vector<float>{1, 2, 3});
  {
    Capture capture;
    CHECK(increment(values.data(), 3, 0, capture.stream) == cudaSuccess);
    CHECK(cudaMemsetAsync(values.data(), 0, sizeof(float), capture.stream) == cudaSuccess);
    CHECK(increment(values.data(), 3, 0, capture.stream) == cudaSuccess);
    CHECK(capture.end() == cudaSuccess);
    CHECK(cudaStreamSynchronize(capture.stream) == cudaSuccess);
    CHECK(values.to_host() == std::vector<float>{1, 2, 3});
    CHECK(finished_launches() == 0);
    CHECK(cudaGraphLaunch(capture.executable, capture.stream) == cudaSuccess);
    CHECK(cudaGraphLaunch(capture.executable, capture.stream) == cudaSuccess);
    CHECK(finished_launches() == 0);
    CHECK(cudaStreamSynchronize(capture.stream) == cudaSuccess);
    CHECK(values.to_host() == std::vector<float>{1, 6, 7});
    CHECK(finished_launches() == 4);
  }
  CHECK(live().graphs == 0);
  CHECK(all_faults().empty());
}

TEST_CASE("Waiting for a captured stream is reported and spoils its graph") {
  reset();
  Capture capture;
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  CHECK(cudaStreamIsCapturing(capture.stream, &status) == cudaSuccess);
  CHECK(status == cudaStreamCaptureStatusActive);
  CHECK(cudaStreamSynchronize(capture.stream) == cudaErrorStreamCaptureUnsupported);
  CHECK_FAULT("[cudaStreamSynchronize] not while the stream is captured");
  CHECK(cudaStreamIsCapturing(capture.stream, &status) == cudaSuccess);
  CHECK(status == cudaStreamCaptureStatusInvalidated);
  CHECK(capture.end() == cudaErrorStreamCaptureInvalidated);
  CHECK(cudaStreamSynchronize(capture.stream) == cudaSuccess);
}

TEST_CASE("A captured copy from or to pageable memory, whose contents are those of the launch, is reported") {
  reset();
  const DeviceArray<float> values(3);
  float host[3] = {};
  Capture capture;
  CHECK(cudaMemcpyAsync(values.data(), host, sizeof host, cudaMemcpyHostToDevice, capture.stream) ==
        cudaErrorStreamCaptureUnsupported);
  CHECK_FAULT("[cudaMemcpyAsync]");
  CHECK(cudaMemcpyAsync(host, values.data(), sizeof host, cudaMemcpyDeviceToHost, capture.stream) ==
        cudaErrorStreamCaptureUnsupported);
  CHECK_FAULT("[cudaMemcpyAsync]");
  CHECK(capture.end() == cudaErrorStreamCaptureInvalidated);
}

TEST_CASE("An event is of the capture that it was recorded in, and of no other stream") {
  reset();
  cudaEvent_t inside = nullptr, outside = nullptr;
  cudaEventCreateWithFlags(&inside, cudaEventDisableTiming);
  cudaEventCreateWithFlags(&outside, cudaEventDisableTiming);
  cudaEventRecord(outside, nullptr);
  Capture capture;
  CHECK(cudaEventRecord(inside, capture.stream) == cudaSuccess);
  CHECK(cudaStreamWaitEvent(capture.stream, inside, 0) == cudaSuccess);
  CHECK(all_faults().empty());
  CHECK(cudaStreamWaitEvent(capture.stream, outside, 0) == cudaErrorStreamCaptureIsolation);
  CHECK_FAULT("[cudaStreamWaitEvent]");
  CHECK(cudaEventSynchronize(inside) == cudaErrorCapturedEvent);
  CHECK_FAULT("[cudaEventSynchronize]");
  cudaEventDestroy(inside);
  cudaEventDestroy(outside);
}

TEST_CASE("A graph that was launched on memory that is freed since is reported") {
  reset();
  Capture capture;
  {
    const DeviceArray<float> values(3);
    CHECK(increment(values.data(), 3, 0, capture.stream) == cudaSuccess);
    CHECK(capture.end() == cudaSuccess);
  }
  CHECK(cudaGraphLaunch(capture.executable, capture.stream) == cudaSuccess);
  CHECK(cudaStreamSynchronize(capture.stream) != cudaSuccess);
  CHECK_FAULT("freed");
  reset();
}

TEST_CASE("A graph that was not destroyed is still there") {
  reset();
  Capture capture;
  cudaGraph_t graph = nullptr;
  CHECK(cudaStreamEndCapture(capture.stream, &graph) == cudaSuccess);
  CHECK(live().graphs == 1);
  CHECK(cudaGraphDestroy(graph) == cudaSuccess);
  CHECK(live().graphs == 0);
}

}  // namespace
}  // namespace espalier::test
