#include "core/error.h"
#include "pruning/criterion.h"

namespace espalier::pruning {

std::span<const CriterionRow> criteria() {
  static constexpr CriterionRow kCriteria[] = {
      {"magnitude", "absolute value of the weight (Han et al., NIPS 2015)", make_magnitude},
      {"random", "a random order, as a control", make_random},
  };
  return kCriteria;
}

std::unique_ptr<Criterion> make_criterion(std::string_view name, uint64_t seed) {
  std::vector<std::string_view> names;
  for (const CriterionRow& row : criteria()) {
    if (row.name == name) return row.make(seed);
    names.push_back(row.name);
  }
  fail("[prune] unknown criterion '{}'; the criteria are {}", name, fmt::join(names, ", "));
}

}  // namespace espalier::pruning
