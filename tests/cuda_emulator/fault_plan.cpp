#include "tests/cuda_emulator/fault_plan.h"

#include <driver_types.h>

#include <map>
#include <string_view>

#include "tests/cuda_emulator/call.h"

namespace espalier::cuda_emulator {
namespace {

struct Planned {
  uint64_t call;  // by the function's own count
  int status;
};

std::multimap<std::string, Planned, std::less<>> plan;
std::map<std::string, uint64_t, std::less<>> counts;
uint64_t total = 0;
uint64_t failing_total = 0;  // 0: none

bool counted(std::string_view function) {
  for (const char* word : {"Destroy", "Free", "Error", "Version"})
    if (function.find(word) != std::string_view::npos) return false;
  return true;
}

}  // namespace

void fail_call(const std::string& function, int nth, int status) {
  const std::lock_guard lock(mutex());
  plan.insert({function, {counts[function] + static_cast<uint64_t>(nth), status}});
}

void fail_any_call(int nth) {
  const std::lock_guard lock(mutex());
  failing_total = total + static_cast<uint64_t>(nth);
}

void fail_allocation(int nth) {
  fail_call("cudaMalloc", nth, cudaErrorMemoryAllocation);
}

void clear_fault_plan() {
  const std::lock_guard lock(mutex());
  plan.clear();
  failing_total = 0;
}

uint64_t call_count(const std::string& function) {
  const std::lock_guard lock(mutex());
  return counts[function];
}

uint64_t call_count() {
  const std::lock_guard lock(mutex());
  return total;
}

std::optional<int> planned_failure(const char* function, int unspecific) {
  const uint64_t call = ++counts[function];
  const bool any = counted(function) && ++total == failing_total;
  const auto [first, last] = plan.equal_range(std::string_view(function));
  for (auto row = first; row != last; ++row)
    if (row->second.call == call) return row->second.status;
  if (any) return unspecific;
  return std::nullopt;
}

void forget_calls() {
  clear_fault_plan();
  counts.clear();
  total = 0;
}

}  // namespace espalier::cuda_emulator
