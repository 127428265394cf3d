#undef _FORTIFY_SOURCE  // its longjmp refuses to leave a fiber's stack

#include "tests/cuda_emulator/fiber.h"

#include <sys/mman.h>
#include <ucontext.h>

#include <csetjmp>
#include <cstddef>
#include <memory>
#include <new>
#include <vector>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace espalier::cuda_emulator {

// ucontext enters a fiber for the first time; later switches are jumps, which cost no system call.
struct Fiber {
  std::byte* stack = nullptr;
  bool entered = false;
  jmp_buf jump;
  void* sanitizer_state = nullptr;
};

namespace {

constexpr size_t kStackBytes = 256 * 1024;  // mapped, and used only as far as it is touched
constexpr size_t kPage = 4096;

jmp_buf scheduler;
[[maybe_unused]] void* scheduler_state;
[[maybe_unused]] const void* scheduler_stack;
[[maybe_unused]] size_t scheduler_stack_bytes;
std::vector<std::unique_ptr<Fiber>> fibers;
std::vector<Fiber*> idle;
void (*fiber_body)() = nullptr;

[[noreturn]] void to_scheduler([[maybe_unused]] Fiber* leaving) {
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_start_switch_fiber(leaving ? &leaving->sanitizer_state : nullptr, scheduler_stack,
                                 scheduler_stack_bytes);
#endif
  longjmp(scheduler, 1);
}

void fiber_main() {
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(nullptr, &scheduler_stack, &scheduler_stack_bytes);
#endif
  fiber_body();
}

void first_entry(Fiber& fiber) {
  fiber.entered = true;
  static ucontext_t context;  // off the stack, whose frame nothing returns through
  getcontext(&context);
  context.uc_stack.ss_sp = fiber.stack;
  context.uc_stack.ss_size = kStackBytes;
  context.uc_link = nullptr;
  makecontext(&context, fiber_main, 0);
  setcontext(&context);
}

}  // namespace

void enter(Fiber& fiber) {
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_start_switch_fiber(&scheduler_state, fiber.stack, kStackBytes);
#endif
  if (_setjmp(scheduler) == 0) {
    if (fiber.entered) longjmp(fiber.jump, 1);
    first_entry(fiber);
  }
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(scheduler_state, nullptr, nullptr);
#endif
}

void leave(Fiber& fiber) {
  if (_setjmp(fiber.jump) == 0) to_scheduler(&fiber);
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(fiber.sanitizer_state, &scheduler_stack, &scheduler_stack_bytes);
#endif
}

void leave_for_good() {
  to_scheduler(nullptr);
}

Fiber* take_fiber(void (*body)()) {
  fiber_body = body;
  if (idle.empty()) {
    void* memory = ::mmap(nullptr, kStackBytes + kPage, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    ::mprotect(memory, kPage, PROT_NONE);
    fibers.push_back(std::make_unique<Fiber>());
    fibers.back()->stack = static_cast<std::byte*>(memory) + kPage;
    return fibers.back().get();
  }
  Fiber* const fiber = idle.back();
  idle.pop_back();
  return fiber;
}

void put_back(Fiber* fiber) {
  idle.push_back(fiber);
}

void restart_fibers() {
  idle.clear();
  for (const auto& fiber : fibers) {
    fiber->entered = false;
#ifdef __SANITIZE_ADDRESS__
    ASAN_UNPOISON_MEMORY_REGION(fiber->stack, kStackBytes);
#endif
    idle.push_back(fiber.get());
  }
}

}  // namespace espalier::cuda_emulator
