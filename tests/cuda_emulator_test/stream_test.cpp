#include <algorithm>

#include "tests/cuda_emulator_test/device_array.h"
#include "tests/cuda_emulator_test/kernels.h"

namespace espalier::test {
namespace {

using namespace cuda_emulator;

// Page-locked host memory for a test's scope.
class PinnedFloats {
 public:
  PinnedFloats(size_t size, float value) {
    void* pointer = nullptr;
    REQUIRE(cudaMallocHost(&pointer, size * sizeof(float)) == cudaSuccess);
    data_ = static_cast<float*>(pointer);
    std::fill(data_, data_ + size, value);
  }
  ~PinnedFloats() { cudaFreeHost(data_); }
  PinnedFloats(const PinnedFloats&) = delete;
  PinnedFloats& operator=(const PinnedFloats&) = delete;
  float* data() const { return data_; }
  float& operator[](size_t i) const { return data_[i]; }

 private:
  float* data_ = nullptr;
};

struct TestStream {
  explicit TestStream(unsigned flags = cudaStreamNonBlocking) {
    REQUIRE(cudaStreamCreateWithFlags(&handle, flags) == cudaSuccess);
  }
  ~TestStream() { cudaStreamDestroy(handle); }
  TestStream(const TestStream&) = delete;
  TestStream& operator=(const TestStream&) = delete;
  cudaStream_t handle = nullptr;
};

struct TestEvent {
  explicit TestEvent(unsigned flags = cudaEventDisableTiming) {
    REQUIRE(cudaEventCreateWithFlags(&handle, flags) == cudaSuccess);
  }
  ~TestEvent() { cudaEventDestroy(handle); }
  TestEvent(const TestEvent&) = delete;
  TestEvent& operator=(const TestEvent&) = delete;
  cudaEvent_t handle = nullptr;
};

TEST_CASE("An asynchronous copy to page-locked memory that nobody awaits leaves stale data") {
  reset();
  const DeviceArray<float> values(std::vector<float>{7});
  const PinnedFloats host(1, 0.0f);
  const TestStream stream;
  REQUIRE(cudaMemcpyAsync(host.data(), values.data(), 4, cudaMemcpyDeviceToHost, stream.handle) ==
          cudaSuccess);
  CHECK(host[0] == 0.0f);
  REQUIRE(cudaStreamSynchronize(stream.handle) == cudaSuccess);
  CHECK(host[0] == 7.0f);
}

TEST_CASE("An asynchronous copy reads page-locked memory late and pageable memory at once") {
  reset();
  const DeviceArray<float> a(1), b(1);
  const PinnedFloats pinned(1, 1.0f);
  float pageable = 1.0f;
  const TestStream stream;
  cudaMemcpyAsync(a.data(), pinned.data(), 4, cudaMemcpyHostToDevice, stream.handle);
  cudaMemcpyAsync(b.data(), &pageable, 4, cudaMemcpyHostToDevice, stream.handle);
  pinned[0] = pageable = 2.0f;
  cudaStreamSynchronize(stream.handle);
  CHECK(a.to_host()[0] == 2.0f);
  CHECK(b.to_host()[0] == 1.0f);
}

TEST_CASE("A copy to pageable memory is there when the call returns") {
  reset();
  const DeviceArray<float> values(std::vector<float>{1});
  const TestStream stream;
  REQUIRE(increment(values.data(), 1, 0, stream.handle) == cudaSuccess);
  float host = 0;
  cudaMemcpyAsync(&host, values.data(), 4, cudaMemcpyDeviceToHost, stream.handle);
  CHECK(host == 2.0f);
}

TEST_CASE("Another stream sees a copy only if it waits for its event") {
  for (const bool waits : {false, true}) {
    reset();
    const DeviceArray<float> values(std::vector<float>{0});
    const PinnedFloats host(1, 5.0f), result(1, 0.0f);
    const TestStream copies, compute;
    const TestEvent copied;
    cudaMemcpyAsync(values.data(), host.data(), 4, cudaMemcpyHostToDevice, copies.handle);
    cudaEventRecord(copied.handle, copies.handle);
    if (waits) cudaStreamWaitEvent(compute.handle, copied.handle, 0);
    REQUIRE(increment(values.data(), 1, 0, compute.handle) == cudaSuccess);
    cudaMemcpyAsync(result.data(), values.data(), 4, cudaMemcpyDeviceToHost, compute.handle);
    cudaStreamSynchronize(compute.handle);
    CHECK(result[0] == (waits ? 6.0f : 1.0f));
  }
}

TEST_CASE("Streams that go ahead at random show an overwrite that does not wait") {
  int wrong = 0;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    reset({.seed = seed, .late = false});
    const DeviceArray<float> values(std::vector<float>{1});
    const PinnedFloats host(1, 5.0f), result(1, 0.0f);
    const TestStream copies, compute;
    REQUIRE(increment(values.data(), 1, 0, compute.handle) == cudaSuccess);
    cudaMemcpyAsync(result.data(), values.data(), 4, cudaMemcpyDeviceToHost, compute.handle);
    cudaMemcpyAsync(values.data(), host.data(), 4, cudaMemcpyHostToDevice, copies.handle);
    cudaStreamSynchronize(compute.handle);
    wrong += result[0] != 2.0f;
  }
  CHECK(wrong > 0);
  CHECK(wrong < 40);
}

TEST_CASE("The null stream waits for blocking streams, and they for it") {
  for (const unsigned flags : {cudaStreamDefault, cudaStreamNonBlocking}) {
    reset();
    const bool blocking = flags == cudaStreamDefault;
    const DeviceArray<float> values(std::vector<float>{1});
    const PinnedFloats result(1, 0.0f);
    const TestStream stream(flags);
    REQUIRE(increment(values.data(), 1, 0, stream.handle) == cudaSuccess);
    CHECK(values.to_host()[0] == (blocking ? 2.0f : 1.0f));
    REQUIRE(increment(values.data(), 1) == cudaSuccess);
    cudaMemcpyAsync(result.data(), values.data(), 4, cudaMemcpyDeviceToHost, stream.handle);
    cudaStreamSynchronize(stream.handle);
    CHECK(result[0] == (blocking ? 3.0f : 2.0f));
  }
}

TEST_CASE("Polling an event says not ready first and makes progress") {
  reset();
  const DeviceArray<float> values(std::vector<float>{1});
  const TestStream stream;
  const TestEvent start(cudaEventDefault), end(cudaEventDefault);
  cudaEventRecord(start.handle, stream.handle);
  REQUIRE(increment(values.data(), 1, 0, stream.handle) == cudaSuccess);
  cudaEventRecord(end.handle, stream.handle);
  float milliseconds = -1;
  CHECK(cudaEventElapsedTime(&milliseconds, start.handle, end.handle) == cudaErrorNotReady);
  CHECK(cudaEventQuery(end.handle) == cudaErrorNotReady);
  CHECK(cudaEventQuery(end.handle) == cudaSuccess);
  CHECK(cudaEventElapsedTime(&milliseconds, start.handle, end.handle) == cudaSuccess);
  CHECK(milliseconds >= 0);
  CHECK(cudaGetLastError() == cudaSuccess);
  CHECK(all_faults().empty());
}

TEST_CASE("A destroyed event, and an untimed one asked for its time, are reported") {
  reset();
  cudaEvent_t gone = nullptr;
  cudaEventCreateWithFlags(&gone, cudaEventDisableTiming);
  cudaEventDestroy(gone);
  CHECK(cudaEventRecord(gone, nullptr) == cudaErrorInvalidResourceHandle);
  CHECK_FAULT("[cudaEventRecord] event");
  const TestEvent untimed;
  float milliseconds = 0;
  CHECK(cudaEventElapsedTime(&milliseconds, untimed.handle, untimed.handle) ==
        cudaErrorInvalidResourceHandle);
  CHECK_FAULT("cudaEventDisableTiming");
}

}  // namespace
}  // namespace espalier::test
