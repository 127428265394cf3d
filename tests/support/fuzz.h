#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "core/error.h"
#include "tests/support/allocation.h"
#include "tests/support/catch.h"
#include "tests/support/mutate.h"

namespace espalier::test {

inline constexpr uint64_t kMutations = 10'000;

// Reads damaged copies of `bytes`: each is read or is an Error, within 64 KiB and `factor` times its size of
// memory.
inline void fuzz(std::span<const std::byte> bytes, size_t factor,
                 const std::function<void(std::span<const std::byte>)>& read) {
  uint64_t accepted = 0, refused = 0;
  for (uint64_t seed = 0; seed < kMutations; ++seed) {
    const auto damaged = mutate(bytes, seed);
    const AllocationMeter meter;
    try {
      read(damaged);
      ++accepted;
    } catch (const Error&) {
      ++refused;
    }
    const size_t bound = 65536 + factor * damaged.size();
    if (meter.peak() > bound)
      FAIL("seed " << seed << " took " << meter.peak() << " bytes; the bound is " << bound);
  }
  CHECK(accepted > 0);
  CHECK(refused > 0);
  CHECK(accepted + refused == kMutations);
}

}  // namespace espalier::test
