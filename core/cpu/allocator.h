#pragma once

#include <array>
#include <cstddef>
#include <mutex>

#include "core/size_class.h"

namespace espalier::cpu {

// 64-byte aligned host memory. Freed blocks are kept for the next request of their size class, because a
// training step asks for the same sizes again and fresh pages cost more than the kernels that fill them. Kept
// and used blocks together take at most kSlack more than what was once in use, and a quarter; with
// AddressSanitizer none are kept, so that it sees every use after free. Large blocks lie on huge pages.
// Thread-safe.
class Allocator {
 public:
  static constexpr size_t kSlack = size_t{64} << 20;

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
  size_t cached_ = 0, used_ = 0, most_used_ = 0;  // bytes
};

}  // namespace espalier::cpu
