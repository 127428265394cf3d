#include "core/random.h"

#include "pruning/criterion.h"

namespace espalier::pruning {
namespace {

// A uniform draw per weight, the same whenever it is asked: the control that a criterion has to beat.
class Random final : public Criterion {
 public:
  explicit Random(uint64_t seed) : seed_(seed) {}
  std::vector<float> scores(const Parameter& weight) const override {
    return RandomStream(seed_, "criterion/" + weight.name).uniform(weight.shape, 0, 1).to_vector<float>();
  }

 private:
  uint64_t seed_;
};

}  // namespace

std::unique_ptr<Criterion> make_random(uint64_t seed) {
  return std::make_unique<Random>(seed);
}

}  // namespace espalier::pruning
