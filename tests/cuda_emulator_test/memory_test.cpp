#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "tests/cuda_emulator_test/device_array.h"
#include "tests/cuda_emulator_test/kernels.h"

namespace espalier::test {
namespace {

using namespace cuda_emulator;

// The signal that ends a child process which runs `body`; 0 where none does.
template <typename Body>
int signal_of(const Body& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    std::signal(SIGSEGV, SIG_DFL);
    body();
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

TEST_CASE("Host code that follows a device pointer dies") {
  reset();
  const DeviceArray<float> values(std::vector<float>{1, 2, 3});
  const volatile float* const pointer = values.data();
  CHECK(signal_of([&] { static_cast<void>(pointer[1]); }) == SIGSEGV);
  std::vector<float> host{4};
  const volatile float* const own = host.data();
  CHECK(signal_of([&] { static_cast<void>(own[0]); }) == 0);
}

TEST_CASE("New device memory holds NaN, and -1 as an integer") {
  reset();
  const DeviceArray<int> values(3);
  CHECK(values.to_host() == std::vector<int>{-1, -1, -1});
}

TEST_CASE("Freed memory is refused as an argument, in a copy and in a second free") {
  reset();
  void* pointer = nullptr;
  REQUIRE(cudaMalloc(&pointer, 4000) == cudaSuccess);
  REQUIRE(cudaFree(pointer) == cudaSuccess);
  CHECK(increment(static_cast<float*>(pointer), 1000) == cudaErrorIllegalAddress);
  CHECK_FAULT("argument 0 is or holds a pointer to byte 0 of 4000 bytes of freed memory");
  float host = 0;
  CHECK(cudaMemcpy(&host, pointer, 4, cudaMemcpyDeviceToHost) == cudaErrorInvalidValue);
  CHECK_FAULT("freed memory");
  CHECK(cudaFree(pointer) == cudaErrorInvalidValue);
  CHECK_FAULT("is no live allocation of device memory");
}

TEST_CASE("Memory freed while a kernel is queued on it waits for the kernel") {
  reset();
  void* pointer = nullptr;
  REQUIRE(cudaMalloc(&pointer, 4000) == cudaSuccess);
  REQUIRE(increment(static_cast<float*>(pointer), 1000) == cudaSuccess);
  CHECK(cudaFree(pointer) == cudaSuccess);
  CHECK(all_faults().empty());
}

TEST_CASE("A host pointer given to a kernel is refused, alone or inside of a struct") {
  reset();
  std::vector<float> host(1000);
  CHECK(increment(host.data(), 1000) == cudaErrorIllegalAddress);
  CHECK_FAULT("argument 0 is or holds a pointer to host memory");
  CHECK(increment_view({1000, 3, host.data()}) == cudaErrorIllegalAddress);
  CHECK_FAULT("argument 0 is or holds a pointer to host memory");
  const DeviceArray<float> values(std::vector<float>(1000));
  CHECK(increment_view({1000, 3, values.data()}) == cudaSuccess);
  CHECK(values.to_host() == std::vector<float>(1000, 3.0f));
  CHECK(all_faults().empty());
}

TEST_CASE("A copy must name its direction and stay within both arrays") {
  reset();
  const DeviceArray<float> values(std::vector<float>{1, 2, 3});
  float host[4] = {};
  CHECK(cudaMemcpy(host, values.data(), 12, cudaMemcpyHostToDevice) == cudaErrorInvalidValue);
  CHECK_FAULT("kind 1 was given for a copy from byte 0 of 12 bytes of device memory to host memory");
  CHECK(cudaMemcpy(host, values.data(), 16, cudaMemcpyDeviceToHost) == cudaErrorInvalidValue);
  CHECK_FAULT("the source needs 16 bytes from byte 0 of 12 bytes of device memory");
  CHECK(cudaMemcpy(host, values.data() + 1, 8, cudaMemcpyDefault) == cudaSuccess);
  CHECK(host[0] == 2.0f);
  CHECK(cudaMemset(values.data() + 2, 0, 8) == cudaErrorInvalidValue);
  CHECK_FAULT("the destination needs 8 bytes");
}

TEST_CASE("Memory ends where its capacity does") {
  reset({.capacity = 10000});
  void *first = nullptr, *second = nullptr;
  CHECK(cudaMalloc(&first, 6000) == cudaSuccess);
  CHECK(cudaMalloc(&second, 6000) == cudaErrorMemoryAllocation);
  size_t free = 0, total = 0;
  CHECK(cudaMemGetInfo(&free, &total) == cudaSuccess);
  CHECK(free == 4000);
  CHECK(total == 10000);
  CHECK(cudaFree(first) == cudaSuccess);
  CHECK(cudaMalloc(&second, 6000) == cudaSuccess);
  CHECK(cudaFree(second) == cudaSuccess);
  CHECK(all_faults().empty());
}

TEST_CASE("What was not given back is counted") {
  reset();
  CHECK(to_string(live()) == "nothing");
  void *memory = nullptr, *pinned = nullptr;
  cudaStream_t stream = nullptr;
  cudaEvent_t event = nullptr;
  cudaMalloc(&memory, 100);
  cudaMallocHost(&pinned, 100);
  cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
  cudaEventCreateWithFlags(&event, cudaEventDisableTiming);
  CHECK(to_string(live()) == "1 allocation (100 bytes), 1 page-locked allocation, 1 stream, 1 event");
  cudaFree(memory);
  cudaFreeHost(pinned);
  cudaStreamDestroy(stream);
  cudaEventDestroy(event);
  CHECK(live() == Live{});
  CHECK(cudaStreamDestroy(stream) == cudaErrorInvalidResourceHandle);
  CHECK_FAULT("was never created, or is destroyed already");
}

TEST_CASE("A pointer's attributes say where it points") {
  reset();
  const DeviceArray<float> values(3);
  void* pinned = nullptr;
  cudaMallocHost(&pinned, 100);
  int host = 0;
  cudaPointerAttributes attributes;
  CHECK(cudaPointerGetAttributes(&attributes, values.data()) == cudaSuccess);
  CHECK(attributes.type == cudaMemoryTypeDevice);
  CHECK(cudaPointerGetAttributes(&attributes, pinned) == cudaSuccess);
  CHECK(attributes.type == cudaMemoryTypeHost);
  CHECK(cudaPointerGetAttributes(&attributes, &host) == cudaSuccess);
  CHECK(attributes.type == cudaMemoryTypeUnregistered);
  cudaFreeHost(pinned);
}

}  // namespace
}  // namespace espalier::test
