#pragma once

#include <algorithm>
#include <cstdint>

// Compiles a function of plain loops for several vector widths; the loader picks one. Lambdas and OpenMP
// bodies do not inherit it, hence the free functions over pointers. The sanitizers cannot run the loader's
// choice.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define ESPALIER_VECTORISED __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define ESPALIER_VECTORISED
#endif

namespace espalier::cpu {

// The elements that one thread handles at a time: a few tens of microseconds, within L2.
inline constexpr int64_t kChunk = 16384;

inline int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

// body(index, begin, end) for every chunk of [0, count), in parallel when there are more than `serial` of
// them. Chunks do not depend on the number of threads. REQUIRES: body does not throw.
template <typename Body>
void for_each_chunk(int64_t count, int64_t chunk, Body body, int64_t serial = 2) {
  const int64_t chunks = ceil_div(count, chunk);
  const auto run = [&](int64_t i) { body(i, i * chunk, std::min(count, (i + 1) * chunk)); };
  if (chunks <= serial) {
    for (int64_t i = 0; i < chunks; ++i) run(i);
    return;
  }
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < chunks; ++i) run(i);
}

}  // namespace espalier::cpu
