#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

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

// Arrays laid end to end, the i-th in [ends[i - 1], ends[i]), and cut into chunks of kChunk that run across
// their borders, so that a hundred small ones cost what one large one does: body(chunk, i, begin, end) for
// every part of a chunk that lies in one of them, counted from that one's beginning.
template <typename Body>
void for_each_piece(std::span<const int64_t> ends, Body body) {
  for_each_chunk(ends.empty() ? 0 : ends.back(), kChunk, [&](int64_t chunk, int64_t begin, int64_t end) {
    auto i = static_cast<size_t>(std::ranges::upper_bound(ends, begin) - ends.begin());
    for (; begin < end; ++i) {
      const int64_t start = i == 0 ? 0 : ends[i - 1], stop = std::min(end, ends[i]);
      if (begin < stop) body(chunk, i, begin - start, stop - start);
      begin = stop;
    }
  });
}

}  // namespace espalier::cpu
