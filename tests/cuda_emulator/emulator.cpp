#include "tests/cuda_emulator/emulator.h"

#include "tests/cuda_emulator/block.h"
#include "tests/cuda_emulator/call.h"
#include "tests/cuda_emulator/cublas.h"
#include "tests/cuda_emulator/cudnn.h"
#include "tests/cuda_emulator/memory.h"
#include "tests/cuda_emulator/runtime.h"
#include "tests/cuda_emulator/stream.h"

namespace espalier::cuda_emulator {
namespace {

std::vector<std::string> faults;
bool streams_late = true;

void append(std::string& text, size_t count, const char* one) {
  if (count == 0) return;
  if (!text.empty()) text += ", ";
  text += fmt::format("{} {}{}", count, one, count == 1 ? "" : "s");
}

}  // namespace

std::recursive_mutex& mutex() {
  static std::recursive_mutex instance;
  return instance;
}

void report_fault(const std::string& message) {
  const std::lock_guard lock(mutex());
  faults.push_back(message);
}

std::vector<std::string> take_faults() {
  const std::lock_guard lock(mutex());
  return std::exchange(faults, {});
}

void reset(const Options& options) {
  const std::lock_guard lock(mutex());
  forget_streams();
  forget_graphs();
  forget_cublas();
  forget_cudnn();
  forget_memory();
  forget_calls();
  forget_errors();
  forget_launches();
  faults.clear();
  streams_late = options.late;
  set_seed(options.seed);
  set_capacity(options.capacity);
  set_compute_capability(options.compute_capability);
}

void set_seed(uint64_t seed) {
  const std::lock_guard lock(mutex());
  seed_kernels(seed);
  seed_streams(seed, streams_late);
}

void set_capacity(size_t bytes) {
  const std::lock_guard lock(mutex());
  set_device_capacity(bytes);
}

Live live() {
  const std::lock_guard lock(mutex());
  return {.allocations = device_allocations(),
          .bytes = device_bytes(),
          .pinned = pinned_allocations(),
          .streams = live_streams(),
          .events = live_events(),
          .graphs = live_graphs(),
          .handles = live_cublas_handles() + live_cudnn_handles(),
          .descriptors = live_cudnn_descriptors()};
}

std::string to_string(const Live& live) {
  std::string text;
  append(text, live.allocations, "allocation");
  if (live.allocations > 0) text += fmt::format(" ({} bytes)", live.bytes);
  append(text, live.pinned, "page-locked allocation");
  append(text, live.streams, "stream");
  append(text, live.events, "event");
  append(text, live.graphs, "graph");
  append(text, live.handles, "library handle");
  append(text, live.descriptors, "descriptor");
  return text.empty() ? "nothing" : text;
}

}  // namespace espalier::cuda_emulator
