#include "cuda/library.h"

#include <cstdlib>
#include <string_view>

#include "cuda/cuda_backend.h"

const char* espalier_cuda_version() {
  return ESPALIER_VERSION;
}

espalier::Backend* espalier_make_cuda_backend() {
  const char* tf32 = std::getenv("ESPALIER_TF32");
  return new espalier::cuda::CudaBackend({.tf32 = tf32 != nullptr && std::string_view(tf32) == "1"});
}
