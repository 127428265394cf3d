#include <random>

#include "datasets/idx.h"
#include "tests/datasets/idx_bytes.h"
#include "tests/support/allocation.h"
#include "tests/support/catch.h"
#include "tests/support/mutate.h"

namespace espalier::datasets {
namespace {

using test::Bytes;

// What one decode may take: the array, which the header promises and the reader bounds by what the bytes can
// hold (deflate inflates no more than 1032 times), and a little for messages. zlib's own state is constant
// and not counted.
size_t allowed(size_t file_bytes, bool gzip) {
  return (gzip ? 1032 : 1) * file_bytes + 4096;
}

struct Outcome {
  int decoded = 0, refused = 0;
};

void try_one(const Bytes& bytes, bool gzip, Outcome& outcome) {
  const test::AllocationMeter meter;
  std::string refusal;
  IdxArray array;
  try {
    array = decode_idx(bytes, "fuzz");
  } catch (const Error& error) {
    refusal = error.what();
  }
  const size_t peak = meter.peak();
  REQUIRE(peak <= allowed(bytes.size(), gzip));
  if (refusal.empty()) {
    ++outcome.decoded;
    REQUIRE(static_cast<size_t>(array.shape.numel()) == array.values.size());
  } else {
    ++outcome.refused;
    REQUIRE(refusal.rfind("[idx] fuzz", 0) == 0);
  }
}

Outcome fuzz(const Bytes& original, bool gzip, int mutations) {
  Outcome outcome;
  for (int seed = 0; seed < mutations; ++seed) {
    try_one(test::mutate(original, static_cast<uint64_t>(seed)), gzip, outcome);
  }
  return outcome;
}

Bytes images() {
  std::mt19937 random(1);
  std::vector<uint8_t> values(20 * 28 * 28);
  for (uint8_t& value : values) value = random() % 4 == 0 ? static_cast<uint8_t>(random()) : uint8_t{0};
  return test::idx_bytes({20, 28, 28}, values);
}

TEST_CASE("any damage to a plain IDX file is decoded or refused within the memory of the file", "[fuzz]") {
  const Outcome outcome = fuzz(images(), false, 10000);
  CHECK(outcome.decoded > 100);  // flips of pixels change no structure
  CHECK(outcome.refused > 1000);
}

TEST_CASE("any damage to a gzipped IDX file is decoded or refused within what deflate can inflate",
          "[fuzz]") {
  const Outcome images_outcome = fuzz(test::gzip(images()), true, 10000);
  CHECK(images_outcome.refused > 9000);  // the checksum catches nearly all
  // Short enough that the damage often falls into the IDX header itself.
  const Outcome labels_outcome =
      fuzz(test::gzip(test::idx_bytes({10}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9})), true, 10000);
  CHECK(labels_outcome.refused > 5000);
}

TEST_CASE("damage before compression, which no checksum catches, is decoded or refused", "[fuzz]") {
  const Bytes original = test::idx_bytes({40}, std::vector<uint8_t>(40, 3));
  Outcome outcome;
  for (uint64_t seed = 0; seed < 5000; ++seed) {
    const Bytes packed = test::gzip(test::mutate(original, seed));
    try_one(packed, true, outcome);
  }
  CHECK(outcome.refused > 1000);
  CHECK(outcome.decoded > 100);
}

}  // namespace
}  // namespace espalier::datasets
