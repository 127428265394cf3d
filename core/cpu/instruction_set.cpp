#include "core/cpu/instruction_set.h"

#include <cstdlib>
#include <vector>

#include "core/error.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/cpu/instruction_set.cpp"
#include "core/cpu/simd.h"

HWY_BEFORE_NAMESPACE();
namespace espalier::cpu::HWY_NAMESPACE {

// The one that a kernel is compiled for when it is chosen.
int64_t target() {
  return HWY_TARGET;
}

}  // namespace espalier::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace espalier::cpu {

HWY_EXPORT(target);

void choose_instruction_set() {
  const char* wanted = std::getenv("ESPALIER_CPU");
  if (wanted == nullptr || *wanted == '\0') return;
  std::vector<std::string> names;
  // Highway numbers wider sets lower.
  for (int64_t left = hwy::SupportedTargets() & HWY_TARGETS; left != 0; left &= left - 1) {
    const int64_t widest = left & -left;
    names.emplace_back(hwy::TargetName(widest));
    if (names.back() != wanted) continue;
    hwy::DisableTargets(widest - 1);
    return;
  }
  fail("[cpu] ESPALIER_CPU={}: no such instruction set in this processor and build; there are {}", wanted,
       fmt::join(names, ", "));
}

std::string instruction_set() {
  return hwy::TargetName(HWY_DYNAMIC_DISPATCH(target)());
}

}  // namespace espalier::cpu
#endif
