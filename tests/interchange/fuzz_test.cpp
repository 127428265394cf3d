#include "core/io/file.h"
#include "interchange/checkpoint.h"
#include "interchange/pickle.h"
#include "interchange/zip.h"
#include "tests/interchange/golden_network.h"
#include "tests/support/allocation.h"
#include "tests/support/catch.h"
#include "tests/support/mutate.h"

namespace espalier::interchange {
namespace {

constexpr uint64_t kMutations = 10'000;
constexpr size_t kDeflateRatio = 1032;

// Reads damaged copies of `bytes`: each is read or is an Error, within 64 KiB and `factor` times its size of
// memory.
void fuzz(std::span<const std::byte> bytes, size_t factor,
          const std::function<void(std::span<const std::byte>)>& read) {
  uint64_t accepted = 0, refused = 0;
  for (uint64_t seed = 0; seed < kMutations; ++seed) {
    const auto damaged = test::mutate(bytes, seed);
    const test::AllocationMeter meter;
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
  CHECK(refused > 0);
  CHECK(accepted + refused == kMutations);
  CHECK(accepted > 0);
}

void decode(std::span<const std::byte> bytes) {
  decode_checkpoint(bytes, "fuzz");
}

TEST_CASE("a damaged legacy checkpoint is read or is an Error, in bounded memory", "[fuzz]") {
  fuzz(read_file(test::golden_path("interchange-legacy.pt")), 128, decode);
}

TEST_CASE("a damaged pickle is read or is an Error, in bounded memory", "[fuzz]") {
  const auto file = read_file(test::golden_path("interchange-zip.pt"));
  fuzz(ZipArchive(file).read("interchange-zip/data.pkl"), 128, [](auto bytes) {
    ByteReader reader(bytes);
    pickle::unpickle(reader);
  });
}

TEST_CASE("a damaged zip checkpoint is read or is an Error, in bounded memory", "[fuzz]") {
  fuzz(read_file(test::golden_path("interchange-zip.pt")), 128, decode);
}

TEST_CASE("a damaged .npz is read or is an Error, in bounded memory", "[fuzz]") {
  fuzz(read_file(test::golden_path("interchange.npz")), 2 * kDeflateRatio, decode);
}

}  // namespace
}  // namespace espalier::interchange
