#pragma once

#include <cuda_runtime_api.h>

#include <string>
#include <vector>

#include "tests/cuda_emulator/emulator.h"
#include "tests/support/catch.h"

namespace espalier::test {

// Device memory for a test's scope.
template <typename T>
class DeviceArray {
 public:
  explicit DeviceArray(size_t size) : size_(size) {
    void* pointer = nullptr;
    REQUIRE(cudaMalloc(&pointer, size * sizeof(T)) == cudaSuccess);
    data_ = static_cast<T*>(pointer);
  }
  explicit DeviceArray(const std::vector<T>& values) : DeviceArray(values.size()) {
    REQUIRE(cudaMemcpy(data_, values.data(), size_ * sizeof(T), cudaMemcpyHostToDevice) == cudaSuccess);
  }
  ~DeviceArray() { cudaFree(data_); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  T* data() const { return data_; }
  std::vector<T> to_host() const {
    std::vector<T> values(size_);
    REQUIRE(cudaMemcpy(values.data(), data_, size_ * sizeof(T), cudaMemcpyDeviceToHost) == cudaSuccess);
    return values;
  }

 private:
  size_t size_;
  T* data_ = nullptr;
};

// What callers did wrong, in one text.
inline std::string all_faults() {
  std::string text;
  for (const std::string& fault : cuda_emulator::take_faults()) text += fault + "\n";
  return text;
}

#define CHECK_FAULT(fragment)                                      \
  do {                                                             \
    const std::string found_faults = espalier::test::all_faults(); \
    INFO("faults: " << found_faults);                              \
    CHECK(found_faults.find(fragment) != std::string::npos);       \
  } while (false)

}  // namespace espalier::test
