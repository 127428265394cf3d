#include "core/random.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "tests/support/catch.h"

namespace espalier {
namespace {

using Words = std::array<uint32_t, 4>;

// Vectors of Random123's kat_vectors.
TEST_CASE("philox gives the published answers") {
  CHECK(philox({0, 0, 0, 0}, {0, 0}) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  const uint32_t ones = 0xffffffff;
  CHECK(philox({ones, ones, ones, ones}, {ones, ones}) ==
        Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("a stream is the key's blocks, word by word") {
  RandomStream stream(5, "order");
  const RandomKey key = stream.key();
  for (uint64_t i = 0; i < 10; ++i) CHECK(stream.next() == random_block(key, i / 4)[i % 4]);
}

TEST_CASE("the same seed, purpose and index give the same stream and any other gives another") {
  CHECK(RandomStream(1, "a", 2).next() == RandomStream(1, "a", 2).next());
  std::set<std::pair<uint64_t, uint64_t>> keys;
  for (uint64_t seed : {0, 1})
    for (const char* purpose : {"", "a", "b", "ab"})
      for (uint64_t index = 0; index < 100; ++index) {
        const RandomKey key = RandomStream(seed, purpose, index).key();
        keys.insert({key.seed, key.stream});
      }
  CHECK(keys.size() == 800);
}

TEST_CASE("uniform draws are at least 0 and below 1 and normal draws have mean 0 and variance 1") {
  RandomStream stream(3, "moments");
  constexpr int kDraws = 20000;
  double uniform = 0, mean = 0, square = 0, fourth = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double u = stream.uniform(), n = stream.normal();
    CHECK((u >= 0.0 && u < 1.0));
    uniform += u / kDraws;
    mean += n / kDraws;
    square += n * n / kDraws;
    fourth += n * n * n * n / kDraws;
  }
  CHECK(std::abs(uniform - 0.5) < 0.01);
  CHECK(std::abs(mean) < 0.03);
  CHECK(std::abs(square - 1.0) < 0.04);
  CHECK(std::abs(fourth - 3.0) < 0.3);
  CHECK(uniform_from(0) == 0.0f);
  CHECK(uniform_from(0xffffffff) < 1.0f);
}

TEST_CASE("below draws every number about equally often and refuses 0") {
  RandomStream stream(4, "below");
  std::vector<int> counts(7, 0);
  for (int i = 0; i < 7000; ++i) ++counts[stream.below(7)];
  for (int count : counts) CHECK(std::abs(count - 1000) < 150);
  CHECK(stream.below(1) == 0);
  CHECK_ERROR(stream.below(0), "below 0");
}

TEST_CASE("a permutation holds every index once") {
  std::vector<int64_t> order = RandomStream(6, "shuffle").permutation(1000);
  CHECK_FALSE(std::is_sorted(order.begin(), order.end()));
  std::sort(order.begin(), order.end());
  for (int64_t i = 0; i < 1000; ++i) CHECK(order[static_cast<size_t>(i)] == i);
  CHECK(RandomStream(6, "shuffle").permutation(0).empty());
}

TEST_CASE("random tensors keep within their bounds and moments") {
  const Tensor uniform = RandomStream(7, "tensor").uniform({40, 50}, -2.0, 3.0);
  const auto [low, high] = std::ranges::minmax(uniform.host<float>());
  CHECK((low >= -2.0f && low < -1.9f));
  CHECK((high <= 3.0f && high > 2.9f));
  const Tensor normal = RandomStream(7, "tensor").normal({4000}, 10.0, 0.5);
  double mean = 0;
  for (float value : normal.host<float>()) mean += static_cast<double>(value) / 4000;
  CHECK(std::abs(mean - 10.0) < 0.05);
}

}  // namespace
}  // namespace espalier
