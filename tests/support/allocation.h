#pragma once

#include <cstddef>

namespace espalier::test {

// Counts what this process takes from operator new, which test_support replaces: the largest sum of live
// bytes above the level at construction, on all threads. Tensors on the host are counted too. One meter at a
// time.
class AllocationMeter {
 public:
  AllocationMeter();
  size_t peak() const;

 private:
  size_t base_;
};

}  // namespace espalier::test
