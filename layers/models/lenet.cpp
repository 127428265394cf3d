#include "layers/models/lenet.h"

namespace espalier::layers {

Network lenet_300_100(const Shape& image, int classes) {
  Network network("lenet_300_100", image);
  network.add("flatten", "flatten");
  network.add("linear", "fc1", {{"features", 300}});
  network.add("relu", "relu1");
  network.add("linear", "fc2", {{"features", 100}});
  network.add("relu", "relu2");
  network.add("linear", "fc3", {{"features", classes}});
  return network;
}

Network lenet5(const Shape& image, int classes) {
  Network network("lenet5", image);
  network.add("conv2d", "conv1", {{"channels", 20}, {"kernel", 5}});
  network.add("max_pool2d", "pool1", {{"kernel", 2}});
  network.add("conv2d", "conv2", {{"channels", 50}, {"kernel", 5}});
  network.add("max_pool2d", "pool2", {{"kernel", 2}});
  network.add("flatten", "flatten");
  network.add("linear", "fc1", {{"features", 500}});
  network.add("relu", "relu");
  network.add("linear", "fc2", {{"features", classes}});
  return network;
}

}  // namespace espalier::layers
