#pragma once

#include <cstddef>
#include <functional>
#include <string>

// Device and page-locked memory. An allocation of device memory begins at a multiple of 256 bytes and ends at
// a guard that nothing may touch; what alignment leaves between its end and the guard must stay as it is. The
// host may touch device memory only while a DeviceAccess lives, so host code that follows a device pointer
// dies of SIGSEGV; freed memory is never touchable, nor given out again before reset(). New memory is filled
// with 0xFF: NaN, or -1.
namespace espalier::cuda_emulator {

inline constexpr unsigned char kFill = 0xFF;

enum class Space { host, device, pinned, freed };

void* allocate_device(size_t bytes);  // throws Refusal where none is left
void free_device(void* pointer);
void* allocate_pinned(size_t bytes);
void free_pinned(void* pointer);

Space space_of(const void* pointer);
// Throws Misuse(status) unless `bytes` from `pointer` lie in one live allocation of device memory, aligned to
// `alignment`; `what` names the argument.
void require_device(const void* pointer, size_t bytes, int status, const std::string& what,
                    size_t alignment = 4);
// "byte 4096 of 4000 bytes of device memory", "host memory (0x10)", …
std::string describe_address(const void* pointer);

// The device's turn: opens its memory, and catches what strays out of it.
class DeviceAccess {
 public:
  DeviceAccess();
  // Reports allocations around which something was written.
  ~DeviceAccess();
  DeviceAccess(const DeviceAccess&) = delete;
  DeviceAccess& operator=(const DeviceAccess&) = delete;
};

// Runs the device's work while a DeviceAccess lives; an access that no memory allows becomes a Misuse, and
// what `work` holds at that moment is leaked.
void run_guarded(const std::function<void()>& work);
// Kernels, whose stacks are not the scheduler's, set a handler of their own, called on the stack that
// strayed; it does not return. nullptr: none.
void on_stray_access(void (*handler)(const void* address));

size_t device_allocations();
size_t device_bytes();
size_t pinned_allocations();
size_t device_capacity();
void set_device_capacity(size_t bytes);
void forget_memory();

}  // namespace espalier::cuda_emulator
