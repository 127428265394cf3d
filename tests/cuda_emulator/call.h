#pragma once

#include <fmt/core.h>

#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>

#include "tests/cuda_emulator/fault_plan.h"

// What every emulated function has in common: one at a time, the fault plan, and errors.
namespace espalier::cuda_emulator {

// The caller's mistake: reported (see take_faults()) and answered with `status`.
struct Misuse : std::runtime_error {
  Misuse(int code, const std::string& message) : std::runtime_error(message), status(code) {}
  int status;
};

// What a correct caller may meet too: no memory, an algorithm that does not fit. Not reported.
struct Refusal {
  int status;
};

template <typename... Args>
void require(bool condition, int status, fmt::format_string<Args...> message, Args&&... args) {
  if (!condition) throw Misuse(status, fmt::format(message, std::forward<Args>(args)...));
}

// Held by every emulated function and by everything that touches the emulator's state.
std::recursive_mutex& mutex();
// Adds to what take_faults() gives.
void report_fault(const std::string& message);

template <typename Status, typename Body>
Status call(const char* function, Status unspecific, Body&& body) {
  const std::lock_guard lock(mutex());
  try {
    if (const auto status = planned_failure(function, unspecific)) return static_cast<Status>(*status);
    std::forward<Body>(body)();
    return Status{};
  } catch (const Misuse& misuse) {
    report_fault(fmt::format("[{}] {}", function, misuse.what()));
    return static_cast<Status>(misuse.status);
  } catch (const Refusal& refusal) {
    return static_cast<Status>(refusal.status);
  }
}

}  // namespace espalier::cuda_emulator
