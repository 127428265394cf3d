#include "core/backend.h"
#include "core/error.h"

// What is linked where there is no CUDA backend.
namespace espalier {

Backend& cuda_backend() {
  fail("[backend] no usable CUDA device: this build has no CUDA backend; run with --device cpu");
}

}  // namespace espalier
