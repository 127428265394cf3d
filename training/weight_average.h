#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/parameter.h"
#include "layers/network.h"

namespace espalier {

// An exponential moving average of what training moves: after step t (from 1) every parameter and running
// statistic s becomes d s + (1 - d) w, d = min(decay, (1 + t) / (10 + t)), so that the first steps are soon
// forgotten. Averages of weights that a mask holds at zero are zero.
class WeightAverage {
 public:
  // Begins at the current values. `parameters` share their Variables with the network or, for shared weights,
  // stand in their place.
  WeightAverage(std::vector<Parameter> parameters, layers::Network& network, double decay);

  void update(int64_t step);
  // Exchanges the averages with what they average. Calling it again restores both.
  void swap();
  void apply_masks(const std::map<std::string, Tensor>& masks);

  // The averages by name, for checkpoints.
  std::map<std::string, Tensor> state() const;
  // Throws Error for one that is missing or misshapen.
  void load_state(const std::map<std::string, Tensor>& state);

 private:
  struct Average {
    std::string name;
    Tensor* current;
    Tensor average;
  };
  double decay_;
  std::vector<Parameter> parameters_;  // they keep `current` alive
  std::vector<Average> averages_;
};

}  // namespace espalier
