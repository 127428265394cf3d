#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <vector>

namespace espalier::test {

// A damaged copy of `bytes`, as disks, networks and attackers make them: truncated, bits flipped, bytes set
// to extreme values, a range cut out, doubled or zeroed, several of these at once. Depends on `seed` alone.
std::vector<std::byte> mutate(std::span<const std::byte> bytes, uint64_t seed);

}  // namespace espalier::test
