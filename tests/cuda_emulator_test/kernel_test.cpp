#include <algorithm>
#include <cmath>
#include <numeric>

#include "tests/cuda_emulator_test/device_array.h"
#include "tests/cuda_emulator_test/kernels.h"

namespace espalier::test {
namespace {

using namespace cuda_emulator;

std::vector<float> ramp(int count) {
  std::vector<float> values(static_cast<size_t>(count));
  std::iota(values.begin(), values.end(), 1.0f);
  return values;
}

TEST_CASE("A block reduction through shuffles and shared memory is right in any order of threads") {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    reset({.seed = seed});
    const DeviceArray<float> values(ramp(1000));
    const DeviceArray<float> sums(4);
    REQUIRE(block_sums(values.data(), 1000, sums.data(), 256) == cudaSuccess);
    const std::vector<float> result = sums.to_host();
    CHECK(result == std::vector<float>{32896, 98432, 163968, 205204});
    CHECK(all_faults().empty());
  }
}

TEST_CASE("A missing __syncthreads shows as a wrong result") {
  int wrong = 0;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    reset({.seed = seed});
    const DeviceArray<float> values(ramp(1000));
    const DeviceArray<float> sums(4);
    REQUIRE(block_sums_without_barrier(values.data(), 1000, sums.data(), 256) == cudaSuccess);
    wrong += sums.to_host() != std::vector<float>{32896, 98432, 163968, 205204};
  }
  CHECK(wrong > 10);
}

TEST_CASE("Shared memory used again too early shows, as warps overtake one another") {
  for (const bool barrier : {true, false}) {
    int wrong = 0;
    for (uint64_t seed = 1; seed <= 20; ++seed) {
      reset({.seed = seed});
      const DeviceArray<float> values(ramp(256)), out(256);
      REQUIRE(sums_in_turn(values.data(), out.data(), barrier) == cudaSuccess);
      wrong += out.to_host() != std::vector<float>(256, 3 * 32896);
    }
    CHECK((barrier ? wrong == 0 : wrong > 10));
  }
}

TEST_CASE("The seed decides the order, and so does it again") {
  const auto run = [](uint64_t seed) {
    reset({.seed = seed});
    const DeviceArray<float> values(ramp(256)), out(256);
    REQUIRE(sums_in_turn(values.data(), out.data(), false) == cudaSuccess);
    return out.to_host();
  };
  CHECK(run(3) == run(3));
  CHECK(run(3) != run(4));
}

TEST_CASE("Warp operations give what CUDA documents") {
  reset();
  const DeviceArray<int> out(32 * 8);
  REQUIRE(warp_operations(out.data()) == cudaSuccess);
  const std::vector<int> result = out.to_host();
  for (int lane = 0; lane < 32; ++lane) {
    const std::vector<int> row(result.begin() + 8 * lane, result.begin() + 8 * lane + 8);
    CHECK(row == std::vector<int>{5, std::max(lane - 1, 0), std::min(lane + 1, 31), lane ^ 3,
                                  lane % 8 < 6 ? lane + 2 : lane, static_cast<int>(0xAAAAAAAA), 1, 0});
  }
  CHECK(all_faults().empty());
}

TEST_CASE("Atomics count every thread, and dynamic shared memory belongs to its block") {
  reset();
  std::vector<int> draws(1000);
  for (size_t i = 0; i < draws.size(); ++i) draws[i] = static_cast<int>(i % 7 % 5);
  const DeviceArray<int> values(draws);
  const DeviceArray<int> counts(std::vector<int>(5));
  REQUIRE(histogram(values.data(), 1000, counts.data()) == cudaSuccess);
  const std::vector<int> result = counts.to_host();
  for (int v = 0; v < 5; ++v)
    CHECK(result[static_cast<size_t>(v)] == std::count(draws.begin(), draws.end(), v));

  const DeviceArray<float> forth(ramp(128)), back(128);
  REQUIRE(reverse(forth.data(), back.data(), 128) == cudaSuccess);
  std::vector<float> expected = ramp(128);
  std::reverse(expected.begin(), expected.begin() + 64);
  std::reverse(expected.begin() + 64, expected.end());
  CHECK(back.to_host() == expected);
  CHECK(all_faults().empty());
}

TEST_CASE("A barrier that not every thread reaches is an error that names both sides") {
  reset();
  {
    const DeviceArray<int> out(64);
    REQUIRE(divergent_barrier(out.data()) == cudaSuccess);
    CHECK(cudaDeviceSynchronize() == cudaErrorLaunchFailure);
    CHECK_FAULT("has ended");
  }
  reset();
  {
    const DeviceArray<int> out(64);
    REQUIRE(two_barriers(out.data()) == cudaSuccess);
    CHECK(cudaDeviceSynchronize() == cudaErrorLaunchFailure);
    CHECK_FAULT("divergent barrier: thread (0, 0, 0) waits at __syncthreads");
  }
  reset();
  {
    const DeviceArray<int> out(64);
    REQUIRE(divergent_shuffle(out.data()) == cudaSuccess);
    CHECK(cudaDeviceSynchronize() == cudaErrorLaunchFailure);
    CHECK_FAULT("waits at a warp operation with mask 0xffffffff");
  }
}

TEST_CASE("An index out of bounds is caught, next to the array and far from it") {
  for (const int beyond : {1, 2000}) {
    reset();
    const DeviceArray<float> values(ramp(1000));
    REQUIRE(increment(values.data(), 1000, beyond) == cudaSuccess);
    cudaDeviceSynchronize();
    CHECK_FAULT(beyond == 1 ? "wrote past an allocation of 4000 bytes" : "of 4000 bytes of device memory");
  }
  reset();
  const DeviceArray<float> values(ramp(1000)), sums(4);
  REQUIRE(block_sums(values.data(), 1001, sums.data(), 256) == cudaSuccess);
  CHECK(std::isnan(sums.to_host()[3]));  // a read close by shows in the result
  const DeviceArray<float> out(32);
  REQUIRE(shared_overrun(out.data()) == cudaSuccess);
  CHECK(cudaDeviceSynchronize() == cudaErrorIllegalAddress);
  CHECK_FAULT("touched");
}

TEST_CASE("After a kernel's fault every call answers with it, and a reset machine works again") {
  reset();
  {
    const DeviceArray<float> values(ramp(1000));
    REQUIRE(increment(values.data(), 1000, 2000) == cudaSuccess);
    CHECK(cudaDeviceSynchronize() == cudaErrorIllegalAddress);
    CHECK(cudaDeviceSynchronize() == cudaErrorIllegalAddress);
    CHECK(cudaGetLastError() == cudaErrorIllegalAddress);
    CHECK(cudaGetLastError() == cudaErrorIllegalAddress);
  }
  reset();
  const DeviceArray<float> values(ramp(1000));
  REQUIRE(increment(values.data(), 1000) == cudaSuccess);
  CHECK(values.to_host()[999] == 1001.0f);
  CHECK(launches() == 1);
}

TEST_CASE("A launch of no blocks, of too many threads or with too much shared memory is refused") {
  reset();
  const DeviceArray<float> values(ramp(1000));
  CHECK(increment(values.data(), 0) == cudaErrorInvalidConfiguration);
  CHECK_FAULT("grid (0, 1, 1)");
  CHECK(block_sums(values.data(), 1000, values.data(), 1056) == cudaErrorInvalidConfiguration);
  CHECK_FAULT("block (1056, 1, 1); between 1 and 1024 threads were due");
}

}  // namespace
}  // namespace espalier::test
