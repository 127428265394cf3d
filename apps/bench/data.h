#pragma once

#include "apps/bench/measure.h"
#include "datasets/dataset.h"

namespace espalier::apps {

struct DataBenchOptions : BenchOptions {
  std::filesystem::path images;  // <class>/*.jpg
};

// Training images per second that one thread prepares, beside torchvision's when the interpreter has it, the
// two alternating:
//   image files: decoded, a random part resized to 224 x 224, flipped, normalised
//   CIFAR: 32 x 32 in memory, padded by 4 and cropped, flipped, normalised
// Returns the table.
std::string bench_data(const DataBenchOptions& options);

// `count` random images of CIFAR's shape, augmented as CIFAR is.
std::shared_ptr<const datasets::Dataset> augmented_cifar(int64_t count);

}  // namespace espalier::apps
