#pragma once

#include "cuda/cuda_backend.h"
#include "tests/cuda_emulator/emulator.h"
#include "tests/cuda_emulator/fault_plan.h"

namespace espalier::test {

// What backend(Device::cuda) is in this program: the CUDA backend on the emulated machine. When the tests are
// done it must have left nothing behind and have used CUDA without a fault.
cuda::CudaBackend& emulated_backend();
// Ends the backend; the next use makes another. REQUIRES: no tensor is on it.
void end_emulated_backend();
// So too, and the next one runs on a new machine.
void restart_emulation(const cuda_emulator::Options& options = {});

}  // namespace espalier::test
