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

std::vector<Thread> threads;  // of the block
std::array<uint32_t, kMaxWarps> startable;
uint32_t startable_warps;
std::array<uint32_t, kMaxWarps> elsewhere;  // lanes that neither wait at a warp operation nor have ended
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

int lanes_of(int w) {
  return std::min(kWarpSize, static_cast<int>(threads.size()) - w * kWarpSize);
}

void make_startable(int thread) {
  startable[static_cast<size_t>(thread / kWarpSize)] |= 1u << (thread % kWarpSize);
  startable_warps |= 1u << (thread / kWarpSize);
}

void not_elsewhere(int thread) {
  elsewhere[static_cast<size_t>(thread / kWarpSize)] &= ~(1u << (thread % kWarpSize));
}

// The thread to run next, or -1.
int pick() {
  if (startable_warps == 0) return -1;
  if (!(startable_warps >> warp & 1) || draw(64) == 0) warp = draw_bit(startable_warps);
  uint32_t& lanes = startable[static_cast<size_t>(warp)];
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

[[noreturn]] void abandon_kernel(int status, std::string message) {
  failure = std::move(message);
  failure_status = status;
  leave_for_good();
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

uint64_t result_of(const Thread& thread, int lane, int first, uint32_t taking_part) {
  const int segment = lane & ~(thread.width - 1), end = segment + thread.width;
  int source = lane;
  switch (thread.op) {
    case WarpOp::sync:
      return 0;
    case WarpOp::ballot: {
      uint64_t votes = 0;
      for (int i = 0; i < lanes_of(first / kWarpSize); ++i)
        if (taking_part >> i & 1 && threads[static_cast<size_t>(first + i)].value != 0) votes |= 1u << i;
      return votes;
    }
    case WarpOp::shuffle:
      source = segment + (thread.argument & (thread.width - 1));
      break;
    case WarpOp::shuffle_up:
      source = lane - thread.argument < segment ? lane : lane - thread.argument;
      break;
    case WarpOp::shuffle_down:
      source = lane + thread.argument >= end ? lane : lane + thread.argument;
      break;
    case WarpOp::shuffle_xor:
      source = (lane ^ thread.argument) >= end ? lane : lane ^ thread.argument;
      break;
  }
  const bool there = source >= 0 && source < kWarpSize && taking_part >> source & 1;
  return there ? threads[static_cast<size_t>(first + source)].value : ~uint64_t{0};
}

// Completes the operation that the lanes of `mask` wait for, once all that have not ended do.
void try_complete(int w, uint32_t mask) {
  if (mask & elsewhere[static_cast<size_t>(w)]) return;
  const int first = w * kWarpSize;
  uint32_t taking_part = 0;
  for (int lane = 0; lane < lanes_of(w); ++lane) {
    const Thread& thread = threads[static_cast<size_t>(first + lane)];
    if (!(mask >> lane & 1) || thread.state == State::ended) continue;
    if (thread.mask != mask) return;
    taking_part |= 1u << lane;
  }
  if (taking_part == 0) return;
  const Thread& one = threads[static_cast<size_t>(first + std::countr_zero(taking_part))];
  for (int lane = 0; lane < lanes_of(w); ++lane) {
    const Thread& thread = threads[static_cast<size_t>(first + lane)];
    if (taking_part >> lane & 1 && (thread.op != one.op || thread.width != one.width))
      abandon_kernel(cudaErrorLaunchFailure, "divergent warp operation: " + describe(one) + ", while " +
                                                 describe(thread) + ", in another operation");
  }
  for (int lane = 0; lane < lanes_of(w); ++lane)
    if (taking_part >> lane & 1) {
      Thread& thread = threads[static_cast<size_t>(first + lane)];
      thread.result = result_of(thread, lane, first, taking_part);
    }
  for (int lane = 0; lane < lanes_of(w); ++lane)
    if (taking_part >> lane & 1) {
      threads[static_cast<size_t>(first + lane)].state = State::ready;
      make_startable(first + lane);
    }
  elsewhere[static_cast<size_t>(w)] |= taking_part;
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
  not_elsewhere(current);
  // The lanes that waited for this one, if any, need wait no more.
  const int w = current / kWarpSize;
  for (int lane = 0; lane < lanes_of(w); ++lane) {
    const Thread& thread = threads[static_cast<size_t>(w * kWarpSize + lane)];
    if (thread.state == State::at_warp_operation) try_complete(w, thread.mask);
  }
}

// --- blocks ----------------------------------------------------------------------------------------------

void run_block(dim3 block) {
  const size_t count = size_t{block.x} * block.y * block.z;
  threads.resize(count);
  startable.fill(0);
  startable_warps = 0;
  waiting = ended = 0;
  for (size_t i = 0; i < count; ++i) {
    threads[i] = {};
    threads[i].index = {static_cast<unsigned>(i % block.x), static_cast<unsigned>(i / block.x % block.y),
                        static_cast<unsigned>(i / block.x / block.y)};
    make_startable(static_cast<int>(i));
  }
  elsewhere = startable;
  if (shared_bytes > 0) std::memset(shared_memory, kFill, shared_bytes);
  warp = 0;
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
  on_stray_access(
      [](const std::string& what) { abandon_kernel(cudaErrorIllegalAddress, "touched " + what); });
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
          std::strcmp(thread.where.file_name(), where.file_name()) != 0)
        abandon_kernel(cudaErrorLaunchFailure, describe_deadlock());
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
  if (!(mask >> lane & 1))
    abandon_kernel(cudaErrorLaunchFailure,
                   fmt::format("warp operation at {}: mask {:#x} leaves out the calling lane {}",
                               place(where), mask, lane));
  if (width < 1 || width > kWarpSize || !std::has_single_bit(static_cast<unsigned>(width)))
    abandon_kernel(
        cudaErrorLaunchFailure,
        fmt::format("warp operation at {}: width {}; a power of two up to 32 was due", place(where), width));
  wait(State::at_warp_operation, where);
  const size_t self = static_cast<size_t>(current);
  threads[self].op = op;
  threads[self].mask = mask;
  threads[self].value = value;
  threads[self].argument = argument;
  threads[self].width = width;
  not_elsewhere(current);
  try_complete(current / kWarpSize, mask);
  pause();
  return threads[self].result;
}

void* dynamic_shared_memory() {
  return shared_memory;
}

}  // namespace espalier::cuda_emulator
