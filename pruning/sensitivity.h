#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "datasets/dataset.h"
#include "pruning/channel_criterion.h"

namespace espalier::pruning {

// What a network loses when one group of channels alone is pruned and nothing is trained (Li et al., ICLR
// 2017, section 3.2).
struct GroupSensitivity {
  std::string group;
  int channels = 0;
  std::vector<double> accuracies;  // by share that goes
};
struct Sensitivity {
  int64_t images = 0;   // that accuracies are those on
  double accuracy = 0;  // of the whole network
  std::vector<double> shares;
  std::vector<GroupSensitivity> groups;  // those that can be pruned, in the order of the graph
};

// Of each group round(share · channels) channels go, the lowest scores first, as many of them as can.
// `at_group` hears each group's name before its turn. Throws Error for a score that is not finite.
Sensitivity measure_sensitivity(layers::Network& network, const ChannelCriterion& criterion,
                                const Samples& samples,
                                const std::shared_ptr<const datasets::Dataset>& images,
                                const std::vector<double>& shares, Device device,
                                const std::function<void(const std::string&)>& at_group);

// The largest measured share up to which no share costs more than `loss` of the whole network's accuracy; 0
// where the first does.
double suggested_share(const Sensitivity& sensitivity, const GroupSensitivity& group, double loss);

}  // namespace espalier::pruning
