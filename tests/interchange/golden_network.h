#pragma once

#include "layers/network.h"
#include "tests/support/golden.h"

namespace espalier::test {

// The network that tests/golden/make_interchange.py saved, without weights.
inline layers::Network golden_network() {
  layers::Network network("golden", {6, 6, 2});
  network.add("conv2d", "conv1", {{"channels", 3}, {"kernel", 3}, {"bias", false}});
  network.add("batch_norm", "bn1");
  network.add("relu", "relu");
  network.add("flatten", "flatten");
  network.add("linear", "fc", {{"features", 4}});
  return network;
}

inline std::string golden_path(const std::string& name) {
  return std::string(ESPALIER_SOURCE_DIR "/tests/golden/") + name;
}

}  // namespace espalier::test
