#pragma once

#include <array>
#include <cstddef>
#include <mutex>
#include <unordered_map>
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

  using Blocks = std::array<std::vector<void*>, SizeClass::kCount>;  // by size class
  // Blocks set apart. While a Use of it lives what is allocated comes from the pool, which takes what it
  // lacks of the kept blocks or of the device; when it is freed it goes back to the pool and serves nobody
  // else, as long as the pool lives.
  class Pool {
   public:
    explicit Pool(Allocator& allocator) : allocator_(allocator) {}
    ~Pool() { allocator_.dissolve(*this); }
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;

    class Use {
     public:
      explicit Use(Pool& pool) : allocator_(pool.allocator_) { allocator_.enter(&pool); }
      ~Use() { allocator_.enter(nullptr); }
      Use(const Use&) = delete;
      Use& operator=(const Use&) = delete;

     private:
      Allocator& allocator_;
    };

   private:
    friend class Allocator;
    Allocator& allocator_;
    Blocks free_;
  };

  struct Statistics {
    size_t used = 0;     // bytes of blocks that have an owner
    size_t kept = 0;     // bytes of freed blocks, pools' left out
    size_t highest = 0;  // the most that was ever used
    size_t requests = 0;
    size_t device_requests = 0;  // those that no kept block served
  };
  Statistics statistics() const;

 private:
  void* allocate_on_device(size_t bytes);
  void enter(Pool* pool);  // null: none
  void dissolve(Pool& pool) noexcept;
  // Each under the lock.
  void* take_kept(const SizeClass& size);  // null: there is none
  void* hand_out(void* block, const SizeClass& size);
  void keep(void* block, const SizeClass& size) noexcept;

  mutable std::mutex mutex_;
  Blocks free_;
  Pool* entered_ = nullptr;
  std::unordered_map<void*, Pool*> pool_of_;  // of the blocks that are a pool's
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
