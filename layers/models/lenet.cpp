#include "layers/models/lenet.h"

namespace espalier::layers {

Network lenet_300_100(const ModelOptions& options) {
  Network network("lenet_300_100", options.image);
  network.add("flatten", "flatten");
  network.add("linear", "fc1", {{"features", scaled(300, options.width)}});
  network.add("relu", "relu1");
  network.add("linear", "fc2", {{"features", scaled(100, options.width)}});
  network.add("relu", "relu2");
  network.add("linear", "fc3", {{"features", options.classes}});
  return network;
}

Network lenet5(const ModelOptions& options) {
  Network network("lenet5", options.image);
  network.add("conv2d", "conv1", {{"channels", scaled(20, options.width)}, {"kernel", 5}});
  network.add("max_pool2d", "pool1", {{"kernel", 2}});
  network.add("conv2d", "conv2", {{"channels", scaled(50, options.width)}, {"kernel", 5}});
  network.add("max_pool2d", "pool2", {{"kernel", 2}});
  network.add("flatten", "flatten");
  network.add("linear", "fc1", {{"features", scaled(500, options.width)}});
  network.add("relu", "relu");
  network.add("linear", "fc2", {{"features", options.classes}});
  return network;
}

}  // namespace espalier::layers
