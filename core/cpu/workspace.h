#pragma once

#include <omp.h>

#include <cstdint>
#include <utility>

#include "core/backend.h"
#include "core/cpu/parallel.h"

namespace espalier::cpu {

// Uninitialised scratch memory of a kernel.
template <typename T>
class Workspace {
 public:
  explicit Workspace(int64_t count)
      : bytes_(static_cast<size_t>(count) * sizeof(T)),
        data_(static_cast<T*>(backend(Device::cpu).allocate(bytes_))) {}
  ~Workspace() {
    if (data_ != nullptr) backend(Device::cpu).deallocate(data_, bytes_);
  }
  Workspace(Workspace&& other) noexcept : bytes_(other.bytes_), data_(std::exchange(other.data_, nullptr)) {}
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;

  T* data() { return data_; }
  const T* data() const { return data_; }

 private:
  size_t bytes_;
  T* data_;
};

// Room of `floats` for every thread of a parallel region, which begins with a cache line.
class ThreadBuffers {
 public:
  explicit ThreadBuffers(int64_t floats)
      : size_(ceil_div(floats, kLine) * kLine), floats_(size_ * omp_get_max_threads()) {}
  float* own() { return floats_.data() + size_ * omp_get_thread_num(); }

 private:
  static constexpr int64_t kLine = 64 / sizeof(float);
  int64_t size_;
  Workspace<float> floats_;
};

}  // namespace espalier::cpu
