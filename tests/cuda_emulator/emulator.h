#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/cuda_emulator/fault_plan.h"

// A small CUDA on the CPU, for tests of the CUDA backend where there is no device: its kernels (see
// kernel.h), the part of the runtime, cuBLAS and cuDNN that it calls, and checks of how it calls them. It
// says nothing of speed, of cuDNN's own choices, or of tensor cores' rounding.
namespace espalier::cuda_emulator {

struct Options {
  uint64_t seed = 1;                  // orders the blocks, warps and lanes of kernels
  size_t capacity = size_t{1} << 30;  // bytes of device memory
  int compute_capability = 80;        // of the device, 10 times major + minor
  // true: queued work runs only when the host waits for it, as late as CUDA allows. false: at every call, a
  // draw decides whether some stream goes ahead. The first shows a missing wait before a read, the second one
  // before an overwrite.
  bool late = true;
};

// A new machine: queued work is dropped, memory unmapped, every handle gone, nothing planned or reported.
void reset(const Options& options = {});
// From here on, kernels and streams are ordered by another seed; everything else stands.
void set_seed(uint64_t seed);
// Bytes of device memory that cudaMalloc may give in all, those it has given included.
void set_capacity(size_t bytes);

// What was created and not yet destroyed.
struct Live {
  size_t allocations = 0;  // of device memory
  size_t bytes = 0;        // in them
  size_t pinned = 0;       // allocations of page-locked host memory
  size_t streams = 0;
  size_t events = 0;
  size_t graphs = 0;       // executable ones too
  size_t handles = 0;      // of cuBLAS and cuDNN
  size_t descriptors = 0;  // of cuDNN
  bool operator==(const Live&) const = default;
};
Live live();
std::string to_string(const Live& live);  // "2 allocations (512 bytes), 1 stream"; "nothing"

// What callers did wrong since the last take_faults() or reset(), oldest first: out of bounds, a divergent
// barrier, descriptors that contradict each other, … A planned failure is not a fault.
std::vector<std::string> take_faults();

// Kernels launched since reset(), and those of them that have run.
uint64_t launches();
uint64_t finished_launches();

}  // namespace espalier::cuda_emulator
