#pragma once

#include <driver_types.h>

#include "tests/cuda_emulator/call.h"
#include "tests/cuda_emulator/stream.h"

namespace espalier::cuda_emulator {

// Keeps a call's error for cudaGetLastError, and answers with it or with what an earlier kernel left.
cudaError_t settle(cudaError_t status);

template <typename Body>
cudaError_t runtime_call(const char* function, Body&& body) {
  return settle(call(function, cudaErrorUnknown, std::forward<Body>(body)));
}

void set_compute_capability(int capability);
void forget_errors();
void forget_launches();

}  // namespace espalier::cuda_emulator
