#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "core/backend.h"
#include "core/parameter.h"
#include "datasets/loader.h"

namespace espalier {

// The forward and backward pass of a training step, recorded and replayed where the device can: on one that
// computes faster than the host asks, a small network's step is mostly asking. Same bits as without.
class PassRecorder {
 public:
  struct Result {
    Tensor loss, correct;  // of one element; overwritten by the next run()
  };
  // Computes both for a batch, and adds the gradient of loss times factor to the parameters.
  using Pass = std::function<Result(const datasets::Batch& batch, double factor)>;

  // Asked for a batch of the same size and with the same factor as the last one, `pass` must ask the device
  // for the same work: nothing may be drawn anew on the host. `parameters` are those that get gradients.
  PassRecorder(Device device, Pass pass, std::vector<Parameter> parameters);

  // A pass over the batch: with other tensors than before, or another factor, or after forget(), by calling
  // `pass`; the second time it is recorded, and replayed from then on. REQUIRES: no parameter has a gradient.
  Result run(const datasets::Batch& batch, double factor);
  // Gives the recording's memory back.
  void forget();

 private:
  // What a recording was made for: it reads and writes these very tensors.
  struct Made {
    Shape images;
    double factor;
    std::vector<Tensor> weights;
  };
  bool is_made_for(const datasets::Batch& batch, double factor) const;
  void record();

  Backend& backend_;
  Pass pass_;
  std::vector<Parameter> parameters_;
  std::optional<Made> made_;  // by the last run()
  datasets::Batch batch_;     // the recording's
  std::unique_ptr<Recording> recording_;
  Result result_;
  std::vector<std::pair<Variable, Tensor>> gradients_;
};

}  // namespace espalier
