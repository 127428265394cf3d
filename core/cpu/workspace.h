#pragma once

#include <cstdint>

#include "core/backend.h"

namespace espalier::cpu {

// Uninitialised scratch memory of one kernel call.
template <typename T>
class Workspace {
 public:
  explicit Workspace(int64_t count)
      : bytes_(static_cast<size_t>(count) * sizeof(T)),
        data_(static_cast<T*>(backend(Device::cpu).allocate(bytes_))) {}
  ~Workspace() { backend(Device::cpu).deallocate(data_, bytes_); }
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;

  T* data() { return data_; }
  const T* data() const { return data_; }

 private:
  size_t bytes_;
  T* data_;
};

}  // namespace espalier::cpu
