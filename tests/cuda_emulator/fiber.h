#pragma once

// Stacks that take turns on one thread. The scheduler enters a fiber, which runs until it leaves, and goes on
// from there when it is entered again.
namespace espalier::cuda_emulator {

struct Fiber;

// One that is idle, or new; when it is entered for the first time it calls `body`, which never returns.
Fiber* take_fiber(void (*body)());
// For the fiber to call before it leaves, when it may be taken for other work.
void put_back(Fiber* fiber);

void enter(Fiber& fiber);
void leave(Fiber& fiber);
// Leaves what runs on the fiber where it stands; REQUIRES: restart_fibers() before the next take_fiber().
[[noreturn]] void leave_for_good();
void restart_fibers();

}  // namespace espalier::cuda_emulator
