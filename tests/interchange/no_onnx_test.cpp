#include "interchange/onnx.h"
#include "tests/interchange/golden_network.h"
#include "tests/support/catch.h"
#include "tests/support/folder.h"

namespace espalier::interchange {
namespace {

TEST_CASE("without ONNX, export to it is refused and names the package to install") {
  const test::TemporaryFolder folder;
  layers::Network network = test::golden_network();
  network.initialise(layers::Initialiser::kaiming_normal, 1, Device::cpu);
  CHECK_ERROR(write_onnx(folder / "golden.onnx", network), "libonnx-dev");
  CHECK_FALSE(std::filesystem::exists(folder / "golden.onnx"));
}

}  // namespace
}  // namespace espalier::interchange
