#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/backend.h"
#include "core/tensor.h"

namespace espalier {

// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): four 32-bit words
// from a 128-bit counter and a 64-bit key. Stateless, hence the same for any number of threads and on any
// device.
inline std::array<uint32_t, 4> philox(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = uint64_t{0xD2511F53} * counter[0];
    const uint64_t product1 = uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<uint32_t>(product1 >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(product1),
               static_cast<uint32_t>(product0 >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(product0)};
    key = {key[0] + 0x9E3779B9u, key[1] + 0xBB67AE85u};
  }
  return counter;
}

// The four draws at block `block` of a random key: draw i of a key is word i % 4 of block i / 4.
inline std::array<uint32_t, 4> random_block(RandomKey key, uint64_t block) {
  return philox({static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32),
                 static_cast<uint32_t>(key.stream), static_cast<uint32_t>(key.stream >> 32)},
                {static_cast<uint32_t>(key.seed), static_cast<uint32_t>(key.seed >> 32)});
}

// A 32-bit word as a uniform number in [0, 1) with 24 bits.
inline float uniform_from(uint32_t word) {
  return static_cast<float>(word >> 8) * 0x1p-24f;
}

// A sequence of draws for one purpose. Streams of different purposes (or indices) never overlap, so that
// adding a draw to one leaves every other as it was.
class RandomStream {
 public:
  RandomStream(uint64_t seed, std::string_view purpose, uint64_t index = 0);

  RandomKey key() const { return key_; }
  uint32_t next();
  double uniform();                // [0, 1)
  double normal();                 // mean 0, variance 1 (Box-Muller)
  uint64_t below(uint64_t bound);  // uniform in [0, bound), unbiased. REQUIRES: bound > 0
  std::vector<int64_t> permutation(int64_t count);
  Tensor uniform(Shape shape, double low, double high);  // float32, on the host
  Tensor normal(Shape shape, double mean, double standard_deviation);

 private:
  RandomKey key_;
  uint64_t drawn_ = 0;
  std::array<uint32_t, 4> block_{};
};

}  // namespace espalier
