#pragma once

#include <string>

namespace espalier::cpu {

// The vector kernels use the widest instruction set that the processor has and that they are compiled for,
// or, where the environment's ESPALIER_CPU names one ("AVX2", "SSE4", as Highway calls them), none that is
// wider: for tests, and to compare. Throws Error, listing those there are, for another name. Before the first
// kernel.
void choose_instruction_set();

// The name of the one in use.
std::string instruction_set();

}  // namespace espalier::cpu
