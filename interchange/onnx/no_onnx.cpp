#include "core/error.h"
#include "interchange/onnx.h"

// What is linked where ONNX is absent.
namespace espalier::interchange {

void write_onnx(const std::filesystem::path& path, layers::Network&) {
  fail(
      "[onnx] {} is not written: this build has no ONNX; install libonnx-dev and libprotobuf-dev and build "
      "anew",
      path.string());
}

}  // namespace espalier::interchange
