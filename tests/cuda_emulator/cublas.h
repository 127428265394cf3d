#pragma once

#include <cstddef>

namespace espalier::cuda_emulator {

size_t live_cublas_handles();
void forget_cublas();

}  // namespace espalier::cuda_emulator
