#include <cmath>

#include "pruning/criterion.h"

namespace espalier::pruning {
namespace {

// |w| (Han et al., NIPS 2015).
class Magnitude final : public Criterion {
 public:
  std::vector<float> scores(const Parameter& weight) const override {
    std::vector<float> values = weight.variable.value().to_vector<float>();
    for (float& value : values) value = std::abs(value);
    return values;
  }
};

}  // namespace

std::unique_ptr<Criterion> make_magnitude(uint64_t) {
  return std::make_unique<Magnitude>();
}

}  // namespace espalier::pruning
