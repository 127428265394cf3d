#include "core/random.h"

#include <cmath>
#include <numbers>
#include <numeric>
#include <utility>

namespace espalier {
namespace {

// The finaliser of SplitMix64: a bijection, so that the indices of one purpose never share a stream.
uint64_t scramble(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

uint64_t fnv1a(std::string_view text) {
  uint64_t hash = 0xCBF29CE484222325u;
  for (char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
  return hash;
}

}  // namespace

RandomStream::RandomStream(uint64_t seed, std::string_view purpose, uint64_t index)
    : key_{.seed = seed, .stream = scramble(scramble(fnv1a(purpose)) + index)} {}

uint32_t RandomStream::next() {
  const uint64_t word = drawn_ % 4;
  if (word == 0) block_ = random_block(key_, drawn_ / 4);
  ++drawn_;
  return block_[word];
}

double RandomStream::uniform() {
  const uint64_t high = next() >> 5, low = next() >> 6;
  return static_cast<double>(high << 26 | low) * 0x1p-53;
}

double RandomStream::normal() {
  const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));
  return radius * std::cos(2.0 * std::numbers::pi * uniform());
}

uint64_t RandomStream::below(uint64_t bound) {
  check(bound > 0, "[random] a draw below 0 is impossible");
  // Draws at or above the largest multiple of `bound` would favour the small remainders.
  const uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
  uint64_t draw;
  do {
    const uint64_t high = next();
    draw = high << 32 | next();
  } while (draw >= limit);
  return draw % bound;
}

std::vector<int64_t> RandomStream::permutation(int64_t count) {
  check(count >= 0, "[random] a permutation of {} elements is impossible", count);
  std::vector<int64_t> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), int64_t{0});
  for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[below(i)]);
  return order;
}

Tensor RandomStream::uniform(Shape shape, double low, double high) {
  Tensor result(shape, DType::float32);
  for (float& element : result.host<float>()) element = static_cast<float>(low + (high - low) * uniform());
  return result;
}

Tensor RandomStream::normal(Shape shape, double mean, double standard_deviation) {
  Tensor result(shape, DType::float32);
  for (float& element : result.host<float>())
    element = static_cast<float>(mean + standard_deviation * normal());
  return result;
}

}  // namespace espalier
