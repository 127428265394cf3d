#pragma once

#include <cstdint>

namespace espalier::cuda::kernels {

// Many arrays for one kernel. They lie end to end, each described by a row of a table in device memory that
// says where it ends, and are cut into chunks that run across their borders: a hundred small arrays cost what
// one large one does. REQUIRES: the ends increase, and `total` is the last one's.
template <typename Row>
struct Pieces {
  const Row* rows;
  int count;
  int64_t total;
};

}  // namespace espalier::cuda::kernels
