#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "core/parameter.h"

namespace espalier::pruning {

// Scores the weights of one parameter: the lowest go first. Returns one finite score per weight, in its
// order.
class Criterion {
 public:
  virtual ~Criterion() = default;
  virtual std::vector<float> scores(const Parameter& weight) const = 0;
};

struct CriterionRow {
  std::string_view name;
  std::string_view description;
  std::unique_ptr<Criterion> (*make)(uint64_t seed);
};
std::span<const CriterionRow> criteria();
// Throws Error, listing the names, for an unknown one.
std::unique_ptr<Criterion> make_criterion(std::string_view name, uint64_t seed);

std::unique_ptr<Criterion> make_magnitude(uint64_t seed);
std::unique_ptr<Criterion> make_random(uint64_t seed);

}  // namespace espalier::pruning
