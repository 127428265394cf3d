#pragma once

#include <filesystem>
#include <string>

namespace espalier::apps {

struct DataBenchOptions {
  std::filesystem::path images;  // <class>/*.jpg
  int repeats = 5;
  double seconds = 2;
  std::string python = "/usr/bin/python3";  // Debian puts python3-torchvision there
  std::filesystem::path output;
};

// Training images per second that one thread prepares, beside torchvision's when the interpreter has it, the
// two alternating as in bench():
//   image files: decoded, a random part resized to 224 x 224, flipped, normalised
//   CIFAR: 32 x 32 in memory, padded by 4 and cropped, flipped, normalised
// Returns the table.
std::string bench_data(const DataBenchOptions& options);

}  // namespace espalier::apps
