#include "pruning/samples.h"

#include <algorithm>

#include "core/random.h"

namespace espalier::pruning {

Samples draw_samples(std::shared_ptr<const datasets::Dataset> data, int64_t count, uint64_t seed,
                     Device device) {
  constexpr int64_t kBatch = 64;
  std::vector<int64_t> indices = RandomStream(seed, "samples").permutation(data->size());
  indices.resize(static_cast<size_t>(std::min(count, data->size())));
  const Shape image = data->image_shape();
  const auto pixels = static_cast<size_t>(image.numel());
  Samples result;
  for (size_t first = 0; first < indices.size(); first += kBatch) {
    const int64_t images = std::min<int64_t>(kBatch, std::ssize(indices) - static_cast<int64_t>(first));
    Tensor batch({images, image[0], image[1], image[2]}, DType::float32);
    std::vector<int32_t> labels;
    for (size_t i = 0; i < static_cast<size_t>(images); ++i)
      labels.push_back(data->get(indices[first + i], batch.host<float>().subspan(i * pixels, pixels)));
    datasets::Batch drawn;
    drawn.images = batch.to(device);
    drawn.labels = Tensor::from(labels, {images}, device);
    result.push_back(std::move(drawn));
  }
  return result;
}

}  // namespace espalier::pruning
