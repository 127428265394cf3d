#undef _FORTIFY_SOURCE  // its longjmp refuses to leave a fiber's stack

#include "tests/cuda_emulator/memory.h"

#include <driver_types.h>
#include <pthread.h>
#include <sys/mman.h>

#include <algorithm>
#include <csetjmp>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <map>
#include <new>

#include "tests/cuda_emulator/call.h"

namespace espalier::cuda_emulator {
namespace {

constexpr size_t kPage = 4096;
constexpr size_t kGuard = 1 << 20;  // addresses only
constexpr size_t kAlignment = 256;

struct Allocation {
  std::byte* base;  // of the mapping: a guard, the pages, a guard
  size_t mapped;
  std::byte* begin;
  size_t bytes;

  std::byte* pages() const { return base + kGuard; }
  std::byte* pages_end() const { return base + mapped - kGuard; }
};

using Allocations = std::map<uintptr_t, Allocation>;  // by base
Allocations device, pinned, freed;
size_t in_use = 0;
size_t capacity = size_t{1} << 30;
bool open_to_host = false;
pthread_t device_thread;
jmp_buf* return_point = nullptr;
const void* stray_address = nullptr;
void (*stray_handler)(const void*) = nullptr;
struct sigaction previous_segv, previous_bus;

size_t round_up(size_t value, size_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

void protect(const Allocation& allocation, int protection) {
  ::mprotect(allocation.pages(), allocation.mapped - 2 * kGuard, protection);
}

// Around an allocation: a signalling NaN, which arithmetic, too, does not leave as it is.
std::byte fence(const std::byte* at) {
  return reinterpret_cast<uintptr_t>(at) % 4 == 3 ? std::byte{0x7F} : std::byte{0xA5};
}

void put_fence(std::byte* first, std::byte* last) {
  for (; first != last; ++first) *first = fence(first);
}

bool fenced(const std::byte* first, const std::byte* last) {
  for (; first != last; ++first)
    if (*first != fence(first)) return false;
  return true;
}

Allocation map(size_t bytes) {
  const size_t pages = round_up(std::max<size_t>(bytes, 1), kPage);
  Allocation result{nullptr, pages + 2 * kGuard, nullptr, bytes};
  void* base = ::mmap(nullptr, result.mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) throw std::bad_alloc();
  result.base = static_cast<std::byte*>(base);
  protect(result, PROT_READ | PROT_WRITE);
  result.begin = result.pages_end() - round_up(bytes, kAlignment);
  std::memset(result.begin, kFill, bytes);
  put_fence(result.pages(), result.begin);
  put_fence(result.begin + bytes, result.pages_end());
  return result;
}

void unmap(Allocations& allocations) {
  for (const auto& [base, allocation] : allocations) ::munmap(allocation.base, allocation.mapped);
  allocations.clear();
}

// The allocation whose mapping, guards included, holds the pointer.
const Allocation* find(const Allocations& allocations, const void* pointer) {
  const auto address = reinterpret_cast<uintptr_t>(pointer);
  auto next = allocations.upper_bound(address);
  if (next == allocations.begin()) return nullptr;
  const Allocation& candidate = std::prev(next)->second;
  return address < std::prev(next)->first + candidate.mapped ? &candidate : nullptr;
}

// Reports what was written around the allocation, once.
void check_fences(const Allocation& allocation) {
  const auto check = [&](std::byte* first, std::byte* last, const char* side) {
    if (fenced(first, last)) return;
    report_fault(
        fmt::format("[memory] something wrote {} an allocation of {} bytes", side, allocation.bytes));
    put_fence(first, last);
  };
  check(allocation.pages(), allocation.begin, "before");
  check(allocation.begin + allocation.bytes, allocation.pages_end(), "past");
}

void on_signal(int signal, siginfo_t* info, void*) {
  if (!::pthread_equal(::pthread_self(), device_thread)) {  // a host thread's own fault
    ::signal(signal, SIG_DFL);
    return;
  }
  if (stray_handler) stray_handler(info->si_addr);
  stray_address = info->si_addr;
  std::longjmp(*return_point, 1);
}

Allocations::iterator owned(Allocations& allocations, void* pointer, const char* what) {
  const Allocation* found = find(allocations, pointer);
  require(found && found->begin == pointer, cudaErrorInvalidValue,
          "{} is no live allocation of {} memory: {}", pointer, what, describe_address(pointer));
  return allocations.find(reinterpret_cast<uintptr_t>(found->base));
}

}  // namespace

void* allocate_device(size_t bytes) {
  if (bytes > capacity || in_use > capacity - bytes) throw Refusal{cudaErrorMemoryAllocation};
  const Allocation allocation = map(bytes);
  if (!open_to_host) protect(allocation, PROT_NONE);
  device.emplace(reinterpret_cast<uintptr_t>(allocation.base), allocation);
  in_use += bytes;
  return allocation.begin;
}

void free_device(void* pointer) {
  const auto found = owned(device, pointer, "device");
  const Allocation allocation = found->second;
  // Gives the pages back and keeps their addresses from being used again.
  ::mmap(allocation.base, allocation.mapped, PROT_NONE,
         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
  freed.insert(*found);
  device.erase(found);
  in_use -= allocation.bytes;
}

void* allocate_pinned(size_t bytes) {
  const Allocation allocation = map(bytes);
  pinned.emplace(reinterpret_cast<uintptr_t>(allocation.base), allocation);
  return allocation.begin;
}

void free_pinned(void* pointer) {
  const auto found = owned(pinned, pointer, "page-locked");
  check_fences(found->second);
  ::munmap(found->second.base, found->second.mapped);
  pinned.erase(found);
}

Space space_of(const void* pointer) {
  if (find(device, pointer)) return Space::device;
  if (find(pinned, pointer)) return Space::pinned;
  if (find(freed, pointer)) return Space::freed;
  return Space::host;
}

void require_device(const void* pointer, size_t bytes, int status, const std::string& what,
                    size_t alignment) {
  const Allocation* found = find(device, pointer);
  require(found != nullptr, status, "{} is {}, not device memory", what, describe_address(pointer));
  const auto* first = static_cast<const std::byte*>(pointer);
  require(first >= found->begin && first <= found->begin + found->bytes &&
              bytes <= static_cast<size_t>(found->begin + found->bytes - first),
          status, "{} needs {} bytes from {}", what, bytes, describe_address(pointer));
  require(reinterpret_cast<uintptr_t>(pointer) % alignment == 0, status, "{} ({}) is not aligned to {} bytes",
          what, pointer, alignment);
}

std::string describe_address(const void* pointer) {
  if (!pointer) return "a null pointer";
  for (const auto& [allocations, name] :
       {std::pair{&device, "device"}, std::pair{&pinned, "page-locked"}, std::pair{&freed, "freed"}})
    if (const Allocation* found = find(*allocations, pointer))
      return fmt::format("byte {} of {} bytes of {} memory",
                         static_cast<const std::byte*>(pointer) - found->begin, found->bytes, name);
  return fmt::format("host memory ({})", pointer);
}

DeviceAccess::DeviceAccess() {
  for (const auto& [base, allocation] : device) protect(allocation, PROT_READ | PROT_WRITE);
  open_to_host = true;
  device_thread = ::pthread_self();
  struct sigaction action = {};
  action.sa_sigaction = on_signal;
  action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
  ::sigaction(SIGSEGV, &action, &previous_segv);
  ::sigaction(SIGBUS, &action, &previous_bus);
}

DeviceAccess::~DeviceAccess() {
  ::sigaction(SIGSEGV, &previous_segv, nullptr);
  ::sigaction(SIGBUS, &previous_bus, nullptr);
  for (const auto& [base, allocation] : device) {
    check_fences(allocation);
    protect(allocation, PROT_NONE);
  }
  open_to_host = false;
}

void run_guarded(const std::function<void()>& work) {
  jmp_buf here;
  return_point = &here;
  if (_setjmp(here) != 0) throw Misuse(cudaErrorIllegalAddress, "touched " + describe_address(stray_address));
  work();
}

void on_stray_access(void (*handler)(const void*)) {
  stray_handler = handler;
}

size_t device_allocations() {
  return device.size();
}
size_t device_bytes() {
  return in_use;
}
size_t pinned_allocations() {
  return pinned.size();
}
size_t device_capacity() {
  return capacity;
}
void set_device_capacity(size_t bytes) {
  capacity = bytes;
}

void forget_memory() {
  unmap(device);
  unmap(pinned);
  unmap(freed);
  in_use = 0;
}

}  // namespace espalier::cuda_emulator
