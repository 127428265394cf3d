#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace espalier::cuda_emulator {

// Which calls of CUDA, cuBLAS and cuDNN fail although the caller did nothing wrong. A call counts when it
// begins; a kernel launch counts as "cudaLaunchKernel".

// The nth call of `function` from now (1 is the next) does nothing and returns `status`, of the function's
// own enumeration.
void fail_call(const std::string& function, int nth, int status);
// The nth call from now of any function fails with its library's unspecific error. Calls that give something
// back (…Destroy, cudaFree…) and those that only read an error or a version are not counted.
void fail_any_call(int nth);
// The nth allocation of device memory from now finds no memory.
void fail_allocation(int nth);
void clear_fault_plan();

// Calls since reset(): of `function`, and of those that fail_any_call() counts.
uint64_t call_count(const std::string& function);
uint64_t call_count();

// For the emulated functions: counts the call and returns the status that it shall fail with, if any.
std::optional<int> planned_failure(const char* function, int unspecific);
void forget_calls();

}  // namespace espalier::cuda_emulator
