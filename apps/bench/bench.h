#pragma once

#include <filesystem>
#include <string>

#include "core/dtype.h"

namespace espalier::apps {

struct BenchOptions {
  int repeats = 5;
  double seconds = 2;
  int64_t batch_size = 64;
  std::string python = "/usr/bin/python3";  // Debian puts python3-torch there
  std::filesystem::path output;
  Device device = Device::cpu;
};

// Training images per second of each network on random images, beside PyTorch's when the interpreter has it:
// the two alternate, each `repeats` times for `seconds`, and the medians and their ratio are shown. A
// training step is forward, cross-entropy, backward and SGD with momentum, on a batch that is in memory
// already. Returns the table.
std::string bench(const BenchOptions& options);

}  // namespace espalier::apps
