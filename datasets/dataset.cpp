#include "datasets/dataset.h"

#include <utility>

#include "core/error.h"

namespace espalier::datasets {
namespace {

class Subset final : public Dataset {
 public:
  Subset(std::shared_ptr<const Dataset> whole, std::vector<int64_t> indices)
      : whole_(std::move(whole)), indices_(std::move(indices)) {}

  int64_t size() const override { return static_cast<int64_t>(indices_.size()); }
  Shape image_shape() const override { return whole_->image_shape(); }
  int classes() const override { return whole_->classes(); }
  int32_t get(int64_t index, std::span<float> image) const override {
    return whole_->get(indices_[static_cast<size_t>(index)], image);
  }
  int32_t sample(int64_t index, int64_t epoch, std::span<float> image) const override {
    return whole_->sample(indices_[static_cast<size_t>(index)], epoch, image);
  }
  int32_t get_view(int64_t index, const ChooseView& choose, std::span<float> image) const override {
    return whole_->get_view(indices_[static_cast<size_t>(index)], choose, image);
  }

 private:
  std::shared_ptr<const Dataset> whole_;
  std::vector<int64_t> indices_;
};

}  // namespace

int32_t Dataset::get_view(int64_t index, const ChooseView& choose, std::span<float> image) const {
  std::vector<float> whole(image.size());
  const int32_t label = get(index, whole);
  resample(whole, image_shape(), choose(image_shape()), image);
  return label;
}

std::shared_ptr<const Dataset> subset(std::shared_ptr<const Dataset> whole, std::vector<int64_t> indices) {
  for (int64_t index : indices)
    check(index >= 0 && index < whole->size(), "[subset] image {} of a data set of {}", index, whole->size());
  return std::make_shared<Subset>(std::move(whole), std::move(indices));
}

}  // namespace espalier::datasets
