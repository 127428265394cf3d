#pragma once

#include <array>
#include <cstddef>
#include <mutex>

#include "core/size_class.h"

namespace espalier::cpu {

// 64-byte aligned host memory. Freed blocks are kept for the next request of their size class, because a
// training step asks for the same sizes again and fresh pages cost more than the kernels that fill them. At
// most kCacheLimit bytes are kept; with AddressSanitizer none are, so that it sees every use after free.
// Thread-safe.
class Allocator {
 public:
  static constexpr size_t kCacheLimit = size_t{256} << 20;

  // Throws Error naming the bytes when there is no memory.
  void* allocate(size_t bytes);
  // `bytes` is what allocate() was asked for.
  void deallocate(void* pointer, size_t bytes) noexcept;
  // Gives the kept blocks back to the system.
  void trim() noexcept;

 private:
  struct Block {
    Block* next;
  };
  std::mutex mutex_;
  std::array<Block*, SizeClass::kCount> free_{};  // by size class
  size_t cached_ = 0;
};

}  // namespace espalier::cpu
