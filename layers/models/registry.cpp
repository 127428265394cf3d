#include "core/error.h"
#include "layers/models.h"
#include "layers/models/lenet.h"

namespace espalier::layers {

std::span<const ModelRow> models() {
  static constexpr ModelRow kModels[] = {
      {"lenet_300_100", "LeNet-300-100: fully connected 300-100 (LeCun et al. 1998)", lenet_300_100},
      {"lenet5", "LeNet-5 as in Caffe: 20 and 50 filters of 5x5, fully connected 500", lenet5},
  };
  return kModels;
}

Network make_model(std::string_view name, const Shape& image, int classes) {
  std::vector<std::string_view> names;
  for (const ModelRow& row : models()) {
    if (row.name == name) return row.make(image, classes);
    names.push_back(row.name);
  }
  fail("[model] unknown name '{}'; the models are {}", name, fmt::join(names, ", "));
}

}  // namespace espalier::layers
