#include "cuda/uploads.h"

#include "cuda/status.h"

namespace espalier::cuda {

void Uploads::reserve() {
  check_cuda(cudaEventRecord(reserved_, compute_), "reserve_uploads");
}

void Uploads::upload(void* destination, const void* source, size_t bytes) {
  check_cuda(cudaStreamWaitEvent(copies_, reserved_, 0), "upload");
  staging_.copy_from_host(destination, source, bytes);
  check_cuda(cudaEventRecord(copied_, copies_), "upload");
  check_cuda(cudaStreamWaitEvent(compute_, copied_, 0), "upload");
}

}  // namespace espalier::cuda
