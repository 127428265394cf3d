#include "cuda/library.h"

#include "cuda/cuda_backend.h"

const char* espalier_cuda_version() {
  return ESPALIER_VERSION;
}

espalier::Backend* espalier_make_cuda_backend() {
  return new espalier::cuda::CudaBackend;
}
