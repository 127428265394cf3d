#include "tests/support/fuzz.h"

#include "core/io/file.h"
#include "interchange/checkpoint.h"
#include "interchange/pickle.h"
#include "interchange/zip.h"
#include "tests/interchange/golden_network.h"
#include "tests/support/catch.h"

namespace espalier::interchange {
namespace {

constexpr size_t kDeflateRatio = 1032;

void decode(std::span<const std::byte> bytes) {
  decode_checkpoint(bytes, "fuzz");
}

TEST_CASE("a damaged legacy checkpoint is read or is an Error, in bounded memory", "[fuzz]") {
  test::fuzz(read_file(test::golden_path("interchange-legacy.pt")), 128, decode);
}

TEST_CASE("a damaged pickle is read or is an Error, in bounded memory", "[fuzz]") {
  const auto file = read_file(test::golden_path("interchange-zip.pt"));
  test::fuzz(ZipArchive(file).read("interchange-zip/data.pkl"), 128, [](auto bytes) {
    ByteReader reader(bytes);
    pickle::unpickle(reader);
  });
}

TEST_CASE("a damaged zip checkpoint is read or is an Error, in bounded memory", "[fuzz]") {
  test::fuzz(read_file(test::golden_path("interchange-zip.pt")), 128, decode);
}

TEST_CASE("a damaged .npz is read or is an Error, in bounded memory", "[fuzz]") {
  test::fuzz(read_file(test::golden_path("interchange.npz")), 2 * kDeflateRatio, decode);
}

}  // namespace
}  // namespace espalier::interchange
