#pragma once

#include <vector_types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <source_location>

// Runs kernels: blocks one after another, the threads of a block as fibers that take turns. A thread runs
// until it ends or waits at a barrier or a warp operation; who goes next is drawn from the seed. Draws prefer
// the warp that ran last, so that warps overtake one another by long stretches, which is what a missing
// barrier needs to show. A thread that never waits costs no switch. What this cannot show is a race between
// two threads that would have to interleave between barriers, such as x += 1 in place of atomicAdd(&x, 1);
// and a thread that spins until another one acts spins for ever.
namespace espalier::cuda_emulator {

inline constexpr int kWarpSize = 32;
inline constexpr int kMaxThreadsPerBlock = 1024;
inline constexpr size_t kMaxSharedBytes = 48 * 1024;  // without opting in to more

// Throws Misuse for a barrier or warp operation that can never complete, and for an access out of device
// memory.
void run_kernel(dim3 grid, dim3 block, size_t shared_bytes, const std::function<void()>& thread);
void seed_kernels(uint64_t seed);

// What device code calls, through kernel.h.
enum class WarpOp { sync, ballot, shuffle, shuffle_up, shuffle_down, shuffle_xor };
void block_barrier(std::source_location where);
// What the calling lane gets once every lane of `mask` that has not ended is here: the ballot of the values'
// truth, or the value of the lane that `argument` names. Of a lane that takes no part: all bits set.
uint64_t warp_operation(WarpOp op, uint32_t mask, uint64_t value, int argument, int width,
                        std::source_location where);
// The block's dynamic shared memory: filled with 0xFF when the block begins, its end guarded.
void* dynamic_shared_memory();

}  // namespace espalier::cuda_emulator
