#pragma once

#include <array>
#include <cstddef>
#include <mutex>
#include <vector>

#include "core/size_class.h"

namespace espalier::cuda {

// Device memory. Freed blocks are kept for the next request of their size class: a training step asks for the
// same sizes again, and cudaFree waits for the whole device. A block may be given out while the kernels of
// its last owner still run, which is safe because all work is on one stream. Thread-safe.
class Allocator {
 public:
  Allocator() = default;
  Allocator(const Allocator&) = delete;
  Allocator& operator=(const Allocator&) = delete;
  ~Allocator() { trim(); }

  // 256-byte aligned. When the device is out of memory, gives the kept blocks back to it and tries again;
  // throws Error naming the bytes when that does not help.
  void* allocate(size_t bytes);
  // `bytes` is what allocate() was asked for.
  void deallocate(void* pointer, size_t bytes) noexcept;
  // Gives the kept blocks back to the device.
  void trim() noexcept;

  struct Statistics {
    size_t used = 0;     // bytes of blocks that have an owner
    size_t kept = 0;     // bytes of freed blocks
    size_t highest = 0;  // the most that was ever used
    size_t requests = 0;
    size_t device_requests = 0;  // those that no kept block served
  };
  Statistics statistics() const;

 private:
  void* allocate_on_device(size_t bytes);

  mutable std::mutex mutex_;
  std::array<std::vector<void*>, SizeClass::kCount> free_;  // by size class
  Statistics statistics_;
};

// Memory for the length of one call of the backend.
template <typename T>
class Workspace {
 public:
  Workspace(Allocator& allocator, size_t count)
      : allocator_(allocator),
        bytes_(count * sizeof(T)),
        data_(static_cast<T*>(allocator.allocate(bytes_))) {}
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
  ~Workspace() { allocator_.deallocate(data_, bytes_); }
  T* data() const { return data_; }

 private:
  Allocator& allocator_;
  size_t bytes_;
  T* data_;
};

}  // namespace espalier::cuda
