#include "compression/codec/deflate.h"
#include "tests/compression/esp_samples.h"
#include "tests/support/allocation.h"
#include "tests/support/catch.h"
#include "tests/support/mutate.h"

using namespace espalier;
using namespace espalier::compression;
using namespace espalier::test;

namespace {

struct Outcome {
  bool decoded = false;
  size_t peak = 0;
};

// Anything but Error escapes and fails the test.
Outcome try_decode(std::span<const std::byte> bytes, uint64_t limit) {
  const AllocationMeter meter;
  Outcome outcome;
  try {
    static_cast<void>(decode_esp(bytes, "fuzz", limit));
    outcome.decoded = true;
  } catch (const Error&) {
  }
  outcome.peak = meter.peak();
  return outcome;
}

std::string mutated(const std::string& text, uint64_t seed) {
  const auto bytes = mutate(bytes_of(text), seed);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

TEST_CASE("a damaged file is an error that costs no memory", "[fuzz]") {
  uint64_t rejected = 0, wrongly_accepted = 0, greedy = 0;
  for (uint32_t sample = 0; sample < 12; ++sample) {
    const std::string bytes = encode_esp(random_file(sample, 1 + static_cast<int>(sample % 5))).bytes;
    for (uint64_t seed = 0; seed < 1000; ++seed) {
      const std::string damaged = mutated(bytes, sample * 1000 + seed);
      const auto [decoded, peak] = try_decode(bytes_of(damaged), kMaxDecodedBytes);
      rejected += decoded ? 0 : 1;
      wrongly_accepted += decoded && damaged != bytes ? 1 : 0;
      greedy += !decoded && peak > (size_t{64} << 10) + 4 * damaged.size() ? 1 : 0;
    }
  }
  CHECK(rejected > 11000);  // a few mutations change nothing
  CHECK(wrongly_accepted == 0);
  CHECK(greedy == 0);
}

TEST_CASE("a damaged section with a right checksum decodes or is an error, within the limit", "[fuzz]") {
  constexpr uint64_t kLimit = uint64_t{1} << 20;
  uint64_t accepted = 0, rejected = 0, greedy = 0;
  for (uint32_t sample = 0; sample < 12; ++sample) {
    const auto sections =
        split_sections(encode_esp(random_file(100 + sample, 1 + static_cast<int>(sample % 5))).bytes);
    const std::string directory = inflate(bytes_of(sections[0]), kMaxDirectoryBytes);
    for (uint64_t seed = 0; seed < 1000; ++seed) {
      auto damaged = sections;
      const size_t victim = seed % (sections.size() + 1);
      if (victim < sections.size()) {
        damaged[victim] = mutated(sections[victim], sample * 1000 + seed);
      } else {
        damaged[0] = deflate(mutated(directory, sample * 1000 + seed));
      }
      const std::string bytes = join_sections(damaged);
      const auto [decoded, peak] = try_decode(bytes_of(bytes), kLimit);
      ++(decoded ? accepted : rejected);
      // 192 KiB: the code lengths of a 16-bit alphabet and the decoders' tables.
      greedy += peak > kLimit + (size_t{192} << 10) + 64 * bytes.size() ? 1 : 0;
    }
  }
  CHECK(accepted > 500);  // the parser behind the checksum was reached, and left by both doors
  CHECK(rejected > 5000);
  CHECK(greedy == 0);
}
