#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "cuda/allocator.h"
#include "cuda/staging.h"

namespace espalier::cuda {

// Rows that a kernel reads from device memory. They are sent when they differ from those of the last call:
// the allocator gives a training step the blocks of the step before, so that mostly they do not.
template <typename Row>
class Table {
 public:
  Table(Allocator& allocator, Staging& staging) : allocator_(allocator), staging_(staging) {}
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;
  ~Table() { free(); }

  // Where the rows are on the device, for kernels that are queued before the next call.
  const Row* send(std::span<const Row> rows) {
    if (std::ranges::equal(rows, sent_)) return memory_;
    free();
    memory_ = static_cast<Row*>(allocator_.allocate(rows.size_bytes()));
    bytes_ = rows.size_bytes();
    staging_.copy_from_host(memory_, rows.data(), bytes_);
    sent_.assign(rows.begin(), rows.end());
    return memory_;
  }

 private:
  void free() noexcept {
    sent_.clear();
    if (memory_ != nullptr) allocator_.deallocate(memory_, bytes_);
    memory_ = nullptr;
  }

  Allocator& allocator_;
  Staging& staging_;
  Row* memory_ = nullptr;
  size_t bytes_ = 0;
  std::vector<Row> sent_;
};

}  // namespace espalier::cuda
