#pragma once

#include <cstdint>
#include <memory>

#include "core/tensor.h"
#include "datasets/dataset.h"

namespace espalier::datasets {

struct Batch {
  Tensor images;  // float32 (N, H, W, C)
  Tensor labels;  // int32 (N)
  // With mixup, image i is lambda of one labelled labels[i] and 1 - lambda of one labelled other_labels[i],
  // and the loss is to be mixed alike.
  Tensor other_labels;  // int32 (N): the labels reversed; undefined without mixup
  float lambda = 1;
};

struct LoaderOptions {
  int64_t batch_size = 64;
  bool shuffle = false;    // a fresh permutation per epoch, from (seed, epoch) alone
  bool drop_last = false;  // leave out the last batch when it is short
  double mixup = 0;        // > 0: alpha of mixup's Beta(alpha, alpha), a draw for each (seed, epoch, batch)
  uint64_t seed = 1;
  int prefetch = 4;  // batches prepared ahead by the workers; 0 prepares in next()
  int workers = 2;   // threads that read, decode and augment; their number changes no batch
  Device device = Device::cpu;
};

// Batches of a data set, prepared ahead of their use. Their order and images depend on (seed, epoch) alone.
class Loader {
 public:
  Loader(std::shared_ptr<const Dataset> dataset, LoaderOptions options);
  ~Loader();

  int64_t batches_per_epoch() const;
  // Starts epoch `epoch` (from 0) at batch `first_batch`, dropping whatever was under way.
  void start(int64_t epoch, int64_t first_batch = 0);
  // The next batch of the epoch, or false at its end. An exception of the data set is rethrown here.
  bool next(Batch& batch);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace espalier::datasets
