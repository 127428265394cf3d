#pragma once

#include "core/tensor.h"

namespace espalier {

// Weights that share values (Han et al., ICLR 2016, section 3): weight i is centroids[codes[i]], or zero
// where codes[i] is -1.
struct Codebook {
  Tensor centroids;  // float32 (k), ascending when fresh from k-means
  Tensor codes;      // int32, the shape of the weight
};

}  // namespace espalier
