#include "tests/cuda_emulator/block.h"

#include <driver_types.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <numeric>
#include <string>
#include <vector>

#include "tests/cuda_emulator/call.h"
#include "tests/cuda_emulator/fiber.h"
#include "tests/cuda_emulator/memory.h"

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

namespace espalier::cuda_emulator {
namespace {

constexpr size_t kPage = 4096;
constexpr int kMaxWarps = kMaxThreadsPerBlock / kWarpSize;

enum class State { fresh, ready, at_barrier, at_warp_operation, ended };

struct Thread {
  uint3 index;
  State state;
  Fiber* fiber;
  std::source_location where;  // it waits here, for:
  WarpOp op;
  uint32_t mask;
  uint64_t value;
  int argument, width;
  uint64_t result;
};

// Lanes, one bit each.
struct Warp {
  uint32_t live;          // have not ended
  uint32_t startable;     // could run now
  uint32_t at_operation;  // wait at a warp operation
};

std::vector<Thread> threads;  // of the block
std::array<Warp, kMaxWarps> warps;
uint32_t startable_warps;
int warp, current, next;  // the warp that ran last, the thread that runs, the one to run after it
int waiting, ended;       // at the block's barrier, for good
const std::function<void()>* kernel;

std::string failure;
int failure_status = 0;

std::byte* shared_memory = nullptr;  // ends at a guard page
size_t shared_bytes = 0;

uint64_t random_state = 1;
uint32_t draw(uint32_t bound) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return static_cast<uint32_t>(((random_state >> 32) * bound) >> 32);
}

int draw_bit(uint32_t bits) {
  for (uint32_t skip = draw(static_cast<uint32_t>(std::popcount(bits))); skip > 0; --skip) bits &= bits - 1;
  return std::countr_zero(bits);
}

Warp& warp_of(int thread) {
  return warps[static_cast<size_t>(thread / kWarpSize)];
}
uint32_t lane_bit(int thread) {
  return 1u << (thread % kWarpSize);
}

// Calls f(lane) for each bit that is set.
template <typename Function>
void for_each_lane(uint32_t bits, const Function& f) {
  for (; bits != 0; bits &= bits - 1) f(std::countr_zero(bits));
}

void make_startable(int thread) {
  warp_of(thread).startable |= lane_bit(thread);
  startable_warps |= 1u << (thread / kWarpSize);
}

// The thread to run next, or -1.
int pick() {
  if (startable_warps == 0) return -1;
  if (!(startable_warps >> warp & 1) || draw(64) == 0) warp = draw_bit(startable_warps);
  uint32_t& lanes = warps[static_cast<size_t>(warp)].startable;
  const int lane = draw_bit(lanes);
  lanes &= ~(1u << lane);
  if (lanes == 0) startable_warps &= ~(1u << warp);
  return warp * kWarpSize + lane;
}

void begin_turn(int thread) {
  current = thread;
  threadIdx = threads[static_cast<size_t>(thread)].index;
}

// --- turns -----------------------------------------------------------------------------------------------

// To be followed by leave_for_good(), in a statement of its own: what the message was made from is freed by
// then.
void fail_kernel(int status, const std::string& message) {
  failure = message;
  failure_status = status;
}

void end_thread();

// Runs one thread after another for as long as the next one is fresh, and so needs no stack of its own.
void run_threads() {
  for (;;) {
    (*kernel)();
    Fiber* const fiber = threads[static_cast<size_t>(current)].fiber;
    end_thread();
    next = pick();
    if (next >= 0 && threads[static_cast<size_t>(next)].state == State::fresh) {
      threads[static_cast<size_t>(next)].fiber = fiber;
      begin_turn(next);
      continue;
    }
    put_back(fiber);
    leave(*fiber);
  }
}

// --- waiting ---------------------------------------------------------------------------------------------

std::string place(const std::source_location& where) {
  return fmt::format("{}:{}", where.file_name(), where.line());
}

std::string describe(const Thread& thread) {
  const std::string who = fmt::format("thread ({}, {}, {})", thread.index.x, thread.index.y, thread.index.z);
  switch (thread.state) {
    case State::at_barrier:
      return who + " waits at __syncthreads, " + place(thread.where);
    case State::at_warp_operation:
      return fmt::format("{} waits at a warp operation with mask {:#x}, {}", who, thread.mask,
                         place(thread.where));
    case State::ended:
      return who + " has ended";
    default:
      return who + " runs";
  }
}

// Nothing can run: names two threads that wait for each other.
std::string describe_deadlock() {
  const auto waits = [](const Thread& thread) { return thread.state != State::ended; };
  const Thread& one = *std::find_if(threads.begin(), threads.end(), waits);
  const auto differs = [&](const Thread& thread) {
    return thread.state != one.state ||
           (thread.state == State::at_barrier && place(thread.where) != place(one.where));
  };
  const auto other = std::find_if(threads.begin(), threads.end(), differs);
  return fmt::format("divergent barrier: {}{}", describe(one),
                     other == threads.end() ? std::string() : ", while " + describe(*other));
}

// The lane whose value a shuffle gives to `lane`.
int source_lane(const Thread& thread, int lane) {
  const int segment = lane & ~(thread.width - 1), end = segment + thread.width;
  const auto inside = [&](int source) { return source >= segment && source < end ? source : lane; };
  switch (thread.op) {
    case WarpOp::shuffle:
      return segment + (thread.argument & (thread.width - 1));
    case WarpOp::shuffle_up:
      return inside(lane - thread.argument);
    case WarpOp::shuffle_down:
      return inside(lane + thread.argument);
    case WarpOp::shuffle_xor:  // may reach into the segments before, but not into those after
      return (lane ^ thread.argument) < end ? lane ^ thread.argument : lane;
    default:
      return lane;
  }
}

// Completes the operation that the lanes of `mask` wait for, once all that have not ended do.
void try_complete(int w, uint32_t mask) {
  Warp& lanes = warps[static_cast<size_t>(w)];
  const uint32_t taking_part = mask & lanes.live;
  if (taking_part == 0 || taking_part & ~lanes.at_operation) return;
  const int first = w * kWarpSize;
  const auto thread_at = [&](int lane) -> Thread& { return threads[static_cast<size_t>(first + lane)]; };
  const Thread& one = thread_at(std::countr_zero(taking_part));
  bool same_mask = true;
  for_each_lane(taking_part, [&](int lane) { same_mask &= thread_at(lane).mask == mask; });
  if (!same_mask) return;
  for_each_lane(taking_part, [&](int lane) {
    if (thread_at(lane).op != one.op || thread_at(lane).width != one.width) {
      fail_kernel(cudaErrorLaunchFailure, "divergent warp operation: " + describe(one) + ", while " +
                                              describe(thread_at(lane)) + ", in another operation");
      leave_for_good();
    }
  });
  uint64_t votes = 0;
  for_each_lane(taking_part, [&](int lane) { votes |= uint64_t{thread_at(lane).value != 0} << lane; });
  for_each_lane(taking_part, [&](int lane) {
    Thread& thread = thread_at(lane);
    const int source = source_lane(thread, lane);
    const bool there = source >= 0 && source < kWarpSize && taking_part >> source & 1;
    thread.result = thread.op == WarpOp::ballot ? votes : there ? thread_at(source).value : ~uint64_t{0};
  });
  for_each_lane(taking_part, [&](int lane) {
    thread_at(lane).state = State::ready;
    make_startable(first + lane);
  });
  lanes.at_operation &= ~taking_part;
}

void wait(State state, std::source_location where) {
  Thread& thread = threads[static_cast<size_t>(current)];
  thread.state = state;
  thread.where = where;
}

void pause() {
  next = pick();
  Fiber& fiber = *threads[static_cast<size_t>(current)].fiber;
  leave(fiber);
}

void end_thread() {
  threads[static_cast<size_t>(current)].state = State::ended;
  ++ended;
  Warp& lanes = warp_of(current);
  lanes.live &= ~lane_bit(current);
  // The lanes that waited for this one, if any, need wait no more.
  for_each_lane(lanes.at_operation, [&](int lane) {
    const int w = current / kWarpSize;
    if (lanes.at_operation >> lane & 1)
      try_complete(w, threads[static_cast<size_t>(w * kWarpSize + lane)].mask);
  });
}

// --- blocks ----------------------------------------------------------------------------------------------

void run_block(dim3 block) {
  const size_t count = size_t{block.x} * block.y * block.z;
  threads.resize(count);
  warps.fill({});
  startable_warps = 0;
  waiting = ended = 0;
  for (size_t i = 0; i < count; ++i) {
    threads[i] = {};
    threads[i].index = {static_cast<unsigned>(i % block.x), static_cast<unsigned>(i / block.x % block.y),
                        static_cast<unsigned>(i / block.x / block.y)};
    warp_of(static_cast<int>(i)).live |= lane_bit(static_cast<int>(i));
    make_startable(static_cast<int>(i));
  }
  if (shared_bytes > 0) std::memset(shared_memory, kFill, shared_bytes);
  warp = draw_bit(startable_warps);
  for (next = pick(); next >= 0;) {
    Thread& thread = threads[static_cast<size_t>(next)];
    if (thread.state == State::fresh) thread.fiber = take_fiber(run_threads);
    begin_turn(next);
    enter(*thread.fiber);
    if (!failure.empty()) return;
  }
  if (ended < static_cast<int>(count)) {
    failure = describe_deadlock();
    failure_status = cudaErrorLaunchFailure;
  }
}

void take_shared_memory(size_t bytes) {
  static std::byte* const region = [] {
    void* memory = ::mmap(nullptr, kMaxSharedBytes + 2 * kPage, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    ::mprotect(static_cast<std::byte*>(memory) + kMaxSharedBytes + kPage, kPage, PROT_NONE);
    return static_cast<std::byte*>(memory);
  }();
  shared_bytes = (bytes + 15) / 16 * 16;
  shared_memory = region + kMaxSharedBytes + kPage - shared_bytes;
}

}  // namespace

void seed_kernels(uint64_t seed) {
  random_state = seed * 0x9E3779B97F4A7C15 | 1;
}

void run_kernel(dim3 grid, dim3 block, size_t bytes, const std::function<void()>& thread) {
  take_shared_memory(bytes);
  kernel = &thread;
  gridDim = grid;
  blockDim = block;
  failure.clear();
  on_stray_access([](const void* address) {
    fail_kernel(cudaErrorIllegalAddress, "touched " + describe_address(address));
    leave_for_good();
  });
  std::vector<unsigned> order(size_t{grid.x} * grid.y * grid.z);
  std::iota(order.begin(), order.end(), 0u);
  for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[draw(static_cast<uint32_t>(i))]);
  for (const unsigned i : order) {
    blockIdx = {i % grid.x, i / grid.x % grid.y, i / grid.x / grid.y};
    run_block(block);
    if (failure.empty()) continue;
    restart_fibers();  // they hold the threads that were given up
    break;
  }
  on_stray_access(nullptr);
  if (!failure.empty())
    throw Misuse(failure_status,
                 fmt::format("{}; thread ({}, {}, {}) of block ({}, {}, {}) ran", failure, threadIdx.x,
                             threadIdx.y, threadIdx.z, blockIdx.x, blockIdx.y, blockIdx.z));
}

void block_barrier(std::source_location where) {
  wait(State::at_barrier, where);
  if (++waiting == static_cast<int>(threads.size())) {
    for (const Thread& thread : threads)
      if (thread.where.line() != where.line() ||
          std::strcmp(thread.where.file_name(), where.file_name()) != 0) {
        fail_kernel(cudaErrorLaunchFailure, describe_deadlock());
        leave_for_good();
      }
    waiting = 0;
    for (size_t i = 0; i < threads.size(); ++i) {
      threads[i].state = State::ready;
      make_startable(static_cast<int>(i));
    }
  }
  pause();
}

uint64_t warp_operation(WarpOp op, uint32_t mask, uint64_t value, int argument, int width,
                        std::source_location where) {
  const int lane = current % kWarpSize;
  if (!(mask >> lane & 1)) {
    fail_kernel(cudaErrorLaunchFailure,
                fmt::format("warp operation at {}: mask {:#x} leaves out the calling lane {}", place(where),
                            mask, lane));
    leave_for_good();
  }
  if (width < 1 || width > kWarpSize || !std::has_single_bit(static_cast<unsigned>(width))) {
    fail_kernel(
        cudaErrorLaunchFailure,
        fmt::format("warp operation at {}: width {}; a power of two up to 32 was due", place(where), width));
    leave_for_good();
  }
  wait(State::at_warp_operation, where);
  const size_t self = static_cast<size_t>(current);
  threads[self].op = op;
  threads[self].mask = mask;
  threads[self].value = value;
  threads[self].argument = argument;
  threads[self].width = width;
  warp_of(current).at_operation |= lane_bit(current);
  try_complete(current / kWarpSize, mask);
  pause();
  return threads[self].result;
}

void* dynamic_shared_memory() {
  return shared_memory;
}

}  // namespace espalier::cuda_emulator
