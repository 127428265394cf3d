#pragma once

#include "layers/models/blocks.h"

namespace espalier::layers {

// Two hidden layers of 300 and 100 units with ReLU: 266,610 parameters on 28x28x1 and ten classes.
Network lenet_300_100(const ModelOptions& options);
// The LeNet-5 of Caffe, which Han et al. (NIPS 2015, ICLR 2016) prune: conv 20@5x5, max pool 2, conv 50@5x5,
// max pool 2, fully connected 500 with ReLU, then the classes: 431,080 parameters on 28x28x1 and ten classes.
Network lenet5(const ModelOptions& options);

}  // namespace espalier::layers
